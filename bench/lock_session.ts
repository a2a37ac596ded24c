/**
 * A session that takes a lock in turns with others, in a separate process; run
 * by coordination.ts.
 *
 * @module
 */

import { openBus } from "../mod.ts";
import { argumentOfChild, print } from "./children.ts";
import { pause } from "./clock.ts";
import { takeTurns } from "./lock_turns.ts";

/** The argument of the session. */
export interface LockTask {
  readonly home: string;
  readonly session: string;
  readonly path: string;
  /** The number of times it takes the lock. */
  readonly turns: number;
  /** The duration of each hold, in ms; infinite if the bench kills it. */
  readonly holdMs: number;
}

const { home, session, path, turns, holdMs } = argumentOfChild<LockTask>();
await using bus = await openBus({ home, session, project: null });
await bus.sessions.register();
await takeTurns(
  turns,
  () => bus.locks.acquire(path, { type: "exclusive", waitMs: 60_000 }),
  async (input) => {
    if (holdMs !== Infinity && holdMs !== null) return await pause(holdMs);
    print("held");
    await input.next();
  },
);
