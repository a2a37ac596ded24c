/**
 * PostgreSQL with bare LISTEN and NOTIFY: one statement inserts a message's row
 * and notifies with its payload. A session that starts at the kept messages
 * reads the rows first. One connection listens and one writes.
 *
 * @module
 */

import type { OpenPeer } from "../contestant.ts";
import { openMessages } from "../postgres_table.ts";
import { CHANNELS, channelTo, type Payload } from "../workload.ts";

/** Opens a session. */
export const openPeer: OpenPeer = async (config, receive) => {
  const sql = await openMessages(config.url);
  const wanted = [
    ...(config.receivesAll ? CHANNELS : []),
    channelTo(config.session),
  ];
  for (const channel of wanted) {
    await sql.listen(channel, (text) => receive(JSON.parse(text)));
  }
  if (config.from === "start") {
    const kept = await sql`SELECT payload FROM messages
      WHERE channel IN ${sql(wanted)} ORDER BY id`;
    for (const { payload } of kept) receive(JSON.parse(payload));
  }
  const insert = async (channel: string, many: readonly Payload[]) => {
    const payloads = many.map((payload) => JSON.stringify(payload));
    await sql`WITH added AS (
        INSERT INTO messages (channel, payload)
        SELECT ${channel}, payload FROM unnest(${payloads}::text[]) AS payload
        RETURNING payload
      ) SELECT count(pg_notify(${channel}, payload)) FROM added`;
  };
  return {
    publish: (channel, payload) => insert(channel, [payload]),
    publishMany: insert,
    [Symbol.asyncDispose]: () => sql.end(),
  };
};
