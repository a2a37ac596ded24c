/**
 * Tasks: who does what, exactly one each.
 *
 * A task is posted once, under an id of its project, and claimed by whoever is
 * first: a claim is a lease with a fencing token, and there is one at a time.
 *
 * ```text
 *  post ─▶ open ─▶ claimed ─▶ done
 *           ▲         │  └──▶ failed
 *           └─────────┘  released; holder dead or lease over
 * ```
 *
 * - A task that depends on others can be claimed when all of them are done.
 * - A task whose holder died or whose lease ran out is open again at the next
 *   look; `attempts` counts how often it was claimed.
 * - Every change is broadcast on `task_broadcast` in its own transaction.
 *
 * @module
 */

import { Changes } from "./changes.ts";
import { InvalidInputError } from "./errors.ts";
import { hasInvisible } from "./harmless_text.ts";
import { encodePayload, type Json } from "./json.ts";
import { refuseNul } from "./options.ts";
import type { SessionSelf } from "./sessions.ts";
import type { Store } from "./store.ts";

/** How a task stands. */
export type TaskStatus = "open" | "claimed" | "done" | "failed";

/** How long a task is claimed unless renewed: 30 minutes. */
export const DEFAULT_TASK_LEASE_MS = 30 * 60 * 1000;

/** The longest lease of a claim: a day. */
export const TASK_LEASE_MS_MAX = 24 * 60 * 60 * 1000;

const DEPENDENCIES_MAX = 100;

/** One task. */
export interface Task {
  /** Its id, unique in its project. */
  readonly id: string;
  /** What is to be done, in a line. */
  readonly title: string;
  /** What kind of work it is, for choosing. */
  readonly kind?: string;
  /** What the doer needs to know. */
  readonly payload: Json;
  /** The higher, the sooner. */
  readonly priority: number;
  /** How it stands. */
  readonly status: TaskStatus;
  /** The tasks that must be done before it. */
  readonly dependsOn: readonly string[];
  /** How many of these are not done yet: it can be claimed when none is. */
  readonly waitsFor: number;
  /** How often it was claimed. */
  readonly attempts: number;
  /** The session that posted it. */
  readonly postedBy: string;
  /** When it was posted, as an ISO 8601 time in UTC. */
  readonly postedAt: string;
  /** When it last changed, as an ISO 8601 time in UTC. */
  readonly changedAt: string;
  /** The session that has claimed it, or did it. */
  readonly session?: string;
  /** The part of that session, such as a subagent. */
  readonly agent?: string;
  /** The fencing token of the claim. */
  readonly token?: number;
  /** Until when it is claimed unless renewed, as an ISO 8601 time in UTC. */
  readonly leaseExpiresAt?: string;
  /** What came of it; for a failed one why. */
  readonly result?: Json;
  /** The project that it belongs to; absent for none. */
  readonly project?: string;
}

/** A task to post. */
export interface NewTask {
  /**
   * Its id, unique in its project.
   * @default {a random one}
   */
  readonly id?: string;
  /** What is to be done, in a line of at most 500 characters. */
  readonly title: string;
  /** What kind of work it is, for choosing. */
  readonly kind?: string;
  /**
   * What the doer needs to know.
   * @default {null}
   */
  readonly payload?: Json;
  /**
   * The higher, the sooner.
   * @default {0}
   */
  readonly priority?: number;
  /** The tasks that must be done before it. */
  readonly dependsOn?: readonly string[];
}

/** Which tasks to choose from. */
export interface TaskFilter {
  /** Only those of this kind. */
  readonly kind?: string;
  /** Only those with at least this priority. */
  readonly priorityMin?: number;
}

/** Which tasks to list. */
export interface TaskListOptions extends TaskFilter {
  /** Only those that stand so. */
  readonly status?: TaskStatus;
  /**
   * Whether tasks of every project are listed, not only one's own.
   * @default {false}
   */
  readonly allProjects?: boolean;
}

/** How to claim a task. */
export interface ClaimOptions {
  /**
   * How long it is claimed unless renewed, in milliseconds, up to a day.
   * @default {1800000}
   */
  readonly leaseMs?: number;
  /** The part of the session that claims it, such as a subagent's id. */
  readonly agent?: string;
}

/** A task that this session has claimed: what it takes to renew or end it. */
export interface Claim extends Task {
  /** The session that has claimed it. */
  readonly session: string;
  /** The fencing token of the claim. */
  readonly token: number;
}

/** What a store is told of a task to post. */
export interface TaskPosting
  extends Required<Omit<NewTask, "kind" | "payload">> {
  /** What kind of work it is. */
  readonly kind?: string;
  /** What the doer needs to know, as JSON text. */
  readonly payloadText: string;
  /** The project that it belongs to; `null` for none. */
  readonly project: string | null;
  /** The session that posts it. */
  readonly session: string;
}

/** What a store is told of who claims. */
export interface Claimer {
  /** The session. */
  readonly session: string;
  /** The part of it. */
  readonly agent?: string;
  /** The project whose tasks it claims; `null` for none. */
  readonly project: string | null;
  /** How long, in milliseconds. */
  readonly leaseMs: number;
}

/** How a claim ends. */
export type ClaimEnd =
  | { readonly status: "done" | "failed"; readonly resultText: string }
  | { readonly status: "open" };

/** The tasks on a bus. */
export class Tasks {
  readonly #store: Store;
  readonly #self: SessionSelf;
  readonly #register: (act: string) => Promise<void>;

  /** Made by the bus: take {@linkcode MessageBus.tasks}. */
  constructor(
    store: Store,
    self: SessionSelf,
    register: (act: string) => Promise<void>,
  ) {
    this.#store = store;
    this.#self = self;
    this.#register = register;
  }

  /**
   * Posts a task for whoever is free.
   *
   * @throws {InvalidInputError} If it will not do, or depends on an unknown one.
   * @throws {TaskStateError} If there is one with its id.
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
    return await this.#store.postTask({ ...posting, session: this.#self.id });
  }

  /**
   * Claims a task.
   *
   * @throws {TaskStateError} If there is none of that id, or it is claimed, not
   * ready or ended.
   */
  async claim(id: string, options: ClaimOptions = {}): Promise<Claim> {
    checkTaskId(id);
    return await this.#store.claimTask(id, await this.#claimer(options));
  }

  /**
   * Claims the open task that comes first: the highest priority, then the
   * oldest. Returns undefined if none is free.
   */
  async claimNext(
    options: ClaimOptions & { readonly filter?: TaskFilter } = {},
  ): Promise<Claim | undefined> {
    return await this.#store.claimNextTask(
      options.filter ?? {},
      await this.#claimer(options),
    );
  }

  /**
   * Claims it for longer, from now.
   *
   * @throws {NotHeldError} If it is not claimed under this token any more.
   */
  async renew(
    claim: Claim,
    leaseMs: number = DEFAULT_TASK_LEASE_MS,
  ): Promise<Claim> {
    checkLease(leaseMs);
    return await this.#store.renewTask(claim, leaseMs);
  }

  /**
   * Ends it as done, with what came of it.
   *
   * @throws {NotHeldError} If it is not claimed under this token any more.
   */
  async complete(claim: Claim, result: Json = null): Promise<Task> {
    return await this.#store.endClaim(claim, endOf("done", result));
  }

  /**
   * Ends it as failed, with the reason.
   *
   * @throws {NotHeldError} If it is not claimed under this token any more.
   */
  async fail(claim: Claim, reason: Json = null): Promise<Task> {
    return await this.#store.endClaim(claim, endOf("failed", reason));
  }

  /**
   * Gives it back undone, for another to claim.
   *
   * @throws {NotHeldError} If it is not claimed under this token any more.
   */
  async release(claim: Claim): Promise<Task> {
    return await this.#store.endClaim(claim, { status: "open" });
  }

  /** The task with this id in the bus's project, if there is one. */
  async get(id: string): Promise<Task | undefined> {
    const [task] = await this.#store.tasks({
      project: this.#self.start.project,
      exactProject: true,
      id,
    });
    return task;
  }

  /** The tasks, in the order in which they are claimed. */
  async list(options: TaskListOptions = {}): Promise<readonly Task[]> {
    return await this.#store.tasks({
      ...options,
      project: options.allProjects ? null : this.#self.start.project,
      exactProject: !options.allProjects,
    });
  }

  /** The list of tasks, now and again whenever it may have changed. */
  async *watch(
    options: TaskListOptions & { readonly signal?: AbortSignal } = {},
  ): AsyncGenerator<readonly Task[], void, void> {
    const changes = new Changes(this.#self.closing, options.signal);
    using _watch = await this.#store.watchChanges("tasks", null, changes.wake);
    try {
      for (;;) {
        yield await this.list(options);
        if (!await changes.next()) return;
      }
    } finally {
      changes.close();
    }
  }

  async #claimer(options: ClaimOptions): Promise<Claimer> {
    const { leaseMs = DEFAULT_TASK_LEASE_MS, agent } = options;
    refuseNul("agent", agent);
    checkLease(leaseMs);
    await this.#register("claim a task");
    return {
      session: this.#self.id,
      project: this.#self.start.project,
      agent,
      leaseMs,
    };
  }
}

/** How a claim ends with a result. */
export function endOf(status: "done" | "failed", result: Json): ClaimEnd {
  return {
    status,
    resultText: encodePayload("task_broadcast", result, 1 << 16),
  };
}

/** What the store is told of a task that is to be posted by a session. */
export function toPosting(task: NewTask, self: SessionSelf): TaskPosting {
  const {
    id = crypto.randomUUID().slice(0, 8),
    title,
    kind,
    payload = null,
    priority = 0,
    dependsOn = [],
  } = task;
  checkTaskId(id);
  dependsOn.forEach(checkTaskId);
  refuseNul("title", title);
  refuseNul("kind", kind);
  const flaw =
    typeof title !== "string" || title.trim() === "" || title.length > 500
      ? ["title", "its title is empty or longer than 500 characters"]
      : !Number.isSafeInteger(priority)
      ? ["priority", `its priority ${priority} is no whole number`]
      : dependsOn.length > DEPENDENCIES_MAX
      ? ["dependsOn", `it depends on more than ${DEPENDENCIES_MAX} tasks`]
      : dependsOn.includes(id)
      ? ["dependsOn", "it depends on itself"]
      : undefined;
  if (flaw !== undefined) {
    throw new InvalidInputError(
      flaw[0],
      `Cannot post task "${id}": ${flaw[1]}; mend that and post it again.`,
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

function checkTaskId(id: string): void {
  if (
    typeof id === "string" && /^[\p{L}\p{N}._\-/:#]{1,128}$/u.test(id) &&
    !hasInvisible(id)
  ) return;
  throw new InvalidInputError(
    "task",
    `Cannot use ${JSON.stringify(id)} as the id of a task: it is 1 to 128 ` +
      `letters, digits and . _ - / : # without spaces.`,
  );
}

function checkLease(leaseMs: number): void {
  if (leaseMs > 0 && leaseMs <= TASK_LEASE_MS_MAX) return;
  throw new InvalidInputError(
    "leaseMs",
    `Cannot claim a task for ${leaseMs} ms: pass more than 0 and at most ` +
      `${TASK_LEASE_MS_MAX} (a day).`,
  );
}
