/**
 * Another program keeps the write lock: every write is refused when its time is
 * over, whoever reads goes on, and so does everybody once it lets go.
 */

import assert from "node:assert/strict";
import type { Message } from "../../mod.ts";
import { Home } from "../fixture.ts";
import { assertKept, assertRefused, Worker } from "./faults_scenario.ts";
import { LONG } from "./seed.ts";

// Long: past the renewals of a durable reader's lease, with the usual timeout.
const HELD_MS = LONG ? 30_000 : 0;
const BUSY_TIMEOUT_MS = LONG ? 5_000 : 60;

Deno.test(`SQLite is busy for ${LONG ? "30 s" : "a while"}`, async () => {
  await using home = new Home();
  const options = { pollIntervalMs: 20, busyTimeoutMs: BUSY_TIMEOUT_MS };
  const worker = new Worker(await home.start(options), "worker");
  await worker.read();
  await worker.recover();
  await worker.assertRead();
  const path = home.database;
  const blocker = home.spawn();
  await blocker.call("sql", { path, sql: "BEGIN IMMEDIATE" });
  const letGoAt = performance.now() + HELD_MS;
  do {
    const refusals = await worker.work();
    assertRefused(refusals, "BusyError");
    assert.ok(!refusals.some(({ act }) => act === "poll"));
  } while (performance.now() < letGoAt);
  await blocker.call("sql", { path, sql: "COMMIT" });
  await worker.recover();
  // The reader was not ended by it: it stood all the while.
  await worker.assertRead();
  assert.deepEqual(worker.peer.seen("reader.error"), []);
  await assertKept(home, worker);
});

Deno.test("a process that dies with the write lock holds up nobody", async () => {
  await using home = new Home();
  const worker = new Worker(await home.start(), "worker");
  await worker.recover();
  const path = home.database;
  const blocker = home.spawn();
  await blocker.call("sql", {
    path,
    sql: `BEGIN IMMEDIATE; INSERT INTO inter_session_messages
      (sender_id, channel, payload) VALUES ('x', 'kept', '"never"')`,
  });
  const working = worker.work();
  await blocker.kill();
  assert.deepEqual(await working, []);
  await worker.recover();
  await assertKept(home, worker);
  const kept = await worker.peer.call<Message[]>("poll", {
    channels: ["kept"],
  });
  assert.ok(!kept.some(({ payload }) => payload === "never"));
});
