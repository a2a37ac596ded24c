/**
 * Another program keeps the write lock: every write is rejected at its timeout,
 * readers continue, and writers continue after its release.
 */

import assert from "node:assert/strict";
import type { Message } from "../../mod.ts";
import { Home } from "../fixture.ts";
import { assertKept, assertRefused, Worker } from "./faults_scenario.ts";
import { LONG } from "./seed.ts";

// The long form outlasts the lease of a durable reader.
const HELD_MS = LONG ? 30_000 : 0;
const BUSY_TIMEOUT_MS = LONG ? 5_000 : 60;

Deno.test("a session rejects writes with BusyError while SQLite is busy, and recovers", async () => {
  await using home = new Home();
  const options = { pollIntervalMs: 20, busyTimeoutMs: BUSY_TIMEOUT_MS };
  const worker = new Worker(await home.start(options), "worker");
  await worker.read();
  await worker.recover();
  await worker.assertRead();
  const path = home.database;
  const blocker = home.spawn();
  await blocker.call("sql", { path, sql: "BEGIN IMMEDIATE" });
  const commitsAt = performance.now() + HELD_MS;
  do {
    const refusals = await worker.work();
    assertRefused(refusals, "BusyError");
    assert.ok(!refusals.some(({ act }) => act === "poll"));
  } while (performance.now() < commitsAt);
  await blocker.call("sql", { path, sql: "COMMIT" });
  await worker.recover();
  // The subscription survives the wait.
  await worker.assertRead();
  assert.deepEqual(worker.peer.seen("reader.error"), []);
  await assertKept(home, worker);
});

Deno.test("sessions go on when a process dies with the write lock", async () => {
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
