/**
 * Deadlock: sessions that wait for each other in a cycle.
 *
 * The wait-for graph has an edge from a waiting session to every session that
 * blocks it (a holder or an earlier waiter), and from a delegating session to the
 * session acting for it. So two sessions that hold a path and both upgrade wait
 * for each other. A request whose wait would close a cycle is refused at once.
 *
 * @module
 */

import type { DeadlockStep } from "../model/errors.ts";
import type { Blocker } from "../model/lock.ts";

/** Wait of one session: the path, and the sessions that block it. */
export interface Waiting {
  readonly path: string;
  readonly blockers: readonly Pick<Blocker, "session">[];
}

/** Returns the cycle that the wait of `session` would close, if there is one. */
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
