/**
 * One session of the delivery benchmark, over the same client without a bus:
 * one statement inserts a row and notifies with what it says; run by
 * postgres.ts.
 *
 * What is notified is in the reader's hands at once: there is no row to read,
 * no order, and what comes while nobody listens is lost. That is the floor.
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

const sql = postgres(task.folder, { max: 1, onnotice: () => {} });
await sql`CREATE TABLE IF NOT EXISTS raw_messages (
  id bigserial PRIMARY KEY, sender_id text NOT NULL, channel text NOT NULL,
  payload text NOT NULL, created_at timestamptz DEFAULT now(), expires_at bigint)`
  .catch((error) => {
    // Another session made it at the same moment.
    if (!["23505", "42P07"].includes(error.code)) throw error;
  });
for (const channel of channelsOf(task)) {
  await sql.listen(channel, (payload) => {
    const at = sharedNowMs();
    const { session, number } = JSON.parse(payload) as Said;
    if (session !== task.session) heard.push([session, number, at]);
  });
}
say("standing");
await orders.next();
say("joined");
await orders.next();
const said = await saySomeWhile(task, async (channel, said) => {
  const payload = JSON.stringify(said);
  await sql`WITH m AS (
      INSERT INTO raw_messages(sender_id, channel, payload, expires_at)
      VALUES (${`session-${task.session}`}, ${channel}, ${payload}, ${
    Date.now() + 300_000
  }) RETURNING channel, payload)
    SELECT pg_notify(channel, payload) FROM m`;
  return sharedNowMs();
});
await sql.end({ timeout: 1 });
const account: SessionAccount = { said, heard };
say(account);
