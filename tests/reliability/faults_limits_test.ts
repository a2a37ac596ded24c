/**
 * A process that may open no more files, or watch none: sessions that are open
 * go on, new ones are refused or fall back to polling, and all is as before
 * when the limit is lifted. (Watches that cannot be had at all: wake_up_test.)
 */

import assert from "node:assert/strict";
import {
  canLimitWatches,
  hasProgram,
  Home,
  run,
  until,
  WATCH_LIMITS,
  watchesAtMost,
} from "../fixture.ts";
import { type Peer, PeerError } from "../peer.ts";
import { assertKept, assertRefused, Worker } from "./faults_scenario.ts";
import { LONG } from "./seed.ts";

const OPTIONS = { pollIntervalMs: 20, busyTimeoutMs: 500 };
const canLimit = Deno.build.os === "linux" && hasProgram("prlimit");
const unlessLimits = canLimit ? "" : " (ignored: needs prlimit)";
const ENOUGH = 4_096;

/** Sets how many files a process may have open from now on. */
async function limitFiles({ pid }: Peer, count: number): Promise<void> {
  await run("prlimit", ["--pid", String(pid), `--nofile=${count}:${ENOUGH}`]);
}

/** The limit with which a process may open just so many files more. */
function limitThatLeaves(count: number, { pid }: Peer): number {
  const taken = new Set(
    [...Deno.readDirSync(`/proc/${pid}/fd`)].map(({ name }) => Number(name)),
  );
  let limit = 0;
  for (let free = 0; free < count; limit++) if (!taken.has(limit)) free++;
  return limit;
}

Deno.test({
  name:
    `sessions go on in a process that may open no more files${unlessLimits}`,
  ignore: !canLimit,
  async fn() {
    await using home = new Home();
    const worker = new Worker(await home.start(OPTIONS), "worker");
    await worker.read();
    await worker.recover();
    // The runtime ends where it cannot have what it needs for signals.
    await worker.peer.call("awaitSignals");
    await limitFiles(worker.peer, 0);
    // What it has open is all that it needs.
    assert.deepEqual(await worker.work(), []);
    // A watch that is lost cannot be had again: it polls.
    for (const { name } of Deno.readDirSync(`${home.path}/bells`)) {
      Deno.removeSync(`${home.path}/bells/${name}`);
    }
    const mode = () => worker.peer.call("mode", "reader");
    await until("polling", async () => await mode() === "poll");
    assert.deepEqual(await worker.work(), []);
    await worker.assertRead();
    await limitFiles(worker.peer, ENOUGH);
    await until("push", async () => await mode() === "push");
    await worker.recover();
    await worker.assertRead();
    await assertKept(home, worker);
  },
});

for (const isThere of [true, false]) {
  const what = isThere ? "a bus that is there" : "a new bus";
  Deno.test({
    name:
      `${what} is opened with enough descriptors, or refused${unlessLimits}`,
    ignore: !canLimit,
    async fn() {
      let refused = 0;
      for (let left = 0; left <= (LONG ? 24 : 6); left++) {
        await using home = new Home();
        if (isThere) {
          await using first = await home.open();
          await first.publish("kept", "first", { ttlSeconds: 3_600 });
        }
        const peer = home.spawn();
        // As above.
        await peer.call("awaitSignals");
        await limitFiles(peer, limitThatLeaves(left, peer));
        const opening = { home: home.path, project: null, ...OPTIONS };
        try {
          await peer.call("open", opening);
        } catch (error) {
          assert.ok(error instanceof PeerError);
          const { type, message, fields } = error;
          assertRefused(
            [{ act: "open", type, message, fault: fields.fault as string }],
            "descriptors",
          );
          refused++;
          await limitFiles(peer, ENOUGH);
          await peer.call("open", opening);
        }
        // It is never opened with less than it needs, such as for reading only.
        const worker = new Worker(peer, "worker");
        assert.deepEqual(await worker.work(), [], `${left} left`);
        await limitFiles(peer, ENOUGH);
        await worker.recover();
        await assertKept(home, worker);
      }
      assert.ok(refused > 0);
    },
  });
}

Deno.test({
  name: `a watch that is lost where no other is to be had${
    canLimitWatches ? "" : " (ignored: needs unshare and user namespaces)"
  }`,
  ignore: !canLimitWatches,
  async fn() {
    await using home = new Home();
    const peer = await home.start(OPTIONS, {
      prefix: watchesAtMost(100, "instances"),
    });
    const worker = new Worker(peer, "worker");
    await worker.read();
    await worker.recover();
    await peer.call("write", { path: WATCH_LIMITS.instances, text: "0" });
    await peer.call("write", { path: WATCH_LIMITS.files, text: "0" });
    for (const { name } of Deno.readDirSync(`${home.path}/bells`)) {
      Deno.removeSync(`${home.path}/bells/${name}`);
    }
    const mode = () => peer.call("mode", "reader");
    await until("polling", async () => await mode() === "poll");
    assert.deepEqual(await worker.work(), []);
    await worker.assertRead();
    await peer.call("write", { path: WATCH_LIMITS.instances, text: "100" });
    await peer.call("write", { path: WATCH_LIMITS.files, text: "100" });
    await until("push", async () => await mode() === "push");
    await worker.recover();
    await worker.assertRead();
    await assertKept(home, worker);
  },
});
