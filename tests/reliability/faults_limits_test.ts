/**
 * A process at its limit of open files or watches: open sessions continue, new
 * ones are rejected or poll, and all recover when the limit is lifted. (A
 * system without any watches: wake_up_test.)
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

/** Limits the open files of a process. */
async function limitFiles({ pid }: Peer, count: number): Promise<void> {
  await run("prlimit", ["--pid", String(pid), `--nofile=${count}:${ENOUGH}`]);
}

/** Returns the limit with which a process may open `count` more files. */
function limitThatLeaves(count: number, { pid }: Peer): number {
  const taken = new Set(
    [...Deno.readDirSync(`/proc/${pid}/fd`)].map(({ name }) => Number(name)),
  );
  let limit = 0;
  for (let free = 0; free < count; limit++) if (!taken.has(limit)) free++;
  return limit;
}

Deno.test({
  name: `sessions go on in a process at its limit of open files${unlessLimits}`,
  ignore: !canLimit,
  async fn() {
    await using home = new Home();
    const worker = new Worker(await home.start(OPTIONS), "worker");
    await worker.read();
    await worker.recover();
    // Deno aborts if it cannot open the files of its signal handlers.
    await worker.peer.call("awaitSignals");
    await limitFiles(worker.peer, 0);
    // Open sessions need no more files.
    assert.deepEqual(await worker.work(), []);
    // The process cannot replace a lost watch, so it polls.
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
  const what = isThere ? "an existing bus" : "a new bus";
  Deno.test({
    name:
      `openBus() opens ${what} with enough descriptors, else rejects${unlessLimits}`,
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
        // Deno needs these files for signals.
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
        // An opened bus is complete, never read-only for lack of files.
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
  name: `a session polls while it cannot replace a lost watch${
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
