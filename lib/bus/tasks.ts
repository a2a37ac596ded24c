/**
 * Tasks, each with at most one holder.
 *
 * A task is posted once, under an id of its project. The first session that claims
 * it holds it by a lease with a fencing token.
 *
 * ```text
 *  post ─▶ open ─▶ claimed ─▶ done
 *           ▲         │  └──▶ failed
 *           └─────────┘  released; holder dead or lease expired
 * ```
 *
 * - A task that depends on others can be claimed when all of them are done.
 * - A task whose holder is dead, or whose lease has expired, is requeued by the
 *   next list or claim. `attempts` counts its claims.
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
  TaskFilter,
  TaskPosting,
  TaskStatus,
} from "../model/task.ts";
import type { Operations } from "./operations.ts";
import { Changes } from "./changes.ts";
import { InvalidInputError } from "../model/errors.ts";
import { hasInvisible } from "../text/harmless_text.ts";
import { encodePayload, type Json } from "../model/json.ts";
import { assertNoNul } from "./options.ts";
import { assertKnownKeys, type KeysOf } from "../model/known_keys.ts";
import type { SessionSelf } from "./sessions.ts";

/** Default lease duration of a claim: 30 minutes, in milliseconds. */
export const DEFAULT_TASK_LEASE_MS = 30 * 60 * 1000;

/** Longest lease duration of a claim: a day, in milliseconds. */
export const TASK_LEASE_MS_MAX = 24 * 60 * 60 * 1000;

const DEPENDENCIES_MAX = 100;

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

const CLAIM_NEXT_KEYS: KeysOf<ClaimOptions & { filter?: TaskFilter }> = {
  ...CLAIM_KEYS,
  filter: true,
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
   * @throws {TaskStateError} If another task of the project has its id.
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
   * Claims the first open task: the highest priority, then the oldest. Returns
   * undefined if no task can be claimed.
   */
  async claimNext(
    options: ClaimOptions & { readonly filter?: TaskFilter } = {},
  ): Promise<Claim | undefined> {
    assertKnownKeys("claim a task", options, CLAIM_NEXT_KEYS);
    const { filter = {} } = options;
    assertKnownKeys("claim a task", filter, FILTER_KEYS);
    return await this.#operations.claimNextTask(
      filter,
      await this.#claimer(options),
    );
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
  return {
    status,
    resultText: encodePayload("task_broadcast", result, 1 << 16),
  };
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
  } = task;
  assertTaskId(id);
  dependsOn.forEach(assertTaskId);
  assertNoNul("title", title);
  assertNoNul("kind", kind);
  const flaw =
    typeof title !== "string" || title.trim() === "" || title.length > 500
      ? ["title", "its title is empty or longer than 500 characters"]
      : !Number.isSafeInteger(priority)
      ? ["priority", `its priority ${priority} is not a whole number`]
      : dependsOn.length > DEPENDENCIES_MAX
      ? ["dependsOn", `it depends on more than ${DEPENDENCIES_MAX} tasks`]
      : dependsOn.includes(id)
      ? ["dependsOn", "it depends on itself"]
      : undefined;
  if (flaw !== undefined) {
    throw new InvalidInputError(
      flaw[0],
      `Cannot post task "${id}": ${flaw[1]}. Correct that and post it again.`,
    );
  }
  return {
    id,
    title,
    kind,
    payloadText: encodePayload("task_broadcast", payload, 1 << 16),
    priority,
    dependsOn: [...new Set(dependsOn)],
    project: self.start.project,
    session: self.id,
  };
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
