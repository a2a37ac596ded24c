/**
 * Changes of a task that several rules make: opening it again, and announcing it.
 *
 * @module
 */

import type { Task } from "../model/task.ts";
import { announcement } from "./announcement.ts";
import { type Records, taskKey, type TaskRecord } from "./records.ts";
import type { Moment, Plan } from "./rule.ts";

/** What can happen to a task. */
export type TaskEvent =
  | "posted"
  | "claimed"
  | "completed"
  | "failed"
  | "released"
  | "returned";

/** Opens again what a session has claimed. */
export function* reopenTasksOf(
  records: Records,
  at: Moment,
  session: string,
): Plan<void> {
  yield [{ kind: "tasks-of", session }];
  for (const record of [...records.tasks.values()]) {
    const { status, session: holder } = record.task;
    if (status !== "claimed" || holder !== session) continue;
    reopenTask(records, at, record, "returned");
  }
}

/** Opens a claimed task again; `event` says why. */
export function reopenTask(
  records: Records,
  at: Moment,
  { task, order }: TaskRecord,
  event: "released" | "returned",
): Task {
  const {
    session,
    agent: _agent,
    token: _token,
    leaseExpiresAt: _lease,
    ...rest
  } = task;
  const reopened: Task = {
    ...rest,
    status: "open",
    changedAt: new Date(at.nowMs).toISOString(),
  };
  setTask(records, { task: reopened, order });
  // The message names the session that had it.
  sayTask(records, event, { ...reopened, session }, session!);
  return reopened;
}

/** Puts a task among the records. */
export function setTask(records: Records, record: TaskRecord): void {
  const { project, id } = record.task;
  records.tasks.set(taskKey(project, id), record);
}

/** Says on `task_broadcast` what happened to a task. */
export function sayTask(
  records: Records,
  event: TaskEvent,
  task: Task,
  sender: string,
): void {
  records.say(announcement("task_broadcast", sender, task.project, {
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
  }));
  records.wake("tasks", null);
}
