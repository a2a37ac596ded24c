/**
 * A session that takes a lock in turns with others, in a process of its own; run
 * by coordination.ts.
 *
 * @module
 */

import { openBus } from "../mod.ts";
import { argumentOfChild, say } from "./children.ts";
import { pause } from "./clock.ts";
import { takeTurns } from "./lock_turns.ts";

/** What it is told. */
export interface LockTask {
  readonly home: string;
  readonly session: string;
  readonly path: string;
  /** How often it takes the lock. */
  readonly turns: number;
  /** How long it holds it; for ever if it is to be killed. */
  readonly holdMs: number;
}

const { home, session, path, turns, holdMs } = argumentOfChild<LockTask>();
await using bus = await openBus({ home, session, project: null });
await bus.sessions.register();
await takeTurns(
  turns,
  () => bus.locks.acquire(path, { type: "exclusive", waitMs: 60_000 }),
  async (told) => {
    if (holdMs !== Infinity && holdMs !== null) return await pause(holdMs);
    say("held");
    await told.next();
  },
);
