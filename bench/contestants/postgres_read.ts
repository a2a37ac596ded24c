/**
 * PostgreSQL without a bus, written by hand: one statement inserts rows and
 * notifies, and a listener reads the rows after its last one.
 *
 * Messages are not in commit order: a reader skips a row that commits late.
 * TTL, sessions and projects are absent. A lost connection can repeat a
 * statement.
 *
 * @module
 */

import type { OpenPeer } from "../contestant.ts";
import { openMessages } from "../postgres_table.ts";
import { CHANNELS, channelTo, type Payload } from "../workload.ts";

const PAGE_MESSAGES = 256;

/** Opens a session. */
export const openPeer: OpenPeer = async (config, receive) => {
  const sql = await openMessages(config.url);
  const wanted = [
    ...(config.receivesAll ? CHANNELS : []),
    channelTo(config.session),
  ];
  const [{ end }] = await sql`SELECT coalesce(max(id), 0) AS end FROM messages`;
  let last = config.from === "start" ? "0" : String(end);
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
        receive(JSON.parse(payload));
      }
      again ||= rows.length === PAGE_MESSAGES;
    }
    reading = false;
  };
  for (const channel of wanted) await sql.listen(channel, () => void read());
  await read();
  const insert = async (channel: string, many: readonly Payload[]) => {
    const payloads = many.map((payload) => JSON.stringify(payload));
    await sql`WITH added AS (
        INSERT INTO messages (channel, payload)
        SELECT ${channel}, payload FROM unnest(${payloads}::text[]) AS payload
      ) SELECT pg_notify(${channel}, '')`;
  };
  return {
    publish: (channel, payload) => insert(channel, [payload]),
    publishMany: insert,
    [Symbol.asyncDispose]: () => sql.end(),
  };
};
