/**
 * Keeping: a message lives until its TTL ends or its channel exceeds the cap. It is
 * never read after that, purged or not.
 *
 * @module
 */

import type { Operations } from "../bus/operations.ts";
import assert from "node:assert/strict";
import type { Purged } from "../model/message.ts";
import type { Cases } from "./case.ts";
import { HOUR_MS, payloadsOf } from "./peer.ts";

const DAY_MS = 24 * HOUR_MS;

// More steps than any case needs.
const STEPS_MAX = 100;

/** Purges until no step is left. */
export async function purgeAll(
  store: Operations,
): Promise<Omit<Purged, "more">> {
  let [expired, overCap, sessions] = [0, 0, 0];
  for (let i = 0; i < STEPS_MAX; i++) {
    const step = await store.purge();
    expired += step.expired;
    overCap += step.overCap;
    sessions += step.sessions;
    if (!step.more) return { expired, overCap, sessions };
  }
  throw new Error(`A purge never ends: ${STEPS_MAX} steps were not enough`);
}

/** Adds the cases. */
export function keeping(cases: Cases): void {
  const timed = cases.needing("movesClock");

  timed.test("a message is read until its TTL ends, and not after", async (scene) => {
    const [ann, bob] = await scene.two();
    await ann.append("short", { ttlSeconds: 60 });
    await ann.append("long", { ttlSeconds: 600 });
    await scene.advance(30_000);
    assert.deepEqual(await bob.read(), ["short", "long"]);
    await scene.advance(60_000);
    assert.deepEqual(await bob.read(), ["long"]);
    await scene.advance(600_000);
    assert.deepEqual(await bob.read(), []);
  });

  timed.test("an expired message does not count as kept", async (scene) => {
    const ann = await scene.peer("ann");
    await ann.append(1, { channel: "b", ttlSeconds: 60 });
    await ann.append(2, { channel: "b", ttlSeconds: 600 });
    await scene.advance(90_000);
    const { messages, channels } = await ann.store.stats();
    assert.deepEqual(channels, [{ channel: "b", messages: 1 }]);
    assert.equal(messages, 1);
  });

  timed.test("the id of an expired message is still a cursor", async (scene) => {
    const [ann, bob] = await scene.two();
    const id = await ann.append(1, { ttlSeconds: 60 });
    await ann.append(2, { ttlSeconds: 600 });
    await scene.advance(90_000);
    assert.deepEqual(await bob.read(id), [2]);
    await purgeAll(ann.store);
    assert.deepEqual(await bob.read(id), [2]);
  });

  timed.test("a purge moves no cursor, and ids are not given again", async (scene) => {
    const [ann, bob] = await scene.two();
    await ann.append(1, { ttlSeconds: 60 });
    const end = await ann.store.endCursor();
    await scene.advance(DAY_MS);
    await purgeAll(ann.store);
    assert.deepEqual(await bob.read(end), []);
    await bob.append(2);
    assert.deepEqual(await bob.read(end), [2]);
  });

  timed.test("a purge counts its deletions, and a second one finds nothing", async (scene) => {
    const [ann, bob] = await scene.two();
    // More than one step deletes.
    await bob.appendAll(
      Array.from({ length: 450 }, (_, i) => bob.message(i, { ttlSeconds: 60 })),
    );
    await bob.append("kept", { ttlSeconds: DAY_MS / 1000 });
    await bob.store.endSession("bob");
    // Closing it ends its own purge steps.
    await bob.store.close();
    await scene.advance(HOUR_MS);
    const { expired, overCap } = await purgeAll(ann.store);
    // Two registrations and the end of bob.
    assert.deepEqual({ expired, overCap }, { expired: 453, overCap: 0 });
    assert.equal((await purgeAll(ann.store)).expired, 0);
    assert.deepEqual(await ann.read(), ["kept"]);
  });

  timed.test("a purge is due after the clock is set back", async (scene) => {
    const [ann, bob] = await scene.two();
    await ann.store.purge();
    await scene.advance(-HOUR_MS);
    // Directly to the store, because the bus would purge afterwards.
    await ann.store.store.append([ann.message(1, { ttlSeconds: 60 })], {
      atomic: true,
    });
    await scene.advance(HOUR_MS / 2);
    // The clock now shows half an hour before the last purge.
    await bob.store.purgeIfDue();
    assert.equal((await bob.store.purge()).expired, 0);
  });

  timed.test("a purge by a clock that is ahead takes no living message", async (scene) => {
    const [ann, bob] = await scene.two();
    await bob.append("short", { ttlSeconds: 60 });
    await scene.advance(90_000);
    await bob.store.updateSession("bob", {});
    await bob.append("living", { ttlSeconds: HOUR_MS / 1000 });
    await bob.append("direct", { ttlSeconds: HOUR_MS / 1000, to: "ann" });
    await scene.advance(12 * HOUR_MS);
    for (let i = 0; i < 3; i++) await purgeAll(ann.store);
    // Messages of the session whose clock is ahead expire by that clock.
    await ann.append("ahead", { ttlSeconds: 60 });
    await scene.advance(90_000);
    await purgeAll(ann.store);
    await scene.advance(-12 * HOUR_MS - 90_000);
    assert.deepEqual(await bob.read(), ["living"]);
    const own = { session: "ann" };
    assert.deepEqual(await ann.read(undefined, own), ["living", "direct"]);
    // The other session was only idle, and goes on.
    await scene.advance(12 * HOUR_MS);
    await bob.store.updateSession("bob", {});
    await purgeAll(ann.store);
    await scene.advance(-12 * HOUR_MS);
    assert.deepEqual(await ann.read(undefined, own), []);
  });

  cases.test("a purge step is bounded", async (scene) => {
    const ann = await scene.peer("ann", { channelMessagesMax: 10 });
    await ann.appendAll(
      Array.from({ length: 2_000 }, (_, i) => ann.message(i)),
    );
    const { overCap, more } = await ann.store.purge();
    assert.ok(overCap < 1_990, `${overCap} at once`);
    assert.equal(more, true);
  });

  cases.test("a channel keeps its newest messages up to its cap", async (scene) => {
    const ann = await scene.peer("ann", { channelMessagesMax: 10 });
    const all = Array.from({ length: 25 }, (_, i) => i);
    await ann.appendAll(all.map((i) => ann.message(i)));
    await ann.appendAll(
      all.slice(0, 10).map((i) => ann.message(i, { channel: "b" })),
    );
    await purgeAll(ann.store);
    assert.deepEqual(await ann.read(), all.slice(15));
    assert.deepEqual(
      await ann.read(undefined, { channels: ["b"] }),
      all.slice(0, 10),
    );
    await ann.append("next");
    await purgeAll(ann.store);
    assert.deepEqual(await ann.read(), [...all.slice(16), "next"]);
  });

  cases.test("the cap of a channel spares unacknowledged direct messages", async (scene) => {
    const ann = await scene.peer("ann", { channelMessagesMax: 10 });
    const bob = await scene.peer("bob");
    const all = Array.from({ length: 25 }, (_, i) => i);
    const ids = (await ann.appendAll(
      all.map((i) => ann.message(i, { to: "bob" })),
    )).map(({ id }) => id);
    await ann.appendAll(all.map((i) => ann.message(i)));
    await purgeAll(ann.store);
    assert.deepEqual(await ann.read(), all.slice(15));
    const pending = async () =>
      payloadsOf(
        await bob.store.pendingFor("bob", bob.store.startCursor, 100),
      );
    assert.deepEqual(await pending(), all);
    await bob.store.moveDeliveries("bob", ids.slice(0, 20), "acked");
    await purgeAll(ann.store);
    assert.deepEqual(await pending(), all.slice(20));
    assert.deepEqual(await ann.read(), all.slice(15));
  });

  timed.test("a direct message is kept for 7 days by default", async (scene) => {
    const ann = await scene.bus("ann");
    const bob = await scene.bus("bob");
    await bob.sessions.register();
    for (const ttlSeconds of [undefined, 60]) {
      await ann.publish("state", ttlSeconds ?? "long", {
        to: "bob",
        ttlSeconds,
      });
    }
    await scene.advance(7 * DAY_MS - HOUR_MS);
    await ann.purge();
    assert.deepEqual(payloadsOf(await bob.inbox().pending()), ["long"]);
    const notices = async () =>
      (await ann.inbox().pending()).map(({ channel }) => channel);
    assert.deepEqual(await notices(), ["notice"]);
    await scene.advance(2 * HOUR_MS);
    await ann.purge();
    assert.deepEqual(await bob.inbox().pending(), []);
    assert.deepEqual(await notices(), ["notice", "notice"]);
  });

  timed.test("the built-in channels have their own TTLs", async (scene) => {
    const ann = await scene.bus("ann");
    await ann.sessions.register();
    for (const channel of ["state", "file_conflict", "task_broadcast", "b"]) {
      await ann.publish(channel, channel);
    }
    const living = async () =>
      (await ann.poll(null)).messages.map(({ channel }) => channel);
    assert.deepEqual(await living(), [
      "heartbeat",
      "state",
      "file_conflict",
      "task_broadcast",
      "b",
    ]);
    await scene.advance(45_000);
    assert.deepEqual(await living(), [
      "state",
      "file_conflict",
      "task_broadcast",
      "b",
    ]);
    await scene.advance(45_000);
    assert.deepEqual(await living(), ["file_conflict", "task_broadcast", "b"]);
    await scene.advance(300_000);
    assert.deepEqual(await living(), ["task_broadcast"]);
    await scene.advance(300_000);
    assert.deepEqual(await living(), []);
  });

  timed.test("an ended session is kept for a day", async (scene) => {
    const [ann, bob] = await scene.two();
    await bob.store.endSession("bob");
    await scene.advance(23 * HOUR_MS);
    await purgeAll(ann.store);
    assert.equal((await ann.store.session("bob"))?.status, "terminated");
    await scene.advance(2 * HOUR_MS);
    assert.equal((await purgeAll(ann.store)).sessions, 1);
    assert.equal(await ann.store.session("bob"), undefined);
    assert.equal((await ann.store.session("ann"))?.id, "ann");
  });

  timed.test("an ended session is kept while a message refers to it", async (scene) => {
    const [ann, bob] = await scene.two();
    await bob.append(1, { ttlSeconds: 3 * DAY_MS / 1000 });
    await bob.store.endSession("bob");
    await scene.advance(2 * DAY_MS);
    await purgeAll(ann.store);
    assert.equal((await ann.store.session("bob"))?.status, "terminated");
    assert.deepEqual(await ann.read(), [1]);
  });

  timed.test("a subscription delivers no expired message", async (scene) => {
    const ann = await scene.bus("ann");
    await ann.publish("b", "short", { ttlSeconds: 60 });
    await ann.publish("b", "short, too", { ttlSeconds: 60 });
    await ann.publish("b", "long", { ttlSeconds: 600 });
    const reader = ann.subscribe("b", { from: "start" });
    const first = await reader.next();
    assert.equal(first.value?.payload, "short");
    // The rest of the page expires before its delivery.
    await scene.advance(90_000);
    const second = await reader.next();
    assert.equal(second.value?.payload, "long");
  });
}
