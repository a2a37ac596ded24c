/**
 * Concurrency: decisions of two stores on the same records. One of them waits or
 * restarts, so that no change is lost or made twice.
 *
 * @module
 */

import assert from "node:assert/strict";
import { NotHeldError } from "../model/errors.ts";
import type { Operations } from "../bus/operations.ts";
import { noteKey } from "../rules/records.ts";
import type { Decide } from "../rules/rule.ts";
import { requireActive } from "../rules/sessions.ts";
import type { Cases } from "./case.ts";
import { Peer } from "./peer.ts";
import { anotherProcess, GONE_PROCESS } from "./processes.ts";
import { heartbeats } from "./sessions.ts";

const DONE = { status: "done", resultText: "1" } as const;

/** Increments a note of ann; calls `looked` after reading the number. */
function counting(looked: () => void = () => {}): Decide<number> {
  return function* (records, at) {
    yield* requireActive(records, at, "count", "ann");
    yield [{ kind: "note", session: "ann", key: "count" }];
    const key = noteKey("ann", "count");
    const count = Number(records.notes.get(key)?.value ?? 0) + 1;
    looked();
    // A store may run other operations while it answers the next query.
    yield [{ kind: "session", id: "bob" }];
    records.notes.set(key, {
      session: "ann",
      key: "count",
      value: String(count),
      changedAtMs: at.nowMs,
    });
    return count;
  };
}

async function counted(store: Operations): Promise<string | undefined> {
  return (await store.readNotes("ann", ["count"])).get("count");
}

/** Adds the cases. */
export function concurrency(cases: Cases): void {
  for (const guard of ["locks", "session:ann"] as const) {
    cases.test(`concurrent updates guarded by ${guard} lose nothing`, async (scene) => {
      const [ann, bob] = await scene.two();
      const rule = { act: "count", guards: [guard], decide: counting() };
      const counts = await Promise.all(
        Array.from(
          { length: 20 },
          (_, i) => (i % 2 === 0 ? ann : bob).store.store.update(rule),
        ),
      );
      assert.deepEqual(
        counts.toSorted((a, b) => a - b),
        Array.from({ length: 20 }, (_, i) => i + 1),
      );
      assert.equal(await counted(ann.store), "20");
    });

    cases.test(`an update guarded by ${guard} that begins within another waits or restarts`, async (scene) => {
      const [ann, bob] = await scene.two();
      let other: Promise<number> | undefined;
      const first = await ann.store.store.update({
        act: "count",
        guards: [guard],
        decide: counting(() => {
          other ??= bob.store.store.update({
            act: "count",
            guards: [guard],
            decide: counting(),
          });
        }),
      });
      const counts = [first, await other!];
      assert.deepEqual(counts.toSorted(), [1, 2]);
      assert.equal(await counted(ann.store), "2");
    });
  }

  cases.test("an update that throws within another changes nothing", async (scene) => {
    const [ann, bob] = await scene.two();
    let other: Promise<number> | undefined;
    const first = ann.store.store.update({
      act: "count",
      guards: ["locks"],
      *decide(records, at) {
        const count = yield* counting(() => {
          other ??= bob.store.store.update({
            act: "count",
            guards: ["locks"],
            decide: counting(),
          });
        })(records, at);
        if (count > 0) throw new NotHeldError("count", "/a", count);
        return count;
      },
    });
    await assert.rejects(first, NotHeldError);
    assert.equal(await other, 1);
    assert.equal(await counted(ann.store), "1");
  });

  cases.test("a claim that two stores end at once ends once", async (scene) => {
    const [ann, bob] = await scene.two();
    await ann.post("T-1");
    await ann.post("T-0");
    await ann.post("T-2", { dependsOn: ["T-1", "T-0"] });
    const claim = await ann.store.claimTask("T-1", ann.claimer());
    const ended = await Promise.allSettled(
      [ann, bob, ann, bob].map(({ store }) => store.endClaim(claim, DONE)),
    );
    const refused = ended.filter(({ status }) => status === "rejected");
    assert.equal(refused.length, 3);
    for (const each of refused) {
      assert.ok((each as PromiseRejectedResult).reason instanceof NotHeldError);
    }
    const query = { project: null, exactProject: true, id: "T-2" };
    const [next] = await bob.store.tasks(query);
    assert.equal(next.waitsFor, 1);
    const { messages } = await bob.page(undefined, {
      channels: ["task_broadcast"],
    });
    const events = messages.map(({ payload }) =>
      (payload as { event: string }).event
    );
    assert.equal(events.filter((event) => event === "completed").length, 1);
  });

  cases.test("a lock that two stores release at once is released once", async (scene) => {
    const [ann, bob] = await scene.two();
    const hold = await ann.hold("/a");
    const again = await ann.hold("/a");
    assert.equal(again.count, 2);
    const released = await Promise.allSettled(
      [ann, bob, ann].map(({ store }) => store.releaseLock(hold)),
    );
    const done = released.filter(({ status }) => status === "fulfilled");
    assert.equal(done.length, 2);
    assert.deepEqual(await bob.store.locks({ project: null }), []);
  });

  cases.test("a session that two stores end at once ends once", async (scene) => {
    const [ann, bob] = await scene.two();
    await Promise.all(
      [ann, bob, ann, bob].map(({ store }) => store.endSession("ann")),
    );
    assert.deepEqual(await heartbeats(bob.store), [
      "ann came",
      "bob came",
      "ann ended",
    ]);
  });

  cases.test("a dead session that two stores find at once is reaped once", async (scene) => {
    const [ann, bob] = await scene.two();
    await scene.peer("eve", { start: GONE_PROCESS });
    const filter = { project: null, ended: false };
    await Promise.all(
      [ann, bob, ann, bob].map(({ store }) => store.sessions(filter)),
    );
    assert.deepEqual((await heartbeats(bob.store)).slice(3), ["eve died"]);
  });

  cases.test("two processes that register one id at once get one each", async (scene) => {
    const [one, two] = [await scene.store(), await scene.store()];
    const sessions = await Promise.all([
      new Peer(one, "eve").register(),
      new Peer(two, "eve").register(anotherProcess()),
    ]);
    assert.deepEqual(sessions.map(({ id }) => id).toSorted(), ["eve", "eve~2"]);
    assert.equal((await heartbeats(one)).length, 2);
  });
}
