/**
 * Session with a store of its own, for short cases.
 *
 * @module
 */

import type { Operations } from "../bus/operations.ts";
import assert from "node:assert/strict";
import { processStart } from "../process/host.ts";
import type { Json } from "../model/json.ts";
import { pathSet } from "../path/lock_target.ts";
import type { LockKind, LockTarget } from "../model/lock.ts";
import type { Hold, LockOutcome, LockRequest } from "../model/lock.ts";
import type { Session, SessionStart } from "../model/session.ts";
import type { Interest, Message, NewMessage, Page } from "../model/message.ts";
import type { Claimer, Task, TaskPosting } from "../model/task.ts";

/** Default channel of cases. */
export const CHANNEL = "a";

/** Interest in messages of that channel, without direct ones. */
export const ON_CHANNEL: Interest = {
  channels: [CHANNEL],
  project: null,
  session: null,
};

/** Default lease and TTL of cases: an hour, in milliseconds. */
export const HOUR_MS: number = 60 * 60 * 1000;

/** Options of a lock request in a case. */
export type LockWish =
  & Partial<Omit<LockRequest, "session" | "target">>
  & {
    readonly kind?: LockKind;
    readonly repository?: string;
    readonly worktree?: string;
  };

/** Registered session with a store of its own. */
export class Peer {
  /** Store of the session. */
  readonly store: Operations;
  #id: string;

  /** Makes a session that is not registered yet. */
  constructor(store: Operations, id: string) {
    this.store = store;
    this.#id = id;
  }

  /** Id of the session. */
  get id(): string {
    return this.#id;
  }

  /** Registers the session; `start` overrides this process and other facts. */
  async register(start: Partial<SessionStart> = {}): Promise<Session> {
    const session = await this.store.registerSession({
      id: this.#id,
      vendor: "script",
      project: null,
      pid: Deno.pid,
      processStart: processStart(Deno.pid),
      ...start,
    });
    this.#id = session.id;
    return session;
  }

  /** Returns a message of this session. */
  message(payload: Json, options: Partial<NewMessage> = {}): NewMessage {
    return {
      sender: this.#id,
      channel: CHANNEL,
      payloadText: JSON.stringify(payload),
      ttlSeconds: HOUR_MS / 1000,
      project: null,
      ...options,
    };
  }

  /** Appends a message; returns its id. */
  async append(
    payload: Json,
    options: Partial<NewMessage> = {},
  ): Promise<string> {
    const [{ id }] = await this.appendAll([this.message(payload, options)]);
    return id;
  }

  /** Appends messages, all or none. */
  async appendAll(
    messages: readonly NewMessage[],
  ): Promise<{ id: string; to?: string; notRunning?: boolean }[]> {
    const results = await this.store.append(messages, { atomic: true });
    return results.map((result) => {
      if ("error" in result) throw result.error;
      return result;
    });
  }

  /** Reads a page. */
  async page(
    cursor: string = this.store.startCursor,
    interest: Partial<Interest> = {},
    limit: number = 1_000,
  ): Promise<Page> {
    return await this.store.read({ ...ON_CHANNEL, ...interest }, cursor, limit);
  }

  /** Returns the payloads of a page. */
  async read(
    cursor?: string,
    interest?: Partial<Interest>,
  ): Promise<Json[]> {
    return payloadsOf((await this.page(cursor, interest)).messages);
  }

  /** Requests a lock; by default exclusive and without waiting. */
  async ask(path: string, wish: LockWish = {}): Promise<LockOutcome> {
    const { kind, repository, worktree, ...request } = wish;
    return await this.store.acquireLock({
      session: this.#id,
      agent: "",
      target: {
        ...targetOf(path, kind, repository),
        ...(worktree !== undefined && { worktree, project: "/repo" }),
      },
      type: "exclusive",
      leaseMs: HOUR_MS,
      takeOver: false,
      wait: false,
      actingFor: [],
      ...request,
    });
  }

  /** Takes a lock that no session blocks. */
  async hold(path: string, wish: LockWish = {}): Promise<Hold> {
    return heldBy(await this.ask(path, wish));
  }

  /** Queues for a lock that another session blocks. */
  async queue(path: string, wish: LockWish = {}): Promise<string> {
    const outcome = await this.ask(path, { ...wish, wait: true });
    assert.equal(outcome.state, "waiting");
    return (outcome as LockOutcome & { state: "waiting" }).waiter;
  }

  /** Returns the state of its waiter. */
  async check(waiter: string): Promise<LockOutcome> {
    return await this.store.checkWaiter(waiter, this.#id);
  }

  /** Posts a task. */
  async post(id: string, options: Partial<TaskPosting> = {}): Promise<Task> {
    return await this.store.postTask({
      id,
      title: id,
      payloadText: "null",
      priority: 0,
      dependsOn: [],
      project: null,
      session: this.#id,
      ...options,
    });
  }

  /** Returns this session as a claimer. */
  claimer(options: Partial<Claimer> = {}): Claimer {
    return { session: this.#id, project: null, leaseMs: HOUR_MS, ...options };
  }
}

/** Returns the hold of an outcome that must have one. */
export function heldBy(outcome: LockOutcome): Hold {
  assert.equal(outcome.state, "held", JSON.stringify(outcome));
  return (outcome as LockOutcome & { state: "held" }).hold;
}

/** Returns a lock target: a path that is on no disk, or a name. */
export function targetOf(
  path: string,
  kind: LockKind = "file",
  repository?: string,
): LockTarget {
  // A name is one resource in its project.
  const text = kind === "name" ? `@project/any/:/${path.slice(1)}` : path;
  return {
    kind,
    path,
    disk: pathSet(kind, text),
    repository: repository === undefined
      ? undefined
      : pathSet(kind, repository),
    foldsCase: false,
  };
}

/** Returns the payloads of messages. */
export function payloadsOf(messages: readonly Message[]): Json[] {
  return messages.map(({ payload }) => payload);
}
