/**
 * Lock table: holds, waiters and their order.
 *
 * A request conflicts with overlapping holds of other sessions, and with
 * overlapping earlier waiters, if one of the two is exclusive. So an acquire never
 * overtakes a waiter, and waiters are served first come, first served.
 *
 * ```text
 *  acquire ─▶ held
 *     ├─────▶ refused
 *     └─────▶ waiting ─▶ granted ─▶ held
 *                 └────▶ left
 * ```
 *
 * **Reaping** comes first. A dead process ends its session with its holds
 * (sessions.ts). A grant that a dead process has not picked up is released. At its
 * expiry a hold is overdue and stays if its process lives; it ends if the process
 * cannot be checked. A waiter that is dead, or silent past its lease, is removed.
 *
 * **Granting** comes last, if a path was freed: each waiter in order gets its hold
 * if no conflict is left. The hold carries the waiter's number until the waiter's
 * process picks it up. A waiter of its session's own process stays until the hold
 * ends, because the death of that process ends both.
 *
 * The same path on two machines is two files, so their holds do not conflict. They
 * are at most a merge risk, in one repository.
 *
 * @module
 */

import { mayShareDisk } from "../model/process.ts";
import { DeadlockError, NotHeldError } from "../model/errors.ts";
import {
  overlapOnDisk,
  type ParsedPathSets,
  targetPathSets,
  tryHoldPathSets,
} from "../path/lock_overlap.ts";
import { spansMachines } from "../model/lock.ts";
import type { LockTarget } from "../model/lock.ts";
import type {
  Blocker,
  Hold,
  LockOutcome,
  LockOverlap,
  LockRequest,
} from "../model/lock.ts";
import {
  conflictMessages,
  takenOverMessage,
  wantedMessage,
} from "./conflicts.ts";
import { findCycle, type Waiting } from "./deadlock.ts";
import { canCheckLiveness, isDead } from "./life.ts";
import {
  belongsToOther,
  blockerOf,
  conflicts,
  isCovered,
  isSame,
  riskOf,
  satisfies,
  shouldAnnounce,
  WAIT_LEASE_MS,
  WANTED_AGAIN_MS,
  wildcardRequest,
} from "./precedence.ts";
import type { Asker, HoldRecord, Records, WaiterRecord } from "./records.ts";
import type { Moment, Plan } from "./rule.ts";
import { nameOf } from "../model/session.ts";
import { markEnded } from "./session_end.ts";

/** View of the lock table for one decision. */
export class LockTable {
  readonly #records: Records;
  readonly #at: Moment;
  readonly #freed: ParsedPathSets[] = [];

  /** Makes a view of `records` at a moment. */
  constructor(records: Records, at: Moment) {
    this.#records = records;
    this.#at = at;
  }

  /**
   * Takes a lock, queues for it, or returns the sessions that block it.
   *
   * @param assertMayTake Called before a lock that the session does not hold yet is
   * taken or waited for; an error that it throws ends the acquire.
   * @throws {NotHeldError} If the lock to upgrade is not held.
   * @throws {DeadlockError} If queueing would close a cycle.
   */
  *acquire(
    request: LockRequest,
    asker: Asker,
    assertMayTake: () => Plan<void>,
  ): Plan<LockOutcome> {
    const { target, upgrades } = request;
    yield [
      { kind: "holds-near", target, where: "disk" },
      { kind: "waiters-near", target },
      ...upgrades === undefined
        ? []
        : [{ kind: "hold", token: upgrades } as const],
    ];
    const near = this.#records.holds.near(target, "disk");
    const own = this.#own(request, near);
    if (own === undefined) {
      if (upgrades !== undefined) {
        throw new NotHeldError("upgrade", target.path, upgrades);
      }
      yield* assertMayTake();
    }
    if (
      own === undefined ? isCovered(request, near) : satisfies(own, request)
    ) {
      return yield* this.#grant(request, asker);
    }
    let blockers = yield* this.#blockers(request);
    // An overdue hold is ended only if the request is then granted or queued.
    const takesOver = request.takeOver &&
      (request.wait
        ? blockers.some(({ overdue }) => overdue)
        : blockers.every(({ overdue }) => overdue));
    if (takesOver) {
      this.#takeOver(request);
      blockers = blockers.filter(({ overdue }) => !overdue);
    }
    if (blockers.length === 0) return yield* this.#grant(request, asker);
    if (request.type === "exclusive") yield* this.#sayWanted(request, blockers);
    if (!request.wait) return { state: "refused", blockers };
    yield* this.#assertNoCycle(request, blockers);
    yield [{ kind: "tokens", count: 1 }];
    const waiter = this.#enqueue(request, asker);
    return { state: "waiting", waiter: String(waiter), blockers };
  }

  /**
   * Returns the state of a waiter, and keeps its place in the queue. Most checks
   * change nothing.
   */
  *check(number: number): Plan<LockOutcome | undefined> {
    yield* this.#loadWaiter(number);
    const waiter = this.#waiter(number);
    if (waiter === undefined) return undefined;
    if (waiter.token !== undefined) return yield* this.#pickUp(waiter);
    const blockers = yield* this.#blockers(waiter.request, number);
    if (blockers.length > 0) {
      this.#keepPlace(waiter);
      return { state: "waiting", waiter: String(number), blockers };
    }
    // No decision saw the conflict end: another program may have deleted its row.
    this.#free(waiter.request.target);
    yield* this.grantWaiters();
    const granted = this.#waiter(number);
    // The lock to upgrade was released.
    if (granted?.token === undefined) return { state: "refused", blockers: [] };
    return yield* this.#pickUp(granted);
  }

  /** Removes a waiter from the queue; a granted lock is released. */
  *leave(number: number): Plan<void> {
    yield* this.#loadWaiter(number);
    this.#leave(number);
  }

  /** Returns waiters whose target overlaps one, earliest first. */
  *waitersFor(target: LockTarget): Plan<Blocker[]> {
    yield [{ kind: "waiters-near", target }];
    return yield* this.#waitersBefore(
      wildcardRequest(target),
      Number.MAX_SAFE_INTEGER,
    );
  }

  /** Returns the holds of a list that have not ended, oldest first. */
  *standing(holds: Iterable<HoldRecord>): Plan<HoldRecord[]> {
    const standing: HoldRecord[] = [];
    for (const record of holds) {
      if (yield* this.#stands(record)) standing.push(record);
    }
    // Reaping for one may have ended the session of another.
    return standing.filter(({ hold }) =>
      this.#records.holds.byToken(hold.token) !== undefined
    ).sort((a, b) => a.hold.token - b.hold.token);
  }

  /**
   * Renews a hold.
   *
   * @throws {NotHeldError} If it is no longer held under this token.
   */
  *renew(held: Hold, leaseMs: number): Plan<Hold> {
    const record = yield* this.#require("renew", held);
    return this.#change(record, expiring(this.#at.nowMs + leaseMs, this.#at));
  }

  /**
   * Releases a hold once, or entirely.
   *
   * @throws {NotHeldError} If it is no longer held under this token.
   */
  *release(
    held: Hold,
    options: { readonly entirely?: boolean; readonly before?: Hold } = {},
  ): Plan<void> {
    const record = yield* this.#require("release", held);
    const { count } = record.hold;
    if (options.entirely || count === 1) {
      this.#remove(record);
      return;
    }
    const { before } = options;
    if (before === undefined || before.token !== held.token) {
      this.#change(record, { count: count - 1 });
      return;
    }
    this.#change(record, {
      count: count - 1,
      type: before.type,
      why: before.why,
      ...expiring(Date.parse(before.expiresAt), this.#at),
    });
    // An advisory hold again may admit a waiter.
    this.#freeHold(record.hold);
    this.#records.wake("locks", null);
  }

  /** Extends a hold to at least `leaseMs` from now. */
  prolong(record: HoldRecord, leaseMs: number): void {
    const expiresMs = Math.max(
      Date.parse(record.hold.expiresAt),
      this.#at.nowMs + leaseMs,
    );
    this.#change(record, expiring(expiresMs, this.#at));
  }

  /** Ends a session, and removes its holds and waiters. */
  *endSession(session: string, event: "ended" | "died"): Plan<void> {
    yield* markEnded(this.#records, this.#at, session, event);
    yield [
      { kind: "holds-of", session },
      { kind: "waiters-of", session },
    ];
    let isFreed = false;
    for (const record of [...this.#records.holds.values()]) {
      if (record.hold.session !== session) continue;
      this.#remove(record);
      isFreed = true;
    }
    for (const waiter of [...this.#records.waiters.values()]) {
      if (waiter.request.session !== session) continue;
      this.#removeWaiter(waiter);
      isFreed = true;
    }
    if (!isFreed) return;
    this.#records.wake("locks", null);
    // Wakes processes that wait for this session, so that they end.
    this.#records.wake("grants", session);
  }

  /** Serves waiters for the paths that this decision has freed. */
  *grantWaiters(): Plan<void> {
    // Reaping may free more paths, which the next round serves.
    while (this.#freed.length > 0) {
      const freed = this.#freed.splice(0);
      const served: WaiterRecord[] = [];
      yield [{ kind: "waiters" }];
      const queue = this.#queue();
      for (const { number } of queue) {
        const waiter = this.#waiter(number);
        // Serving an earlier waiter may have removed it.
        if (waiter === undefined) continue;
        const wanted = this.#pathSetsOf(waiter.request.target);
        if (!freed.some((pathSets) => overlapOnDisk(pathSets, wanted))) {
          continue;
        }
        // Among many waiters all but the first stop here, without a query.
        if (served.some((first) => this.#keepsWaiting(first, waiter))) continue;
        if (yield* this.#removeIfGone(waiter)) continue;
        if (yield* this.#serve(waiter)) served.push(waiter);
      }
    }
  }

  /** Grants a waiter its lock if nothing conflicts; returns whether it has it. */
  *#serve({ number, request, asker }: WaiterRecord): Plan<boolean> {
    const { target, upgrades, session } = request;
    yield [
      { kind: "holds-near", target, where: "disk" },
      ...upgrades === undefined
        ? []
        : [{ kind: "hold", token: upgrades } as const],
    ];
    const blockers = yield* this.#blockers(request, number);
    if (blockers.length > 0) return false;
    // Reaping for conflicts may have ended the waiter's own session.
    if (this.#waiter(number) === undefined) return false;
    this.#records.wake("grants", session);
    if (upgrades !== undefined && this.#own(request) === undefined) {
      // The lock to upgrade was released.
      this.#leave(number);
      return false;
    }
    const { hold } = yield* this.#grant(request, asker, number);
    const granted = this.#waiter(number);
    // Reaping for overlaps may have ended it too.
    if (granted === undefined) return false;
    this.#setWaiter({ ...granted, token: hold.token });
    return true;
  }

  /** Returns the hold that the session's agent already has on the target. */
  #own(
    request: LockRequest,
    near: readonly HoldRecord[] = this.#records.holds.near(
      request.target,
      "disk",
    ),
  ): Hold | undefined {
    const { session, agent, upgrades } = request;
    if (upgrades === undefined) {
      return near.find(({ hold }) => isSame(request, hold))?.hold;
    }
    const hold = this.#records.holds.byToken(upgrades)?.hold;
    return hold?.session === session && (hold.agent ?? "") === agent
      ? hold
      : undefined;
  }

  /** Returns the blockers of a request, or of a waiter's request. */
  *#blockers(
    request: LockRequest,
    waiter: number = Number.MAX_SAFE_INTEGER,
  ): Plan<Blocker[]> {
    const { target } = request;
    yield [
      { kind: "holds-near", target, where: "disk" },
      { kind: "waiters-near", target },
    ];
    const holds = this.#records.holds.near(target, "disk").filter(({ hold }) =>
      belongsToOther(request, hold.session) && conflicts(request, hold.type)
    );
    const blocking = yield* this.standing(holds);
    return [
      ...blocking.map((record) => this.#blocking(record)),
      ...yield* this.#waitersBefore(request, waiter),
    ];
  }

  *#waitersBefore(request: LockRequest, number: number): Plan<Blocker[]> {
    const blockers: Blocker[] = [];
    for (const waiter of this.#queue()) {
      const { request: theirs } = waiter;
      if (
        waiter.number >= number || !belongsToOther(request, theirs.session) ||
        !conflicts(request, theirs.type) ||
        !this.#overlap(request.target, theirs.target)
      ) continue;
      if (yield* this.#removeIfGone(waiter)) continue;
      blockers.push(waiterBlocks(waiter));
    }
    return blockers;
  }

  /** Returns waiters without a grant, in order. */
  #queue(): WaiterRecord[] {
    return [...this.#records.waiters.values()]
      .filter(({ token }) => token === undefined)
      .sort((a, b) => a.number - b.number);
  }

  #blocking({ hold, process, waiter }: HoldRecord): Blocker {
    const yetToPickUp = waiter === undefined
      ? undefined
      : this.#waiter(waiter)?.process;
    return blockerOf(
      hold,
      yetToPickUp ??
        (canCheckLiveness(process, this.#at) ? process : undefined),
    );
  }

  /** Returns whether a hold has not ended; ends it, or its session, if it has. */
  *#stands(record: HoldRecord): Plan<boolean> {
    const { hold, process, waiter: number } = record;
    if (isDead(process, this.#at)) {
      yield* this.endSession(hold.session, "died");
      return false;
    }
    if (number !== undefined) {
      yield [{ kind: "waiter", number }];
      const waiter = this.#waiter(number);
      if (waiter !== undefined && this.#at.life(waiter.process) === "dead") {
        this.#leave(number);
        return this.#records.holds.byToken(hold.token) !== undefined;
      }
    }
    if (Date.parse(hold.expiresAt) > this.#at.nowMs) return true;
    if (
      canCheckLiveness(process, this.#at) &&
      this.#at.life(process) !== "unknown"
    ) {
      return true;
    }
    this.#remove(record);
    return false;
  }

  *#grant(
    request: LockRequest,
    asker: Asker,
    waiter?: number,
  ): Plan<LockOutcome & { state: "held" }> {
    const own = this.#own(request);
    if (own === undefined) yield [{ kind: "tokens", count: 1 }];
    const hold = own === undefined
      ? this.#holdNew(request, asker, waiter)
      : this.#holdAgain(request, own, waiter);
    this.#records.wake("locks", null);
    const overlaps = yield* this.#overlapsOf(request, hold);
    // A repeated acquire by the same agent is not announced.
    if (own === undefined) {
      for (const message of conflictMessages(hold, overlaps)) {
        this.#records.say(message);
      }
    }
    return { state: "held", hold, overlaps };
  }

  #holdNew(request: LockRequest, asker: Asker, waiter?: number): Hold {
    const { target, session, agent, type, why, leaseMs } = request;
    const { repository, project, worktree } = target;
    const hold: Hold = {
      token: this.#at.nextToken(),
      kind: target.kind,
      path: target.path,
      type,
      session,
      name: asker.name,
      ...(agent !== "" && { agent }),
      vendor: asker.vendor,
      ...(asker.task !== undefined && { task: asker.task }),
      ...(why !== undefined && { why }),
      since: new Date(this.#at.nowMs).toISOString(),
      ...expiring(this.#at.nowMs + leaseMs, this.#at),
      count: 1,
      ...(project !== undefined && { project }),
      ...(worktree !== undefined && { worktree }),
      pathSets: {
        disk: target.disk.text,
        ...(repository !== undefined && { repository: repository.text }),
        foldsCase: target.foldsCase,
      },
    };
    this.#setHold({
      hold,
      prefix: target.disk.prefix,
      ...(repository !== undefined && { repositoryPrefix: repository.prefix }),
      process: asker.process,
      host: target.host ?? this.#at.self.host,
      waiter,
    });
    return hold;
  }

  #holdAgain(request: LockRequest, own: Hold, waiter?: number): Hold {
    const record = this.#records.holds.byToken(own.token)!;
    const { count, type, why, expiresAt } = record.hold;
    return this.#change({ ...record, waiter: waiter ?? record.waiter }, {
      count: count + (request.upgrades === undefined ? 1 : 0),
      type: request.type === "exclusive" ? "exclusive" : type,
      why: request.why ?? why,
      ...expiring(
        Math.max(Date.parse(expiresAt), this.#at.nowMs + request.leaseMs),
        this.#at,
      ),
    });
  }

  /** Returns overlapping holds, on disk and in the repository. */
  *#overlapsOf(request: LockRequest, held: Hold): Plan<LockOverlap[]> {
    const { target } = request;
    const found = new Map<number, LockOverlap>();
    for (const where of ["disk", "repository"] as const) {
      if (target[where] === undefined) continue;
      yield [{ kind: "holds-near", target, where }];
      const others = this.#records.holds.near(target, where).filter((
        { hold },
      ) =>
        !found.has(hold.token) && shouldAnnounce(request, held, hold, where)
      );
      for (const { hold } of yield* this.standing(others)) {
        found.set(hold.token, { risk: riskOf(request, hold, where), hold });
      }
    }
    return [...found.values()];
  }

  /** Ends overdue holds that conflict, and tells their holders. */
  #takeOver(request: LockRequest): void {
    for (const record of this.#records.holds.near(request.target, "disk")) {
      const { hold } = record;
      if (
        !hold.overdue || !belongsToOther(request, hold.session) ||
        !conflicts(request, hold.type)
      ) continue;
      this.#remove(record);
      this.#records.say(takenOverMessage(request, hold));
    }
  }

  /** Announces to holders that a session waits, unless announced recently. */
  *#sayWanted(
    request: LockRequest,
    blockers: readonly Blocker[],
  ): Plan<void> {
    const message = wantedMessage(request, blockers);
    if (message === undefined) return;
    const sinceMs = this.#at.nowMs - WANTED_AGAIN_MS;
    yield [{ kind: "said", message, sinceMs }];
    if (!this.#records.wasSaid(message)) this.#records.say(message);
  }

  *#assertNoCycle(
    request: LockRequest,
    blockers: readonly Blocker[],
  ): Plan<void> {
    const { path } = request.target;
    if (yield* this.#blocksNothing(request)) return;
    const waits = new Map<string, Waiting[]>();
    const wait = (session: string, waiting: Waiting): void => {
      waits.set(session, [...waits.get(session) ?? [], waiting]);
    };
    // A delegating session waits until the session acting for it ends.
    const addDelegators = (
      { session, target, actingFor }: LockRequest,
    ): void => {
      for (const other of actingFor) {
        wait(other, { path: target.path, blockers: [{ session }] });
      }
    };
    yield [{ kind: "waiters" }];
    for (const waiter of this.#queue()) {
      const { number, request: waiting } = waiter;
      // Checking an earlier waiter may have removed it.
      if (this.#waiter(number) === undefined) continue;
      if (yield* this.#removeIfGone(waiter)) continue;
      wait(waiting.session, {
        path: waiting.target.path,
        blockers: yield* this.#blockers(waiting, number),
      });
      addDelegators(waiting);
    }
    addDelegators(request);
    const cycle = findCycle(request.session, { path, blockers }, waits);
    if (cycle === undefined) return;
    yield cycle.map(({ session }) => ({ kind: "session", id: session }));
    const names = cycle.flatMap(({ session: id }): [string, string][] => {
      const session = this.#records.sessions.get(id);
      return session === undefined ? [] : [[id, nameOf(session)]];
    });
    throw new DeadlockError(path, cycle, new Map(names));
  }

  /** Returns whether no session can wait for this one, so that no cycle exists. */
  *#blocksNothing({ session, actingFor }: LockRequest): Plan<boolean> {
    if (actingFor.length > 0) return false;
    yield [
      { kind: "hold-count", session },
      { kind: "waiters-of", session },
    ];
    return this.#records.holdCount(session) === 0 &&
      this.#queue().every(({ request }) => request.session !== session);
  }

  #enqueue(request: LockRequest, asker: Asker): number {
    const { nowMs, self } = this.#at;
    const number = this.#at.nextToken();
    this.#setWaiter({
      number,
      request,
      asker,
      sinceMs: nowMs,
      expiresMs: nowMs + WAIT_LEASE_MS,
      process: self,
    });
    return number;
  }

  #keepPlace(waiter: WaiterRecord): void {
    const { nowMs } = this.#at;
    if (waiter.expiresMs - nowMs >= WAIT_LEASE_MS * 2 / 3) return;
    this.#setWaiter({ ...waiter, expiresMs: nowMs + WAIT_LEASE_MS });
  }

  *#pickUp(waiter: WaiterRecord): Plan<LockOutcome> {
    const { number, request, token } = waiter;
    const { target } = request;
    yield [
      { kind: "hold", token: token! },
      { kind: "holds-near", target, where: "disk" },
    ];
    const record = this.#records.holds.byToken(token!);
    const stays = record !== undefined && isSessionsOwn(waiter);
    if (!stays) this.#records.waiters.delete(String(number));
    // The grant was ended before it was picked up.
    if (record === undefined) return { state: "refused", blockers: [] };
    const hold = stays
      ? record.hold
      : this.#change({ ...record, waiter: undefined }, {});
    const overlaps = yield* this.#overlapsOf(request, hold);
    return { state: "held", hold, overlaps };
  }

  *#removeIfGone(waiter: WaiterRecord): Plan<boolean> {
    const life = this.#at.life(waiter.process);
    const isSilent = waiter.expiresMs <= this.#at.nowMs && life !== "alive" &&
      !(waiter.token !== undefined && isSessionsOwn(waiter));
    if (life !== "dead" && !isSilent) return false;
    if (waiter.token !== undefined) {
      yield [{ kind: "hold", token: waiter.token }];
    }
    this.#leave(waiter.number);
    return true;
  }

  /** Removes a waiter, and releases its grant, which must be loaded. */
  #leave(number: number): void {
    const waiter = this.#waiter(number);
    if (waiter === undefined) return;
    this.#removeWaiter(waiter);
    const { token, request } = waiter;
    const record = token === undefined
      ? undefined
      : this.#records.holds.byToken(token);
    if (record === undefined) return;
    const isUpgrade = request.upgrades !== undefined;
    if (!isUpgrade && record.hold.count === 1) return this.#remove(record);
    this.#change(
      { ...record, waiter: undefined },
      isUpgrade ? { type: "advisory" } : { count: record.hold.count - 1 },
    );
    this.#freeHold(record.hold);
    this.#records.wake("locks", null);
  }

  /** Removes dead and silent waiters, and granted ones whose hold has ended. */
  *removeGoneWaiters(): Plan<void> {
    yield [{ kind: "waiters" }];
    for (const waiter of [...this.#records.waiters.values()]) {
      if (yield* this.#removeIfGone(waiter)) continue;
      const { number, token } = waiter;
      if (token === undefined) continue;
      yield [{ kind: "hold", token }];
      // A hold that was granted twice names only the later waiter.
      if (this.#records.holds.byToken(token) === undefined) {
        this.#records.waiters.delete(String(number));
      }
    }
  }

  *#require(act: string, held: Hold): Plan<HoldRecord> {
    yield [{ kind: "hold", token: held.token }];
    const record = this.#records.holds.byToken(held.token);
    if (
      record !== undefined && record.hold.session === held.session &&
      (yield* this.#stands(record))
    ) return record;
    throw new NotHeldError(act, held.path, held.token);
  }

  *#loadWaiter(number: number): Plan<void> {
    yield [{ kind: "waiter", number }];
    const token = this.#waiter(number)?.token;
    if (token !== undefined) yield [{ kind: "hold", token }];
  }

  #waiter(number: number): WaiterRecord | undefined {
    return this.#records.waiters.get(String(number));
  }

  #setWaiter(waiter: WaiterRecord): void {
    this.#records.waiters.set(String(waiter.number), waiter);
  }

  #removeWaiter(waiter: WaiterRecord): void {
    this.#records.waiters.delete(String(waiter.number));
    // The next waiter may now be served.
    this.#free(waiter.request.target);
  }

  #setHold(record: HoldRecord): void {
    this.#records.holds.set(String(record.hold.token), record);
  }

  #change(record: HoldRecord, change: Partial<Hold>): Hold {
    const { why, ...changed } = { ...record.hold, ...change };
    const hold = { ...changed, ...(why !== undefined && { why }) };
    this.#setHold({ ...record, hold });
    return hold;
  }

  #remove({ hold, waiter }: HoldRecord): void {
    this.#records.holds.delete(String(hold.token));
    // The waiter of an ended grant is removed too.
    if (waiter !== undefined) this.#records.waiters.delete(String(waiter));
    this.#freeHold(hold);
    this.#records.wake("locks", null);
  }

  #freeHold(hold: Hold): void {
    const pathSets = tryHoldPathSets(hold, this.#records.entryKind);
    if (pathSets !== undefined) this.#freed.push(pathSets);
  }

  #free(target: LockTarget): void {
    this.#freed.push(this.#pathSetsOf(target));
  }

  #pathSetsOf(target: LockTarget): ParsedPathSets {
    return targetPathSets(target, this.#records.entryKind);
  }

  /** Returns whether two targets overlap on disk. */
  #overlap(a: LockTarget, b: LockTarget): boolean {
    return (mayShareDisk(a.host ?? null, b.host ?? null) ||
      spansMachines(a.disk.text)) &&
      overlapOnDisk(this.#pathSetsOf(a), this.#pathSetsOf(b));
  }

  /** Returns whether a waiter that was just served blocks another one. */
  #keepsWaiting(served: WaiterRecord, waiter: WaiterRecord): boolean {
    return belongsToOther(waiter.request, served.request.session) &&
      conflicts(waiter.request, served.request.type) &&
      this.#overlap(served.request.target, waiter.request.target);
  }
}

/**
 * Returns whether a waiter's process is its session's own. Its death then ends the
 * session and the granted hold.
 */
function isSessionsOwn({ process, asker }: WaiterRecord): boolean {
  return asker.process !== undefined && process.startTime !== "" &&
    process.host === asker.process.host &&
    process.pid === asker.process.pid &&
    process.startTime === asker.process.startTime;
}

function waiterBlocks(waiter: WaiterRecord): Blocker {
  const { request, asker, sinceMs, process } = waiter;
  return {
    session: request.session,
    name: asker.name,
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

function expiring(
  expiresMs: number,
  at: Moment,
): Pick<Hold, "expiresAt" | "overdue"> {
  return {
    expiresAt: new Date(expiresMs).toISOString(),
    overdue: expiresMs <= at.nowMs,
  };
}
