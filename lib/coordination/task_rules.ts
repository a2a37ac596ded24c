/**
 * What every store says and refuses of a task.
 *
 * @module
 */

import { InvalidInputError, TaskStateError } from "../errors.ts";
import { decodePayload } from "../json.ts";
import type { NewMessage } from "../store.ts";
import type { Task, TaskStatus } from "../tasks.ts";
import { announcement } from "./announcement.ts";
import type { Columns } from "./columns.ts";

/** A task that ended is kept this long for its result, in milliseconds. */
export const ENDED_TASK_KEPT_MS = 30 * 24 * 60 * 60 * 1000;

/** What can happen to a task. */
export type TaskEvent =
  | "posted"
  | "claimed"
  | "completed"
  | "failed"
  | "released"
  | "returned";

/** Says on `task_broadcast` what happened to a task. */
export function taskNews(
  event: TaskEvent,
  task: Task,
  sender: string,
): NewMessage {
  return announcement("task_broadcast", sender, task.project, {
    event,
    task: task.id,
    title: task.title,
    kind: task.kind,
    status: task.status,
    priority: task.priority,
    attempts: task.attempts,
    session: task.session,
    agent: task.agent,
    result: task.result,
  });
}

/** Refuses a task whose id another one has. */
export function refusePosted(id: string): TaskStateError {
  return new TaskStateError(
    "post",
    id,
    "there is one with that id",
    "choose another id",
  );
}

/** Refuses a task that depends on one that is not there. */
export function refuseDependency(id: string, other: string): InvalidInputError {
  // So a cycle can't come about: a task names only those before it.
  return new InvalidInputError(
    "dependsOn",
    `Cannot post task "${id}": it depends on "${other}", which is not posted; ` +
      `post that one first.`,
  );
}

/**
 * Refuses to have a task claimed that is not free.
 *
 * @throws {TaskStateError} If there is none, or it can't be claimed.
 */
export function refuseUnlessFree(
  id: string,
  task: Task | undefined,
): asserts task is Task {
  const refuse = (state: string, remedy: string) =>
    new TaskStateError("claim", id, state, remedy);
  if (task === undefined) {
    throw refuse(
      "there is none of that id here",
      '"mbus task list" shows those there are',
    );
  }
  if (task.status === "claimed") {
    throw refuse(
      `${task.session} has it since ${task.changedAt}`,
      "take another (mbus task next) or ask for it",
    );
  }
  if (task.status !== "open") {
    throw refuse(`it is ${task.status}`, "take another");
  }
  if (task.waitsFor > 0) {
    throw refuse(
      `it waits for ${task.waitsFor} other tasks`,
      "take one of these first",
    );
  }
}

/** What the row of a task says. */
export function toTask(row: Columns): Task {
  const optional = <T>(value: unknown, read: (value: unknown) => T) =>
    value === null || value === "" ? undefined : read(value);
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
