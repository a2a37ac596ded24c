/**
 * Locks of the model, as plain lists.
 *
 * @module
 */

import type { LockType } from "../../model/lock.ts";

/** Hold. */
export interface ModelHold {
  readonly session: string;
  readonly path: string;
  type: LockType;
  count: number;
  expiresMs: number;
}

/** Waiter, or former waiter that has not checked yet. */
export interface ModelWaiter {
  readonly session: string;
  readonly path: string;
  readonly type: LockType;
  readonly lastsMs: number;
  granted?: ModelHold;
}

/** Request for a lock. */
export interface ModelWish extends Omit<ModelWaiter, "granted"> {
  readonly else: "refuse" | "wait" | "take over";
}

/** Outcome of a request. */
export type ModelOutcome =
  | { readonly state: "held"; readonly hold: ModelHold }
  | { readonly state: "waiting"; readonly waiter: ModelWaiter }
  | { readonly state: "refused" | "DeadlockError" };

/** Locks and their waiters. */
export class ModelLocks {
  /** Holds, oldest first. */
  holds: ModelHold[] = [];
  /** Waiters, earliest first. */
  waiters: ModelWaiter[] = [];

  /** Requests a lock. */
  ask(wish: ModelWish, nowMs: number): ModelOutcome {
    const own = this.#own(wish);
    const enough = own === undefined
      ? this.#covers(wish)
      : wish.type === "advisory" || own.type === "exclusive";
    if (enough) return this.#hold(wish, nowMs);
    const holds = this.#holdsInTheWay(wish);
    const waiters = this.#waitersInTheWay(wish, this.waiters.length);
    if (holds.length + waiters.length === 0) return this.#hold(wish, nowMs);
    const mayTakeOver = wish.else === "take over" && waiters.length === 0 &&
      holds.every(({ expiresMs }) => expiresMs <= nowMs);
    if (mayTakeOver) {
      this.holds = this.holds.filter((hold) => !holds.includes(hold));
      const outcome = this.#hold(wish, nowMs);
      this.#grant(nowMs);
      return outcome;
    }
    if (wish.else !== "wait") return { state: "refused" };
    const { session, path, type, lastsMs } = wish;
    const waiter: ModelWaiter = { session, path, type, lastsMs };
    if (this.#closesCycle(waiter)) return { state: "DeadlockError" };
    this.waiters.push(waiter);
    return { state: "waiting", waiter };
  }

  /** Releases a hold. */
  release(hold: ModelHold, entirely: boolean, nowMs: number): boolean {
    if (!this.holds.includes(hold)) return false;
    if (!entirely && --hold.count > 0) return true;
    this.#remove(hold);
    this.#grant(nowMs);
    return true;
  }

  /** Returns the state of a waiter. */
  check(waiter: ModelWaiter): ModelOutcome {
    if (!this.waiters.includes(waiter)) return { state: "refused" };
    const { granted: hold } = waiter;
    if (hold === undefined) return { state: "waiting", waiter };
    if (this.holds.includes(hold)) return { state: "held", hold };
    this.#forget(waiter);
    return { state: "refused" };
  }

  /** Removes a waiter, with its granted hold. */
  leave(waiter: ModelWaiter, nowMs: number): void {
    if (!this.waiters.includes(waiter)) return;
    this.#forget(waiter);
    const { granted } = waiter;
    if (granted !== undefined && this.holds.includes(granted)) {
      if (--granted.count === 0) this.#remove(granted);
    }
    this.#grant(nowMs);
  }

  /** Releases all holds and waits of a session. */
  end(session: string, nowMs: number): void {
    this.holds = this.holds.filter((hold) => hold.session !== session);
    this.waiters = this.waiters.filter((each) => each.session !== session);
    this.#grant(nowMs);
  }

  #remove(hold: ModelHold): void {
    this.holds.splice(this.holds.indexOf(hold), 1);
  }

  #forget(waiter: ModelWaiter): void {
    this.waiters.splice(this.waiters.indexOf(waiter), 1);
  }

  #hold(
    { session, path, type, lastsMs }: ModelWaiter,
    nowMs: number,
  ): { state: "held"; hold: ModelHold } {
    const own = this.#own({ session, path });
    const expiresMs = nowMs + lastsMs;
    if (own === undefined) {
      const hold = { session, path, type, count: 1, expiresMs };
      this.holds.push(hold);
      return { state: "held", hold };
    }
    own.count++;
    if (type === "exclusive") own.type = type;
    own.expiresMs = Math.max(own.expiresMs, expiresMs);
    return { state: "held", hold: own };
  }

  #own(of: { session: string; path: string }): ModelHold | undefined {
    return this.holds.find(({ session, path }) =>
      session === of.session && path === of.path
    );
  }

  /** Returns whether its session holds the path's file or folder exclusively. */
  #covers({ session, path }: ModelWaiter): boolean {
    return path !== "/d" &&
      this.holds.some((hold) =>
        hold.session === session && hold.type === "exclusive" &&
        overlap(hold.path, path)
      );
  }

  #holdsInTheWay(wish: ModelWaiter): ModelHold[] {
    return this.holds.filter((hold) => excludes(wish, hold));
  }

  /** Returns waiters before the one at `index`. */
  #waitersInTheWay(wish: ModelWaiter, index: number): ModelWaiter[] {
    return this.waiters.slice(0, index).filter((waiter) =>
      waiter.granted === undefined && excludes(wish, waiter)
    );
  }

  #grant(nowMs: number): void {
    this.waiters.forEach((waiter, index) => {
      if (waiter.granted !== undefined) return;
      if (this.#holdsInTheWay(waiter).length > 0) return;
      if (this.#waitersInTheWay(waiter, index).length > 0) return;
      waiter.granted = this.#hold(waiter, nowMs).hold;
    });
  }

  /** Returns whether a wait would close a cycle. */
  #closesCycle(wish: ModelWaiter): boolean {
    const all = [...this.waiters, wish];
    const waitsFor = (session: string): string[] =>
      all.flatMap((waiter, index) =>
        waiter.session !== session || waiter.granted !== undefined ? [] : [
          ...this.#holdsInTheWay(waiter),
          ...this.#waitersInTheWay(waiter, index),
        ].map((other) => other.session)
      );
    const blockers = [
      ...this.#holdsInTheWay(wish),
      ...this.#waitersInTheWay(wish, this.waiters.length),
    ];
    const reached = new Set(blockers.map(({ session }) => session));
    // Iterating over the growing set reaches every session.
    for (const session of reached) {
      waitsFor(session).forEach((next) => reached.add(next));
    }
    return reached.has(wish.session);
  }
}

function excludes(
  one: Pick<ModelWaiter, "session" | "path" | "type">,
  other: Pick<ModelWaiter, "session" | "path" | "type">,
): boolean {
  return one.session !== other.session && overlap(one.path, other.path) &&
    (one.type === "exclusive" || other.type === "exclusive");
}

function overlap(one: string, other: string): boolean {
  return one === other || one.startsWith(`${other}/`) ||
    other.startsWith(`${one}/`);
}
