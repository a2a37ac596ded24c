/**
 * A session that takes a lock in turns with others, in a process of its own; run
 * by coordination.ts.
 *
 * @module
 */

import { openBus } from "../mod.ts";
import { argumentOfChild, say, words } from "./children.ts";
import { pause, sharedNowMs } from "./clock.ts";

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

/** One turn: the hold's token, and when it was asked for, had and given back. */
export type Turn = readonly [
  token: number,
  askedAt: number,
  heldAt: number,
  releasedAt: number,
];

const { home, session, path, turns, holdMs } = argumentOfChild<LockTask>();
await using bus = await openBus({ home, session, project: null });
await bus.sessions.register();
say("ready");
const told = words();
await told.next();
const account: Turn[] = [];
for (let turn = 0; turn < turns; turn++) {
  const askedAt = sharedNowMs();
  const lock = await bus.locks.acquire(path, {
    type: "exclusive",
    waitMs: 60_000,
  });
  const heldAt = sharedNowMs();
  if (holdMs === Infinity || holdMs === null) {
    say("held");
    await told.next();
  } else await pause(holdMs);
  const releasedAt = sharedNowMs();
  await lock.release();
  account.push([lock.token, askedAt, heldAt, releasedAt]);
}
say(account);
await told.next();
