/**
 * The rows of tasks.
 *
 * @module
 */

import { decodePayload } from "../model/json.ts";
import type { Task, TaskStatus } from "../model/task.ts";
import type { Columns } from "./columns.ts";

/** Returns the task of a row. */
export function toTask(row: Columns): Task {
  const optional = <T>(value: unknown, read: (value: unknown) => T) =>
    value === null || value === undefined || value === ""
      ? undefined
      : read(value);
  const iso = (value: unknown) => new Date(Number(value)).toISOString();
  const task: Task = {
    id: String(row.task_id),
    title: String(row.title),
    kind: optional(row.kind, String),
    payload: decodePayload(row.payload),
    priority: Number(row.priority),
    status: row.status as TaskStatus,
    dependsOn: JSON.parse(String(row.depends_on)),
    waitsFor: Number(row.waits_for),
    attempts: Number(row.attempts),
    // Absent in an older schema that is read only.
    assignedTo: optional(row.assigned_to, String),
    postedBy: String(row.posted_by),
    postedAt: iso(row.posted_at),
    changedAt: iso(row.changed_at),
    session: optional(row.session_id, String),
    agent: optional(row.agent_id, String),
    token: optional(row.token, Number),
    leaseExpiresAt: optional(row.lease_expires_at, iso),
    result: optional(row.result, decodePayload),
    project: optional(row.project_id, String),
  };
  return JSON.parse(JSON.stringify(task));
}
