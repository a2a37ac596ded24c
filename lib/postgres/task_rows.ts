/**
 * The rows of tasks in PostgreSQL: reading one, and saying what changed.
 *
 * @module
 */

import {
  type TaskEvent,
  taskNews,
  toTask,
} from "../coordination/task_rules.ts";
import type { Task } from "../tasks.ts";
import type { Row, SqlValue } from "./connection.ts";
import type { Transaction } from "./transaction.ts";

/** What a task is read from, of a table or row called `t`. */
export const TASK_COLUMNS = `t.*, (
    SELECT coalesce(json_agg(d.task_id ORDER BY d.seq), '[]')::text
    FROM task_dependencies AS x JOIN tasks AS d ON d.seq = x.depends_on
    WHERE x.seq = t.seq
  ) AS depends_on`;

/** The row of the task with the id $2 in the project $1. */
export const TASK_BY_ID = `SELECT ${TASK_COLUMNS} FROM tasks AS t
  WHERE t.project_id = $1 AND t.task_id = $2`;

/** Reads what a change of tasks (`UPDATE tasks … RETURNING tasks.*`) left. */
export function changed(update: string): string {
  return `WITH t AS (${update}) SELECT ${TASK_COLUMNS} FROM t ORDER BY t.seq`;
}

/** Says on `task_broadcast` what happened to a task. */
export async function broadcast(
  tx: Transaction,
  event: TaskEvent,
  task: Task,
  sender: string,
): Promise<void> {
  await tx.append(taskNews(event, task, sender));
  tx.ring("tasks", null);
}

/**
 * Opens claimed tasks again; `event` says why. Returns them.
 *
 * @param where Which ones: $1 is the time, the rest are `values`.
 */
export async function reopen(
  tx: Transaction,
  where: string,
  values: readonly SqlValue[],
  event: "released" | "returned",
): Promise<Task[]> {
  const rows = await tx.connection.all(
    changed(
      `UPDATE tasks SET status = 'open', session_id = NULL, agent_id = NULL,
         token = NULL, lease_expires_at = NULL, changed_at = $1
       FROM (SELECT seq, session_id AS held_by FROM tasks
         WHERE status = 'claimed' AND ${where} FOR UPDATE) AS before
       WHERE tasks.seq = before.seq RETURNING tasks.*, before.held_by`,
    ),
    [tx.nowMs, ...values],
  );
  for (const row of rows) {
    const holder = String(row.held_by);
    // Who had it is what the others want to know.
    await broadcast(tx, event, { ...toTask(row), session: holder }, holder);
  }
  return rows.map((row: Row) => toTask(row));
}

/** Opens again what a session has claimed. */
export async function returnTasksOf(
  tx: Transaction,
  session: string,
): Promise<void> {
  await reopen(tx, "session_id = $2", [session], "returned");
}
