/**
 * Order: every reader sees messages in one order, each once.
 *
 * @module
 */

import type { Operations } from "../bus/operations.ts";
import assert from "node:assert/strict";
import type { Message } from "../model/message.ts";
import type { Cases } from "./case.ts";
import { ON_CHANNEL, payloadsOf, type Peer } from "./peer.ts";

/** Reads small pages until a page is not full. */
async function readOn(
  store: Operations,
  from: string,
  limit: number,
): Promise<{ messages: Message[]; cursor: string }> {
  const messages: Message[] = [];
  let cursor = from;
  for (;;) {
    const page = await store.read(ON_CHANNEL, cursor, limit);
    messages.push(...page.messages);
    cursor = page.cursor;
    if (page.messages.length < limit) return { messages, cursor };
  }
}

/** Adds the cases. */
export function order(cases: Cases): void {
  cases.test("messages of a session keep the order of its publishes", async (scene) => {
    const [ann, bob] = await scene.two();
    for (let i = 0; i < 20; i++) await ann.append(i);
    assert.deepEqual(await bob.read(), [...Array(20).keys()]);
  });

  cases.test("an acknowledged message comes before later publishes", async (scene) => {
    const [ann, bob] = await scene.two();
    for (let i = 0; i < 10; i++) {
      await (i % 2 === 0 ? ann : bob).append(i);
    }
    assert.deepEqual(await ann.read(), [...Array(10).keys()]);
    assert.deepEqual(await bob.read(), [...Array(10).keys()]);
  });

  cases.test("all readers see one order of concurrent publishes", async (scene) => {
    const [ann, bob] = await scene.two();
    await Promise.all(
      Array.from(
        { length: 60 },
        (_, i) => (i % 2 === 0 ? ann : bob).append(i),
      ),
    );
    const ids = async ({ store }: Peer, limit: number) =>
      (await readOn(store, store.startCursor, limit))
        .messages.map(({ id }) => id);
    const whole = await ids(ann, 1_000);
    assert.equal(new Set(whole).size, 60);
    assert.deepEqual(await ids(bob, 7), whole);
    assert.deepEqual(await ids(ann, 1), whole);
  });

  cases.test("a reader during publishes skips no message and gets none twice", async (scene) => {
    const [ann, bob] = await scene.two();
    const reader = await scene.peer("eve");
    let open = 2;
    const publish = async (peer: Peer) => {
      for (let i = 0; i < 60; i++) {
        await peer.appendAll(
          Array.from({ length: i % 3 + 1 }, () => peer.message(peer.id)),
        );
      }
      open--;
    };
    const publishing = Promise.all([publish(ann), publish(bob)]);
    const seen: string[] = [];
    let cursor = reader.store.startCursor;
    for (;;) {
      const last = open === 0;
      const page = await readOn(reader.store, cursor, 5);
      seen.push(...page.messages.map(({ id }) => id));
      cursor = page.cursor;
      if (last) break;
    }
    await publishing;
    assert.equal(seen.length, 240);
    assert.deepEqual(
      seen,
      (await reader.page()).messages.map(({ id }) => id),
    );
  });

  cases.test("messages of one append become visible together", async (scene) => {
    const [ann, bob] = await scene.two();
    let open = true;
    const publishing = (async () => {
      for (let i = 0; i < 40; i++) {
        await ann.appendAll(Array.from({ length: 5 }, () => ann.message(i)));
      }
      open = false;
    })();
    for (let last = false; !last;) {
      last = !open;
      const read = await bob.read();
      assert.equal(read.length % 5, 0);
      assert.equal(new Set(read).size, read.length / 5);
    }
    await publishing;
  });

  cases.test("a subscription delivers each message once in order", async (scene) => {
    const ann = await scene.bus("ann");
    const bob = await scene.bus("bob");
    const reader = bob.subscribe("b", { from: "start" });
    await Promise.all([
      ...Array.from({ length: 50 }, (_, i) => ann.publish("b", i)),
      ...Array.from({ length: 50 }, (_, i) => bob.publish("b", i + 50)),
    ]);
    const delivered: Message[] = [];
    for await (const message of reader) {
      if (delivered.push(message) === 100) break;
    }
    const { messages } = await ann.poll("b");
    assert.deepEqual(payloadsOf(delivered), payloadsOf(messages));
  });
}
