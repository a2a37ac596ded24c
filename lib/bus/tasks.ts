/**
 * Tasks, each with at most one holder.
 *
 * A task is posted once, under an id of its project. The first session that claims
 * it holds it by a lease with a fencing token.
 *
 * ```text
 *  post ─▶ open ─▶ claimed ─▶ done
 *           ▲         │  └──▶ failed; a cancel also fails an open task
 *           └─────────┘  released; holder dead or lease expired
 * ```
 *
 * - A task that depends on others can be claimed when all of them are done.
 * - A task whose holder is dead, or whose lease has expired, is requeued by the
 *   next list or claim. `attempts` counts its claims.
 * - Only the session that a task is assigned to can claim it.
 * - A task is edited while it is open. A cancelled task is failed, and a claim on it
 *   is lost.
 * - Every change is published on `task_broadcast` in the same transaction.
 *
 * @module
 */

import type {
  Claim,
  ClaimEnd,
  Claimer,
  NewTask,
  Task,
  TaskAct,
  TaskChanges,
  TaskEdit,
  TaskFilter,
  TaskPosting,
  TaskStatus,
} from "../model/task.ts";
import type { Operations } from "./operations.ts";
import { Changes } from "./changes.ts";
import {
  ClosedError,
  InvalidInputError,
  MessageBusError,
  NotHeldError,
} from "../model/errors.ts";
import { hasInvisible } from "../text/harmless_text.ts";
import { encodePayload, type Json } from "../model/json.ts";
import { assertNoNul } from "./options.ts";
import { assertKnownKeys, type KeysOf } from "../model/known_keys.ts";
import type { SessionSelf } from "./sessions.ts";
import type { Watch } from "../store/store.ts";

/** Default lease duration of a claim: 30 minutes, in milliseconds. */
export const DEFAULT_TASK_LEASE_MS = 30 * 60 * 1000;

/** Longest lease duration of a claim: a day, in milliseconds. */
export const TASK_LEASE_MS_MAX = 24 * 60 * 60 * 1000;

const DEPENDENCIES_MAX = 100;

/**
 * Interval at which a waiting claim reads the tasks, in milliseconds. A claim that
 * expires and a holder that dies wake no watch.
 */
const CHECK_MS = 2_000;

const PAYLOAD_BYTES_MAX = 1 << 16;

// Longest error text, in characters, that a failed task keeps.
const REASON_MAX = 10_000;

// A longer timer would fire at once.
const TIMER_MS_MAX = 2 ** 31 - 1;

/** Options of listing tasks. */
export interface TaskListOptions extends TaskFilter {
  /** Only tasks with this status. */
  readonly status?: TaskStatus;
  /**
   * Whether to list tasks of every project, not only of the bus's own.
   * @default {false}
   */
  readonly allProjects?: boolean;
}

const FILTER_KEYS: KeysOf<TaskFilter> = { kind: true, priorityMin: true };

const LIST_KEYS: KeysOf<TaskListOptions> = {
  ...FILTER_KEYS,
  status: true,
  allProjects: true,
};

const WATCH_KEYS: KeysOf<TaskListOptions & { signal?: AbortSignal }> = {
  ...LIST_KEYS,
  signal: true,
};

const NEW_TASK_KEYS: KeysOf<NewTask> = {
  id: true,
  title: true,
  kind: true,
  payload: true,
  priority: true,
  dependsOn: true,
  ifAbsent: true,
  assign: true,
};

const CHANGE_KEYS: KeysOf<TaskChanges> = {
  title: true,
  kind: true,
  payload: true,
  priority: true,
  assign: true,
};

/** Options of claiming a task. */
export interface ClaimOptions {
  /**
   * Lease duration, in milliseconds, up to a day.
   * @default {1800000}
   */
  readonly leaseMs?: number;
  /** Part of the session that claims it, such as a subagent's id. */
  readonly agent?: string;
}

const CLAIM_KEYS: KeysOf<ClaimOptions> = { leaseMs: true, agent: true };

/** Options of claiming the next task. */
export interface ClaimNextOptions extends ClaimOptions {
  /** Only tasks that fit. */
  readonly filter?: TaskFilter;
  /**
   * Time to wait for a task, in milliseconds; `Infinity` waits without limit.
   * @default {0}
   */
  readonly waitMs?: number;
  /** Ends the wait. */
  readonly signal?: AbortSignal;
}

const CLAIM_NEXT_KEYS: KeysOf<ClaimNextOptions> = {
  ...CLAIM_KEYS,
  filter: true,
  waitMs: true,
  signal: true,
};

/** Work on a claimed task; its value is the result. */
export type Work = (
  claim: Claim,
  signal: AbortSignal,
) => Json | void | Promise<Json | void>;

/** Options of working off tasks. */
export interface WorkOptions extends ClaimOptions, TaskFilter {
  /** Ends the work. */
  readonly signal?: AbortSignal;
}

const WORK_KEYS: KeysOf<WorkOptions> = {
  ...CLAIM_KEYS,
  ...FILTER_KEYS,
  signal: true,
};

/** Tasks on a bus. */
export class Tasks {
  readonly #operations: Operations;
  readonly #self: SessionSelf;
  readonly #register: (act: string) => Promise<void>;

  /** Called by the bus; use {@linkcode MessageBus.tasks}. */
  constructor(
    operations: Operations,
    self: SessionSelf,
    register: (act: string) => Promise<void>,
  ) {
    this.#operations = operations;
    this.#self = self;
    this.#register = register;
  }

  /**
   * Posts a task that any session of the project may claim.
   *
   * @throws {InvalidInputError} If it is invalid, or depends on an unknown task.
   * @throws {TaskStateError} If another task of the project has its id; not with
   * `ifAbsent`, which returns that task.
   *
   * @example
   * ```ts
   * import { openBus } from "@coditect/message-bus";
   * import assert from "node:assert/strict";
   *
   * await using bus = await openBus({ home: await Deno.makeTempDir() });
   * await bus.tasks.post({ id: "T-1", title: "write the parser" });
   * await bus.tasks.post({ id: "T-2", title: "test it", dependsOn: ["T-1"] });
   *
   * const claim = await bus.tasks.claimNext();
   * assert.equal(claim?.id, "T-1");
   * assert.equal(await bus.tasks.claimNext(), undefined);
   * await bus.tasks.complete(claim, { lines: 120 });
   * assert.equal((await bus.tasks.claimNext())?.id, "T-2");
   * ```
   */
  async post(task: NewTask): Promise<Task> {
    const posting = toPosting(task, this.#self);
    await this.#register(`post task "${posting.id}"`);
    return await this.#operations.postTask({
      ...posting,
      session: this.#self.id,
    });
  }

  /**
   * Claims a task.
   *
   * @throws {TaskStateError} If no task has that id, or it is claimed, ended or
   * waits for others.
   */
  async claim(id: string, options: ClaimOptions = {}): Promise<Claim> {
    assertTaskId(id);
    assertKnownKeys(`claim task "${id}"`, options, CLAIM_KEYS);
    return await this.#operations.claimTask(id, await this.#claimer(options));
  }

  /**
   * Claims the first open task: the highest priority, then the oldest. With
   * `waitMs` it waits for one. Returns undefined if no task can be claimed.
   *
   * @throws {ClosedError} If the bus is closed during the wait.
   * @throws The signal's reason, once it is aborted.
   */
  async claimNext(
    options: ClaimNextOptions = {},
  ): Promise<Claim | undefined> {
    assertKnownKeys("claim a task", options, CLAIM_NEXT_KEYS);
    const { filter = {}, waitMs = 0, signal } = options;
    assertKnownKeys("claim a task", filter, FILTER_KEYS);
    if (!(waitMs >= 0)) {
      throw new InvalidInputError(
        "waitMs",
        `Cannot claim a task: waitMs is ${waitMs}. Pass 0 or more.`,
      );
    }
    signal?.throwIfAborted();
    const claimer = await this.#claimer(options);
    const claim = await this.#operations.claimNextTask(filter, claimer);
    return claim === undefined && waitMs > 0
      ? await this.#awaitNext(filter, claimer, waitMs, signal)
      : claim;
  }

  async #awaitNext(
    filter: TaskFilter,
    claimer: Claimer,
    waitMs: number,
    signal: AbortSignal | undefined,
  ): Promise<Claim | undefined> {
    const endsAt = performance.now() + waitMs;
    const changes = new Changes(this.#self.closing, signal);
    const check = setInterval(changes.wake, CHECK_MS);
    const timer = setTimeout(changes.wake, Math.min(waitMs, TIMER_MS_MAX));
    try {
      using _watch = await this.#operations.watchChanges(
        "tasks",
        null,
        changes.wake,
      );
      for (;;) {
        const claim = await this.#operations.claimNextTask(filter, claimer, {
          looksFirst: true,
        });
        if (claim !== undefined || performance.now() >= endsAt) return claim;
        if (!await changes.next()) throw new ClosedError("claim a task");
      }
    } finally {
      clearInterval(check);
      clearTimeout(timer);
      changes.close();
    }
  }

  /**
   * Works off tasks one after another: waits for the next task, claims it, calls
   * `work`, and ends the claim. Resolves once `signal` is aborted or the bus is
   * closed.
   *
   * - The claim is renewed while `work` runs.
   * - The value of `work` completes the task, and its error fails it.
   * - The signal that `work` gets is aborted with `signal`, with the bus, and with
   *   a {@linkcode NotHeldError} once the claim is lost, as by a cancel. If `work`
   *   then throws, the task is released.
   * - After a lost claim the next task is claimed.
   *
   * @example
   * ```ts
   * import { openBus } from "@coditect/message-bus";
   * import assert from "node:assert/strict";
   *
   * await using bus = await openBus({ home: await Deno.makeTempDir() });
   * await bus.tasks.post({ id: "T-1", title: "build", kind: "build" });
   *
   * const ends = new AbortController();
   * await bus.tasks.work(({ title }) => {
   *   ends.abort();
   *   return { built: title };
   * }, { kind: "build", signal: ends.signal });
   * assert.deepEqual((await bus.tasks.get("T-1"))?.result, { built: "build" });
   * ```
   */
  async work(
    work: Work,
    options: WorkOptions = {},
  ): Promise<void> {
    assertKnownKeys("work off tasks", options, WORK_KEYS);
    const { signal, kind, priorityMin, ...claiming } = options;
    const ends = AbortSignal.any([
      this.#self.closing,
      ...(signal === undefined ? [] : [signal]),
    ]);
    while (!ends.aborted) {
      let claim;
      try {
        claim = await this.claimNext({
          ...claiming,
          filter: { kind, priorityMin },
          waitMs: Infinity,
          signal: ends,
        });
      } catch (error) {
        if (ends.aborted) return;
        throw error;
      }
      await this.#workOn(claim!, work, { ...claiming, signal: ends });
    }
  }

  async #workOn(claim: Claim, work: Work, options: WorkOptions): Promise<void> {
    const { signal: ends, leaseMs = DEFAULT_TASK_LEASE_MS } = options;
    const lost = new AbortController();
    const ended = new AbortController();
    const keeping = this.#keep(claim, leaseMs, lost, ended.signal);
    const signal = AbortSignal.any([ends!, lost.signal]);
    let end: ClaimEnd;
    try {
      end = endOf("done", await work(claim, signal) ?? null);
    } catch (error) {
      end = signal.aborted
        ? { status: "open" }
        : endOf("failed", reasonOf(error));
    }
    ended.abort();
    await keeping;
    // Closing the bus has requeued the task.
    if (this.#self.closing.aborted) return;
    try {
      if (end.status === "open") await this.release(claim);
      else await this.#operations.endClaim(claim, end);
    } catch (error) {
      // The task was cancelled, or is another session's.
      if (!(error instanceof NotHeldError)) throw error;
    }
  }

  /** Renews a claim until `ended`, and aborts `lost` once it is lost. */
  async #keep(
    claim: Claim,
    leaseMs: number,
    lost: AbortController,
    ended: AbortSignal,
  ): Promise<void> {
    const changes = new Changes(this.#self.closing, ended);
    const renewal = setInterval(changes.wake, leaseMs / 3);
    let watch: Watch | undefined;
    try {
      for (let renewedAt = performance.now(); await changes.next();) {
        try {
          watch ??= await this.#operations.watchChanges(
            "tasks",
            null,
            changes.wake,
          );
          if (performance.now() - renewedAt >= leaseMs / 3) {
            await this.renew(claim, leaseMs);
            renewedAt = performance.now();
          } else if ((await this.get(claim.id))?.token !== claim.token) {
            throw new NotHeldError("work on", claim.id, claim.token);
          }
        } catch (error) {
          if (ended.aborted) return;
          // After a failure of the store the next renewal tries again.
          if (error instanceof MessageBusError && error.kind === "store") {
            continue;
          }
          lost.abort(error);
          return;
        }
      }
    } catch (error) {
      if (!ended.aborted) throw error;
    } finally {
      clearInterval(renewal);
      watch?.close();
      changes.close();
    }
  }

  /**
   * Renews a claim, for `leaseMs` milliseconds from now.
   *
   * @throws {NotHeldError} If it is no longer claimed under this token.
   */
  async renew(
    claim: Claim,
    leaseMs: number = DEFAULT_TASK_LEASE_MS,
  ): Promise<Claim> {
    assertLease(leaseMs);
    return await this.#operations.renewTask(claim, leaseMs);
  }

  /**
   * Ends a claim: the task is done, with a result.
   *
   * @throws {NotHeldError} If it is no longer claimed under this token.
   */
  async complete(claim: Claim, result: Json = null): Promise<Task> {
    return await this.#operations.endClaim(claim, endOf("done", result));
  }

  /**
   * Ends a claim: the task has failed, for a reason.
   *
   * @throws {NotHeldError} If it is no longer claimed under this token.
   */
  async fail(claim: Claim, reason: Json = null): Promise<Task> {
    return await this.#operations.endClaim(claim, endOf("failed", reason));
  }

  /**
   * Releases a claim, so that another session can claim the task. If the store
   * fails, the release is repeated until it succeeds.
   *
   * @throws {NotHeldError} If it is no longer claimed under this token.
   */
  async release(claim: Claim): Promise<Task> {
    return await this.#operations.releaseClaim(claim);
  }

  /**
   * Cancels a task that has not ended: it fails, with a reason. A claim on it is
   * lost, and tasks that depend on it keep waiting.
   *
   * @throws {TaskStateError} If no task has that id, or it has ended.
   */
  async cancel(id: string, reason: Json = "cancelled"): Promise<Task> {
    const act = await this.#actOn("cancel", id);
    return await this.#operations.cancelTask(act, textOf(reason));
  }

  /**
   * Changes fields of an open task.
   *
   * @throws {TaskStateError} If no task has that id, or it is claimed or has ended.
   */
  async edit(id: string, changes: TaskChanges): Promise<Task> {
    assertTaskId(id);
    const edit = toEdit(id, changes);
    return await this.#operations.editTask(
      await this.#actOn("edit", id),
      edit,
    );
  }

  /** Returns the task with this id in the bus's project; undefined if none. */
  async get(id: string): Promise<Task | undefined> {
    const [task] = await this.#operations.tasks({
      project: this.#self.start.project,
      exactProject: true,
      id,
    });
    return task;
  }

  /** Returns tasks, in the order in which they are claimed. */
  async list(options: TaskListOptions = {}): Promise<readonly Task[]> {
    assertKnownKeys("list tasks", options, LIST_KEYS);
    return await this.#operations.tasks({
      ...options,
      project: options.allProjects ? null : this.#self.start.project,
      exactProject: !options.allProjects,
    });
  }

  /** Iterates over the list of tasks: now, and after each possible change. */
  async *watch(
    options: TaskListOptions & { readonly signal?: AbortSignal } = {},
  ): AsyncGenerator<readonly Task[], void, void> {
    assertKnownKeys("watch tasks", options, WATCH_KEYS);
    const { signal, ...listed } = options;
    const changes = new Changes(this.#self.closing, signal);
    using _watch = await this.#operations.watchChanges(
      "tasks",
      null,
      changes.wake,
    );
    try {
      for (;;) {
        yield await this.list(listed);
        if (!await changes.next()) return;
      }
    } finally {
      changes.close();
    }
  }

  async #actOn(verb: string, id: string): Promise<TaskAct> {
    assertTaskId(id);
    await this.#register(`${verb} task "${id}"`);
    const { project } = this.#self.start;
    return { id, project, session: this.#self.id };
  }

  async #claimer(options: ClaimOptions): Promise<Claimer> {
    const { leaseMs = DEFAULT_TASK_LEASE_MS, agent } = options;
    assertNoNul("agent", agent);
    assertLease(leaseMs);
    await this.#register("claim a task");
    return {
      session: this.#self.id,
      project: this.#self.start.project,
      agent,
      leaseMs,
    };
  }
}

/** Returns the end of a claim with a result. */
export function endOf(status: "done" | "failed", result: Json): ClaimEnd {
  return { status, resultText: textOf(result) };
}

function textOf(value: Json): string {
  return encodePayload("task_broadcast", value, PAYLOAD_BYTES_MAX);
}

/** Returns the reason for which a task fails with an error. */
function reasonOf(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return text.slice(0, REASON_MAX);
}

/** Returns the posting of a task by a session. */
export function toPosting(task: NewTask, self: SessionSelf): TaskPosting {
  assertKnownKeys("post a task", task, NEW_TASK_KEYS);
  const {
    id = crypto.randomUUID().slice(0, 8),
    title,
    kind,
    payload = null,
    priority = 0,
    dependsOn = [],
    ifAbsent = false,
    assign,
  } = task;
  assertTaskId(id);
  if (!Array.isArray(dependsOn)) {
    throw fieldError("post", id, "dependsOn", "its dependsOn is not a list");
  }
  if (ifAbsent && task.id === undefined) {
    throw new InvalidInputError(
      "ifAbsent",
      "Cannot post a task: ifAbsent needs an id. Pass the id of the task.",
    );
  }
  dependsOn.forEach(assertTaskId);
  assertFields("post", id, { title, kind, priority, assign });
  const flaw = dependsOn.length > DEPENDENCIES_MAX
    ? `it depends on more than ${DEPENDENCIES_MAX} tasks`
    : dependsOn.includes(id)
    ? "it depends on itself"
    : undefined;
  if (flaw !== undefined) throw fieldError("post", id, "dependsOn", flaw);
  return {
    id,
    title,
    kind,
    payloadText: textOf(payload),
    priority,
    dependsOn: [...new Set(dependsOn)],
    ifAbsent,
    assign,
    project: self.start.project,
    session: self.id,
  };
}

/** Returns the changes of a task as a store gets them. */
function toEdit(id: string, changes: TaskChanges): TaskEdit {
  assertKnownKeys(`edit task "${id}"`, changes, CHANGE_KEYS);
  const { title, kind, payload, priority, assign } = changes;
  assertFields("edit", id, {
    ...(title !== undefined && { title }),
    kind: kind ?? undefined,
    assign: assign ?? undefined,
    ...(priority !== undefined && { priority }),
  });
  return {
    title,
    kind,
    payloadText: payload === undefined ? undefined : textOf(payload),
    priority,
    assign,
  };
}

function assertFields(
  act: string,
  id: string,
  fields: {
    readonly title?: string;
    readonly kind?: string;
    readonly priority?: number;
    readonly assign?: string;
  },
): void {
  const { title, kind, priority, assign } = fields;
  assertNoNul("title", title);
  assertNoNul("assign", assign);
  assertNoNul("kind", kind);
  if (
    "title" in fields &&
    (typeof title !== "string" || title.trim() === "" || title.length > 500)
  ) {
    const state = "its title is empty or longer than 500 characters";
    throw fieldError(act, id, "title", state);
  }
  for (const [field, value] of Object.entries({ kind, assign })) {
    if (value === undefined || typeof value === "string") continue;
    throw fieldError(act, id, field, `its ${field} is not a string`);
  }
  if ("priority" in fields && !Number.isSafeInteger(priority)) {
    const state = `its priority ${priority} is not a whole number`;
    throw fieldError(act, id, "priority", state);
  }
}

function fieldError(
  act: string,
  id: string,
  field: string,
  state: string,
): InvalidInputError {
  return new InvalidInputError(
    field,
    `Cannot ${act} task "${id}": ${state}. Correct that and ${act} it again.`,
  );
}

function assertTaskId(id: string): void {
  if (
    typeof id === "string" && /^[\p{L}\p{N}._\-/:#]{1,128}$/u.test(id) &&
    !hasInvisible(id)
  ) return;
  throw new InvalidInputError(
    "task",
    `Cannot use ${
      JSON.stringify(id)
    } as the id of a task: it is not valid. Use ` +
      `1 to 128 letters, digits and . _ - / : # without spaces.`,
  );
}

function assertLease(leaseMs: number): void {
  if (leaseMs > 0 && leaseMs <= TASK_LEASE_MS_MAX) return;
  throw new InvalidInputError(
    "leaseMs",
    `Cannot claim a task for ${leaseMs} ms: the lease is out of range. Pass more ` +
      `than 0 and at most ` +
      `${TASK_LEASE_MS_MAX} (a day).`,
  );
}
