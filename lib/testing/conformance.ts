/**
 * Suite that every store passes, by subject.
 *
 * @module
 */

import { atomicity } from "./atomicity.ts";
import { capabilities } from "./capabilities.ts";
import { Cases, obstacleTo } from "./case.ts";
import { claims } from "./claims.ts";
import { closing } from "./closing.ts";
import { composition } from "./composition.ts";
import { concurrency } from "./concurrency.ts";
import { cursors } from "./cursors.ts";
import { deadlock } from "./deadlock.ts";
import { directMessages } from "./direct_messages.ts";
import { durableDelivery } from "./durable.ts";
import { edits } from "./edits.ts";
import { histories } from "./histories.ts";
import { keeping } from "./keeping.ts";
import { lockLeases } from "./lock_leases.ts";
import { lockNames } from "./lock_names.ts";
import { lockOverlaps } from "./lock_overlaps.ts";
import { waiting } from "./lock_queue.ts";
import { locks } from "./locks.ts";
import { names } from "./names.ts";
import { order } from "./order.ts";
import { publishing } from "./publishing.ts";
import { Scene } from "./scene.ts";
import { sessions } from "./sessions.ts";
import type { StoreUnderTest } from "./store_under_test.ts";
import { tasks } from "./tasks.ts";
import { wakeUps } from "./wake_ups.ts";
import { worktrees } from "./worktrees.ts";

/** Case of one store, in the form that `Deno.test` takes. */
export interface ConformanceCase {
  /** Store, subject, behaviour and, if ignored, the reason. */
  readonly name: string;
  /** Whether the case cannot run here. */
  readonly ignore: boolean;
  /** Runs the case on its own storage; the case fails by throwing. */
  readonly fn: () => Promise<void>;
}

/** Adds the cases of a subject. */
type Subject = (cases: Cases, store: StoreUnderTest) => void;

const SUBJECTS: Readonly<Record<string, Subject>> = {
  publish: publishing,
  order,
  keeping,
  cursors,
  durable: durableDelivery,
  sessions,
  names,
  locks,
  "lock overlaps": lockOverlaps,
  "lock names": lockNames,
  "lock leases": lockLeases,
  waiting,
  deadlock,
  tasks,
  claims,
  "direct messages": directMessages,
  edits,
  worktrees,
  atomicity,
  composition,
  concurrency,
  closing,
  "wake-ups": wakeUps,
  capabilities,
  "random histories": histories,
};

/**
 * Passes every case of the suite to `test`, which is `Deno.test` or compatible.
 * Every store gets the same cases; a case that needs an undeclared capability is
 * ignored.
 */
export function conformance(
  test: (each: ConformanceCase) => void,
  store: StoreUnderTest,
): void {
  for (const [subject, add] of Object.entries(SUBJECTS)) {
    const cases = new Cases();
    add(cases, store);
    for (const each of cases.all) {
      const obstacle = obstacleTo(each, store);
      const why = obstacle === undefined ? "" : ` (ignored: ${obstacle})`;
      test({
        name: `${store.name}: ${subject}: ${each.name}${why}`,
        ignore: obstacle !== undefined,
        fn: async () => {
          await using scene = new Scene(
            await store.storage(),
            store.operations,
          );
          await each.run(scene);
        },
      });
    }
  }
}
