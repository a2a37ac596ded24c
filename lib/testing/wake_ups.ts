/**
 * Wake-ups: hints that are never missed. Readers then read by cursor.
 *
 * @module
 */

import assert from "node:assert/strict";
import type { ChangeTopic } from "../model/message.ts";
import type { Cases } from "./case.ts";
import { holders } from "./locks.ts";
import { HOUR_MS, ON_CHANNEL, payloadsOf } from "./peer.ts";
import { WakeUp, within } from "./waiting.ts";

/** Adds the cases. */
export function wakeUps(cases: Cases): void {
  const pushed = cases.needing("pushesWakeUps");

  cases.test("a watch is woken by a commit of another store", async (scene) => {
    const [ann, bob] = await scene.two();
    const woken = new WakeUp();
    using _watch = await bob.store.watch(ON_CHANNEL, woken.wake);
    for (let i = 0; i < 20; i++) {
      await ann.append(i);
      await woken.next(`message ${i}`);
      // A late hint of an earlier message may come first.
      while ((await bob.read()).length <= i) await woken.next(`message ${i}`);
    }
  });

  cases.test("a watch is woken by a commit of its own store", async (scene) => {
    const ann = await scene.peer("ann");
    const woken = new WakeUp();
    using _watch = await ann.store.watch(ON_CHANNEL, woken.wake);
    await ann.append(1);
    await woken.next("the message");
  });

  pushed.test("a wake-up is pushed, not polled", async (scene) => {
    const ann = await scene.peer("ann");
    using watch = await ann.store.watch(ON_CHANNEL, () => {});
    assert.equal(watch.mode, "push");
  });

  cases.test("a commit after the start of a watch wakes it", async (scene) => {
    const [ann, bob] = await scene.two();
    for (let i = 0; i < 10; i++) {
      const woken = new WakeUp();
      const watch = await bob.store.watch(ON_CHANNEL, woken.wake);
      await ann.append(i);
      await woken.next(`message ${i}`);
      watch.close();
    }
  });

  cases.test("a reader by cursor at each wake-up misses no message", async (scene) => {
    const [ann, bob] = await scene.two();
    const eve = await scene.peer("eve");
    const woken = new WakeUp();
    using _watch = await eve.store.watch(ON_CHANNEL, woken.wake);
    const publishing = Promise.all([ann, bob].map(async (peer) => {
      for (let i = 0; i < 100; i++) await peer.append(`${peer.id} ${i}`);
    }));
    const seen: unknown[] = [];
    let cursor = eve.store.startCursor;
    while (seen.length < 200) {
      await woken.next(`message ${seen.length}`);
      const page = await eve.page(cursor);
      seen.push(...payloadsOf(page.messages));
      cursor = page.cursor;
    }
    await publishing;
    assert.equal(new Set(seen).size, 200);
    assert.equal(seen.length, 200);
  });

  cases.test("each of several watches of a store is woken by its own messages", async (scene) => {
    const [ann, bob] = await scene.two();
    const interests = {
      all: { ...ON_CHANNEL, channels: null },
      a: ON_CHANNEL,
      b: { ...ON_CHANNEL, channels: ["b"] },
      project: { ...ON_CHANNEL, channels: ["b"], project: "/one" },
      direct: { ...ON_CHANNEL, channels: ["b"], session: "bob" },
    };
    const woken: Record<string, WakeUp> = {};
    for (const [name, interest] of Object.entries(interests)) {
      woken[name] = new WakeUp();
      await bob.store.watch(interest, woken[name].wake);
    }
    await ann.append(1);
    await woken.a.next("a");
    await woken.all.next("any");
    await ann.append(2, { channel: "b", project: "/one" });
    await woken.b.next("b");
    await woken.project.next("b in /one");
    await woken.all.next("any");
    await woken.direct.next("b");
    await ann.append(3, { channel: "b", to: "bob" });
    await woken.direct.next("b for bob");
  });

  cases.test("a closed watch is not woken", async (scene) => {
    const [ann, bob] = await scene.two();
    const [ended, open] = [new WakeUp(), new WakeUp()];
    const watch = await bob.store.watch(ON_CHANNEL, ended.wake);
    await bob.store.watch(ON_CHANNEL, open.wake);
    watch.close();
    watch.close();
    const { count } = ended;
    for (const peer of [ann, bob]) {
      await peer.append(1);
      await open.next("the message");
    }
    assert.equal(ended.count, count);
  });

  cases.test("a watch works after the last earlier one ended", async (scene) => {
    const [ann, bob] = await scene.two();
    for (let i = 0; i < 5; i++) {
      (await bob.store.watch(ON_CHANNEL, () => {})).close();
      const woken = new WakeUp();
      using _watch = await bob.store.watch(ON_CHANNEL, woken.wake);
      await ann.append(i);
      await woken.next(`message ${i}`);
    }
  });

  cases.test("a watch of a topic is woken by its changes", async (scene) => {
    const [ann, bob] = await scene.two();
    const topics: Record<ChangeTopic, WakeUp> = {
      locks: new WakeUp(),
      grants: new WakeUp(),
      tasks: new WakeUp(),
      deliveries: new WakeUp(),
    };
    for (const [topic, { wake }] of Object.entries(topics)) {
      await bob.store.watchChanges(topic as ChangeTopic, null, wake);
    }
    const hold = await ann.hold("/a");
    await topics.locks.next("a lock");
    await ann.store.releaseLock(hold);
    await topics.locks.next("a lock that was given back");
    await ann.post("T-1");
    await topics.tasks.next("a task");
    const claim = await ann.store.claimTask("T-1", ann.claimer());
    await topics.tasks.next("a claim");
    await ann.store.endClaim(claim, { status: "open" });
    await topics.tasks.next("the end of a claim");
    await ann.store.claimTask("T-1", ann.claimer());
    await topics.tasks.next("a claim");
    await ann.store.endSession("ann");
    await topics.tasks.next("a claim that came back");
  });

  cases.test("a waiter is woken when its lock is granted", async (scene) => {
    const [ann, bob] = await scene.two();
    const hold = await ann.hold("/a");
    const woken = new WakeUp();
    using _watch = await bob.store.watchChanges("grants", "bob", woken.wake);
    await bob.queue("/a");
    await ann.store.releaseLock(hold);
    await woken.next("the grant");
    assert.deepEqual(await holders(bob.store), ["bob"]);
  });

  cases.test("a waiter is woken when its session ends", async (scene) => {
    const [ann, bob] = await scene.two();
    await ann.hold("/a");
    const woken = new WakeUp();
    using _watch = await bob.store.watchChanges("grants", "bob", woken.wake);
    const waiter = await bob.queue("/a");
    await ann.store.endSession("bob");
    await woken.next("the end");
    await assert.rejects(() => bob.check(waiter), {
      name: "SessionEndedError",
    });
  });

  cases.test("a sender is woken when a delivery of its message moves", async (scene) => {
    const [ann, bob] = await scene.two();
    const woken = new WakeUp();
    using _watch = await ann.store.watchChanges(
      "deliveries",
      "ann",
      woken.wake,
    );
    const id = await ann.append(1, { to: "bob" });
    for (const state of ["noticed", "injected", "acked"] as const) {
      await bob.store.moveDeliveries("bob", [id], state);
      await woken.next(state);
      while ((await ann.store.delivery(id))?.state !== state) {
        await woken.next(state);
      }
    }
  });

  cases.test("an announcement wakes its readers", async (scene) => {
    const [ann, bob] = await scene.two();
    const woken = new WakeUp();
    const interest = { channels: ["heartbeat"], project: null, session: null };
    using _watch = await bob.store.watch(interest, woken.wake);
    await ann.store.updateSession("ann", { status: "idle" });
    await woken.next("idling");
    await ann.store.endSession("ann");
    await woken.next("the end");
    await ann.register();
    await woken.next("coming again");
  });

  cases.needing("atomicBatches").test(
    "what a batch does wakes as it does by itself",
    async (scene) => {
      const [ann, bob] = await scene.two();
      const hold = await ann.hold("/a");
      await bob.queue("/a");
      const [messages, grants] = [new WakeUp(), new WakeUp()];
      await bob.store.watch(ON_CHANNEL, messages.wake);
      await bob.store.watchChanges("grants", "bob", grants.wake);
      await ann.store.batch([
        { kind: "append", message: ann.message(1) },
        { kind: "release-lock", hold },
      ]);
      await messages.next("the message");
      await grants.next("the grant");
    },
  );

  cases.test("an edit's locks wake watches of locks", async (scene) => {
    const [ann, bob] = await scene.two();
    const woken = new WakeUp();
    using _watch = await bob.store.watchChanges("locks", null, woken.wake);
    const target = {
      kind: "file",
      path: "/a",
      disk: { text: "/a", prefix: "/a" },
      foldsCase: false,
    } as const;
    await ann.store.guardEdit({
      session: "ann",
      agent: "",
      targets: [{ target }],
      leaseMs: HOUR_MS,
      actingFor: [],
      informed: false,
    });
    await woken.next("the lock");
  });

  cases.test("subscriptions of a bus are woken by push, and end with break", async (scene) => {
    const ann = await scene.bus("ann");
    const bob = await scene.bus("bob");
    const reader = bob.subscribe("b");
    await reader.ready;
    if (bob.capabilities.pushesWakeUps) assert.equal(reader.mode, "push");
    const reading = (async () => {
      const seen: unknown[] = [];
      for await (const { payload } of reader) {
        if (seen.push(payload) === 50) break;
      }
      return seen;
    })();
    for (let i = 0; i < 50; i++) await ann.publish("b", i);
    assert.deepEqual(await within("all", reading), [...Array(50).keys()]);
    assert.equal((await reader.next()).done, true);
  });

  cases.test("a subscription from before registration gets direct messages by push", async (scene) => {
    const ann = await scene.bus("ann");
    const bob = await scene.bus("bob");
    const reader = bob.subscribe("b");
    await reader.ready;
    const coming = reader.next();
    await bob.sessions.register();
    await ann.publish("b", "hello", { to: "bob" });
    const { value } = await within("the message", coming);
    assert.equal(value?.payload, "hello");
  });

  cases.test("a bus's watches of locks and tasks yield changes", async (scene) => {
    const ann = await scene.bus("ann");
    const bob = await scene.bus("bob");
    const locks = bob.locks.watch();
    const tasks = bob.tasks.watch();
    assert.deepEqual((await locks.next()).value, []);
    assert.deepEqual((await tasks.next()).value, []);
    const changed = Promise.all([locks.next(), tasks.next()]);
    await ann.locks.acquire("/mbus-conformance/a.ts");
    await ann.tasks.post({ id: "T-1", title: "t" });
    const [holds, posted] = await within("the changes", changed);
    assert.equal(holds.value?.length, 1);
    assert.equal(posted.value?.length, 1);
    await locks.return();
    await tasks.return();
  });
}
