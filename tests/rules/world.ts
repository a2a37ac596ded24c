/**
 * World without a store: records in plain maps, a clock, and processes that live or
 * die as a test sets.
 *
 * Each rule runs four times on fresh records: twice with all records loaded, and
 * twice with only the queried ones. All four runs must have the same result. So
 * every test of a rule also shows that the rule may restart, queries all that it
 * needs, and tolerates more records.
 *
 * @module
 */

import assert from "node:assert/strict";
import type { Json } from "../../lib/model/json.ts";
import type {
  Hold,
  LockKind,
  LockOutcome,
  LockRequest,
  LockTarget,
} from "../../lib/model/lock.ts";
import type { Appended, NewMessage } from "../../lib/model/message.ts";
import type { HostedProcess, Life } from "../../lib/model/process.ts";
import type {
  Incarnation,
  Session,
  SessionStart,
} from "../../lib/model/session.ts";
import type {
  Claim,
  Claimer,
  Task,
  TaskPosting,
} from "../../lib/model/task.ts";
import { acquire, checkWaiter, listHolds } from "../../lib/rules/locks.ts";
import { publish } from "../../lib/rules/messages.ts";
import { type RecordChange, Records } from "../../lib/rules/records.ts";
import type { Decide, Moment } from "../../lib/rules/rule.ts";
import { registerSession } from "../../lib/rules/sessions.ts";
import { claimTask, postTask } from "../../lib/rules/tasks.ts";
import { type LockWish, targetOf } from "../../lib/testing/peer.ts";
import { type Extent, Memory } from "../conformance/memory.ts";

/** Default lease of tests: an hour, in milliseconds. */
export const HOUR_MS = 60 * 60 * 1000;

/** Machine on which a world begins. */
export const HERE = "linux:here:1";

/** Another host of the same machine, with the same disk. */
export const BESIDE = "linux:here:2";

/** Host of another machine. */
export const ELSEWHERE = "linux:elsewhere:1";

/** Options of registering a session. */
export type Start = Partial<SessionStart> & { readonly host?: string };

/** Options of a lock request. */
export type Wish = LockWish & { readonly locksMax?: number };

interface Run<T> {
  readonly result?: T;
  readonly error?: unknown;
  readonly records: Records;
  readonly lastToken: number;
}

/** Returns the result of a run, in a comparable form. */
function shown<T>({ result, error, records, lastToken }: Run<T>): unknown {
  // A touch may be written without being loaded.
  const changes = [...records.changes()].map((change) =>
    change.kind === "touch" ? { ...change, from: undefined } : change
  ).map((change) => JSON.stringify(change)).sort();
  const { said, wakes, registered } = records;
  return error === undefined
    ? structuredClone({ result, changes, said, wakes, registered, lastToken })
    : { error };
}

/** World without a store. */
export class World {
  nowMs = Date.parse("2026-12-01T08:00:00Z");
  /** Acting process. */
  self: HostedProcess = { pid: 1, startTime: "s1", host: HERE };
  /** Sessions that the acting process registered. */
  readonly incarnations = new Map<string, Incarnation>();
  readonly memory = new Memory();
  /** Messages of rules, oldest first. */
  readonly said: NewMessage[] = [];
  /** Wake-ups of the last rule, as `topic` or `topic session`. */
  wakes: readonly string[] = [];
  /** Changes of the last rule. */
  changes: readonly RecordChange[] = [];
  readonly #lives = new Map<number, Life>();
  readonly #entries = new Map<string, "file" | "folder">();
  #lastPid = 100;

  /** Runs a rule, and stores its changes unless it throws. */
  run<T>(decide: Decide<T>): T {
    const runs = (["all", "all", "asked", "asked"] as const)
      .map((extent) => this.#try(decide, extent));
    const [first, ...others] = runs;
    for (const other of others) assert.deepEqual(shown(other), shown(first));
    const { error, records, lastToken } = first;
    if (error !== undefined) throw error;
    this.changes = [...records.changes()];
    this.memory.lastToken = lastToken;
    this.memory.commit(records, this.nowMs);
    this.#assertWhole();
    for (const session of records.registered) {
      this.incarnations.set(session.id, session);
    }
    this.said.push(...records.said.map(({ message }) => message));
    this.wakes = records.wakes.map(({ topic, session }) =>
      session === null ? topic : `${topic} ${session}`
    );
    return first.result as T;
  }

  /** Runs a rule of another process. */
  as<T>(self: Partial<HostedProcess>, act: () => T): T {
    const before = this.self;
    this.self = { ...before, ...self };
    try {
      return act();
    } finally {
      this.self = before;
    }
  }

  /** Moves the clock forward or back. */
  advance(ms: number): void {
    this.nowMs += ms;
  }

  /** Sets the liveness of a process, or of a session's. */
  end(who: number | string, life: Life = "dead"): void {
    const pid = typeof who === "number" ? who : this.session(who).pid!;
    this.#lives.set(pid, life);
  }

  /** Puts an entry on the disk. */
  put(path: string, kind: "file" | "folder"): void {
    this.#entries.set(path, kind);
  }

  /** Registers a session, by default with a process of its own. */
  join(id: string, { host = this.self.host, ...start }: Start = {}): Session {
    const pid = ++this.#lastPid;
    return this.as(
      { host },
      () =>
        this.run((records, at) =>
          registerSession(records, at, {
            id,
            vendor: "script",
            project: null,
            pid,
            processStart: `s${pid}`,
            ...start,
          })
        ),
    );
  }

  /** Returns a session's record. */
  session(id: string): Session {
    return this.memory.records.session.get(id)!;
  }

  /** Requests a lock; by default exclusive and without waiting. */
  ask(session: string, path: string, wish: Wish = {}): LockOutcome {
    const { kind, repository, worktree, locksMax = 100, ...request } = wish;
    return this.run((records, at) =>
      acquire(
        records,
        at,
        {
          session,
          agent: "",
          target: target(path, { kind, repository, worktree }),
          type: "exclusive",
          leaseMs: HOUR_MS,
          takeOver: false,
          wait: false,
          actingFor: [],
          ...request,
        },
        locksMax,
      )
    );
  }

  /** Takes a lock that no other session blocks. */
  hold(session: string, path: string, wish?: Wish): Hold {
    return held(this.ask(session, path, wish));
  }

  /** Queues for a lock that another session blocks; returns the waiter. */
  queue(session: string, path: string, wish: Wish = {}): string {
    const outcome = this.ask(session, path, { ...wish, wait: true });
    assert.equal(outcome.state, "waiting", JSON.stringify(outcome));
    return (outcome as LockOutcome & { state: "waiting" }).waiter;
  }

  /** Checks a waiter of a session. */
  check(waiter: string, session: string): LockOutcome {
    return this.run((records, at) => checkWaiter(records, at, waiter, session));
  }

  /** Returns the stored holds, each as `session path type`. */
  get holds(): string[] {
    return [...this.memory.records.hold.values()].map(({ hold }) =>
      `${hold.session} ${hold.path} ${hold.type}`
    );
  }

  /** Returns the stored waiters without a grant, each as `session path`. */
  get waiters(): string[] {
    return [...this.memory.records.waiter.values()]
      .filter(({ token }) => token === undefined)
      .map(({ request: { session, target } }) => `${session} ${target.path}`);
  }

  /** Lists the holds as `mbus locks` does, which reaps; as {@linkcode holds}. */
  listed(): string[] {
    const holds = this.run((records, at) =>
      listHolds(records, at, { project: null })
    );
    return holds.map(({ session, path, type }) => `${session} ${path} ${type}`);
  }

  /** Publishes a message on the channel `a`; its result has the id. */
  publish(
    sender: string,
    payload: Json,
    options: Partial<NewMessage> = {},
  ): Appended {
    return this.run((records, at) =>
      publish(records, at, {
        sender,
        channel: "a",
        payloadText: JSON.stringify(payload),
        ttlSeconds: HOUR_MS / 1000,
        project: null,
        ...options,
      })
    );
  }

  /** Posts a task. */
  post(id: string, options: Partial<TaskPosting> = {}): Task {
    return this.run((records, at) =>
      postTask(records, at, posting(id, options))
    );
  }

  /** Claims a task by its id. */
  claim(id: string, session: string, options: Partial<Claimer> = {}): Claim {
    return this.run((records, at) =>
      claimTask(records, at, id, claimer(session, options))
    );
  }

  /** Returns a task's record by its id, of no project. */
  task(id: string): Task {
    return [...this.memory.records.task.values()]
      .find(({ task }) => task.id === id)!.task;
  }

  /** Returns the payloads of a channel's messages so far, oldest first. */
  payloads(channel: string): Record<string, Json>[] {
    return this.said.filter((message) => message.channel === channel)
      .map(({ payloadText }) => JSON.parse(payloadText));
  }

  /** Returns the events of a channel so far, each as `event session`. */
  events(channel: string): string[] {
    return this.payloads(channel).map(({ event, session, sessions }) =>
      `${event} ${session ?? (sessions as string[]).join(",")}`
    );
  }

  /** Asserts that each record has its key, and refers to existing records. */
  #assertWhole(): void {
    const { session, hold, waiter, task } = this.memory.records;
    const isRunning = (id: string) =>
      session.get(id)?.status !== "terminated" && session.has(id);
    for (const [key, record] of hold) {
      const { token, session: holder } = record.hold;
      assert.equal(key, String(token));
      assert.ok(isRunning(holder), `${holder} has ended and holds`);
      if (record.waiter === undefined) continue;
      assert.equal(waiter.get(String(record.waiter))?.token, token);
    }
    for (const [key, { number, request, token }] of waiter) {
      assert.equal(key, String(number));
      assert.ok(isRunning(request.session), `${request.session} waits`);
      if (token === undefined) continue;
      // A hold that was granted twice names the later waiter.
      const named = hold.get(String(token))?.waiter ?? Infinity;
      assert.ok(named >= number, `${number} is granted what ${named} is`);
    }
    for (
      const { task: { id, status, session: holder = "" } } of task.values()
    ) {
      if (status !== "claimed") continue;
      const ended = session.get(holder)?.status === "terminated";
      assert.ok(!ended, `${holder} has ended and has claimed ${id}`);
    }
  }

  #try<T>(decide: Decide<T>, extent: Extent): Run<T> {
    const records = new Records((path) => this.#entries.get(path));
    let lastToken = this.memory.lastToken;
    let tokens = 0;
    const moment: Moment = {
      nowMs: this.nowMs,
      self: this.self,
      life: ({ pid, host }) =>
        host === this.self.host ? this.#lives.get(pid) ?? "alive" : "unknown",
      nextToken: () => {
        assert.ok(tokens-- > 0, "a rule took more tokens than it asked for");
        return ++lastToken;
      },
      incarnations: new Map(this.incarnations),
    };
    try {
      const plan = decide(records, moment);
      for (;;) {
        const step = plan.next();
        if (step.done) return { result: step.value, records, lastToken };
        for (const query of step.value) {
          if (query.kind === "tokens") tokens = Math.max(tokens, query.count);
          this.memory.load(records, query, this.nowMs, extent);
        }
      }
    } catch (error) {
      return { error, records, lastToken };
    }
  }
}

/** Makes a posting of a task. */
export function posting(
  id: string,
  options: Partial<TaskPosting> = {},
): TaskPosting {
  return {
    id,
    title: id,
    payloadText: "null",
    priority: 0,
    dependsOn: [],
    project: null,
    session: "ann",
    ...options,
  };
}

/** Makes a claimer. */
export function claimer(
  session: string,
  options: Partial<Claimer> = {},
): Claimer {
  return { session, project: null, leaseMs: HOUR_MS, ...options };
}

/** Makes a target, by default a file, in a worktree of `/repo`. */
export function target(
  path: string,
  { kind, repository, worktree }: {
    readonly kind?: LockKind;
    readonly repository?: string;
    readonly worktree?: string;
  } = {},
): LockTarget {
  return {
    ...targetOf(path, kind, repository),
    ...(worktree !== undefined && { worktree, project: "/repo" }),
  };
}

/** Returns the hold of an outcome that must have one. */
export function held(outcome: LockOutcome): Hold {
  assert.equal(outcome.state, "held", JSON.stringify(outcome));
  return (outcome as LockOutcome & { state: "held" }).hold;
}

/** Returns blockers, each as `session state path`. */
export function blockers(outcome: LockOutcome): string[] {
  assert.notEqual(outcome.state, "held", JSON.stringify(outcome));
  return (outcome as LockOutcome & { state: "refused" }).blockers
    .map(({ session, state, path }) => `${session} ${state} ${path}`);
}

/** Returns a request, for rules that take one. */
export function request(
  session: string,
  path: string,
  options: Partial<LockRequest> = {},
): LockRequest {
  return {
    session,
    agent: "",
    target: target(path),
    type: "exclusive",
    leaseMs: HOUR_MS,
    takeOver: false,
    wait: false,
    actingFor: [],
    ...options,
  };
}
