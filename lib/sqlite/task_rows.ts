/**
 * The rows of tasks in SQLite: reading one, and saying what changed.
 *
 * @module
 */

import {
  type TaskEvent,
  taskNews,
  toTask,
} from "../coordination/task_rules.ts";
import type { Task } from "../tasks.ts";
import type { Connection } from "./connection.ts";
import type { Row } from "./driver.ts";
import type { Transaction } from "./transaction.ts";

/** Reads tasks with their dependencies; conditions follow. */
export const FROM_TASKS = `SELECT t.*, (
    SELECT json_group_array(d.task_id) FROM task_dependencies AS x
    JOIN tasks AS d ON d.seq = x.depends_on WHERE x.seq = t.seq
  ) AS depends_on
  FROM tasks AS t`;

/** The row of a task. */
export function taskRow(
  connection: Connection,
  project: string | null,
  id: string,
): Row | undefined {
  return connection.sql(
    `${FROM_TASKS} WHERE t.project_id = ? AND t.task_id = ?`,
  )
    .get(project ?? "", id);
}

/** Says on `task_broadcast` what happened to a task. */
export function broadcast(
  tx: Transaction,
  event: TaskEvent,
  task: Task,
  sender: string,
): void {
  tx.append(taskNews(event, task, sender));
  tx.ring("tasks", null);
}

/** Opens a claimed task again; `event` says why. */
export function reopen(
  tx: Transaction,
  row: Row,
  event: "released" | "returned",
): Task {
  const before = toTask(row);
  tx.connection.sql(
    `UPDATE tasks SET status = 'open', session_id = NULL, agent_id = NULL,
       token = NULL, lease_expires_at = NULL, changed_at = ?
     WHERE seq = ?`,
  ).run(tx.nowMs, row.seq);
  const task = toTask(
    tx.connection.sql(`${FROM_TASKS} WHERE t.seq = ?`).get(row.seq)!,
  );
  // Who had it is what the others want to know.
  broadcast(tx, event, { ...task, session: before.session }, before.session!);
  return task;
}

/** Opens again what a session has claimed. */
export function returnTasksOf(tx: Transaction, session: string): void {
  const rows = tx.connection.sql(
    `${FROM_TASKS} WHERE t.session_id = ? AND t.status = 'claimed'`,
  ).all(session);
  for (const row of rows) reopen(tx, row, "returned");
}
