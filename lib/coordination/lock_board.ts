/**
 * The board: what is held and waited for around some paths, as one transaction
 * of a store sees it, and every decision about it.
 *
 * A store whose rows are far away reads what a decision needs at once, has it
 * decided here on plain data, and writes what changed at once. Nobody else may
 * change these rows meanwhile: the store sees to that.
 *
 * ```text
 *  rows ──▶ board ── tidy ──▶ acquire, check, give back, … ──▶ grant ──▶ changes
 * ```
 *
 * **Judging** comes first. A hold whose session's process is dead goes with the
 * session's burial, which is the store's ({@linkcode LockBoard.deadSessions}).
 * What was granted to a process that died before it picked it up goes back; a
 * hold whose process can't be judged ends at its expiry; one whose process lives
 * is overdue then and stays. A waiter that is dead, or silent past its lease, is
 * gone. So what is left on the board stands.
 *
 * **Granting** comes last, where something was freed: each waiter in order gets
 * its hold if nothing stands in its way any more. The hold then carries the
 * waiter's number until its process has picked it up.
 *
 * Who is in the way of whom stands in precedence.ts. The same path on two
 * machines is two files: what is held on another one is in nobody's way here,
 * and at most a merge risk, where it is the same file of one repository. Only a
 * project's named resource is one on all machines.
 *
 * @module
 */

import { DeadlockError, NotHeldError } from "../errors.ts";
import {
  type HostedProcess,
  hostId,
  mayShareDisk,
  processAlive,
} from "../host.ts";
import {
  meetInRepository,
  meetOnDisk,
  type OverlapBudget,
  type Reach,
  reachOfHold,
  reachOfTarget,
  tryPrefixOf,
} from "../lock_overlap.ts";
import { type Extent, type LockTarget, spansMachines } from "../lock_target.ts";
import type {
  Blocker,
  Hold,
  LockOutcome,
  LockOverlap,
  LockRequest,
} from "../locks.ts";
import type { NewMessage } from "../store.ts";
import { conflictsOf, takenOver, wanted } from "./conflicts.ts";
import { findCycle, type Waiting } from "./deadlock.ts";
import {
  anybodys,
  blockerOf,
  excludes,
  isCovered,
  isEnough,
  isNews,
  isOther,
  isSame,
  prefixesAbove,
  riskOf,
  WAIT_LEASE_MS,
} from "./precedence.ts";

/** A hold on the board. */
export interface BoardHold {
  /** The hold. */
  readonly hold: Hold;
  /** Its session's process; absent where its row names none. */
  readonly process?: HostedProcess;
  /** The host on whose disk it is; `null` where its row names none. */
  readonly host: string | null;
  /** The waiter that has yet to pick it up. */
  readonly waiter?: number;
}

/** A waiter on the board. */
export interface BoardWaiter {
  /** Its number: who came earlier has a smaller one. */
  readonly number: number;
  /** What it asked for. */
  readonly request: LockRequest;
  /** Its session. */
  readonly asker: Asker;
  /** Since when it waits, in milliseconds since 1970. */
  readonly sinceMs: number;
  /** How long its place is kept, in milliseconds since 1970. */
  readonly expiresMs: number;
  /** The process that waits. */
  readonly process: HostedProcess;
  /** The token of what it was granted. */
  readonly token?: number;
}

/** Who asks, as far as a hold or a waiter shows it. */
export interface Asker {
  /** Who makes the agent. */
  readonly vendor: string;
  /** The task that the session is on. */
  readonly task?: string;
  /** The session's process, where its row names one. */
  readonly process?: HostedProcess;
}

/** What is to be written down, in this order. */
export type BoardChange =
  /** A new hold. */
  | { readonly kind: "hold"; readonly to: BoardHold; readonly on: LockTarget }
  /** A hold stands otherwise. */
  | { readonly kind: "change"; readonly to: BoardHold }
  /** A hold is gone. */
  | { readonly kind: "free"; readonly token: number }
  /** A waiter has come. */
  | { readonly kind: "wait"; readonly to: BoardWaiter }
  /** A waiter keeps its place for longer, or was granted something. */
  | { readonly kind: "stay"; readonly to: BoardWaiter }
  /** A waiter is gone. */
  | { readonly kind: "leave"; readonly waiter: number }
  /** Something is said; `sparingly`: unless it was just said. */
  | {
    readonly kind: "say";
    readonly message: NewMessage;
    readonly sparingly: boolean;
  };

/** Whether a row names a process that this host can judge. */
export function isJudgeable(
  process: HostedProcess | undefined,
): process is HostedProcess {
  return process !== undefined && process.startTime !== "" &&
    process.host === hostId();
}

/** What is held and waited for around some paths. */
export class LockBoard {
  /** The time at which all of it happens, in milliseconds since 1970. */
  readonly nowMs: number;
  /** What is to be written down. */
  readonly changes: BoardChange[] = [];
  /** Sessions of whose waiters something was decided. */
  readonly rung = new Set<string>();
  /** Whether something was freed that somebody may wait for. */
  released = false;
  /** Whether a list of locks is another one now, but for leases. */
  changed = false;
  readonly #holds = new Map<number, BoardHold>();
  readonly #reaches = new Map<number, Reach | undefined>();
  // Tokens by the literal beginnings of what they cover.
  readonly #byPrefix = {
    disk: new Map<string, number[]>(),
    repository: new Map<string, number[]>(),
  };
  readonly #waiters = new Map<number, BoardWaiter>();
  readonly #freed = new Set<number>();
  #taken = 0;
  // What a hold covers never changes, so it is decided once what it overlaps.
  readonly #decided = new WeakMap<Extent, Map<number, boolean>>();
  readonly #nextNumber: () => number;

  /**
   * Makes an empty board.
   *
   * @param nextNumber The next of the store's counter that only grows.
   */
  constructor(nowMs: number, nextNumber: () => number) {
    this.nowMs = nowMs;
    this.#nextNumber = nextNumber;
  }

  /**
   * Puts what was read on the board; what is there already stays as it is, and
   * what was freed here stays off it.
   */
  add(holds: readonly BoardHold[], waiters: readonly BoardWaiter[] = []): void {
    for (const entry of holds) {
      const { token } = entry.hold;
      if (this.#holds.has(token) || this.#freed.has(token)) continue;
      this.#put(entry);
    }
    for (const waiter of waiters) {
      if (!this.#waiters.has(waiter.number)) {
        this.#waiters.set(waiter.number, waiter);
      }
    }
  }

  /** Those who wait and have been granted nothing yet, in order. */
  get waiting(): BoardWaiter[] {
    return [...this.#waiters.values()]
      .filter(({ token }) => token === undefined)
      .sort((a, b) => a.number - b.number);
  }

  /** What a waiter asked for, if it is there. */
  requestOf(waiter: number): LockRequest | undefined {
    return this.#waiters.get(waiter)?.request;
  }

  /** How many holds and waiters have come since it was read. */
  get taken(): number {
    return this.#taken;
  }

  /** The sessions of holds here whose process is dead: they are to be buried. */
  deadSessions(): string[] {
    // A session's holds all have its process.
    const processes = new Map(
      [...this.#holds.values()].map(({ hold, process }) =>
        [hold.session, process] as const
      ),
    );
    return [...processes].filter(([, process]) =>
      isJudgeable(process) && processAlive(process, process.host) === "dead"
    ).map(([session]) => session);
  }

  /** Takes a session's holds and waiters off: it was buried, or is left out. */
  removeSession(session: string): void {
    for (const { hold } of this.#holds.values()) {
      if (hold.session === session) this.#holds.delete(hold.token);
    }
    for (const { number, request } of this.#waiters.values()) {
      if (request.session === session) this.#waiters.delete(number);
    }
    this.released = true;
  }

  /** Removes what stands no more; the dead were buried before. */
  tidy(): void {
    for (const waiter of [...this.#waiters.values()]) {
      const life = processAlive(waiter.process, waiter.process.host);
      const silent = waiter.expiresMs <= this.nowMs && life !== "alive";
      if (life === "dead" || silent) this.leave(waiter.number);
    }
    for (const { hold, process } of [...this.#holds.values()]) {
      if (!hold.overdue) continue;
      const isJudged = isJudgeable(process) &&
        processAlive(process, process.host) !== "unknown";
      if (!isJudged) this.#free(hold.token);
    }
  }

  /** The holds that overlap a target on disk, or in its repository. */
  near(
    target: LockTarget,
    where: "disk" | "repository" = "disk",
    budget?: OverlapBudget,
  ): BoardHold[] {
    const extent = where === "disk" ? target.disk : target.repository;
    if (extent === undefined) return [];
    const wanted = reachOfTarget(target);
    const meets = where === "disk" ? meetOnDisk : meetInRepository;
    const decided = this.#decided.get(extent) ?? new Map<number, boolean>();
    this.#decided.set(extent, decided);
    return this.#candidates(target, extent, where).filter(({ hold, host }) => {
      if (
        where === "disk" && !mayShareDisk(host, target.host) &&
        !spansMachines(extent.text)
      ) return false;
      let isMet = decided.get(hold.token);
      if (isMet === undefined) {
        const covered = () => this.#reachOf(hold, budget);
        if (budget === undefined) {
          const reach = covered();
          isMet = reach !== undefined && meets(wanted, reach);
        } else {
          isMet = budget.meet(wanted, covered, meets);
          // What was not decided may be so later.
          if (budget.isSpent) return isMet;
        }
        decided.set(hold.token, isMet);
      }
      return isMet;
    });
  }

  /** Those whose prefix meets a target's: few of them overlap it. */
  #candidates(
    { kind }: LockTarget,
    { prefix }: Extent,
    where: "disk" | "repository",
  ): BoardHold[] {
    // A folder or glob also meets what lies below.
    if (kind !== "file" && kind !== "name") return [...this.#holds.values()];
    const index = this.#byPrefix[where];
    return [prefix, ...prefixesAbove(prefix)]
      .flatMap((at) => index.get(at) ?? [])
      .flatMap((token) => this.#holds.get(token) ?? []);
  }

  /** What a hold covers, parsed once. */
  #reachOf(hold: Hold, budget?: OverlapBudget): Reach | undefined {
    const { token, kind, covers } = hold;
    if (!this.#reaches.has(token)) {
      if (kind === "glob") budget?.parse(covers.disk.length);
      this.#reaches.set(token, reachOfHold(hold));
    }
    return this.#reaches.get(token);
  }

  #put(entry: BoardHold): void {
    const { token, kind, covers } = entry.hold;
    this.#holds.set(token, entry);
    for (const where of ["disk", "repository"] as const) {
      const text = covers[where];
      const prefix = text && tryPrefixOf(kind, text, covers.foldsCase);
      if (prefix === undefined) continue;
      const there = this.#byPrefix[where].get(prefix);
      if (there === undefined) this.#byPrefix[where].set(prefix, [token]);
      else there.push(token);
    }
  }

  /** The hold with this token. */
  hold(token: number): Hold | undefined {
    return this.#holds.get(token)?.hold;
  }

  /** The holds, oldest first. */
  holds(): Hold[] {
    return [...this.#holds.values()].map(({ hold }) => hold)
      .sort((a, b) => a.token - b.token);
  }

  /**
   * What the session's agent holds there already: what is upgraded, or would
   * be taken once more.
   */
  own(
    request: LockRequest,
    near = this.near(request.target),
  ): Hold | undefined {
    const { session, agent, upgrades } = request;
    if (upgrades === undefined) {
      return near.find(({ hold }) => isSame(request, hold))?.hold;
    }
    const hold = this.hold(upgrades);
    return hold?.session === session && (hold.agent ?? "") === agent
      ? hold
      : undefined;
  }

  /**
   * Takes a lock, queues for it, or says who is in the way.
   *
   * @param takeNew Is called before a lock is taken or waited for that the
   * session does not hold yet; what it throws refuses it.
   * @throws {NotHeldError} If what is to be upgraded is not held.
   * @throws {DeadlockError} If queueing would close a cycle.
   */
  acquire(
    request: LockRequest,
    asker: Asker,
    waitsAs: HostedProcess,
    takeNew: () => void,
  ): LockOutcome {
    const { target, upgrades } = request;
    const near = this.near(target);
    const own = this.own(request, near);
    if (own === undefined) {
      if (upgrades !== undefined) {
        throw new NotHeldError("upgrade", target.path, upgrades);
      }
      takeNew();
    }
    if (own === undefined ? isCovered(request, near) : isEnough(own, request)) {
      return this.#grant(request, asker);
    }
    let inTheWay = this.blockersOf(request);
    // Nobody's hold is ended for a lock that is not had then.
    const ends = request.takeOver &&
      (request.wait
        ? inTheWay.some(({ overdue }) => overdue)
        : inTheWay.every(({ overdue }) => overdue));
    if (ends) {
      this.#takeOver(request);
      inTheWay = inTheWay.filter(({ overdue }) => !overdue);
    }
    if (inTheWay.length === 0) return this.#grant(request, asker);
    if (request.type === "exclusive") {
      const message = wanted(request, inTheWay);
      if (message !== undefined) this.#say(message, true);
    }
    if (!request.wait) return { state: "refused", blockers: inTheWay };
    this.#refuseCycle(request, inTheWay);
    const waiter = this.#enqueue(request, asker, waitsAs);
    return { state: "waiting", waiter: String(waiter), blockers: inTheWay };
  }

  /** Who stands in the way of a request, or of a waiter's. */
  blockersOf(
    request: LockRequest,
    waiter: number = Number.MAX_SAFE_INTEGER,
  ): Blocker[] {
    const holders = this.near(request.target)
      .filter(({ hold }) =>
        isOther(request, hold.session) && excludes(request, hold.type)
      )
      .map((entry) => this.#holderBlocks(entry));
    const earlier = this.waiting
      .filter(({ number, request: theirs }) =>
        number < waiter && isOther(request, theirs.session) &&
        excludes(request, theirs.type) && meet(request.target, theirs.target)
      )
      .map(waiterBlocks);
    return [...holders, ...earlier];
  }

  /** Who waits for what overlaps a target, those that came first first. */
  waitersFor(target: LockTarget): Blocker[] {
    return this.blockersOf(anybodys(target))
      .filter(({ state }) => state === "waits");
  }

  /** How a waiter stands; undefined if it is not there. Keeps its place. */
  check(waiter: number): LockOutcome | undefined {
    const found = this.#waiters.get(waiter);
    if (found === undefined) return undefined;
    if (found.token !== undefined) return this.#pickUp(found);
    const blockers = this.blockersOf(found.request, waiter);
    if (blockers.length > 0) {
      this.#stay({ ...found, expiresMs: this.nowMs + WAIT_LEASE_MS });
      return { state: "waiting", waiter: String(waiter), blockers };
    }
    this.grantWaiters();
    const granted = this.#waiters.get(waiter);
    // What it was to upgrade was given back.
    if (granted === undefined) return { state: "refused", blockers: [] };
    return this.#pickUp(granted);
  }

  /** Takes a waiter out of the queue; what it was granted goes back. */
  leave(waiter: number): void {
    const found = this.#waiters.get(waiter);
    if (found === undefined) return;
    this.#remove(waiter);
    // Who waited behind it may be next.
    this.released = true;
    const { token, request } = found;
    const entry = token === undefined ? undefined : this.#holds.get(token);
    if (entry !== undefined) this.#ungrant(entry, request);
  }

  /** Gives each waiter its hold that nothing stands in the way of any more. */
  grantWaiters(): void {
    for (const { number, request, asker } of this.waiting) {
      if (this.blockersOf(request, number).length > 0) continue;
      if (request.upgrades !== undefined && this.own(request) === undefined) {
        // What was to become exclusive was given back meanwhile.
        this.leave(number);
        return this.grantWaiters();
      }
      const { hold } = this.#grant(request, asker, number);
      const waiter = this.#waiters.get(number)!;
      this.#stay({ ...waiter, token: hold.token });
      this.rung.add(request.session);
    }
  }

  /**
   * Holds it for longer.
   *
   * @throws {NotHeldError} If it is not held under this token any more.
   */
  renew(held: Hold, leaseMs: number): Hold {
    const entry = this.#require("renew", held);
    return this.#change(entry, expiring(this.nowMs + leaseMs));
  }

  /** Holds it at least so long from now. */
  prolong(held: Hold, leaseMs: number): void {
    const entry = this.#holds.get(held.token)!;
    this.#change(
      entry,
      expiring(
        Math.max(Date.parse(entry.hold.expiresAt), this.nowMs + leaseMs),
      ),
    );
  }

  /**
   * Gives it back once, or entirely.
   *
   * @throws {NotHeldError} If it is not held under this token any more.
   */
  giveBack(
    held: Hold,
    options: { readonly entirely?: boolean; readonly before?: Hold } = {},
  ): void {
    const entry = this.#require("release", held);
    const { holds } = entry.hold;
    if (options.entirely || holds === 1) {
      this.#free(held.token);
      return;
    }
    const { before } = options;
    if (before === undefined || before.token !== held.token) {
      this.#change(entry, { holds: holds - 1 });
      return;
    }
    this.#change(entry, {
      holds: holds - 1,
      type: before.type,
      expiresAt: before.expiresAt,
      overdue: Date.parse(before.expiresAt) <= this.nowMs,
      why: before.why,
    });
    // Advisory again, it may let somebody in who waits.
    this.released = true;
    this.changed = true;
  }

  #require(act: string, held: Hold): BoardHold {
    const entry = this.#holds.get(held.token);
    if (entry !== undefined && entry.hold.session === held.session) {
      return entry;
    }
    throw new NotHeldError(act, held.path, held.token);
  }

  #grant(
    request: LockRequest,
    asker: Asker,
    waiter?: number,
  ): LockOutcome & { state: "held" } {
    const before = this.own(request);
    const entry: BoardHold = before === undefined
      ? this.#holdNew(request, asker, waiter)
      : this.#holdAgain(request, before, waiter);
    const held = entry.hold;
    const overlaps = this.#overlapsOf(request, held);
    // Taken once more by the same agent, it is no news.
    if (before === undefined) {
      conflictsOf(held, overlaps).forEach((message) =>
        this.#say(message, false)
      );
    }
    return { state: "held", hold: held, overlaps };
  }

  #holdNew(request: LockRequest, asker: Asker, waiter?: number): BoardHold {
    const { target, session, agent, type, why, leaseMs } = request;
    const { repository, project, worktree } = target;
    const hold: Hold = {
      token: this.#nextNumber(),
      kind: target.kind,
      path: target.path,
      type,
      session,
      ...(agent !== "" && { agent }),
      vendor: asker.vendor,
      ...(asker.task !== undefined && { task: asker.task }),
      ...(why !== undefined && { why }),
      since: new Date(this.nowMs).toISOString(),
      ...expiring(this.nowMs + leaseMs),
      holds: 1,
      ...(project !== undefined && { project }),
      ...(worktree !== undefined && { worktree }),
      covers: {
        disk: target.disk.text,
        ...(repository !== undefined && { repository: repository.text }),
        foldsCase: target.foldsCase,
      },
    };
    const host = target.host ?? hostId();
    const to = { hold, process: asker.process, host, waiter };
    this.#put(to);
    this.changes.push({ kind: "hold", to, on: target });
    this.#taken++;
    this.changed = true;
    return to;
  }

  #holdAgain(request: LockRequest, own: Hold, waiter?: number): BoardHold {
    const entry = this.#holds.get(own.token)!;
    const { holds, type, why, expiresAt } = entry.hold;
    this.changed = true;
    this.#change({ ...entry, waiter: waiter ?? entry.waiter }, {
      holds: holds + (request.upgrades === undefined ? 1 : 0),
      type: request.type === "exclusive" ? "exclusive" : type,
      why: request.why ?? why,
      ...expiring(
        Math.max(Date.parse(expiresAt), this.nowMs + request.leaseMs),
      ),
    });
    return this.#holds.get(own.token)!;
  }

  /** Everything else that is held there, on disk and in the repository. */
  #overlapsOf(request: LockRequest, held: Hold): LockOverlap[] {
    const found = new Map<number, LockOverlap>();
    for (const where of ["disk", "repository"] as const) {
      for (const { hold } of this.near(request.target, where)) {
        if (found.has(hold.token) || !isNews(request, held, hold, where)) {
          continue;
        }
        found.set(hold.token, { risk: riskOf(request, hold, where), hold });
      }
    }
    return [...found.values()];
  }

  #holderBlocks({ hold, process, waiter }: BoardHold): Blocker {
    const yetToPickUp = waiter === undefined
      ? undefined
      : this.#waiters.get(waiter)?.process;
    return blockerOf(
      hold,
      yetToPickUp ?? (isJudgeable(process) ? process : undefined),
    );
  }

  /** Ends overdue holds in the way; their holders are told. */
  #takeOver(request: LockRequest): void {
    for (const { hold } of this.near(request.target)) {
      if (
        !isOther(request, hold.session) || !hold.overdue ||
        !excludes(request, hold.type)
      ) continue;
      this.#free(hold.token);
      this.#say(takenOver(request, hold), false);
    }
  }

  #refuseCycle(request: LockRequest, inTheWay: readonly Blocker[]): void {
    const waits = new Map<string, Waiting[]>();
    for (const { number, request: waiting } of this.waiting) {
      const edges = {
        path: waiting.target.path,
        blockers: this.blockersOf(waiting, number),
      };
      waits.set(waiting.session, [...waits.get(waiting.session) ?? [], edges]);
    }
    const { path } = request.target;
    const wanted = { path, blockers: inTheWay };
    const cycle = findCycle(request.session, wanted, waits);
    if (cycle !== undefined) throw new DeadlockError(path, cycle);
  }

  #enqueue(
    request: LockRequest,
    asker: Asker,
    process: HostedProcess,
  ): number {
    const to: BoardWaiter = {
      number: this.#nextNumber(),
      request,
      asker,
      sinceMs: this.nowMs,
      expiresMs: this.nowMs + WAIT_LEASE_MS,
      process,
    };
    this.#waiters.set(to.number, to);
    this.changes.push({ kind: "wait", to });
    this.#taken++;
    return to.number;
  }

  #pickUp({ number, request, token }: BoardWaiter): LockOutcome {
    this.#remove(number);
    const entry = this.#holds.get(token!);
    // Granted, and taken away again before it was picked up.
    if (entry === undefined) return { state: "refused", blockers: [] };
    const hold = this.#change({ ...entry, waiter: undefined }, {});
    return { state: "held", hold, overlaps: this.#overlapsOf(request, hold) };
  }

  /** Takes a grant back. */
  #ungrant(entry: BoardHold, request: LockRequest): void {
    const upgraded = request.upgrades !== undefined;
    const { token, holds } = entry.hold;
    if (!upgraded && holds === 1) {
      this.#free(token);
      return;
    }
    this.changed = true;
    this.#change(
      { ...entry, waiter: undefined },
      upgraded ? { type: "advisory" } : { holds: holds - 1 },
    );
  }

  #change(entry: BoardHold, change: Partial<Hold>): Hold {
    const to = { ...entry, hold: withChange(entry.hold, change) };
    this.#holds.set(to.hold.token, to);
    this.changes.push({ kind: "change", to });
    return to.hold;
  }

  #free(token: number): void {
    this.#holds.delete(token);
    this.#freed.add(token);
    this.changes.push({ kind: "free", token });
    this.released = true;
    this.changed = true;
  }

  #stay(to: BoardWaiter): void {
    this.#waiters.set(to.number, to);
    this.changes.push({ kind: "stay", to });
  }

  #remove(waiter: number): void {
    this.#waiters.delete(waiter);
    this.changes.push({ kind: "leave", waiter });
  }

  #say(message: NewMessage, sparingly: boolean): void {
    this.changes.push({ kind: "say", message, sparingly });
  }
}

/** Whether two targets overlap on disk. */
function meet(a: LockTarget, b: LockTarget): boolean {
  return (mayShareDisk(a.host ?? hostId(), b.host) ||
    spansMachines(a.disk.text)) &&
    meetOnDisk(reachOfTarget(a), reachOfTarget(b));
}

function waiterBlocks(waiter: BoardWaiter): Blocker {
  const { request, asker, sinceMs, process } = waiter;
  return {
    session: request.session,
    state: "waits",
    path: request.target.path,
    type: request.type,
    vendor: asker.vendor,
    task: asker.task,
    why: request.why,
    since: new Date(sinceMs).toISOString(),
    overdue: false,
    process,
  };
}

/** A lease that ends at a time to come. */
function expiring(expiresMs: number): Pick<Hold, "expiresAt" | "overdue"> {
  return { expiresAt: new Date(expiresMs).toISOString(), overdue: false };
}

function withChange(hold: Hold, change: Partial<Hold>): Hold {
  const { why, ...changed } = { ...hold, ...change };
  return { ...changed, ...(why !== undefined && { why }) };
}
