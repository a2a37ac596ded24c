/**
 * The suite finds defects: each is put into the SQLite store on purpose, and its
 * case fails.
 *
 * A case that passes on a healthy store proves little unless it can fail.
 */

import assert from "node:assert/strict";
import {
  ClosedError,
  DeadlockError,
  MessageBusError,
  NotHeldError,
  SessionEndedError,
} from "../../lib/model/errors.ts";
import type { Hold } from "../../lib/model/lock.ts";
import type { Operations } from "../../lib/bus/operations.ts";
import type { Rule, Store } from "../../lib/store/store.ts";
import {
  conformance,
  type ConformanceCase,
  type StoreUnderTest,
} from "../../testing.ts";
import { SQLITE } from "./sqlite.ts";

/** Faulty methods of a store. */
type Defect = (operations: Operations) => Partial<Operations>;

/** Defect, and the case that finds it. */
interface Seeded {
  readonly found: string;
  readonly defect: Defect;
}

/** Returns a store with a defect. */
function withDefect(operations: Operations, defect: Defect): Operations {
  const wrong: Partial<Operations> = defect(operations);
  return new Proxy(operations, {
    get(sound, name) {
      const from = Object.hasOwn(wrong, name) ? wrong : sound;
      const value = Reflect.get(from, name, from);
      return typeof value === "function" ? value.bind(from) : value;
    },
  });
}

/** Returns a SQLite store under test with a defect. */
function defective(defect: Defect): StoreUnderTest {
  return {
    ...SQLITE,
    operations: (operations) => withDefect(operations, defect),
  };
}

/** Returns the case of a store's suite with this subject and name. */
function caseOf(store: StoreUnderTest, name: string): ConformanceCase {
  const cases: ConformanceCase[] = [];
  conformance((each) => cases.push(each), store);
  const found = cases.filter((each) =>
    each.name === `${store.name}: ${name}` && !each.ignore
  );
  assert.equal(found.length, 1, `There is no case "${name}"`);
  return found[0];
}

/** Returns a store that drops every second update. */
function withoutUpdates(store: Store): Store {
  let updates = 0;
  return new Proxy(store, {
    get(sound, name) {
      if (name === "update" && updates++ % 2 === 1) {
        return async <T>(rule: Rule<T>) => (await sound.look(rule))?.result;
      }
      const value = Reflect.get(sound, name, sound);
      return typeof value === "function" ? value.bind(sound) : value;
    },
  });
}

const DEFECTS: Readonly<Record<string, Seeded>> = {
  "every second message of several is dropped": {
    found: "publish: an append returns a result per message, in order",
    defect: (store) => ({
      append: (messages, options) =>
        store.append(messages.filter((_, i) => i % 2 === 0), options),
    }),
  },
  "an atomic append stores what comes before a refusal": {
    found: "publish: atomic: one invalid message rejects all and is thrown",
    defect: (store) => ({
      append: async (messages, options) => {
        const results = [];
        for (const message of messages) {
          results.push(...await store.append([message], options));
        }
        return results;
      },
    }),
  },
  "a sender's list shows other states than the deliveries": {
    found:
      "direct messages: a sender lists its direct messages with their states",
    defect: (store) => ({
      sentBy: async (session, limit) =>
        (await store.sentBy(session, limit)).map((sent) => ({
          ...sent,
          state: "acked" as const,
        })),
    }),
  },
  "the number of unread messages has those that were told": {
    found: "direct messages: 10,000 unread messages wait, and are counted",
    defect: (store) => ({
      untoldCount: async (session) =>
        (await store.pendingFor(session, store.startCursor, 100_000)).length,
    }),
  },
  "one invalid message rejects all of a non-atomic append": {
    found: "publish: not atomic: an invalid message rejects only itself",
    defect: (store) => ({
      append: (messages) => store.append(messages, { atomic: true }),
    }),
  },
  "a page begins with the message of its cursor": {
    found: "cursors: a read after a message's id returns later messages",
    defect: (store) => ({
      read: (interest, cursor, limit) =>
        store.read(interest, String(Math.max(Number(cursor) - 1, 0)), limit),
    }),
  },
  "a page's cursor is its last message": {
    found: "cursors: a page's cursor is after every message it looked at",
    defect: (store) => ({
      read: async (interest, cursor, limit) => {
        const page = await store.read(interest, cursor, limit);
        return { ...page, cursor: page.messages.at(-1)?.id ?? cursor };
      },
    }),
  },
  "a page is longer than its limit": {
    found:
      "cursors: a page has at most its limit of messages, and its cursor continues",
    defect: (store) => ({
      read: (interest, cursor, limit) =>
        store.read(interest, cursor, limit + 1),
    }),
  },
  "the end is one too early": {
    found:
      "cursors: the start cursor is before all messages, the end cursor after",
    defect: (store) => ({
      endCursor: async () => String(Number(await store.endCursor()) - 1),
    }),
  },
  "every text is a cursor": {
    found: "cursors: other text is not a cursor",
    defect: () => ({ parseCursor: (text) => text }),
  },
  "readers see every project": {
    found:
      "cursors: a reader of a project reads its messages and messages of no project",
    defect: (store) => ({
      read: (interest, ...rest) =>
        store.read({ ...interest, project: null }, ...rest),
    }),
  },
  "every session reads a direct message": {
    found: "cursors: a direct message is read by its addressee only",
    defect: (store) => ({
      read: (interest, ...rest) =>
        store.read({ ...interest, session: "bob" }, ...rest),
    }),
  },
  "a purge never reports that there is more": {
    found:
      "keeping: a purge counts its deletions, and a second one finds nothing",
    defect: (store) => ({
      purge: async () => ({ ...await store.purge(), more: false }),
    }),
  },
  "a new durable name begins at the start": {
    found: "durable: a new name begins at the given cursor",
    defect: (store) => ({
      takeDurable: (name, interest) =>
        store.takeDurable(name, interest, store.startCursor),
    }),
  },
  "acknowledgements are not stored": {
    found: "durable: the next reader gets unacknowledged messages again",
    defect: (store) => ({
      advanceDurable: (reader) => store.advanceDurable(reader),
    }),
  },
  "a durable name's lease is never released": {
    found: "durable: a name has one reader at a time",
    defect: () => ({ releaseDurable: () => Promise.resolve() }),
  },
  "a durable name is taken from its reader": {
    found: "durable: one of two readers that ask at once gets the name",
    defect: (store) => ({
      takeDurable: (name, ...rest) =>
        store.takeDurable(`${name}-${crypto.randomUUID()}`, ...rest),
    }),
  },
  "losses are not counted": {
    found: "durable: a name counts messages that expired unacknowledged",
    defect: (store) => ({
      readDurable: async (...query) => ({
        ...await store.readDurable(...query),
        lost: 0,
      }),
    }),
  },
  "every heartbeat is announced": {
    found: "sessions: a change of status is announced, a heartbeat is not",
    defect: (store) => ({
      updateSession: async (id, change) => {
        await store.registerSession({ id: "x", vendor: "x", project: null });
        await store.endSession("x");
        return await store.updateSession(id, change);
      },
    }),
  },
  "any process ends a session": {
    found:
      "sessions: ending by a process ends only the incarnation that has it",
    defect: (store) => ({ endSession: (id) => store.endSession(id) }),
  },
  "a second process has the same id": {
    found: "sessions: another living process under an id gets the next one",
    defect: (store) => ({
      registerSession: (start) =>
        store.registerSession({ ...start, pid: undefined }),
    }),
  },
  "an exclusive lock blocks no session": {
    found:
      "locks: an exclusive lock blocks every other session and names its holder",
    defect: (store) => ({
      acquireLock: (request) =>
        store.acquireLock({ ...request, type: "advisory" }),
    }),
  },
  "one release ends a lock of any count": {
    found: "locks: a lock that is taken twice must be released twice",
    defect: (store) => ({
      releaseLock: (hold) => store.releaseLock(hold, { entirely: true }),
    }),
  },
  "a stale token releases the present lock": {
    found:
      "lock leases: a hold with a wrong token cannot be renewed or released",
    defect: (store) => {
      const current = async ({ path }: Hold): Promise<Hold> =>
        (await store.locks({ project: null, path }))[0];
      return {
        releaseLock: async (hold, options) =>
          await store.releaseLock(await current(hold), options),
      };
    },
  },
  "an overdue lock is taken over without a request": {
    found:
      "lock leases: the lock of a living process is overdue and held after its expiry",
    defect: (store) => ({
      acquireLock: (request) =>
        store.acquireLock({ ...request, takeOver: true }),
    }),
  },
  "no request is queued": {
    found: "waiting: a waiter gets its blockers",
    defect: (store) => ({
      acquireLock: (request) => store.acquireLock({ ...request, wait: false }),
    }),
  },
  "no waiter leaves the queue": {
    found:
      "waiting: a waiter that leaves the queue is not served, and the next one is",
    defect: () => ({ leaveQueue: () => Promise.resolve() }),
  },
  "a release does not serve the next waiter": {
    found: "waiting: a release grants the lock to its waiter in one step",
    defect: (store) => ({
      releaseLock: async (hold, options) => {
        const waiters = await store.lockWaiters({
          kind: "file",
          path: hold.path,
          disk: { text: hold.path, prefix: hold.path },
          foldsCase: false,
        });
        // Leaves the grant to the next look.
        if (waiters.length === 0) await store.releaseLock(hold, options);
      },
    }),
  },
  "a cycle is refused without DeadlockError": {
    found: "deadlock: a cycle of two sessions is refused and listed",
    defect: (store) => ({
      acquireLock: async (request) => {
        try {
          return await store.acquireLock(request);
        } catch (error) {
          if (!(error instanceof DeadlockError)) throw error;
          return { state: "refused", blockers: [] };
        }
      },
    }),
  },
  "a session that acts for another adds no edge": {
    found:
      "deadlock: a session that acts for another waits for no session that waits for that one",
    defect: (store) => ({
      acquireLock: (request) =>
        store.acquireLock({ ...request, actingFor: [] }),
    }),
  },
  "an ended session acknowledges": {
    found: "sessions: a session that has ended can no longer act",
    defect: (store) => ({
      moveDeliveries: async (session, ids, state) => {
        try {
          await store.moveDeliveries(session, ids, state);
        } catch (error) {
          if (!(error instanceof SessionEndedError)) throw error;
        }
      },
    }),
  },
  "a clock that was set back stops the purge": {
    found: "keeping: a purge is due after the clock is set back",
    defect: () => ({ purgeIfDue: () => Promise.resolve() }),
  },
  "a lost claim ends as if it were held": {
    found: "concurrency: a claim that two stores end at once ends once",
    defect: (store) => ({
      endClaim: async (claim, end) => {
        try {
          return await store.endClaim(claim, end);
        } catch (error) {
          if (!(error instanceof NotHeldError)) throw error;
          return claim;
        }
      },
    }),
  },
  "two updates run at once": {
    found: "concurrency: concurrent updates guarded by locks lose nothing",
    defect: (store) => ({ store: withoutUpdates(store.store) }),
  },
  "the next task ignores the filter": {
    found: "tasks: a claim can filter by kind and priority in its project",
    defect: (store) => ({
      claimNextTask: (_, claimer) => store.claimNextTask({}, claimer),
    }),
  },
  "a late holder's claim ends the present one": {
    found: "claims: a released task is claimed again under a greater token",
    defect: (store) => ({
      endClaim: async (claim, end) => {
        const query = { project: null, exactProject: true, id: claim.id };
        const [task] = await store.tasks(query);
        const { token = claim.token, session = claim.session } = task;
        return await store.endClaim({ ...claim, token, session }, end);
      },
    }),
  },
  "a lost claim ends without an error": {
    found: "claims: a claim ends once, with its result",
    defect: (store) => ({
      endClaim: async (claim, end) => {
        try {
          return await store.endClaim(claim, end);
        } catch (error) {
          if (!(error instanceof NotHeldError)) throw error;
          return claim;
        }
      },
    }),
  },
  "any session acknowledges a direct message": {
    found: "direct messages: no other session moves a delivery",
    defect: (store) => ({
      moveDeliveries: async (_, ids, state) => {
        for (const id of ids) {
          const delivery = await store.delivery(id);
          await store.moveDeliveries(delivery!.to, [id], state);
        }
      },
    }),
  },
  "a message that was shown to the model is pending again": {
    found: "direct messages: an acknowledged message is not pending",
    defect: (store) => ({
      pendingFor: (session, after, limit) =>
        store.pendingFor(session, after, limit),
    }),
  },
  "a note is written without the expected value": {
    found: "edits: an activity is not recorded unless a note is as expected",
    defect: (store) => ({
      noteActivity: (session, { expects: _, ...activity }) =>
        store.noteActivity(session, activity),
    }),
  },
  "an edit does not report its conflicts": {
    found:
      "edits: an advisory lock of another session conflicts until the session is informed",
    defect: (store) => ({
      guardEdit: (request) => store.guardEdit({ ...request, informed: true }),
    }),
  },
  "a batch runs step by step": {
    found: "atomicity: a batch with a refused step changes nothing",
    defect: (store) => ({
      batch: async (operations) => {
        const results = [];
        for (const operation of operations) {
          results.push(...await store.batch([operation]));
        }
        return results;
      },
    }),
  },
  "a closed store runs operations": {
    found: "closing: a closed store refuses every operation",
    defect: (store) => ({
      session: async (id) => {
        try {
          return await store.session(id);
        } catch (error) {
          if (!(error instanceof ClosedError)) throw error;
          return undefined;
        }
      },
    }),
  },
  "a closed watch continues": {
    found: "wake-ups: a closed watch is not woken",
    defect: (store) => ({
      watch: async (interest, wake) => {
        const watch = await store.watch(interest, wake);
        return { ...watch, mode: watch.mode, close() {} };
      },
    }),
  },
  "the capabilities are not the declared ones": {
    found:
      "capabilities: a store declares the capabilities that it is tested with",
    defect: (store) => ({
      capabilities: { ...store.capabilities, acceptsForeignRows: false },
    }),
  },
  "the location shows a password": {
    found: "capabilities: a store names its location without credentials",
    defect: () => ({ location: "postgres://bus:secret@host/bus" }),
  },
};

for (const [what, { found, defect }] of Object.entries(DEFECTS)) {
  Deno.test(`the suite finds that ${what}`, async () => {
    await caseOf(SQLITE, found).fn();
    await assert.rejects(caseOf(defective(defect), found).fn(), (error) => {
      // Fails by an assertion, or by a refused operation.
      const isFound = error instanceof assert.AssertionError ||
        error instanceof MessageBusError;
      assert.ok(isFound, String(error));
      return true;
    });
  });
}

Deno.test("random histories find a defect and shrink it", async () => {
  const { defect } = DEFECTS["one release ends a lock of any count"];
  const name =
    "random histories: a store shows what a plain model shows after any history";
  const store = { ...defective(defect), histories: 300 };
  await assert.rejects(caseOf(store, name).fn(), (error) => {
    const { message } = error as Error;
    const commands = [...message.matchAll(/^ {2}\d+\. (\{.*\})$/gm)]
      .map(([, command]) => JSON.parse(command).act);
    // Two acquires and a release: three commands of up to sixty, or a few more if
    // shrinking does not finish.
    assert.ok(commands.length <= 20, message);
    assert.ok(commands.filter((act) => act === "lock").length > 1, message);
    assert.equal(commands.at(-1), "unlock", message);
    assert.match(message, /MBUS_TEST_SEED=-?\d+ MBUS_TEST_PATH=[\d:]+/);
    return true;
  });
});

Deno.test("all stores have the same cases, and ignored ones name their reason", () => {
  const casesOf = (store: StoreUnderTest): ConformanceCase[] => {
    const cases: ConformanceCase[] = [];
    conformance((each) => cases.push(each), store);
    return cases;
  };
  const sound = casesOf(SQLITE);
  assert.equal(new Set(sound.map(({ name }) => name)).size, sound.length);
  const ignored = sound.filter(({ ignore }) => ignore);
  assert.deepEqual(ignored.map(({ name }) => /\([^()]*\)$/.exec(name)?.[0]), [
    "(ignored: for stores without atomicBatches)",
  ]);
  const reasons: readonly [Partial<StoreUnderTest>, string, number][] = [
    [{ ignore: "install it" }, "install it", sound.length],
    [{ movesClock: false }, "needs movesClock", 30],
  ];
  for (const [otherwise, reason, least] of reasons) {
    const cases = casesOf({ ...SQLITE, ...otherwise });
    assert.equal(cases.length, sound.length);
    const because = cases.filter(({ name, ignore }) =>
      ignore && name.endsWith(` (ignored: ${reason})`)
    );
    assert.ok(because.length >= least, `${because.length}`);
  }
});
