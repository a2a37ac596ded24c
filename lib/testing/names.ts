/**
 * Names: given, chosen, found, and the messages that wait for one.
 *
 * @module
 */

import assert from "node:assert/strict";
import { NameTakenError, UnknownSessionError } from "../model/errors.ts";
import type { Cases } from "./case.ts";
import { purgeAll } from "./keeping.ts";
import { HOUR_MS, payloadsOf, Peer } from "./peer.ts";
import { anotherProcess, GONE_PROCESS } from "./processes.ts";

const DAY_MS = 24 * HOUR_MS;
const LONG_ID = "01890000-0000-7000-8000-00000000beef";

/** Returns the payloads in the inbox of a session. */
async function inbox({ id, store }: Peer): Promise<unknown[]> {
  return payloadsOf(await store.pendingFor(id, store.startCursor, 100));
}

/** Adds the cases. */
export function names(cases: Cases): void {
  const timed = cases.needing("movesClock");

  cases.test("every session has a name, which it keeps", async (scene) => {
    const ann = await scene.peer("ann");
    assert.equal((await ann.store.session("ann"))?.name, "ann");
    const long = await scene.peer(LONG_ID, { start: { vendor: "codex" } });
    const stored = () => ann.store.session(LONG_ID);
    assert.equal((await stored())?.name, "codex-beef");
    await long.store.updateSession(LONG_ID, { task: "T-1" });
    await long.store.endSession(LONG_ID);
    await long.register({ vendor: "codex", ...anotherProcess() });
    const { name, nameIsChosen } = (await stored())!;
    assert.deepEqual([name, nameIsChosen], ["codex-beef", undefined]);
  });

  cases.test("made names of living sessions differ in four characters", async (scene) => {
    const store = await scene.store();
    const ends = new Set<string>();
    for (const vendor of ["codex", "claude", "codex"]) {
      const peer = new Peer(store, `${ends.size}${LONG_ID}`);
      const { name } = await peer.register({ vendor });
      assert.match(name!, new RegExp(`^${vendor}-[0-9a-z]{4}$`));
      ends.add(name!.slice(-4));
    }
    assert.equal(ends.size, 3);
  });

  cases.test("one living session of a project has a chosen name", async (scene) => {
    const [ann, bob] = await scene.two();
    const named = await ann.store.renameSession("ann", "backend");
    assert.deepEqual([named.name, named.nameIsChosen], ["backend", true]);
    assert.deepEqual(await bob.store.session("ann"), named);
    await assert.rejects(
      () => bob.store.renameSession("bob", "backend"),
      NameTakenError,
    );
    assert.equal((await bob.store.session("bob"))?.name, "bob");
    await ann.register();
    assert.equal((await bob.store.session("ann"))?.name, "backend");
    await ann.store.endSession("ann");
    await bob.store.renameSession("bob", "backend");
    assert.equal((await ann.register(anotherProcess())).name, "ann");
  });

  cases.test("a chosen name of a dead session is free", async (scene) => {
    const bob = await scene.peer("bob");
    await scene.peer("ann", { start: { ...GONE_PROCESS, name: "backend" } });
    const session = await bob.store.renameSession("bob", "backend");
    assert.equal(session.name, "backend");
    assert.equal((await bob.store.session("ann"))?.status, "terminated");
  });

  cases.test("names, beginnings and vendors address a session", async (scene) => {
    const [ann] = await scene.two();
    await scene.peer(LONG_ID, { start: { vendor: "codex" } });
    await scene.peer("c", { start: { vendor: "gemini", name: "Küche" } });
    const to = async (text: string) =>
      (await ann.appendAll([ann.message(1, { to: text })]))[0].to;
    for (const text of [LONG_ID, "codex-beef", "codex-b", "codex"]) {
      assert.equal(await to(text), LONG_ID, text);
    }
    for (const text of ["Küche", "Kü", "gemini"]) {
      assert.equal(await to(text), "c", text);
    }
    for (const text of ["unknown", "Kuche", "%", "_"]) {
      await assert.rejects(() => to(text), UnknownSessionError, text);
    }
  });

  cases.test("messages for a name wait for the next session that takes it", async (scene) => {
    const [ann, bob] = await scene.two();
    await ann.register({ ...anotherProcess() });
    await ann.store.renameSession("ann", "backend");
    const read = await bob.append("read", { to: "backend" });
    await bob.append("unread", { to: "backend" });
    await ann.store.moveDeliveries("ann", [read], "acked");
    await ann.store.endSession("ann");
    const [sent] = await bob.appendAll([bob.message("late", { to: "back" })]);
    assert.equal(sent.notRunning, true);
    const eve = await scene.peer("eve", { start: { name: "backend" } });
    assert.deepEqual(await inbox(eve), ["unread", "late"]);
    const [{ id, to }] = await eve.store.pendingFor(
      "eve",
      eve.store.startCursor,
      1,
    );
    assert.equal(to, "eve");
    await eve.append("answer", { to: "bob", replyTo: id });
    assert.equal((await bob.store.delivery(id))?.state, "acked");
    assert.deepEqual(await inbox(eve), ["late"]);
    assert.deepEqual(await inbox(ann), []);
  });

  timed.test("an ended session is kept for a week while its name is chosen", async (scene) => {
    const [ann, bob] = await scene.two();
    await ann.store.renameSession("ann", "backend");
    await ann.store.endSession("ann");
    await scene.advance(6 * DAY_MS);
    await purgeAll(bob.store);
    assert.equal((await bob.store.session("ann"))?.name, "backend");
    await scene.advance(2 * DAY_MS);
    await purgeAll(bob.store);
    assert.equal(await bob.store.session("ann"), undefined);
  });

  timed.test("an ended session is kept while a message waits for it", async (scene) => {
    const [ann, bob] = await scene.two();
    await ann.store.endSession("ann");
    await bob.append(1, { to: "ann", ttlSeconds: 3 * DAY_MS / 1000 });
    await scene.advance(2 * DAY_MS);
    await purgeAll(bob.store);
    assert.equal((await bob.store.session("ann"))?.status, "terminated");
    await scene.advance(2 * DAY_MS);
    // The first step settles the delivery.
    await purgeAll(bob.store);
    await purgeAll(bob.store);
    assert.equal(await bob.store.session("ann"), undefined);
  });
}
