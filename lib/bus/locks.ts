/**
 * Locks on paths and named resources.
 *
 * A lock is a lease on a file, a folder, a glob or a named resource (`@git/head`,
 * `@port/3000`, any `@name`). An *advisory* lock blocks no advisory lock; if two
 * overlap, both sessions are told. An *exclusive* lock conflicts with every
 * overlapping lock of another session.
 *
 * ```text
 *            ┌────────── refused ──────────┐
 *  acquire ──┤                             ▼
 *            ├─ waiting ─▶ held ─▶ overdue ─▶ free
 *            └────────────▶ │  ▲     │ │
 *                           └──┘     │ └─ taken over, explicitly
 *                          renewed ◀─┘
 * ```
 *
 * - A hold is of a session, an agent and a path, and is counted: a lock that is
 *   acquired twice must be released twice.
 * - Each hold has a fencing token from one counter that only grows. Renewing,
 *   releasing and upgrading check it, so that a late holder gets an error.
 * - An expired hold whose process lives on this host is *overdue*: still held, and
 *   taken over only on request. So a laptop that slept loses no locks.
 * - A hold whose process cannot be checked ends at its expiry. A hold whose process
 *   is dead ends at the next look of any session.
 * - Waiters are served first come, first served, and woken by a push. A killed
 *   holder wakes no waiter, so waiters check its process every 25 ms. A cycle of
 *   waiters is refused at once.
 *
 * @module
 */

import {
  type Blocker,
  DEFAULT_LOCK_LEASE_MS,
  type Hold,
  type LockOutcome,
  type LockOverlap,
  type LockRequest,
  type LockType,
} from "../model/lock.ts";
import type { Operations } from "./operations.ts";
import {
  ClosedError,
  InvalidInputError,
  LockHeldError,
  NotHeldError,
} from "../model/errors.ts";
import { Changes } from "./changes.ts";
import { GrantWatch } from "./grant_watch.ts";
import { processAlive } from "../process/host.ts";
import { permissionError } from "../process/permissions.ts";
import {
  lockTarget,
  pathSet,
  PATTERN_MODES,
  type PatternMode,
} from "../path/lock_target.ts";
import { endClosedWindows, type WindowedSession } from "./closed_windows.ts";
import type { LockTarget } from "../model/lock.ts";
import { assertNoNul } from "./options.ts";
import { assertKnownKeys, type KeysOf } from "../model/known_keys.ts";
import { isAtOrBelow } from "../path/path_text.ts";
import { awaitedByClose, type SessionSelf } from "./sessions.ts";

/** Longest lease duration of a lock: a day, in milliseconds. */
export const LOCK_LEASE_MS_MAX = 24 * 60 * 60 * 1000;

/** Interval of a waiter's checks of the holders' processes, in milliseconds. */
const HOLDER_CHECK_MS = 25;

/** Interval of checks for holders whose window is closed, in milliseconds. */
const WINDOW_CHECK_MS = 100;

/**
 * Interval at which a waiter reads its blockers, in milliseconds. Reading also renews
 * the lease of its place in the queue.
 */
const QUEUE_CHECK_MS = 1_000;

/** Options of reading a path. */
export interface PathOptions {
  /**
   * Kind of text: a path (`literal`), a pattern (`glob`), or the likelier of the two
   * (`auto`). `app/[id].ts` can be either.
   * @default {"auto"}
   */
  readonly pattern?: PatternMode;
}

const PATH_KEYS: KeysOf<PathOptions> = { pattern: true };

const RELEASE_KEYS: KeysOf<PathOptions & { agent?: string }> = {
  ...PATH_KEYS,
  agent: true,
};

/** Options of acquiring a lock. */
export interface AcquireOptions extends PathOptions {
  /**
   * Type of the lock: `advisory` warns other sessions, `exclusive` blocks them.
   * @default {"advisory"}
   */
  readonly type?: LockType;
  /**
   * Time to wait for blockers, in milliseconds.
   * @default {0}
   */
  readonly waitMs?: number;
  /** Called with the blockers, and again within a second of a change. */
  readonly onWait?: (blockers: readonly Blocker[]) => void;
  /**
   * Lease duration, in milliseconds, up to a day.
   * @default {600000}
   */
  readonly leaseMs?: number;
  /** Reason, shown to other sessions; at most 500 characters. */
  readonly why?: string;
  /**
   * Whether to end conflicting overdue holds, whose holders are told.
   * @default {false}
   */
  readonly takeOver?: boolean;
  /** Part of the session that takes it, such as a subagent's id. */
  readonly agent?: string;
  /**
   * Sessions on whose behalf this one acts: their holds never conflict.
   * @default {[]}
   */
  readonly actingFor?: readonly string[];
  /** Signal that ends the wait, which then rejects with its reason. */
  readonly signal?: AbortSignal;
}

const UPGRADE_KEYS: KeysOf<Omit<AcquireOptions, "type" | "agent">> = {
  ...PATH_KEYS,
  waitMs: true,
  onWait: true,
  leaseMs: true,
  why: true,
  takeOver: true,
  actingFor: true,
  signal: true,
};

const ACQUIRE_KEYS: KeysOf<AcquireOptions> = {
  ...UPGRADE_KEYS,
  type: true,
  agent: true,
};

/** Options of listing locks. */
export interface LockListOptions extends PathOptions {
  /** Only holds that overlap this path on disk. */
  readonly path?: string;
  /**
   * Whether to list locks in every project, not only in the session's own and
   * below its worktree.
   * @default {false}
   */
  readonly allProjects?: boolean;
}

const LIST_KEYS: KeysOf<LockListOptions> = {
  ...PATH_KEYS,
  path: true,
  allProjects: true,
};

const WATCH_KEYS: KeysOf<LockListOptions & { signal?: AbortSignal }> = {
  ...LIST_KEYS,
  signal: true,
};

let setHold: (lock: Lock, hold: Hold) => void;

/** Marks a lock as released by an operation other than its own `release`. */
export let markReleased: (lock: Lock) => void;

/** Held lock; disposing of it releases it. */
export class Lock implements AsyncDisposable {
  static {
    setHold = (lock, hold) => lock.#hold = hold;
    markReleased = (lock) => lock.#releasing = Promise.resolve();
  }

  /** Overlapping holds; their sessions were told. */
  readonly overlaps: readonly LockOverlap[];
  readonly #operations: Operations;
  #hold: Hold;
  #releasing: Promise<void> | undefined;

  /** Called by {@linkcode Locks.acquire}. */
  constructor(
    operations: Operations,
    hold: Hold,
    overlaps: readonly LockOverlap[],
  ) {
    this.#operations = operations;
    this.#hold = hold;
    this.overlaps = overlaps;
  }

  /** Hold as of the last acquire or renewal. */
  get hold(): Hold {
    return this.#hold;
  }

  /** Absolute path or pattern. */
  get path(): string {
    return this.#hold.path;
  }

  /** Fencing token. */
  get token(): number {
    return this.#hold.token;
  }

  /**
   * Renews the lock, for `leaseMs` milliseconds from now.
   *
   * @throws {NotHeldError} If it is no longer held.
   */
  async renew(leaseMs: number = DEFAULT_LOCK_LEASE_MS): Promise<void> {
    assertLease(leaseMs);
    this.#hold = await this.#operations.renewLock(this.#hold, leaseMs);
  }

  /**
   * Releases the lock. Releasing it again has no effect. If the store fails, the
   * release is repeated until it succeeds.
   *
   * @param before Earlier hold of the session on the path, whose type, reason and
   * expiry are restored.
   * @throws {NotHeldError} If it is no longer held.
   */
  async release(before?: Hold): Promise<void> {
    this.#releasing ??= this.#release(before);
    await this.#releasing;
  }

  async #release(before: Hold | undefined): Promise<void> {
    try {
      await this.#operations.releaseLock(this.#hold, { before }, this);
    } catch (error) {
      // After any error but the loss of the lock, release can be retried.
      if (!(error instanceof NotHeldError)) this.#releasing = undefined;
      throw error;
    }
  }

  /** Releases the lock; a lost lock causes no error. */
  async [Symbol.asyncDispose](): Promise<void> {
    try {
      await this.release();
    } catch (error) {
      if (!(error instanceof NotHeldError)) throw error;
    }
  }
}

/** Locks on a bus. */
export class Locks {
  readonly #operations: Operations;
  readonly #self: SessionSelf;
  readonly #register: (act: string) => Promise<void>;
  readonly #grants: GrantWatch;

  /** Called by the bus; use {@linkcode MessageBus.locks}. */
  constructor(
    operations: Operations,
    self: SessionSelf,
    register: (act: string) => Promise<void>,
  ) {
    this.#operations = operations;
    this.#self = self;
    this.#register = register;
    this.#grants = new GrantWatch(operations, self.closing);
  }

  /**
   * Acquires a lock on a file, a folder with everything below it, a glob or a named
   * resource.
   *
   * @param path Path relative to the working folder, a glob of `*`, `**`, `?`,
   * `[…]` and `{a,b}`, or a name such as `@port/3000`. A path that does not exist
   * yet is a file, or a folder if it ends in a slash.
   * @throws {InvalidInputError} If the path or an option is invalid.
   * @throws {LockHeldError} If another session still blocks it after `waitMs`.
   * @throws {DeadlockError} If waiting would close a cycle of waiters.
   *
   * @example
   * ```ts
   * import { LockHeldError, openBus } from "@coditect/message-bus";
   * import assert from "node:assert/strict";
   *
   * const home = await Deno.makeTempDir();
   * await using mine = await openBus({ home, session: "mine" });
   * await using yours = await openBus({ home, session: "yours" });
   *
   * await using lock = await mine.locks.acquire("src/a.ts", { type: "exclusive" });
   * await assert.rejects(() => yours.locks.acquire("src/"), LockHeldError);
   * assert.equal((await yours.locks.holders("src/a.ts"))[0].token, lock.token);
   * ```
   */
  async acquire(path: string, options: AcquireOptions = {}): Promise<Lock> {
    assertKnownKeys(`lock "${path}"`, options, ACQUIRE_KEYS);
    options.signal?.throwIfAborted();
    const target = this.#targetInProject(path, options.pattern);
    const wanted = this.#toRequest(path, options, target);
    await this.#register(`lock "${path}"`);
    const request = { ...wanted, session: this.#self.id };
    const { hold, overlaps } = await awaitedByClose(
      this.#self,
      this.#obtain(request, options),
    );
    return new Lock(this.#operations, hold, overlaps);
  }

  async #obtain(
    request: LockRequest,
    options: AcquireOptions,
  ): Promise<LockOutcome & { state: "held" }> {
    const outcome = await this.#operations.acquireLock(request);
    switch (outcome.state) {
      case "held":
        return outcome;
      case "refused":
        if (
          await endClosedWindows(
            this.#operations,
            holdersAmong(outcome.blockers),
          )
        ) {
          return await this.#obtain(request, options);
        }
        throw new LockHeldError(request.target.path, outcome.blockers, 0);
      case "waiting": {
        const wait = new LockWait(
          this.#operations,
          this.#grants,
          request,
          outcome.waiter,
          options,
          this.#self.closing,
        );
        return await wait.until(
          performance.now() + (options.waitMs ?? 0),
          outcome.blockers,
        );
      }
    }
  }

  /**
   * Acquires a lock; returns undefined if another session blocks it.
   *
   * @throws {InvalidInputError} If the path or an option is invalid.
   * @throws {DeadlockError} If waiting would close a cycle of waiters.
   */
  async tryAcquire(
    path: string,
    options: AcquireOptions = {},
  ): Promise<Lock | undefined> {
    try {
      return await this.acquire(path, options);
    } catch (error) {
      if (error instanceof LockHeldError) return undefined;
      throw error;
    }
  }

  /**
   * Makes an advisory lock exclusive. The lock keeps its token and its count.
   *
   * @throws {NotHeldError} If it is no longer held.
   * @throws {LockHeldError} If another session still blocks it after `waitMs`.
   * @throws {DeadlockError} If waiting would close a cycle, as of two holders that
   * both upgrade.
   */
  async upgrade(
    lock: Lock,
    options: Omit<AcquireOptions, "type" | "agent"> = {},
  ): Promise<Lock> {
    const { agent, path, session, token } = lock.hold;
    assertKnownKeys(`upgrade the lock on "${path}"`, options, UPGRADE_KEYS);
    options.signal?.throwIfAborted();
    if (!this.#self.owned || session !== this.#self.id) {
      throw new NotHeldError("upgrade", path, token);
    }
    const wanted = this.#toRequest(
      path,
      { ...options, type: "exclusive", agent },
      targetOf(lock.hold),
    );
    const { hold } = await awaitedByClose(
      this.#self,
      this.#obtain({ ...wanted, session, upgrades: token }, options),
    );
    setHold(lock, hold);
    return lock;
  }

  /**
   * Releases the session's holds on a path entirely, whatever their count.
   *
   * @throws {NotHeldError} If the session has no hold on the path.
   */
  async release(
    path: string,
    options: PathOptions & { readonly agent?: string } = {},
  ): Promise<void> {
    assertKnownKeys(`release "${path}"`, options, RELEASE_KEYS);
    const { agent, pattern } = options;
    const held = await this.held(path, { pattern });
    const mine = held.filter((hold) =>
      agent === undefined || hold.agent === agent
    );
    if (mine.length === 0) {
      throw new NotHeldError("release", this.#meaning(path, pattern).path);
    }
    await this.releaseHolds(mine);
  }

  /** Releases listed holds of the session entirely, whatever their count. */
  async releaseHolds(holds: readonly Hold[]): Promise<void> {
    for (const hold of holds) {
      await this.#operations.releaseLock(hold, { entirely: true });
    }
  }

  /** Returns the session's own holds, all or on exactly one path. */
  async held(
    path?: string,
    options: PathOptions = {},
  ): Promise<readonly Hold[]> {
    assertKnownKeys("list locks", options, PATH_KEYS);
    const target = path === undefined
      ? undefined
      : this.#meaning(path, options.pattern);
    // Before registration, the id may belong to another session.
    if (!this.#self.owned) return [];
    const holds = await this.#operations.locks({
      project: null,
      session: this.#self.id,
      path: target?.path,
    });
    // Equal names can have different scopes.
    return target?.kind === "name"
      ? holds.filter(({ pathSets }) => pathSets.disk === target.disk.text)
      : holds;
  }

  /** Returns waiters for a path or an overlapping one, earliest first. */
  async waiters(
    path: string,
    options: PathOptions = {},
  ): Promise<readonly Blocker[]> {
    return await this.#operations.lockWaiters(this.meaning(path, options));
  }

  /**
   * Returns the lock target of a path in the working folder. Acquires nothing.
   *
   * @throws {InvalidInputError} If it is not a valid path, pattern or name.
   */
  meaning(path: string, options: PathOptions = {}): LockTarget {
    assertKnownKeys(`read "${path}"`, options, PATH_KEYS);
    return this.#meaning(path, options.pattern);
  }

  #meaning(path: string, pattern: PatternMode | undefined): LockTarget {
    assertPatternMode(path, pattern);
    const { project } = this.#self.start;
    try {
      return lockTarget(path, Deno.cwd(), { pattern, project });
    } catch (error) {
      throw permissionError(`read "${path}"`, error);
    }
  }

  /**
   * Returns the lock target of a path that the session can lock. Acquires nothing.
   *
   * @throws {InvalidInputError} If the path is invalid, or outside of the project.
   */
  target(path: string, options: PathOptions = {}): LockTarget {
    assertKnownKeys(`read "${path}"`, options, PATH_KEYS);
    return this.#targetInProject(path, options.pattern);
  }

  #targetInProject(
    path: string,
    pattern: PatternMode | undefined,
  ): LockTarget {
    const target = this.#meaning(path, pattern);
    this.#assertInProject(target, path);
    return target;
  }

  /** Returns holds, oldest first. */
  async list(options: LockListOptions = {}): Promise<readonly Hold[]> {
    assertKnownKeys("list locks", options, LIST_KEYS);
    return await this.#operations.locks({
      project: options.allProjects ? null : this.#self.start.project,
      below: this.#self.start.worktree ?? undefined,
      overlapping: options.path === undefined
        ? undefined
        : this.#meaning(options.path, options.pattern),
    });
  }

  /** Returns holds on a path or an overlapping one on disk, in any project. */
  async holders(
    path: string,
    options: PathOptions = {},
  ): Promise<readonly Hold[]> {
    assertKnownKeys("list locks", options, PATH_KEYS);
    return await this.list({ ...options, path, allProjects: true });
  }

  /**
   * Iterates over the list of locks: now, and after each possible change.
   *
   * @example
   * ```ts
   * import { openBus } from "@coditect/message-bus";
   * import assert from "node:assert/strict";
   *
   * await using bus = await openBus({ home: await Deno.makeTempDir() });
   * for await (const holds of bus.locks.watch()) {
   *   assert.deepEqual(holds, []);
   *   break;
   * }
   * ```
   */
  async *watch(
    options: LockListOptions & { readonly signal?: AbortSignal } = {},
  ): AsyncGenerator<readonly Hold[], void, void> {
    assertKnownKeys("watch locks", options, WATCH_KEYS);
    const { signal, ...listed } = options;
    const changes = new Changes(this.#self.closing, signal);
    using _watch = await this.#operations.watchChanges(
      "locks",
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

  #toRequest(
    path: string,
    options: AcquireOptions,
    target: LockTarget,
  ): Omit<LockRequest, "session"> {
    const { type = "advisory", leaseMs = DEFAULT_LOCK_LEASE_MS, waitMs = 0 } =
      options;
    assertLease(leaseMs);
    assertNoNul("why", options.why);
    assertNoNul("agent", options.agent);
    if (type !== "advisory" && type !== "exclusive") {
      throw new InvalidInputError(
        "type",
        `Cannot lock "${path}": the type is ${JSON.stringify(type)}. Pass ` +
          `"advisory" or "exclusive".`,
      );
    }
    if (!(waitMs >= 0)) {
      throw new InvalidInputError(
        "waitMs",
        `Cannot lock "${path}": waitMs is ${waitMs}. Pass 0 or more.`,
      );
    }
    return {
      agent: options.agent ?? "",
      target: this.#inProject(target),
      type,
      leaseMs,
      why: options.why?.slice(0, 500),
      takeOver: options.takeOver ?? false,
      wait: waitMs > 0,
      actingFor: options.actingFor ?? [],
    };
  }

  /** Returns a target with a project; outside of a repository the session's. */
  #inProject(target: LockTarget): LockTarget {
    // A name without a project is shown in every project.
    return target.kind === "name" ? target : {
      ...target,
      project: target.project ?? this.#self.start.project ?? undefined,
    };
  }

  #assertInProject(target: LockTarget, path: string): void {
    const { project, worktree } = this.#self.start;
    if (project === null || target.project === project) return;
    const place = target.kind === "name"
      ? target.worktree ?? target.project
      : target.path;
    if (place === undefined) return;
    const root = worktree ?? project;
    if (isAtOrBelow(place, root)) return;
    throw new InvalidInputError(
      "path",
      `Cannot lock "${path}": it lies outside of the project ${root}. Lock it ` +
        `from a session in its own project.`,
    );
  }
}

/** Returns the lock target of a hold. */
function targetOf(hold: Hold): LockTarget {
  const { kind, path, project, worktree } = hold;
  const { disk, repository, foldsCase } = hold.pathSets;
  return {
    kind,
    path,
    disk: pathSet(kind, disk, foldsCase),
    repository: repository === undefined
      ? undefined
      : pathSet(kind, repository, foldsCase),
    foldsCase,
    project,
    worktree,
  };
}

function assertPatternMode(path: string, mode: unknown): void {
  if (mode === undefined || PATTERN_MODES.some((known) => known === mode)) {
    return;
  }
  throw new InvalidInputError(
    "pattern",
    `Cannot lock "${path}": the pattern mode is ${
      JSON.stringify(mode)
    }. Pass ` +
      `"auto", "glob" or "literal".`,
  );
}

function assertLease(leaseMs: number): void {
  if (leaseMs > 0 && leaseMs <= LOCK_LEASE_MS_MAX) return;
  throw new InvalidInputError(
    "leaseMs",
    `Cannot hold a lock for ${leaseMs} ms: the lease is out of range. Pass more ` +
      `than 0 and at most ` +
      `${LOCK_LEASE_MS_MAX} (a day).`,
  );
}

/** Wait for a lock, from the queue to the grant. */
class LockWait {
  readonly #operations: Operations;
  readonly #grants: GrantWatch;
  readonly #path: string;
  readonly #session: string;
  readonly #waiter: string;
  readonly #options: AcquireOptions;
  readonly #closing: AbortSignal;
  #reported = "";

  constructor(
    operations: Operations,
    grants: GrantWatch,
    request: LockRequest,
    waiter: string,
    options: AcquireOptions,
    closing: AbortSignal,
  ) {
    this.#operations = operations;
    this.#grants = grants;
    this.#closing = closing;
    this.#path = request.target.path;
    this.#session = request.session;
    this.#waiter = waiter;
    this.#options = options;
  }

  /** Waits until the lock is granted; leaves the queue if it is not. */
  async until(
    deadline: number,
    blockers: readonly Blocker[],
  ): Promise<LockOutcome & { state: "held" }> {
    const startedAt = performance.now();
    const changes = new Changes(this.#closing, this.#options.signal);
    let held = false;
    try {
      using _watch = await this.#grants.join(this.#session, changes.wake);
      for (;;) {
        const outcome = await this.#operations.checkWaiter(
          this.#waiter,
          this.#session,
        );
        if (outcome.state === "held") {
          held = true;
          return outcome;
        }
        if (outcome.state === "waiting") blockers = outcome.blockers;
        const leftMs = deadline - performance.now();
        if (outcome.state === "refused" || leftMs <= 0) {
          throw new LockHeldError(
            this.#path,
            blockers,
            performance.now() - startedAt,
          );
        }
        this.#report(blockers);
        await this.#sleep(changes, blockers, leftMs);
      }
    } finally {
      changes.close();
      if (!held) await this.#operations.leaveQueue(this.#waiter);
    }
  }

  /** Reports the blockers if they have changed. */
  #report(blockers: readonly Blocker[]): void {
    const reported = blockers.map(({ session, state, path }) =>
      `${session} ${state} ${path}`
    ).join("\n");
    if (reported === this.#reported) return;
    this.#reported = reported;
    this.#options.onWait?.(blockers);
  }

  /** Waits for a push, the death of a blocker, the deadline or the next check. */
  async #sleep(
    changes: Changes,
    blockers: readonly Blocker[],
    leftMs: number,
  ): Promise<void> {
    let checkedAt = -Infinity;
    const check = setInterval(() => {
      // A dead earlier waiter matters only once the holder has released.
      const died = blockers.some(({ process, state }) =>
        state === "holds" && process !== undefined &&
        processAlive(process, process.host) === "dead"
      );
      if (died) changes.wake();
      if (performance.now() - checkedAt < WINDOW_CHECK_MS) return;
      checkedAt = performance.now();
      endClosedWindows(this.#operations, holdersAmong(blockers)).then(
        (ended) => ended && changes.wake(),
        // Busy or closed: the next interval checks again.
        () => {},
      );
    }, HOLDER_CHECK_MS);
    const deadline = setTimeout(
      changes.wake,
      Math.min(leftMs, QUEUE_CHECK_MS),
    );
    try {
      if (await changes.next()) return;
      throw new ClosedError(`wait for "${this.#path}"`);
    } finally {
      clearInterval(check);
      clearTimeout(deadline);
    }
  }
}

function holdersAmong(blockers: readonly Blocker[]): WindowedSession[] {
  return blockers.filter(({ state }) => state === "holds")
    .map(({ session, process }) => ({ id: session, process }));
}
