/**
 * Sessions: registration, one incarnation at a time, ends and reaping.
 *
 * @module
 */

import type { Operations } from "../bus/operations.ts";
import assert from "node:assert/strict";
import { SessionEndedError, UnknownSessionError } from "../model/errors.ts";
import type { Json } from "../model/json.ts";
import type { Session, SessionChange } from "../model/session.ts";
import type { Cases } from "./case.ts";
import { everything } from "./everything.ts";
import { HOUR_MS, Peer, targetOf } from "./peer.ts";
import { anotherProcess, GONE_PROCESS, NO_PROCESS } from "./processes.ts";

/** Asserts that publishes are refused because the session has ended. */
async function publishesNothing(peer: Peer, takenOver = false): Promise<void> {
  const [one, two] = [peer.message("one"), peer.message("two")];
  const to = peer.message("to", { to: "bob" });
  for (const messages of [[one], [to], [one, two], [one, to]]) {
    for (const atomic of [true, false]) {
      const results = await peer.store.append(messages, { atomic })
        .catch((error) => [{ error }]);
      for (const result of results) {
        const error = "error" in result ? result.error : undefined;
        assert.ok(error instanceof SessionEndedError, JSON.stringify(result));
        assert.equal(error.session, peer.id);
        assert.equal(error.takenOver, takenOver);
      }
    }
  }
}

/** Returns announcements of the heartbeat channel, in short. */
export async function heartbeats(store: Operations): Promise<string[]> {
  const { messages } = await store.read(
    { channels: ["heartbeat"], project: null, session: null },
    store.startCursor,
    1_000,
  );
  return messages.map(({ payload, sender }) => {
    const { event, session } = payload as Record<string, string>;
    assert.equal(session, sender);
    return `${session} ${event}`;
  });
}

/** Returns the ids of the sessions that a store lists. */
async function listed(
  store: Operations,
  filter: { project?: string | null; ended?: boolean } = {},
): Promise<string[]> {
  const { project = null, ended = false } = filter;
  return (await store.sessions({ project, ended })).map(({ id }) => id);
}

/** Ways in which a session ceases to be the one that ann registered. */
const CEASING: Readonly<
  Record<string, (ann: Peer, bob: Peer) => Promise<unknown>>
> = {
  "has ended": (_, bob) => bob.store.endSession("ann"),
  "another process has taken over": async (_, bob) => {
    await bob.store.endSession("ann");
    await new Peer(bob.store, "ann").register({
      ...anotherProcess(),
      worktree: "/w",
      branch: "main",
    });
  },
};

/** Returns all acts of a session, by the name of the operation. */
function actsOf(
  ann: Peer,
  question: string,
  waiter: string,
): Readonly<Record<string, () => Promise<unknown>>> {
  const { store } = ann;
  const edit = (path: string) =>
    store.guardEdit({
      session: "ann",
      agent: "",
      targets: [{ target: targetOf(path) }],
      leaseMs: HOUR_MS,
      actingFor: [],
      informed: false,
    });
  return {
    append: () => ann.append(1),
    "append of a direct message": () => ann.append(1, { to: "bob" }),
    "append of an answer": () =>
      ann.append(1, { to: "bob", replyTo: question }),
    publishAs: () => store.publishAs({ joined: "ann" }, ann.message(1)),
    updateSession: () => store.updateSession("ann", { task: "T-1" }),
    acquireLock: () => ann.ask("/free"),
    "acquireLock of what is held": () => ann.ask("/b", { wait: true }),
    checkWaiter: () => ann.check(waiter),
    postTask: () => ann.post("T-2"),
    claimTask: () => store.claimTask("T-1", ann.claimer()),
    claimNextTask: () => store.claimNextTask({}, ann.claimer()),
    claimDeliveries: () => store.claimDeliveries("ann", [question], 1),
    moveDeliveries: () => store.moveDeliveries("ann", [question], "acked"),
    noteActivity: () => store.noteActivity("ann", { touched: ["/free"] }),
    "noteActivity as expected": () =>
      store.noteActivity("ann", {
        touched: ["/free"],
        expects: { key: "k", value: null },
      }),
    guardEdit: () => edit("/free"),
    "guardEdit that is to be denied": () => edit("/b"),
    moveBranch: () =>
      store.moveBranch({
        worktree: "/w",
        branch: "next",
        session: "ann",
        isOwn: true,
      }),
    batch: () =>
      store.batch([{ kind: "update-session", id: "ann", change: {} }]),
  };
}

/** Adds the cases. */
export function sessions(cases: Cases): void {
  const timed = cases.needing("movesClock");

  cases.test("a session has its registered fields for every store", async (scene) => {
    const [ann, bob] = await scene.two();
    const start = {
      vendor: "claude",
      model: "opus",
      tty: "/dev/pts/3",
      project: "/repo",
      worktree: "/repo/w",
      branch: "main",
      task: "T-1",
    };
    const registered = await ann.register(start);
    const { host, processStart: _, registeredAt, heartbeatAt, ...known } =
      registered;
    assert.deepEqual(known, {
      id: "ann",
      name: "ann",
      ...start,
      pid: Deno.pid,
      activeFiles: [],
      status: "active",
    });
    assert.equal(typeof host, "string");
    for (const time of [registeredAt, heartbeatAt]) {
      assert.match(time, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
    }
    assert.deepEqual(await bob.store.session("ann"), registered);
    const [first] = await bob.store.sessions({ project: null, ended: false });
    assert.deepEqual(first, registered);
  });

  cases.test("only a whole id finds a session", async (scene) => {
    const ann = await scene.peer("ann");
    for (const id of ["an", "ann~2", "ANN", "", "bob"]) {
      assert.equal(await ann.store.session(id), undefined, id);
    }
  });

  cases.test("an incarnation is announced once", async (scene) => {
    const [ann] = await scene.two();
    await ann.register();
    await ann.register({ task: "T-1" });
    assert.deepEqual(await heartbeats(ann.store), ["ann came", "bob came"]);
    assert.equal((await ann.store.session("ann"))?.task, "T-1");
  });

  cases.test("an update changes only the given fields", async (scene) => {
    const ann = await scene.peer("ann", {
      start: { model: "opus", task: "T-1", branch: "main" },
    });
    const update = async (change: SessionChange) => {
      const { status, model, task, branch, activeFiles } = await ann.store
        .updateSession("ann", change);
      return { status, model, task, branch, activeFiles };
    };
    let wanted: Partial<Session> = {
      status: "active",
      model: "opus",
      task: "T-1",
      branch: "main",
      activeFiles: [],
    };
    const changes: SessionChange[] = [
      {},
      { status: "idle" },
      { model: "sonnet", branch: "next" },
      { task: "T-2", activeFiles: ["/a", "/b"] },
      { activeFiles: [] },
    ];
    for (const change of changes) {
      wanted = { ...wanted, ...change } as Partial<Session>;
      assert.deepEqual(await update(change), wanted);
    }
    assert.equal((await update({ task: null })).task, undefined);
  });

  timed.test("a session says what it does, and since when", async (scene) => {
    const [ann, bob] = await scene.two();
    const read = async () => {
      const { doing, activity } = (await bob.store.session("ann"))!;
      return { doing, state: activity?.state, why: activity?.why };
    };
    const since = async () =>
      Date.parse((await bob.store.session("ann"))!.activity!.since);
    const update = (change: SessionChange) =>
      ann.store.updateSession("ann", change);
    assert.deepEqual(await read(), {
      doing: undefined,
      state: undefined,
      why: undefined,
    });
    await update({
      doing: "moves the parser",
      activity: { state: "waiting", why: "src/a.ts" },
    });
    const wanted = {
      doing: "moves the parser",
      state: "waiting",
      why: "src/a.ts",
    };
    assert.deepEqual(await read(), wanted);
    const firstMs = await since();
    await scene.advance(60_000);
    await update({ activity: { state: "waiting", why: "src/a.ts" } });
    await ann.register();
    assert.deepEqual(await read(), wanted);
    assert.equal(await since(), firstMs);
    await update({ doing: null, activity: { state: "working" } });
    assert.deepEqual(await read(), {
      doing: undefined,
      state: "working",
      why: undefined,
    });
    assert.ok(await since() - firstMs >= 60_000);
    await ann.store.endSession("ann");
    assert.equal((await bob.store.session("ann"))?.activity, undefined);
  });

  cases.test("a status on the channel state is what its sender does", async (scene) => {
    const [ann, bob] = await scene.two();
    const doing = async () => (await bob.store.session("ann"))?.doing;
    const say = (payload: Json, channel = "state") =>
      ann.append(payload, { channel });
    await say({ status: " moves the parser " });
    assert.equal(await doing(), "moves the parser");
    for (const other of [1, null, { status: 1 }, { status: " " }, ["status"]]) {
      await say(other);
    }
    await say({ status: "green" }, "build");
    assert.equal(await doing(), "moves the parser");
    await say({ status: "x".repeat(300) });
    assert.equal(await doing(), "x".repeat(200));
    const doings = await bob.store.doingsOf([
      (await bob.store.session("ann"))!,
      (await bob.store.session("bob"))!,
    ]);
    assert.deepEqual([...doings], [["ann", "x".repeat(200)]]);
  });

  cases.test("a change of status is announced, a heartbeat is not", async (scene) => {
    const ann = await scene.peer("ann");
    const changes: SessionChange[] = [
      {},
      { status: "idle" },
      { status: "idle" },
      { task: "T-1" },
      { status: "active" },
      {},
    ];
    for (const change of changes) await ann.store.updateSession("ann", change);
    assert.deepEqual(await heartbeats(ann.store), [
      "ann came",
      "ann idle",
      "ann active",
    ]);
  });

  timed.test("any change is a heartbeat", async (scene) => {
    const [ann, bob] = await scene.two();
    const before = (await bob.store.session("ann"))!;
    await scene.advance(60_000);
    await ann.store.updateSession("ann", {});
    const after = (await bob.store.session("ann"))!;
    const passedMs = Date.parse(after.heartbeatAt) -
      Date.parse(before.heartbeatAt);
    assert.ok(passedMs >= 60_000 && passedMs < 120_000, `${passedMs}`);
    assert.equal(after.registeredAt, before.registeredAt);
  });

  cases.test("an unknown session cannot be updated", async (scene) => {
    const ann = await scene.peer("ann");
    await assert.rejects(
      () => ann.store.updateSession("bob", { status: "idle" }),
      UnknownSessionError,
    );
    assert.deepEqual(await listed(ann.store, { ended: true }), ["ann"]);
  });

  cases.test("a session ends once, and is kept", async (scene) => {
    const [ann, bob] = await scene.two();
    await ann.store.updateSession("ann", { activeFiles: ["/a"] });
    await bob.store.endSession("ann");
    await ann.store.endSession("ann");
    const ended = (await bob.store.session("ann"))!;
    assert.equal(ended.status, "terminated");
    assert.equal(typeof ended.endedAt, "string");
    assert.deepEqual(ended.activeFiles, []);
    assert.deepEqual(await heartbeats(bob.store), [
      "ann came",
      "bob came",
      "ann ended",
    ]);
    assert.deepEqual(await listed(bob.store), ["bob"]);
    assert.deepEqual(await listed(bob.store, { ended: true }), ["ann", "bob"]);
  });

  cases.test("an ended session stays ended until it registers again", async (scene) => {
    const [ann, bob] = await scene.two();
    await bob.store.endSession("ann");
    await assert.rejects(
      () => ann.store.updateSession("ann", { status: "active" }),
      SessionEndedError,
    );
    assert.equal((await ann.store.session("ann"))?.status, "terminated");
    const { id, status, endedAt } = await ann.register();
    assert.deepEqual({ id, status, endedAt }, {
      id: "ann",
      status: "active",
      endedAt: undefined,
    });
    assert.deepEqual((await heartbeats(bob.store)).slice(2), [
      "ann ended",
      "ann came",
    ]);
  });

  cases.test("an ended session publishes nothing until it registers again", async (scene) => {
    const [ann, bob] = await scene.two();
    await bob.store.endSession("ann");
    await publishesNothing(ann);
    // Another store that has not registered it is refused too.
    const other = new Peer(await scene.store(), "ann");
    await publishesNothing(other);
    assert.deepEqual(await bob.read(), []);
    await ann.register();
    await ann.append(1);
    await ann.appendAll([ann.message(2), ann.message(3)]);
    await other.append(4);
    assert.deepEqual(await bob.read(), [1, 2, 3, 4]);
  });

  cases.test("a session whose id another process has taken over publishes nothing", async (scene) => {
    const [ann, bob] = await scene.two();
    await bob.store.endSession("ann");
    await new Peer(bob.store, "ann").register(anotherProcess());
    await publishesNothing(ann, true);
    assert.deepEqual(await bob.read(), []);
    // The process with the id may act, and other sessions are unaffected.
    const messages = [ann.message(1), bob.message(2), ann.message(3)];
    await bob.store.append(messages, { atomic: true });
    const results = await ann.store.append(messages, { atomic: false });
    assert.deepEqual(
      results.map((result) => "error" in result),
      [true, false, true],
    );
    assert.deepEqual(await bob.read(), [1, 2, 3, 2]);
  });

  for (const [how, cease] of Object.entries(CEASING)) {
    cases.test(`a session that ${how} can no longer act`, async (scene) => {
      const [ann, bob] = await scene.two();
      await ann.register({ worktree: "/w", branch: "main" });
      await bob.register({ worktree: "/w", branch: "main" });
      const question = await bob.append("question", { to: "ann" });
      await bob.post("T-1");
      await bob.hold("/b");
      const waiter = await ann.queue("/b");
      await cease(ann, bob);
      const before = await everything(bob.store);
      for (const [what, act] of Object.entries(actsOf(ann, question, waiter))) {
        if (what === "batch" && !ann.store.capabilities.atomicBatches) continue;
        await assert.rejects(act, SessionEndedError, what);
        assert.deepEqual(await everything(bob.store), before, what);
      }
      const delivery = await bob.store.delivery(question);
      assert.equal(delivery?.state, "queued");
      assert.deepEqual(await bob.store.touchesOf("/free", 0), []);
    });
  }

  cases.test("ending by a process ends only the incarnation that has it", async (scene) => {
    const [ann, bob] = await scene.two();
    const { pid, processStart } = (await ann.store.session("ann"))!;
    await bob.store.endSession("ann", anotherProcess());
    await bob.store.endSession("ann", { pid, processStart: "other" });
    assert.equal((await ann.store.session("ann"))?.status, "active");
    await bob.store.endSession("ann", { pid, processStart });
    assert.equal((await ann.store.session("ann"))?.status, "terminated");
  });

  cases.test("another living process under an id gets the next one", async (scene) => {
    const [ann, bob] = await scene.two();
    const again = await bob.store.registerSession({
      id: "ann",
      vendor: "script",
      project: null,
      ...anotherProcess(),
    });
    assert.equal(again.id, "ann~2");
    assert.deepEqual(await heartbeats(bob.store), [
      "ann came",
      "bob came",
      "ann~2 came",
    ]);
    // The session is recognised by its process.
    const same = await ann.store.registerSession({
      id: "ann",
      vendor: "script",
      project: null,
      ...anotherProcess(),
    });
    assert.equal(same.id, "ann~2");
    assert.deepEqual(await listed(ann.store), ["ann", "bob", "ann~2"]);
  });

  cases.test("a resumed session keeps the id of its dead process", async (scene) => {
    const ann = await scene.peer("ann", { start: GONE_PROCESS });
    const bob = await scene.peer("bob");
    await ann.hold("/a");
    const resumed = await bob.store.registerSession({
      id: "ann",
      vendor: "script",
      project: null,
      ...anotherProcess(),
    });
    assert.equal(resumed.id, "ann");
    // It does not inherit the holds of the other incarnation.
    assert.deepEqual(await bob.store.locks({ project: null }), []);
    assert.deepEqual(await heartbeats(bob.store), [
      "ann came",
      "bob came",
      "ann died",
      "ann came",
    ]);
  });

  cases.test("a look reaps a session whose process is dead", async (scene) => {
    const bob = await scene.peer("bob");
    const ann = await scene.peer("ann", { start: GONE_PROCESS });
    assert.deepEqual(await listed(bob.store), ["bob"]);
    assert.equal((await ann.store.session("ann"))?.status, "terminated");
    assert.deepEqual((await heartbeats(bob.store)).slice(2), ["ann died"]);
  });

  cases.test("a thread lives on without its window until it is idle", async (scene) => {
    const bob = await scene.peer("bob");
    const home = Deno.makeTempDirSync({ prefix: "mbus-codex-" });
    try {
      Deno.mkdirSync(`${home}/thread-writer-locks`);
      Deno.writeTextFileSync(`${home}/thread-writer-locks/t-1.lock`, "");
      const { pid = 0, processStart: startTime = "" } = anotherProcess();
      const keeper = { codex: { home, id: "t-1", daemon: { pid, startTime } } };
      const start = { ...GONE_PROCESS, keeper };
      const ann = await scene.peer("ann", { start });
      assert.deepEqual((await bob.store.session("ann"))?.keeper, keeper);
      await ann.hold("/k/a.ts");
      assert.deepEqual(await listed(bob.store), ["bob", "ann"]);
      assert.equal((await bob.ask("/k/a.ts")).state, "refused");
      await ann.store.updateSession("ann", { status: "idle" });
      assert.equal((await bob.ask("/k/a.ts")).state, "held");
      assert.deepEqual(await listed(bob.store), ["bob"]);
    } finally {
      Deno.removeSync(home, { recursive: true });
    }
  });

  cases.test("a session without a process lives by its heartbeats", async (scene) => {
    const bob = await scene.peer("bob");
    await scene.peer("ann", { start: NO_PROCESS });
    assert.deepEqual(await listed(bob.store), ["bob", "ann"]);
    // No store can distinguish the two.
    const again = await bob.store.registerSession({
      id: "ann",
      vendor: "codex",
      project: null,
    });
    assert.equal(again.id, "ann");
    assert.equal(again.vendor, "codex");
  });

  cases.test("sessions are listed in the order of registration", async (scene) => {
    const store = await scene.store();
    const ids = ["c", "a", "d", "b"];
    for (const id of ids) await scene.peer(id);
    assert.deepEqual(await listed(store), ids);
  });

  cases.test("a list of a project has its sessions and sessions of no project", async (scene) => {
    const store = await scene.store();
    for (const project of ["/one", "/two", null]) {
      await scene.peer(`of ${project}`, { start: { project } });
    }
    assert.deepEqual(await listed(store, { project: "/one" }), [
      "of /one",
      "of null",
    ]);
    assert.equal((await listed(store)).length, 3);
    assert.equal((await store.stats()).sessions, 3);
  });

  cases.test("the holds and claims of a session are free when it ends", async (scene) => {
    const [ann, bob] = await scene.two();
    await ann.hold("/a");
    await bob.hold("/b");
    const waiter = await ann.queue("/b");
    await bob.post("T-1");
    await ann.store.claimTask("T-1", ann.claimer());
    await ann.store.endSession("ann");
    const locks = await bob.store.locks({ project: null });
    assert.deepEqual(locks.map(({ path }) => path), ["/b"]);
    const [task] = await bob.store.tasks({ project: null, exactProject: true });
    assert.equal(task.status, "open");
    await assert.rejects(() => ann.check(waiter), {
      name: "SessionEndedError",
    });
  });

  timed.test("a silent session is dead only if its process is", async (scene) => {
    const [ann, bob] = await scene.two();
    await scene.advance(5 * HOUR_MS);
    await bob.store.purge();
    assert.deepEqual(await listed(bob.store), ["ann", "bob"]);
    assert.equal((await ann.store.session("ann"))?.status, "active");
  });

  cases.test("a bus registers before it publishes, and ends when it closes", async (scene) => {
    const ann = await scene.bus("ann");
    const store = await scene.store();
    assert.deepEqual(await listed(store), []);
    await Promise.all([ann.publish("b", 1), ann.publish("b", 2)]);
    assert.deepEqual(await heartbeats(store), ["ann came"]);
    await ann.close();
    assert.deepEqual(await heartbeats(store), ["ann came", "ann ended"]);
    assert.deepEqual(await listed(store), []);
  });
}
