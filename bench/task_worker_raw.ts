/**
 * The floor of claiming: one `UPDATE … RETURNING` on a separate table with one
 * index, by `node:sqlite` alone, without lease, token or announcement; run by
 * coordination.ts.
 *
 * @module
 */

import { DatabaseSync } from "node:sqlite";
import { argumentOfChild, print, words } from "./children.ts";
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
print("ready");
const input = words();
await input.next();
const ids: string[] = [];
const beganAt = sharedNowMs();
for (;;) {
  // `all`, because `get` leaves the statement and its transaction open.
  const [row] = claim.all(session);
  if (row === undefined) break;
  ids.push(String(row.id));
}
print({ ids, beganAt, endedAt: sharedNowMs() } satisfies WorkerAccount);
await input.next();
