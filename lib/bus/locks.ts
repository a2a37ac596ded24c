/**
 * Locks: whose file this is.
 *
 * A lock is a lease on a file, a folder, a glob or a named resource (`@git/head`,
 * `@port/3000`, any `@name`). *Advisory* says "I am
 * editing this": it blocks nobody's advisory lock, but where two overlap both
 * sessions are told. *Exclusive* refuses every other session's overlapping
 * lock, and is refused by it, or waits for it.
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
 * - Holds are (session, agent, path), and counted: what was taken twice is
 *   given back twice.
 * - Each hold has a fencing token from one counter that only grows. Renewing,
 *   releasing and upgrading name it, so that a late holder finds out.
 * - A hold past its expiry whose process lives here is *overdue*: still held,
 *   visible, and taken over only by who says so. So a laptop that slept frees
 *   nobody's locks. A hold whose process can't be judged ends at its expiry; one
 *   whose process is dead is freed by whoever looks next.
 * - Who waits is served first come, first served, and woken by a push; as a
 *   killed holder rings nobody, its process is looked at every 25 ms. A cycle
 *   of waiters is refused at once.
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
import {
  lockTarget,
  pathSet,
  PATTERN_MODES,
  type PatternMode,
} from "../path/lock_target.ts";
import { endClosedWindows, type WindowedSession } from "./closed_windows.ts";
import type { LockTarget } from "../model/lock.ts";
import { assertNoNul } from "./options.ts";
import { isAtOrBelow } from "../path/path_text.ts";
import type { SessionSelf } from "./sessions.ts";

/** The longest lease of a lock: a day. */
export const LOCK_LEASE_MS_MAX = 24 * 60 * 60 * 1000;

/** How often a waiter looks whether the holder's process still lives. */
const HOLDER_LOOK_MS = 25;

/** How often one asks whether the turn of a holder without a window is over. */
const LEFT_LOOK_MS = 100;

/**
 * How often a waiter looks who is in its way by now, which also keeps its place
 * in the queue: that is a lease.
 */
const QUEUE_LOOK_MS = 1_000;

/** How a path is read. */
export interface PathOptions {
  /**
   * Whether the path is a path (`literal`), a glob, or what a person most
   * likely means (`auto`): `app/[id].ts` is all three.
   * @default {"auto"}
   */
  readonly pattern?: PatternMode;
}

/** How to take a lock. */
export interface AcquireOptions extends PathOptions {
  /**
   * How it stands to others.
   * @default {"advisory"}
   */
  readonly type?: LockType;
  /**
   * How long to wait where it cannot be had at once, in milliseconds.
   * @default {0}
   */
  readonly waitMs?: number;
  /** Is told whom it waits for, and again within a second of a change. */
  readonly onWait?: (blockers: readonly Blocker[]) => void;
  /**
   * How long it is held unless renewed, in milliseconds, up to a day.
   * @default {600000}
   */
  readonly leaseMs?: number;
  /** What it is held for, shown to who meets it; at most 500 characters. */
  readonly why?: string;
  /**
   * Whether overdue holds in the way are ended: their holders are told.
   * @default {false}
   */
  readonly takeOver?: boolean;
  /** The part of the session that takes it, such as a subagent's id. */
  readonly agent?: string;
  /**
   * Sessions on whose behalf this one acts: their holds never conflict.
   * @default {[]}
   */
  readonly actingFor?: readonly string[];
  /** Ends the waiting: it rejects with the signal's reason. */
  readonly signal?: AbortSignal;
}

/** Which locks to list. */
export interface LockListOptions extends PathOptions {
  /** Only those that overlap this path on disk. */
  readonly path?: string;
  /**
   * Whether locks in every project are listed, not only those in the session's
   * own and those below its worktree.
   * @default {false}
   */
  readonly allProjects?: boolean;
}

let setHold: (lock: Lock, hold: Hold) => void;

/** Notes that a lock was given back by other means than its own. */
export let markReleased: (lock: Lock) => void;

/** A lock that is held; disposing of it releases it. */
export class Lock implements AsyncDisposable {
  static {
    setHold = (lock, hold) => lock.#hold = hold;
    markReleased = (lock) => lock.#releasing = Promise.resolve();
  }

  /** What else is held there: everyone concerned was told. */
  readonly overlaps: readonly LockOverlap[];
  readonly #operations: Operations;
  #hold: Hold;
  #releasing: Promise<void> | undefined;

  /** Made by {@linkcode Locks.acquire}. */
  constructor(
    operations: Operations,
    hold: Hold,
    overlaps: readonly LockOverlap[],
  ) {
    this.#operations = operations;
    this.#hold = hold;
    this.overlaps = overlaps;
  }

  /** The hold as it was when it was last taken or renewed. */
  get hold(): Hold {
    return this.#hold;
  }

  /** The absolute path or pattern. */
  get path(): string {
    return this.#hold.path;
  }

  /** The fencing token. */
  get token(): number {
    return this.#hold.token;
  }

  /**
   * Holds it for longer, from now.
   *
   * @throws {NotHeldError} If it is not held any more.
   */
  async renew(leaseMs: number = DEFAULT_LOCK_LEASE_MS): Promise<void> {
    assertLease(leaseMs);
    this.#hold = await this.#operations.renewLock(this.#hold, leaseMs);
  }

  /**
   * Gives it back; giving it back twice is fine.
   *
   * @param before What the session held there before it took it once more: that
   * is left as it was.
   * @throws {NotHeldError} If it was lost before it was given back.
   */
  async release(before?: Hold): Promise<void> {
    this.#releasing ??= this.#release(before);
    await this.#releasing;
  }

  async #release(before: Hold | undefined): Promise<void> {
    try {
      await this.#operations.releaseLock(this.#hold, { before });
    } catch (error) {
      // Anything but its loss may pass: then it can be tried again.
      if (!(error instanceof NotHeldError)) this.#releasing = undefined;
      throw error;
    }
  }

  /** Gives it back; one that was lost by then is fine. */
  async [Symbol.asyncDispose](): Promise<void> {
    try {
      await this.release();
    } catch (error) {
      if (!(error instanceof NotHeldError)) throw error;
    }
  }
}

/** The locks on a bus. */
export class Locks {
  readonly #operations: Operations;
  readonly #self: SessionSelf;
  readonly #register: (act: string) => Promise<void>;
  readonly #grants: GrantWatch;

  /** Made by the bus: take {@linkcode MessageBus.locks}. */
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
   * Takes a lock on a file, a folder (and all below it), a glob or a named
   * resource.
   *
   * @param path The path, relative to the working folder, or a glob of
   * `*`, `**`, `?`, `[…]` and `{a,b}`, or a name such as `@port/3000`. What does
   * not exist yet is a file, or a folder if it ends in a slash.
   * @throws {InvalidInputError} If the path or an option will not do.
   * @throws {LockHeldError} If another session is in the way, and still is
   * after `waitMs`.
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
    options.signal?.throwIfAborted();
    const wanted = this.#toRequest(path, options, this.target(path, options));
    await this.#register(`lock "${path}"`);
    const { hold, overlaps } = await this.#obtain({
      ...wanted,
      session: this.#self.id,
    }, options);
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
   * Takes a lock, or returns undefined where another session is in the way.
   *
   * @throws {InvalidInputError} If the path or an option will not do.
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
   * Makes an advisory lock exclusive: it stays the same lock, with its token
   * and its count.
   *
   * @throws {NotHeldError} If it is not held any more.
   * @throws {LockHeldError} If another session is in the way.
   * @throws {DeadlockError} If waiting would close a cycle: two that hold a
   * path and both upgrade wait for each other.
   */
  async upgrade(
    lock: Lock,
    options: Omit<AcquireOptions, "type" | "agent"> = {},
  ): Promise<Lock> {
    options.signal?.throwIfAborted();
    const { agent, path, session, token } = lock.hold;
    if (!this.#self.owned || session !== this.#self.id) {
      throw new NotHeldError("upgrade", path, token);
    }
    const wanted = this.#toRequest(
      path,
      { ...options, type: "exclusive", agent },
      targetOf(lock.hold),
    );
    const { hold } = await this.#obtain(
      { ...wanted, session, upgrades: token },
      options,
    );
    setHold(lock, hold);
    return lock;
  }

  /**
   * Gives back what the session holds on a path, however often it was taken.
   *
   * @throws {NotHeldError} If it holds nothing there.
   */
  async release(
    path: string,
    options: PathOptions & { readonly agent?: string } = {},
  ): Promise<void> {
    const held = await this.held(path, options);
    const mine = held.filter((hold) =>
      options.agent === undefined || hold.agent === options.agent
    );
    if (mine.length === 0) {
      throw new NotHeldError("release", this.meaning(path, options).path);
    }
    await this.releaseHolds(mine);
  }

  /** Gives back holds of the session that were listed, however often taken. */
  async releaseHolds(holds: readonly Hold[]): Promise<void> {
    for (const hold of holds) {
      await this.#operations.releaseLock(hold, { entirely: true });
    }
  }

  /** What the session itself holds, in all or on exactly one path. */
  async held(
    path?: string,
    options: PathOptions = {},
  ): Promise<readonly Hold[]> {
    const target = path === undefined ? undefined : this.meaning(path, options);
    // Until it is registered, its id may be another's.
    if (!this.#self.owned) return [];
    const holds = await this.#operations.locks({
      project: null,
      session: this.#self.id,
      path: target?.path,
    });
    // Of names that are called the same, those in its own scope.
    return target?.kind === "name"
      ? holds.filter(({ pathSets }) => pathSets.disk === target.disk.text)
      : holds;
  }

  /** Who waits for a path, or something that overlaps it, the first first. */
  async waiters(
    path: string,
    options: PathOptions = {},
  ): Promise<readonly Blocker[]> {
    return await this.#operations.lockWaiters(this.meaning(path, options));
  }

  /**
   * Returns what a path means in the working folder; takes nothing.
   *
   * @throws {InvalidInputError} If it can be no path.
   */
  meaning(path: string, { pattern }: PathOptions = {}): LockTarget {
    assertPatternMode(path, pattern);
    const { project } = this.#self.start;
    return lockTarget(path, Deno.cwd(), { pattern, project });
  }

  /**
   * What a path means to the session's locks; takes nothing.
   *
   * @throws {InvalidInputError} If the session could not lock it.
   */
  target(path: string, options: PathOptions = {}): LockTarget {
    const target = this.meaning(path, options);
    this.#assertInProject(target, path);
    return target;
  }

  /** The locks that are held, oldest first. */
  async list(options: LockListOptions = {}): Promise<readonly Hold[]> {
    return await this.#operations.locks({
      project: options.allProjects ? null : this.#self.start.project,
      below: this.#self.start.worktree ?? undefined,
      overlapping: options.path === undefined
        ? undefined
        : this.meaning(options.path, options),
    });
  }

  /** Who holds a path, or something that overlaps it on disk. */
  async holders(
    path: string,
    options: PathOptions = {},
  ): Promise<readonly Hold[]> {
    return await this.list({ ...options, path, allProjects: true });
  }

  /**
   * The list of locks, now and again whenever it may have changed.
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
    const { signal } = options;
    const changes = new Changes(this.#self.closing, signal);
    using _watch = await this.#operations.watchChanges(
      "locks",
      null,
      changes.wake,
    );
    try {
      for (;;) {
        yield await this.list(options);
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
        `Cannot lock "${path}": the type is ${JSON.stringify(type)}; pass ` +
          `"advisory" or "exclusive".`,
      );
    }
    if (!(waitMs >= 0)) {
      throw new InvalidInputError(
        "waitMs",
        `Cannot lock "${path}": waitMs is ${waitMs}; pass 0 or more.`,
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

  /** What lies in no repository belongs to what its session works on. */
  #inProject(target: LockTarget): LockTarget {
    // A machine's resource is shown in every project.
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
      `Cannot lock "${path}": it lies outside of the project ${root}; lock it ` +
        `from a session in its own project.`,
    );
  }
}

/** What a hold is put on. */
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
    }; pass ` +
      `"auto", "glob" or "literal".`,
  );
}

function assertLease(leaseMs: number): void {
  if (leaseMs > 0 && leaseMs <= LOCK_LEASE_MS_MAX) return;
  throw new InvalidInputError(
    "leaseMs",
    `Cannot hold a lock for ${leaseMs} ms: pass more than 0 and at most ` +
      `${LOCK_LEASE_MS_MAX} (a day).`,
  );
}

/** One waiting for a lock, from the queue to the grant. */
class LockWait {
  readonly #operations: Operations;
  readonly #grants: GrantWatch;
  readonly #path: string;
  readonly #session: string;
  readonly #waiter: string;
  readonly #options: AcquireOptions;
  readonly #closing: AbortSignal;
  #told = "";

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

  /** Waits until it is granted; leaves the queue if it is not. */
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
        this.#tell(blockers);
        await this.#sleep(changes, blockers, leftMs);
      }
    } finally {
      changes.close();
      if (!held) await this.#operations.leaveQueue(this.#waiter);
    }
  }

  /** Says whom it waits for, if that changed. */
  #tell(blockers: readonly Blocker[]): void {
    const whom = blockers.map(({ session, state, path }) =>
      `${session} ${state} ${path}`
    ).join("\n");
    if (whom === this.#told) return;
    this.#told = whom;
    this.#options.onWait?.(blockers);
  }

  /** Until a push, the death of a blocker, the deadline, or renewal is due. */
  async #sleep(
    changes: Changes,
    blockers: readonly Blocker[],
    leftMs: number,
  ): Promise<void> {
    let askedAt = -Infinity;
    const look = setInterval(() => {
      // An earlier waiter's death is seen when the holder's turn is over.
      const died = blockers.some(({ process, state }) =>
        state === "holds" && process !== undefined &&
        processAlive(process, process.host) === "dead"
      );
      if (died) changes.wake();
      if (performance.now() - askedAt < LEFT_LOOK_MS) return;
      askedAt = performance.now();
      endClosedWindows(this.#operations, holdersAmong(blockers)).then(
        (ended) => ended && changes.wake(),
        // Busy, or closed by now: asked again as long as this waits.
        () => {},
      );
    }, HOLDER_LOOK_MS);
    const deadline = setTimeout(
      changes.wake,
      Math.min(leftMs, QUEUE_LOOK_MS),
    );
    try {
      if (await changes.next()) return;
      throw new ClosedError(`wait for "${this.#path}"`);
    } finally {
      clearInterval(look);
      clearTimeout(deadline);
    }
  }
}

function holdersAmong(blockers: readonly Blocker[]): WindowedSession[] {
  return blockers.filter(({ state }) => state === "holds")
    .map(({ session, process }) => ({ id: session, process }));
}
