/**
 * Taking a lock in turns with other processes, and telling when; run by
 * coordination.ts.
 *
 * @module
 */

import { say, words } from "./children.ts";
import { sharedNowMs } from "./clock.ts";

/** One turn: the hold's token, and when it was asked for, had and given back. */
export type Turn = readonly [
  token: number,
  askedAt: number,
  heldAt: number,
  releasedAt: number,
];

/** A lock in hand. */
export interface Held {
  /** The hold's token. */
  readonly token: number;
  /** Gives it back. */
  release(): Promise<void> | void;
}

/** Once told to, takes the lock so often, and says when; `hold` is the holding. */
export async function takeTurns(
  turns: number,
  take: () => Promise<Held>,
  hold: (told: AsyncGenerator<string, void>) => Promise<unknown>,
): Promise<void> {
  say("ready");
  const told = words();
  await told.next();
  const account: Turn[] = [];
  for (let turn = 0; turn < turns; turn++) {
    const askedAt = sharedNowMs();
    const lock = await take();
    const heldAt = sharedNowMs();
    await hold(told);
    const releasedAt = sharedNowMs();
    await lock.release();
    account.push([lock.token, askedAt, heldAt, releasedAt]);
  }
  say(account);
  await told.next();
}
