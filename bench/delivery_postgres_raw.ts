/**
 * One session of the delivery benchmark, over the same client without a bus, as
 * one would write it by hand: one statement inserts a row and notifies, and who
 * listens reads what came after the last row it has; run by postgres.ts.
 *
 * It gives no order of commits (a row that commits late is passed over), knows
 * no TTL, session or project, and is done twice if its connection is cut.
 *
 * @module
 */

import postgres from "postgres";
import { argumentOfChild, say, words } from "./children.ts";
import { sharedNowMs } from "./clock.ts";
import {
  channelsOf,
  type Said,
  saySomeWhile,
  type SessionAccount,
  type SessionTask,
} from "./workload.ts";

const task = argumentOfChild<SessionTask>();
const orders = words();
const heard: [number, number, number][] = [];
const channels = channelsOf(task);

const sql = postgres(task.folder, { max: 1, onnotice: () => {} });
await sql`CREATE TABLE IF NOT EXISTS raw_messages (
  id bigserial PRIMARY KEY, sender_id text NOT NULL, channel text NOT NULL,
  payload text NOT NULL, created_at timestamptz DEFAULT now(), expires_at bigint)`
  .catch((error) => {
    // Another session made it at the same moment.
    if (!["23505", "42P07"].includes(error.code)) throw error;
  });
let last = "0";
let [reading, again] = [false, false];
for (const channel of channels) await sql.listen(channel, () => void read());
say("standing");
await orders.next();
say("joined");
await orders.next();
const said = await saySomeWhile(task, async (channel, said) => {
  await sql`WITH m AS (
      INSERT INTO raw_messages(sender_id, channel, payload, expires_at)
      VALUES (${`session-${task.session}`}, ${channel}, ${
    JSON.stringify(said)
  }, ${Date.now() + 300_000}) RETURNING channel)
    SELECT pg_notify(channel, '') FROM m`;
  return sharedNowMs();
});
await sql.end({ timeout: 1 });
const account: SessionAccount = { said, heard };
say(account);

async function read(): Promise<void> {
  again = true;
  if (reading) return;
  reading = true;
  while (again) {
    again = false;
    const rows = await sql`SELECT * FROM raw_messages
      WHERE id > ${last} AND channel = ANY(${channels}) ORDER BY id LIMIT 256`;
    const at = sharedNowMs();
    for (const { id, payload } of rows) {
      last = id;
      const { session, number } = JSON.parse(payload) as Said;
      if (session !== task.session) heard.push([session, number, at]);
    }
  }
  reading = false;
}
