/**
 * The floor of claiming: one statement, `UPDATE … RETURNING`, on a table of its
 * own with one index, by `node:sqlite` alone; run by coordination.ts. It keeps no
 * lease, gives no token and tells nobody.
 *
 * @module
 */

import { DatabaseSync } from "node:sqlite";
import { argumentOfChild, say, words } from "./children.ts";
import { sharedNowMs } from "./clock.ts";
import type { WorkerAccount } from "./task_worker.ts";

const { path, session } = argumentOfChild<{ path: string; session: string }>();
using db = new DatabaseSync(path, { timeout: 60_000 });
db.exec("PRAGMA synchronous=NORMAL");
const claim = db.prepare(
  `UPDATE tasks SET status = 'claimed', worker = ?
   WHERE id = (SELECT id FROM tasks WHERE status = 'open' ORDER BY id LIMIT 1)
   RETURNING id`,
);
say("ready");
const told = words();
await told.next();
const ids: string[] = [];
const beganAt = sharedNowMs();
for (;;) {
  // To its end: a step alone would leave the transaction open.
  const [row] = claim.all(session);
  if (row === undefined) break;
  ids.push(String(row.id));
}
say({ ids, beganAt, endedAt: sharedNowMs() } satisfies WorkerAccount);
await told.next();
