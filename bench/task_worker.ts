/**
 * A session that claims tasks at full speed, in a separate process; run by
 * coordination.ts.
 *
 * @module
 */

import { openBus } from "../mod.ts";
import { argumentOfChild, print, words } from "./children.ts";
import { sharedNowMs } from "./clock.ts";

/** The final report of a worker. */
export interface WorkerAccount {
  /** The ids of its claimed tasks. */
  readonly ids: readonly string[];
  /** The time of its start, in ms. */
  readonly beganAt: number;
  /** The time after its last claim, in ms. */
  readonly endedAt: number;
}

const { home, session } = argumentOfChild<{ home: string; session: string }>();
await using bus = await openBus({
  home,
  session,
  project: null,
  busyTimeoutMs: 60_000,
});
await bus.sessions.register();
print("ready");
const input = words();
await input.next();
const ids: string[] = [];
const beganAt = sharedNowMs();
for (;;) {
  const claim = await bus.tasks.claimNext();
  if (claim === undefined) break;
  ids.push(claim.id);
}
print({ ids, beganAt, endedAt: sharedNowMs() } satisfies WorkerAccount);
// Waits for the other workers, because the end of a session releases its tasks.
await input.next();
