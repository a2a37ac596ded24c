/**
 * Deadlock: sessions that wait for each other in a circle.
 *
 * Edges lead from a waiter's session to each session in its way, holder or
 * earlier waiter, and to it from each that it acts for, as that waits until it is
 * through; two that hold a path and both upgrade thus wait for each other. A
 * request whose waiting would close a cycle is refused at once.
 *
 * @module
 */

import type { DeadlockStep } from "../errors.ts";
import type { Blocker } from "../locks.ts";

/** One session's waiting: for what, and for whom. */
export interface Waiting {
  readonly path: string;
  readonly blockers: readonly Pick<Blocker, "session">[];
}

/** The way from `session`, waiting as said, back to itself, if there is one. */
export function findCycle(
  session: string,
  wanted: Waiting,
  waits: ReadonlyMap<string, readonly Waiting[]>,
): DeadlockStep[] | undefined {
  const visited = new Set<string>();
  const walk = (from: string, waiting: Waiting): DeadlockStep[] | undefined => {
    for (const { session: next } of waiting.blockers) {
      const step = { session: from, path: waiting.path, waitsFor: next };
      if (next === session) return [step];
      if (visited.has(next)) continue;
      visited.add(next);
      for (const further of waits.get(next) ?? []) {
        const rest = walk(next, further);
        if (rest !== undefined) return [step, ...rest];
      }
    }
    return undefined;
  };
  return walk(session, wanted);
}
