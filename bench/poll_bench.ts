/**
 * Polling in process against a bare select by cursor with parsed payloads: 0, 1
 * and 100 messages on four channels.
 *
 * @module
 */

import { DatabaseSync } from "node:sqlite";
import { getMessagingDbPath } from "../mod.ts";
import { benchBus, benchFolder } from "./bench_bus.ts";
import { CHANNELS } from "./workload.ts";

const KEPT = 2_000;

const folder = benchFolder();
const bus = await benchBus(folder);
const published = await bus.publishMany(
  Array.from({ length: KEPT }, (_, number) => ({
    channel: CHANNELS[number % CHANNELS.length],
    payload: { status: "working", number },
  })),
);
const db = new DatabaseSync(getMessagingDbPath(folder), { readOnly: true });
const select = db.prepare(
  `SELECT id, sender_id, channel, payload, created_at, expires_at
   FROM inter_session_messages
   WHERE id > ? AND expires_at > ? ORDER BY id LIMIT 100`,
);

for (const count of [0, 1, 100]) {
  const group = `${count} messages`;
  const after = published[KEPT - 1 - count].id;
  Deno.bench("raw select", { group, baseline: true }, () => {
    for (const { payload } of select.all(Number(after), Date.now())) {
      JSON.parse(String(payload));
    }
  });
  Deno.bench("poll, four channels", { group }, async () => {
    await bus.poll(CHANNELS, { after });
  });
  Deno.bench("poll, all channels", { group }, async () => {
    await bus.poll(null, { after });
  });
}
