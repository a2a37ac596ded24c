/**
 * PostgreSQL with LISTEN and NOTIFY, raw: each message is a row, and the
 * notification of the same statement carries it. Who begins with what is kept
 * reads the rows first. One connection listens, one writes.
 *
 * @module
 */

import type { OpenPeer } from "../contestant.ts";
import { openMessages } from "../postgres_table.ts";
import { CHANNELS, channelTo, type Said } from "../workload.ts";

/** Opens a session. */
export const openPeer: OpenPeer = async (seat, hear) => {
  const sql = await openMessages(seat.url);
  const wanted = [...(seat.hearsAll ? CHANNELS : []), channelTo(seat.session)];
  for (const channel of wanted) {
    await sql.listen(channel, (text) => hear(JSON.parse(text)));
  }
  if (seat.from === "start") {
    const kept = await sql`SELECT payload FROM messages
      WHERE channel IN ${sql(wanted)} ORDER BY id`;
    for (const { payload } of kept) hear(JSON.parse(payload));
  }
  const insert = async (channel: string, many: readonly Said[]) => {
    const payloads = many.map((said) => JSON.stringify(said));
    await sql`WITH added AS (
        INSERT INTO messages (channel, payload)
        SELECT ${channel}, payload FROM unnest(${payloads}::text[]) AS payload
        RETURNING payload
      ) SELECT count(pg_notify(${channel}, payload)) FROM added`;
  };
  return {
    say: (channel, said) => insert(channel, [said]),
    sayMany: insert,
    [Symbol.asyncDispose]: () => sql.end(),
  };
};
