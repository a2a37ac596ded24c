/**
 * Tasks in SQLite: exactly one winner, as writers are serialized.
 *
 * The next free task is one look-up in `idx_tasks_next`, whose order is that of
 * claiming; `waits_for` is kept up to date when a dependency is done, so that
 * readiness needs no join.
 *
 * What is claimed by the dead or past its lease is opened again by whoever
 * claims or lists next (liveness.ts judges).
 *
 * @module
 */

import {
  ENDED_TASK_KEPT_MS,
  refuseDependency,
  refusePosted,
  refuseUnlessFree,
  toTask,
} from "../coordination/task_rules.ts";
import { NotHeldError } from "../errors.ts";
import type {
  Claim,
  ClaimEnd,
  Claimer,
  Task,
  TaskFilter,
  TaskPosting,
} from "../tasks.ts";
import type { TaskQuery } from "../store.ts";
import type { Connection } from "./connection.ts";
import type { Row } from "./driver.ts";
import { buryIfDead, JUDGED, refuseEnded } from "./liveness.ts";
import { broadcast, FROM_TASKS, reopen, taskRow } from "./task_rows.ts";
import type { Transaction } from "./transaction.ts";

const STEP_TASKS_MAX = 20;

/** Posts a task. */
export function postTask(tx: Transaction, posting: TaskPosting): Task {
  const { id, project, dependsOn } = posting;
  refuseEnded(tx, `post task "${id}"`, posting.session);
  if (taskRow(tx.connection, project, id) !== undefined) {
    throw refusePosted(id);
  }
  const needed = dependsOn.map((other) => {
    const row = taskRow(tx.connection, project, other);
    if (row !== undefined) return row;
    throw refuseDependency(id, other);
  });
  const { rowId } = tx.connection.sql(
    `INSERT INTO tasks
       (project_id, task_id, title, kind, payload, priority, status, waits_for,
        posted_by, posted_at, changed_at)
     VALUES (?, ?, ?, ?, ?, ?, 'open', ?, ?, ?, ?)`,
  ).run(
    project ?? "",
    id,
    posting.title,
    posting.kind ?? null,
    posting.payloadText,
    posting.priority,
    needed.filter((row) => row.status !== "done").length,
    posting.session,
    tx.nowMs,
    tx.nowMs,
  );
  for (const row of needed) {
    tx.connection.sql(
      "INSERT INTO task_dependencies(seq, depends_on) VALUES (?, ?)",
    )
      .run(rowId, row.seq);
  }
  const task = toTask(taskRow(tx.connection, project, id)!);
  broadcast(tx, "posted", task, posting.session);
  return task;
}

/** Claims a task by its id. */
export function claimTask(
  tx: Transaction,
  id: string,
  claimer: Claimer,
): Claim {
  refuseEnded(tx, `claim task "${id}"`, claimer.session);
  returnExpired(tx);
  const found = taskRow(tx.connection, claimer.project, id);
  if (found?.status === "claimed") returnIfDead(tx, found);
  const row = taskRow(tx.connection, claimer.project, id);
  refuseUnlessFree(id, row === undefined ? undefined : toTask(row));
  return claim(tx, row!, claimer);
}

/** Claims the free task that comes first. */
export function claimNextTask(
  tx: Transaction,
  filter: TaskFilter,
  claimer: Claimer,
): Claim | undefined {
  refuseEnded(tx, "claim a task", claimer.session);
  returnExpired(tx);
  let row = nextFree(tx, filter, claimer);
  if (row === undefined) {
    // Only now is it worth looking at the processes of all holders.
    returnDead(tx);
    row = nextFree(tx, filter, claimer);
  }
  return row === undefined ? undefined : claim(tx, row, claimer);
}

function nextFree(
  tx: Transaction,
  filter: TaskFilter,
  claimer: Claimer,
): Row | undefined {
  return tx.connection.sql(
    `${FROM_TASKS}
     WHERE t.project_id = ? AND t.status = 'open' AND t.waits_for = 0
       AND (?2 IS NULL OR t.kind = ?2) AND (?3 IS NULL OR t.priority >= ?3)
     ORDER BY t.priority DESC, t.seq LIMIT 1`,
  ).get(claimer.project ?? "", filter.kind ?? null, filter.priorityMin ?? null);
}

function claim(tx: Transaction, row: Row, claimer: Claimer): Claim {
  tx.connection.sql(
    `UPDATE tasks SET status = 'claimed', session_id = ?, agent_id = ?, token = ?,
       lease_expires_at = ?, changed_at = ?, attempts = attempts + 1
     WHERE seq = ?`,
  ).run(
    claimer.session,
    claimer.agent ?? null,
    tx.nextFencingToken(),
    tx.nowMs + claimer.leaseMs,
    tx.nowMs,
    row.seq,
  );
  const claimed = taskBySeq(tx.connection, row) as Claim;
  broadcast(tx, "claimed", claimed, claimer.session);
  return claimed;
}

function taskBySeq(connection: Connection, row: Row): Task {
  return toTask(connection.sql(`${FROM_TASKS} WHERE t.seq = ?`).get(row.seq)!);
}

/** Opens again what nobody has renewed. */
function returnExpired(tx: Transaction): void {
  if (tx.readOnly) return;
  const rows = tx.connection.sql(
    `${FROM_TASKS} WHERE t.status = 'claimed' AND t.lease_expires_at <= ?`,
  ).all(tx.nowMs);
  for (const row of rows) reopen(tx, row, "returned");
}

/** Opens again what the dead have claimed. */
function returnDead(tx: Transaction): void {
  const holders = tx.connection.sql(
    "SELECT DISTINCT session_id FROM tasks WHERE status = 'claimed'",
  ).all();
  for (const row of holders) returnIfDead(tx, row);
}

function returnIfDead(tx: Transaction, task: Row): void {
  const holder = tx.connection.sql(
    `SELECT ${JUDGED} FROM session_registry WHERE session_id = ?`,
  ).get(task.session_id);
  if (holder !== undefined) buryIfDead(tx, holder);
}

/** Claims it for longer. */
export function renewTask(
  tx: Transaction,
  held: Claim,
  leaseMs: number,
): Claim {
  const row = requireClaim(tx, "renew", held);
  tx.connection.sql("UPDATE tasks SET lease_expires_at = ? WHERE seq = ?")
    .run(tx.nowMs + leaseMs, row.seq);
  return taskBySeq(tx.connection, row) as Claim;
}

/** Ends a claim: done, failed, or open again. */
export function endClaim(tx: Transaction, held: Claim, end: ClaimEnd): Task {
  if (end.status === "open") {
    return reopen(tx, requireClaim(tx, "release", held), "released");
  }
  const act = end.status === "done" ? "complete" : "fail";
  const row = requireClaim(tx, act, held);
  tx.connection.sql(
    `UPDATE tasks SET status = ?, result = ?, token = NULL,
       lease_expires_at = NULL, changed_at = ?
     WHERE seq = ?`,
  ).run(end.status, end.resultText, tx.nowMs, row.seq);
  if (end.status === "done") {
    tx.connection.sql(
      `UPDATE tasks SET waits_for = waits_for - 1 WHERE seq IN
         (SELECT seq FROM task_dependencies WHERE depends_on = ?)`,
    ).run(row.seq);
  }
  const task = taskBySeq(tx.connection, row);
  broadcast(
    tx,
    end.status === "done" ? "completed" : "failed",
    task,
    held.session,
  );
  return task;
}

function requireClaim(tx: Transaction, act: string, held: Claim): Row {
  const row = taskRow(tx.connection, held.project ?? null, held.id);
  if (
    row !== undefined && row.status === "claimed" && row.token === held.token &&
    row.session_id === held.session && Number(row.lease_expires_at) > tx.nowMs
  ) return row;
  throw new NotHeldError(act, held.id, held.token);
}

/** The tasks, in the order in which they are claimed. */
export function listTasks(tx: Transaction, query: TaskQuery): Task[] {
  returnExpired(tx);
  returnDead(tx);
  return tx.connection.sql(
    `${FROM_TASKS}
     WHERE (?1 = 0 OR t.project_id = ?2) AND (?3 IS NULL OR t.status = ?3)
       AND (?4 IS NULL OR t.kind = ?4) AND (?5 IS NULL OR t.priority >= ?5)
       AND (?6 IS NULL OR t.task_id = ?6)
     ORDER BY t.priority DESC, t.seq`,
  ).all(
    query.exactProject ? 1 : 0,
    query.project ?? "",
    query.status ?? null,
    query.kind ?? null,
    query.priorityMin ?? null,
    query.id ?? null,
  ).map(toTask);
}

/** Deletes tasks that ended long ago and that nothing waits for. */
export function purgeTasks(tx: Transaction): void {
  tx.connection.sql(
    `DELETE FROM tasks WHERE seq IN (
       SELECT seq FROM tasks AS t
       WHERE status IN ('done', 'failed') AND changed_at < ?
         AND NOT EXISTS (
           SELECT 1 FROM task_dependencies AS x JOIN tasks AS d ON d.seq = x.seq
           WHERE x.depends_on = t.seq AND d.status IN ('open', 'claimed'))
       LIMIT 0 + ?)`,
  ).run(tx.nowMs - ENDED_TASK_KEPT_MS, STEP_TASKS_MAX);
}
