/**
 * PostgreSQL without a bus, as one would write it by hand: one statement inserts
 * rows and notifies, and who listens reads what came after the last row it has.
 *
 * It gives no order of commits (a row that commits late is passed over), knows
 * no TTL, session or project, and is done twice if its connection is cut.
 *
 * @module
 */

import type { OpenPeer } from "../contestant.ts";
import { openMessages } from "../postgres_table.ts";
import { CHANNELS, channelTo, type Said } from "../workload.ts";

const PAGE_MESSAGES = 256;

/** Opens a session. */
export const openPeer: OpenPeer = async (seat, hear) => {
  const sql = await openMessages(seat.url);
  const wanted = [...(seat.hearsAll ? CHANNELS : []), channelTo(seat.session)];
  const [{ end }] = await sql`SELECT coalesce(max(id), 0) AS end FROM messages`;
  let last = seat.from === "start" ? "0" : String(end);
  let [reading, again] = [false, false];
  const read = async (): Promise<void> => {
    again = true;
    if (reading) return;
    reading = true;
    while (again) {
      again = false;
      const rows = await sql`SELECT id, payload FROM messages
        WHERE id > ${last} AND channel IN ${sql(wanted)}
        ORDER BY id LIMIT ${PAGE_MESSAGES}`;
      for (const { id, payload } of rows) {
        last = id;
        hear(JSON.parse(payload));
      }
      again ||= rows.length === PAGE_MESSAGES;
    }
    reading = false;
  };
  for (const channel of wanted) await sql.listen(channel, () => void read());
  await read();
  const insert = async (channel: string, many: readonly Said[]) => {
    const payloads = many.map((said) => JSON.stringify(said));
    await sql`WITH added AS (
        INSERT INTO messages (channel, payload)
        SELECT ${channel}, payload FROM unnest(${payloads}::text[]) AS payload
      ) SELECT pg_notify(${channel}, '')`;
  };
  return {
    say: (channel, said) => insert(channel, [said]),
    sayMany: insert,
    [Symbol.asyncDispose]: () => sql.end(),
  };
};
