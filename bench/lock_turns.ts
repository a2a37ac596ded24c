/**
 * Takes a lock in turns with other processes, and reports the times; run by
 * coordination.ts.
 *
 * @module
 */

import { print, words } from "./children.ts";
import { sharedNowMs } from "./clock.ts";

/**
 * One turn: the hold's token, and the times of its request, grant and release.
 */
export type Turn = readonly [
  token: number,
  askedAt: number,
  heldAt: number,
  releasedAt: number,
];

/** A held lock. */
export interface Held {
  /** The fencing token. */
  readonly token: number;
  /** Releases the lock. */
  release(): Promise<void> | void;
}

/** Waits for a word, takes the lock `turns` times, and prints the turns. */
export async function takeTurns(
  turns: number,
  take: () => Promise<Held>,
  hold: (input: AsyncGenerator<string, void>) => Promise<unknown>,
): Promise<void> {
  print("ready");
  const input = words();
  await input.next();
  const account: Turn[] = [];
  for (let turn = 0; turn < turns; turn++) {
    const askedAt = sharedNowMs();
    const lock = await take();
    const heldAt = sharedNowMs();
    await hold(input);
    const releasedAt = sharedNowMs();
    await lock.release();
    account.push([lock.token, askedAt, heldAt, releasedAt]);
  }
  print(account);
  await input.next();
}
