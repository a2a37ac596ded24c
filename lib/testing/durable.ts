/**
 * Durable names: a stored cursor with one leased reader at a time, delivery at
 * least once, and reported losses.
 *
 * @module
 */

import assert from "node:assert/strict";
import {
  DurableNameInUseError,
  InvalidInputError,
  LeaseLostError,
} from "../model/errors.ts";
import type { DurableReader } from "../model/durable.ts";
import type { Interest } from "../model/message.ts";
import type { Cases } from "./case.ts";
import { purgeAll } from "./keeping.ts";
import { HOUR_MS, ON_CHANNEL, payloadsOf, type Peer } from "./peer.ts";

const DAY_MS = 24 * HOUR_MS;

/** Leases a name, by default from the start. */
async function take(
  { store }: Peer,
  interest: Partial<Interest> = {},
  from: string = store.startCursor,
): Promise<DurableReader> {
  return await store.takeDurable("d", { ...ON_CHANNEL, ...interest }, from);
}

/** Returns the payloads after a cursor, by default all unacknowledged ones. */
async function read(
  { store }: Peer,
  reader: DurableReader,
  cursor: string = reader.cursor,
): Promise<{ payloads: unknown[]; ids: string[]; lost: number }> {
  const interest = { ...ON_CHANNEL, project: reader.project };
  const page = await store.readDurable(reader, interest, cursor, 1_000);
  return {
    payloads: payloadsOf(page.messages),
    ids: page.messages.map(({ id }) => id),
    lost: page.lost,
  };
}

/** Adds the cases. */
export function durableDelivery(cases: Cases): void {
  const timed = cases.needing("movesClock");
  const counted = cases.needing("exactLossCounts");
  const countedInTime = cases.needing("movesClock", "exactLossCounts");

  cases.test("a new name begins at the given cursor", async (scene) => {
    const [ann, bob] = await scene.two();
    await ann.append(1);
    const end = await ann.store.endCursor();
    await ann.append(2);
    const early = await take(ann);
    assert.deepEqual((await read(ann, early)).payloads, [1, 2]);
    assert.equal(early.name, "d");
    assert.equal(early.lost, 0);
    assert.ok(early.leaseMs > 0);
    const late = await bob.store.takeDurable("late", ON_CHANNEL, end);
    assert.deepEqual((await read(bob, late)).payloads, [2]);
  });

  cases.test("the next reader gets unacknowledged messages again", async (scene) => {
    const [ann, bob] = await scene.two();
    for (const i of [1, 2, 3]) await ann.append(i);
    const first = await take(ann);
    const { ids } = await read(ann, first);
    const { cursor } = await ann.store.advanceDurable(first, ids[0]);
    await ann.store.releaseDurable(first);
    // The acknowledged cursor counts, not the start of the next reader.
    for (const from of [bob.store.startCursor, await bob.store.endCursor()]) {
      const reader = await take(bob, {}, from);
      assert.equal(reader.cursor, cursor);
      assert.deepEqual((await read(bob, reader)).payloads, [2, 3]);
      await bob.store.releaseDurable(reader);
    }
  });

  cases.test("an acknowledgement includes all earlier messages", async (scene) => {
    const ann = await scene.peer("ann");
    for (const i of [1, 2, 3]) await ann.append(i);
    const reader = await take(ann);
    const { ids } = await read(ann, reader);
    const advanced = await ann.store.advanceDurable(reader, ids[1]);
    assert.deepEqual((await read(ann, advanced)).payloads, [3]);
    // An older acknowledgement moves nothing back.
    const same = await ann.store.advanceDurable(reader, ids[0]);
    assert.deepEqual((await read(ann, same)).payloads, [3]);
  });

  cases.test("renewing acknowledges nothing", async (scene) => {
    const ann = await scene.peer("ann");
    await ann.append(1);
    const reader = await take(ann);
    const renewed = await ann.store.advanceDurable(reader);
    assert.equal(renewed.cursor, reader.cursor);
    assert.deepEqual((await read(ann, renewed)).payloads, [1]);
  });

  cases.test("a message beyond the end cannot be acknowledged", async (scene) => {
    const [ann, bob] = await scene.two();
    const reader = await take(ann);
    const end = await bob.append("other", { channel: "other" });
    await ann.store.advanceDurable(reader, end);
    // Beyond the end where ids are numbers; not a cursor elsewhere.
    const beyond = `${end}9`;
    await assert.rejects(
      async () =>
        await ann.store.advanceDurable(reader, ann.store.parseCursor(beyond)),
      InvalidInputError,
    );
    await bob.append(1);
    assert.deepEqual((await read(ann, reader, end)).payloads, [1]);
  });

  cases.test("a name has one reader at a time", async (scene) => {
    const [ann, bob] = await scene.two();
    const reader = await take(ann);
    for (const peer of [bob, ann]) {
      await assert.rejects(
        () => take(peer),
        (error) => {
          assert.ok(error instanceof DurableNameInUseError);
          assert.equal(error.durable, "d");
          return true;
        },
      );
    }
    // The refusal changed nothing.
    await ann.store.advanceDurable(reader);
    await ann.store.releaseDurable(reader);
    const next = await take(bob);
    assert.ok(next.token > reader.token);
    await assert.rejects(() => take(ann), DurableNameInUseError);
  });

  cases.test("one of two readers that ask at once gets the name", async (scene) => {
    const peers = [...await scene.two(), await scene.peer("eve")];
    const settled = await Promise.allSettled(peers.map((peer) => take(peer)));
    const got = settled.filter(({ status }) => status === "fulfilled");
    assert.equal(got.length, 1);
    for (const each of settled) {
      if (each.status === "rejected") {
        assert.ok(each.reason instanceof DurableNameInUseError);
      }
    }
  });

  cases.test("a name belongs to its project", async (scene) => {
    const [ann, bob] = await scene.two();
    for (const project of ["/one", "/two"]) {
      await ann.append(project, { project });
    }
    const one = await take(ann, { project: "/one" });
    const two = await take(bob, { project: "/two" });
    const none = await take(bob);
    assert.equal(one.project, "/one");
    assert.deepEqual((await read(ann, one)).payloads, ["/one"]);
    assert.deepEqual((await read(bob, two)).payloads, ["/two"]);
    assert.deepEqual((await read(bob, none)).payloads, ["/one", "/two"]);
    await ann.store.advanceDurable(one, await ann.store.endCursor());
    assert.deepEqual((await read(bob, two)).payloads, ["/two"]);
    assert.equal((await ann.store.stats()).durableNames, 3);
  });

  timed.test("an expired lease passes to the next reader, and the late one gets an error", async (scene) => {
    const [ann, bob] = await scene.two();
    const id = await ann.append(1);
    const late = await take(ann);
    await scene.advance(late.leaseMs / 2);
    await assert.rejects(() => take(bob), DurableNameInUseError);
    await scene.advance(late.leaseMs);
    const next = await take(bob);
    assert.ok(next.token > late.token);
    await assert.rejects(() => read(ann, late), LeaseLostError);
    await assert.rejects(
      () => ann.store.advanceDurable(late, id),
      (error) => {
        assert.ok(error instanceof LeaseLostError);
        assert.match(error.held, /"d"/);
        return true;
      },
    );
    // It changed nothing, and its release has no effect.
    await ann.store.releaseDurable(late);
    await assert.rejects(() => take(ann), DurableNameInUseError);
    assert.deepEqual((await read(bob, next)).payloads, [1]);
  });

  timed.test("a lease holds while its reader renews it", async (scene) => {
    const [ann, bob] = await scene.two();
    const reader = await take(ann);
    for (let i = 0; i < 4; i++) {
      await scene.advance(reader.leaseMs / 2);
      await ann.store.advanceDurable(reader);
    }
    await scene.advance(reader.leaseMs / 2);
    await assert.rejects(() => take(bob), DurableNameInUseError);
  });

  timed.test("an expired lease that no reader took is still valid", async (scene) => {
    const ann = await scene.peer("ann");
    const id = await ann.append(1);
    const reader = await take(ann);
    await scene.advance(reader.leaseMs * 2);
    const renewed = await ann.store.advanceDurable(reader, id);
    assert.deepEqual((await read(ann, renewed)).payloads, []);
  });

  timed.test("a name that is unused for seven days is deleted", async (scene) => {
    const ann = await scene.peer("ann");
    const ttlSeconds = 30 * DAY_MS / 1000;
    const id = await ann.append("first", { ttlSeconds });
    await ann.append("second", { ttlSeconds });
    const reader = await take(ann);
    await ann.store.advanceDurable(reader, id);
    await ann.store.releaseDurable(reader);
    await scene.advance(6 * DAY_MS);
    const kept = await take(ann);
    assert.deepEqual((await read(ann, kept)).payloads, ["second"]);
    await ann.store.releaseDurable(kept);
    await scene.advance(8 * DAY_MS);
    const forgotten = await take(ann);
    assert.deepEqual((await read(ann, forgotten)).payloads, [
      "first",
      "second",
    ]);
  });

  countedInTime.test("a name counts messages that expired unacknowledged", async (scene) => {
    const [ann, bob] = await scene.two();
    const reader = await take(ann);
    const acked = await bob.append("acked", { ttlSeconds: 60 });
    await bob.append("lost", { ttlSeconds: 60 });
    await bob.append("lost", { ttlSeconds: 60 });
    await bob.append("kept", { ttlSeconds: 600 });
    await bob.append("unwanted", { channel: "other", ttlSeconds: 60 });
    await bob.append("for bob", { to: "bob", ttlSeconds: 60 });
    const advanced = await ann.store.advanceDurable(reader, acked);
    assert.equal(advanced.lost, 0);
    await scene.advance(90_000);
    const page = await read(ann, advanced);
    assert.deepEqual(page.payloads, ["kept"]);
    assert.equal(page.lost, 2);
    // A purge counts no loss twice.
    await purgeAll(bob.store);
    assert.equal((await read(ann, advanced)).lost, 2);
    await ann.store.releaseDurable(advanced);
    assert.equal((await take(bob)).lost, 2);
  });

  countedInTime.test("a name counts each loss once", async (scene) => {
    const [ann, bob] = await scene.two();
    const reader = await take(ann);
    for (const lost of [1, 2, 3]) {
      await bob.append(lost, { ttlSeconds: 60 });
      await scene.advance(90_000);
      await ann.store.advanceDurable(reader);
      assert.equal((await read(ann, reader)).lost, lost);
    }
  });

  countedInTime.test("a name without a reader counts purged messages", async (scene) => {
    const [ann, bob] = await scene.two();
    await ann.store.releaseDurable(await take(ann));
    for (let i = 0; i < 3; i++) await bob.append(i, { ttlSeconds: 60 });
    await scene.advance(90_000);
    await purgeAll(bob.store);
    const reader = await take(ann);
    assert.equal(reader.lost, 3);
    assert.deepEqual((await read(ann, reader)).payloads, []);
  });

  countedInTime.test("a message that expired before a name existed is not lost to it", async (scene) => {
    const [ann, bob] = await scene.two();
    await bob.append("over", { ttlSeconds: 60 });
    await bob.append("living", { ttlSeconds: 600 });
    await scene.advance(90_000);
    const reader = await take(ann);
    assert.deepEqual((await read(ann, reader)).payloads, ["living"]);
    assert.equal((await read(ann, reader)).lost, 0);
    await purgeAll(bob.store);
    assert.equal((await read(ann, reader)).lost, 0);
  });

  counted.test("a name counts messages that the cap deleted unacknowledged", async (scene) => {
    const ann = await scene.peer("ann", { channelMessagesMax: 10 });
    const reader = await take(ann);
    await ann.appendAll(
      Array.from({ length: 25 }, (_, i) => ann.message(i)),
    );
    await purgeAll(ann.store);
    const page = await read(ann, reader);
    assert.equal(page.lost, 15);
    assert.deepEqual(page.payloads[0], 15);
    await ann.store.advanceDurable(reader, page.ids[9]);
    await ann.appendAll(
      Array.from({ length: 5 }, (_, i) => ann.message(i)),
    );
    await purgeAll(ann.store);
    // The deleted messages were acknowledged.
    assert.equal((await read(ann, reader, page.ids[9])).lost, 15);
  });

  cases.test("a durable subscription begins after the last acknowledged message", async (scene) => {
    const ann = await scene.bus("ann");
    const bob = await scene.bus("bob");
    for (const i of [1, 2, 3]) await ann.publish("b", i);
    const durable = { durable: "builds", from: "start" };
    const first = ann.subscribe("b", durable);
    const { value } = await first.next();
    await first.next();
    await first.ack(value!);
    await first.close();
    const second = bob.subscribe("b", durable);
    assert.equal((await second.next()).value?.payload, 2);
    const refused = ann.subscribe("b", durable);
    await assert.rejects(refused.ready, DurableNameInUseError);
  });

  countedInTime.test("a durable subscription reports its losses", async (scene) => {
    const ann = await scene.bus("ann");
    const told: number[] = [];
    const reader = ann.subscribe("b", {
      durable: "builds",
      onLost: (count) => told.push(count),
    });
    await reader.ready;
    await ann.publish("b", 1, { ttlSeconds: 60 });
    await ann.publish("b", 2, { ttlSeconds: 60 });
    await ann.publish("b", 3);
    await scene.advance(90_000);
    assert.equal((await reader.next()).value?.payload, 3);
    assert.deepEqual(told, [2]);
    assert.equal(reader.lost, 2);
  });
}
