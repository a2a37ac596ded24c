/**
 * Changes of a task that several rules share: requeueing and announcing.
 *
 * @module
 */

import type { Task } from "../model/task.ts";
import { announcement } from "./announcement.ts";
import { type Records, taskKey, type TaskRecord } from "./records.ts";
import type { Moment, Plan } from "./rule.ts";

/** Event of a task, as announced. */
export type TaskEvent =
  | "posted"
  | "claimed"
  | "completed"
  | "failed"
  | "released"
  | "returned"
  | "cancelled"
  | "edited";

/** Requeues the tasks that a session has claimed. */
export function* requeueTasksOf(
  records: Records,
  at: Moment,
  session: string,
): Plan<void> {
  yield [{ kind: "tasks-of", session }];
  for (const record of [...records.tasks.values()]) {
    const { status, session: holder } = record.task;
    if (status !== "claimed" || holder !== session) continue;
    requeueTask(records, at, record, "returned");
  }
}

/** Requeues a claimed task; `event` is the reason. */
export function requeueTask(
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
  const requeued: Task = {
    ...rest,
    status: "open",
    changedAt: new Date(at.nowMs).toISOString(),
  };
  setTask(records, { task: requeued, order });
  // The message names the former holder.
  announceTask(records, event, { ...requeued, session }, session!);
  return requeued;
}

/** Sets the record of a task. */
export function setTask(records: Records, record: TaskRecord): void {
  const { project, id } = record.task;
  records.tasks.set(taskKey(project, id), record);
}

/** Announces an event of a task on `task_broadcast`. */
export function announceTask(
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
    assignedTo: task.assignedTo,
    session: task.session,
    agent: task.agent,
    result: task.result,
  }));
  records.wake("tasks", null);
}
