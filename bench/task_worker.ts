/**
 * A session that claims tasks as fast as it can, in a process of its own; run by
 * coordination.ts.
 *
 * @module
 */

import { openBus } from "../mod.ts";
import { argumentOfChild, say, words } from "./children.ts";
import { sharedNowMs } from "./clock.ts";

/** What a worker tells at its end. */
export interface WorkerAccount {
  /** The tasks that it got. */
  readonly ids: readonly string[];
  /** When it began, and when it got the last one, in ms. */
  readonly beganAt: number;
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
say("ready");
const told = words();
await told.next();
const ids: string[] = [];
const beganAt = sharedNowMs();
for (;;) {
  const claim = await bus.tasks.claimNext();
  if (claim === undefined) break;
  ids.push(claim.id);
}
say({ ids, beganAt, endedAt: sharedNowMs() } satisfies WorkerAccount);
// Until all have claimed theirs: whose session ends gives them back.
await told.next();
