/**
 * Capabilities: a store has its declared capabilities and names its location.
 *
 * @module
 */

import assert from "node:assert/strict";
import type { Cases } from "./case.ts";
import { ON_CHANNEL } from "./peer.ts";
import type { StoreUnderTest } from "./store_under_test.ts";
import { WakeUp } from "./waiting.ts";

/** Adds the cases. */
export function capabilities(cases: Cases, store: StoreUnderTest): void {
  const declared = store.capabilities;
  const foreign = cases.needing("acceptsForeignRows");
  const foreignPushed = cases.needing("acceptsForeignRows", "pushesWakeUps");
  const foreignInTime = cases.needing("acceptsForeignRows", "movesClock");

  cases.test("a store declares the capabilities that it is tested with", async (scene) => {
    for (const store of [await scene.store(), await scene.store()]) {
      assert.deepEqual({ ...store.capabilities }, { ...declared });
    }
    const bus = await scene.bus("ann");
    assert.deepEqual({ ...bus.capabilities }, { ...declared });
  });

  cases.test("a store names its location without credentials", async (scene) => {
    const store = await scene.store();
    assert.notEqual(store.location, "");
    assert.doesNotMatch(store.location, /:[^/@]*@/);
    assert.equal((await store.stats()).location, store.location);
  });

  cases.test("a store counts its rows", async (scene) => {
    const [ann, bob] = await scene.two();
    await ann.append(1);
    await ann.append(2, { channel: "b" });
    await ann.append(3, { channel: "b" });
    await ann.append(4, { channel: "b" });
    await bob.store.takeDurable("d", ON_CHANNEL, ann.store.startCursor);
    await bob.store.endSession("bob");
    const stats = await ann.store.stats();
    assert.deepEqual(stats.channels, [
      // Two registrations and one end are messages.
      { channel: "b", messages: 3 },
      { channel: "heartbeat", messages: 3 },
      { channel: "a", messages: 1 },
    ]);
    assert.equal(stats.messages, 7);
    assert.equal(stats.sessions, 1);
    assert.equal(stats.durableNames, 1);
    assert.ok(stats.storeBytes + stats.walBytes > 0);
  });

  foreign.test("a row that another program inserts is a message", async (scene) => {
    const ann = await scene.peer("ann", { start: { project: "/one" } });
    await scene.insert({
      sender: "ann",
      channel: "a",
      payloadText: '{"from":"a script"}',
    });
    await scene.insert({ sender: "script", channel: "a", payloadText: "1" });
    const { messages } = await ann.page();
    assert.deepEqual(
      messages.map(({ sender, payload, project }) => [
        sender,
        payload,
        project,
      ]),
      [["ann", { from: "a script" }, "/one"], ["script", 1, undefined]],
    );
    // The sender is registered as a session.
    const script = await ann.store.session("script");
    assert.equal(script?.vendor, "unknown");
    assert.equal(script?.pid, undefined);
  });

  foreign.test("a payload of such a row that is not JSON is delivered raw", async (scene) => {
    const ann = await scene.peer("ann");
    for (const payloadText of ["no JSON", "{", "NaN"]) {
      await scene.insert({ sender: "script", channel: "a", payloadText });
    }
    assert.deepEqual(await ann.read(), [
      { raw: "no JSON" },
      { raw: "{" },
      { raw: "NaN" },
    ]);
  });

  foreignInTime.test("such a row expires after five minutes", async (scene) => {
    const ann = await scene.peer("ann");
    await scene.insert({ sender: "ann", channel: "a", payloadText: "1" });
    await scene.advance(240_000);
    assert.deepEqual(await ann.read(), [1]);
    await scene.advance(120_000);
    assert.deepEqual(await ann.read(), []);
  });

  foreignPushed.test("such a row is pushed to a watching reader", async (scene) => {
    const ann = await scene.peer("ann");
    const woken = new WakeUp();
    using _watch = await ann.store.watch(ON_CHANNEL, woken.wake);
    await scene.insert({ sender: "ann", channel: "a", payloadText: "1" });
    await woken.next("the row");
    while ((await ann.read()).length === 0) await woken.next("the row");
    assert.deepEqual(await ann.read(), [1]);
  });
}
