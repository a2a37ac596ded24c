/**
 * Cursors: a message's id is its cursor, and every later commit comes after it.
 *
 * @module
 */

import assert from "node:assert/strict";
import { InvalidInputError } from "../model/errors.ts";
import type { Cases } from "./case.ts";
import { ON_CHANNEL, payloadsOf } from "./peer.ts";

/** Adds the cases. */
export function cursors(cases: Cases): void {
  cases.test("a read after a message's id returns later messages", async (scene) => {
    const [ann, bob] = await scene.two();
    await ann.append(1);
    const two = await ann.append(2);
    await bob.append(3);
    assert.deepEqual(await bob.read(two), [3]);
    assert.deepEqual(await ann.read(two), [3]);
  });

  cases.test("the start cursor is before all messages, the end cursor after", async (scene) => {
    const [ann, bob] = await scene.two();
    await ann.append(1);
    await ann.append(2, { channel: "other" });
    assert.deepEqual(await bob.read(bob.store.startCursor), [1]);
    const end = await bob.store.endCursor();
    assert.deepEqual(await bob.read(end, { channels: null }), []);
    await ann.append(3);
    assert.deepEqual(await bob.read(end, { channels: null }), [3]);
  });

  cases.test("the end of an empty store is a cursor", async (scene) => {
    const store = await scene.store();
    const end = await store.endCursor();
    const empty = await store.read(ON_CHANNEL, end, 10);
    assert.deepEqual(empty.messages, []);
    const ann = await scene.peer("ann");
    await ann.append(1);
    for (const cursor of [end, empty.cursor, store.startCursor]) {
      const { messages } = await store.read(ON_CHANNEL, cursor, 10);
      assert.deepEqual(payloadsOf(messages), [1]);
    }
  });

  cases.test("a page has at most its limit of messages, and its cursor continues", async (scene) => {
    const ann = await scene.peer("ann");
    for (let i = 0; i < 10; i++) await ann.append(i);
    const pagesOf = async (limit: number) => {
      const pages: unknown[] = [];
      let cursor = ann.store.startCursor;
      do {
        const page = await ann.page(cursor, {}, limit);
        pages.push(payloadsOf(page.messages));
        cursor = page.cursor;
      } while (cursor !== await ann.store.endCursor());
      return pages;
    };
    assert.deepEqual(await pagesOf(3), [[0, 1, 2], [3, 4, 5], [6, 7, 8], [9]]);
    const one = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9].map((i) => [i]);
    assert.deepEqual(await pagesOf(1), one);
  });

  cases.test("a page's cursor is after every message it looked at", async (scene) => {
    const [ann, bob] = await scene.two();
    await ann.append(1);
    for (let i = 0; i < 5; i++) await ann.append(i, { channel: "other" });
    const { cursor } = await bob.page();
    const late = await bob.page(cursor, { channels: null });
    assert.deepEqual(late.messages, []);
    await ann.append(2);
    assert.deepEqual(await bob.read(late.cursor), [2]);
  });

  cases.test("a read finds a wanted message behind many unwanted ones", async (scene) => {
    const [ann, bob] = await scene.two();
    let cursor = await bob.store.endCursor();
    // Around the sizes of a page and of the range that a store scans at once.
    const counts = [0, 29, 62, 200].flatMap((least) =>
      [0, 1, 2, 3, 4].map((more) => least + more)
    );
    for (const unwanted of counts) {
      const other = ann.message(0, { channel: "other" });
      await ann.appendAll([
        ...Array.from({ length: unwanted }, () => other),
        ann.message(unwanted),
        other,
      ]);
      const page = await bob.page(cursor);
      assert.deepEqual(payloadsOf(page.messages), [unwanted]);
      assert.deepEqual(await bob.read(page.cursor), []);
      cursor = page.cursor;
    }
  });

  cases.test("a read finds wanted and large messages behind large unwanted ones", async (scene) => {
    const [ann, bob] = await scene.two();
    let cursor = await bob.store.endCursor();
    const large = "x".repeat(10_000);
    for (const unwanted of [1, 2, 3, 4, 40, 0, 5]) {
      const other = ann.message(large, { channel: "other" });
      await ann.appendAll([
        ...Array.from({ length: unwanted }, () => other),
        ann.message(large),
        ann.message(unwanted),
        other,
      ]);
      const page = await bob.page(cursor);
      assert.deepEqual(payloadsOf(page.messages), [large, unwanted]);
      assert.deepEqual(await bob.read(page.cursor), []);
      cursor = page.cursor;
    }
  });

  cases.test("an empty page's cursor is not before its start", async (scene) => {
    const [ann, bob] = await scene.two();
    const id = await ann.append(1);
    let { cursor } = await bob.page(id);
    for (let i = 0; i < 3; i++) ({ cursor } = await bob.page(cursor));
    assert.deepEqual(await bob.read(cursor), []);
    await ann.append(2);
    assert.deepEqual(await bob.read(cursor), [2]);
  });

  cases.test("a read returns messages of the wanted channels only", async (scene) => {
    const ann = await scene.peer("ann");
    for (const channel of ["a", "b", "c", "A"]) {
      await ann.append(channel, { channel });
    }
    const read = (channels: string[] | null) =>
      ann.read(undefined, { channels });
    assert.deepEqual(await read(["a"]), ["a"]);
    assert.deepEqual(await read(["c", "a"]), ["a", "c"]);
    assert.deepEqual(await read(["none"]), []);
    // Registering publishes a message.
    assert.deepEqual((await read(null)).slice(-4), ["a", "b", "c", "A"]);
  });

  cases.test("a read of many channels returns one order from any cursor", async (scene) => {
    const ann = await scene.peer("ann");
    const channels = Array.from({ length: 20 }, (_, i) => `channel-${i}`);
    const all = Array.from({ length: 200 }, (_, i) => i);
    const appended = await ann.appendAll(
      all.map((i) => ann.message(i, { channel: channels[i * 7 % 20] })),
    );
    const read = (cursor?: string) => ann.read(cursor, { channels });
    assert.deepEqual(await read(), all);
    assert.deepEqual(await read(appended[9].id), all.slice(10));
    assert.deepEqual(await read(appended[189].id), all.slice(190));
  });

  cases.test("a reader of a project reads its messages and messages of no project", async (scene) => {
    const ann = await scene.peer("ann");
    const projects = ["/one", "/two", null];
    const ends = [ann.store.startCursor];
    for (const project of projects) {
      ends.push(await ann.append(project, { project }));
    }
    // From the start, and from ever later cursors.
    for (const [i, end] of ends.entries()) {
      for (const project of ["/one", "/three", null]) {
        assert.deepEqual(
          await ann.read(end, { project }),
          projects.slice(i).filter((each) =>
            project === null || each === null || each === project
          ),
        );
      }
    }
  });

  cases.test("a direct message is read by its addressee only", async (scene) => {
    const [ann, bob] = await scene.two();
    const end = await ann.store.endCursor();
    await ann.append("all");
    await ann.append("bob", { to: "bob" });
    for (const from of [end, undefined]) {
      const read = (session: string | null) => bob.read(from, { session });
      assert.deepEqual(await read("bob"), ["all", "bob"]);
      assert.deepEqual(await read("ann"), ["all"]);
      assert.deepEqual(await read(null), ["all"]);
    }
  });

  cases.test("the text of an id and of a page's cursor are cursors", async (scene) => {
    const [ann, bob] = await scene.two();
    const id = await ann.append(1);
    const { cursor } = await ann.page();
    await ann.append(2);
    const texts = [id, cursor, bob.store.startCursor];
    const read = texts.map((text) => bob.read(bob.store.parseCursor(text)));
    assert.deepEqual(await Promise.all(read), [[2], [2], [1, 2]]);
  });

  cases.test("other text is not a cursor", async (scene) => {
    const store = await scene.store();
    for (const text of ["", "x", "-1", "1.5", " 1", "1; --", "9".repeat(40)]) {
      assert.throws(() => store.parseCursor(text), InvalidInputError, text);
    }
  });
}
