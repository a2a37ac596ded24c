/**
 * Tasks: posting, editing, claiming, releasing and cancelling.
 *
 * ```text
 *  post ─▶ open ─▶ claimed ─▶ done
 *           ▲         │  └──▶ failed; a cancel also fails an open task
 *           └─────────┘  released; holder dead or lease expired
 * ```
 *
 * A task can be claimed once every task that it depends on is done. A task whose
 * holder is dead, or whose lease has expired, is requeued by the next decision
 * that claims or lists. So a task has one holder at a time.
 *
 * @module
 */

import {
  InvalidInputError,
  NotHeldError,
  TaskStateError,
} from "../model/errors.ts";
import { decodePayload } from "../model/json.ts";
import type { TaskQuery } from "../model/task.ts";
import type { TaskState } from "../model/task_state.ts";
import type {
  Claim,
  ClaimEnd,
  Claimer,
  Task,
  TaskAct,
  TaskEdit,
  TaskFilter,
  TaskPosting,
} from "../model/task.ts";
import { isDead, processOf } from "./life.ts";
import { LockTable } from "./lock_table.ts";
import { type Records, taskKey, type TaskRecord } from "./records.ts";
import type { Moment, Plan } from "./rule.ts";
import { resolveSession } from "./names.ts";
import { assertActive } from "./sessions.ts";
import { announceTask, requeueTask, setTask } from "./task_changes.ts";

/** Retention of an ended task and its result, in milliseconds. */
export const ENDED_TASK_KEPT_MS = 30 * 24 * 60 * 60 * 1000;

/**
 * Posts a task.
 *
 * @throws {TaskStateError} If another task of the project has its id, unless
 * `ifAbsent` is set; then that task is returned.
 * @throws {InvalidInputError} If it depends on a task that is not posted.
 * @throws {UnknownSessionError} If it is assigned to a session not on the bus.
 */
export function* postTask(
  records: Records,
  at: Moment,
  posting: TaskPosting,
): Plan<Task> {
  const { id, project, dependsOn, assign } = posting;
  yield* assertActive(records, at, `post task "${id}"`, posting.session);
  yield [id, ...dependsOn].map((id) => ({ kind: "task", project, id }));
  const existing = taskOf(records, project, id);
  if (existing !== undefined) {
    if (posting.ifAbsent) return existing.task;
    throw postedError(id);
  }
  const needed = dependsOn.map((other) => {
    const found = taskOf(records, project, other);
    if (found === undefined) throw dependencyError(id, other);
    return found;
  });
  const assignee = assign === undefined
    ? undefined
    : yield* resolveSession(records, `assign task "${id}"`, assign, {
      project,
    });
  const now = new Date(at.nowMs).toISOString();
  const task: Task = {
    id,
    title: posting.title,
    ...(posting.kind !== undefined && { kind: posting.kind }),
    payload: decodePayload(posting.payloadText),
    priority: posting.priority,
    status: "open",
    dependsOn,
    waitsFor: needed.filter(({ task }) => task.status !== "done").length,
    attempts: 0,
    ...(assignee !== undefined && { assignedTo: assignee.id }),
    postedBy: posting.session,
    postedAt: now,
    changedAt: now,
    ...(project !== null && { project }),
  };
  setTask(records, { task });
  announceTask(records, "posted", task, posting.session);
  return task;
}

/**
 * Claims a task by its id.
 *
 * @throws {TaskStateError} If no task has the id, or it cannot be claimed now.
 */
export function* claimTask(
  records: Records,
  at: Moment,
  id: string,
  claimer: Claimer,
): Plan<Claim> {
  const { session, project } = claimer;
  yield* assertActive(records, at, `claim task "${id}"`, session);
  yield* requeueOverdue(records, at);
  yield [{ kind: "task", project, id }];
  const found = taskOf(records, project, id);
  if (found?.task.status === "claimed") {
    yield* reapHolders(records, at, [found]);
  }
  const free = assertFree(id, taskOf(records, project, id), session);
  return yield* claim(records, at, free, claimer);
}

/** Claims the first task that can be claimed, if there is one. */
export function* claimNextTask(
  records: Records,
  at: Moment,
  filter: TaskFilter,
  claimer: Claimer,
): Plan<Claim | undefined> {
  yield* assertActive(records, at, "claim a task", claimer.session);
  yield* requeueOverdue(records, at);
  let next = yield* nextFree(records, filter, claimer);
  if (next === undefined) {
    // Checks the holders' processes only here, because that is expensive.
    yield [{ kind: "tasks-claimed" }];
    yield* reapHolders(records, at, [...records.tasks.values()]);
    next = yield* nextFree(records, filter, claimer);
  }
  return next === undefined
    ? undefined
    : yield* claim(records, at, next, claimer);
}

function* nextFree(
  records: Records,
  filter: TaskFilter,
  { project, session }: Claimer,
): Plan<TaskRecord | undefined> {
  // A task that this decision claimed is still open in the store.
  let taken = 0;
  for (const { from } of records.tasks.changes()) {
    if (from?.task.status === "open") taken++;
  }
  const limit = taken + 1;
  yield [{ kind: "tasks-free", project, session, filter, limit }];
  return [...records.tasks.values()].filter(({ task }) =>
    task.project === (project ?? undefined) && task.status === "open" &&
    task.waitsFor === 0 && (task.assignedTo ?? session) === session &&
    (filter.kind === undefined || task.kind === filter.kind) &&
    (filter.priorityMin === undefined || task.priority >= filter.priorityMin)
  ).sort(inOrder)[0];
}

/** Compares tasks by the order in which they are claimed. */
function inOrder(a: TaskRecord, b: TaskRecord): number {
  const { order: one = Infinity } = a;
  const { order: other = Infinity } = b;
  return b.task.priority - a.task.priority ||
    (one === other ? 0 : one - other);
}

function* claim(
  records: Records,
  at: Moment,
  { task, order }: TaskRecord,
  claimer: Claimer,
): Plan<Claim> {
  yield [{ kind: "tokens", count: 1 }];
  const claimed: Claim = {
    ...task,
    status: "claimed",
    session: claimer.session,
    ...(claimer.agent !== undefined && { agent: claimer.agent }),
    token: at.nextToken(),
    leaseExpiresAt: new Date(at.nowMs + claimer.leaseMs).toISOString(),
    changedAt: new Date(at.nowMs).toISOString(),
    attempts: task.attempts + 1,
  };
  setTask(records, { task: claimed, order });
  announceTask(records, "claimed", claimed, claimer.session);
  return claimed;
}

/**
 * Cancels a task that has not ended: it fails with a reason, and a claim on it ends.
 *
 * @throws {TaskStateError} If no task has the id, or it has ended.
 */
export function* cancelTask(
  records: Records,
  at: Moment,
  { id, project, session }: TaskAct,
  reasonText: string,
): Plan<Task> {
  yield* assertActive(records, at, `cancel task "${id}"`, session);
  yield [{ kind: "task", project, id }];
  const { task, order } = assertUnended(
    "cancel",
    id,
    taskOf(records, project, id),
  );
  const {
    session: _holder,
    agent: _agent,
    token: _token,
    leaseExpiresAt: _lease,
    ...rest
  } = task;
  const cancelled: Task = {
    ...rest,
    status: "failed",
    result: decodePayload(reasonText),
    changedAt: new Date(at.nowMs).toISOString(),
  };
  setTask(records, { task: cancelled, order });
  // The message names the former holder.
  announceTask(
    records,
    "cancelled",
    { ...cancelled, session: task.session },
    session,
  );
  return cancelled;
}

/**
 * Changes fields of an open task.
 *
 * @throws {TaskStateError} If no task has the id, or it is not open.
 */
export function* editTask(
  records: Records,
  at: Moment,
  { id, project, session }: TaskAct,
  edit: TaskEdit,
): Plan<Task> {
  yield* assertActive(records, at, `edit task "${id}"`, session);
  yield* requeueOverdue(records, at);
  yield [{ kind: "task", project, id }];
  const found = taskOf(records, project, id);
  if (found?.task.status === "claimed") {
    yield* reapHolders(records, at, [found]);
  }
  const { task, order } = assertOpen("edit", id, taskOf(records, project, id));
  const assignee = typeof edit.assign === "string"
    ? (yield* resolveSession(records, `assign task "${id}"`, edit.assign, {
      project,
    })).id
    : edit.assign === null
    ? undefined
    : task.assignedTo;
  const { kind: kindBefore, assignedTo: _before, ...rest } = task;
  const kind = edit.kind === undefined ? kindBefore : edit.kind ?? undefined;
  const edited: Task = {
    ...rest,
    title: edit.title ?? task.title,
    ...(kind !== undefined && { kind }),
    payload: edit.payloadText === undefined
      ? task.payload
      : decodePayload(edit.payloadText),
    priority: edit.priority ?? task.priority,
    ...(assignee !== undefined && { assignedTo: assignee }),
    changedAt: new Date(at.nowMs).toISOString(),
  };
  setTask(records, { task: edited, order });
  announceTask(records, "edited", edited, session);
  return edited;
}

/**
 * Renews a claim.
 *
 * @throws {NotHeldError} If it is no longer held under this token.
 */
export function* renewClaim(
  records: Records,
  at: Moment,
  held: Claim,
  leaseMs: number,
): Plan<Claim> {
  const { task, order } = yield* requireClaim(records, at, "renew", held);
  const renewed = {
    ...task,
    leaseExpiresAt: new Date(at.nowMs + leaseMs).toISOString(),
  } as Claim;
  setTask(records, { task: renewed, order });
  return renewed;
}

/**
 * Ends a claim: the task is done, failed or requeued.
 *
 * @throws {NotHeldError} If it is no longer held under this token.
 */
export function* endClaim(
  records: Records,
  at: Moment,
  held: Claim,
  end: ClaimEnd,
): Plan<Task> {
  const act = end.status === "open"
    ? "release"
    : end.status === "done"
    ? "complete"
    : "fail";
  const record = yield* requireClaim(records, at, act, held);
  if (end.status === "open") {
    return requeueTask(records, at, record, "released");
  }
  const { token: _token, leaseExpiresAt: _lease, ...rest } = record.task;
  const task: Task = {
    ...rest,
    status: end.status,
    result: decodePayload(end.resultText),
    changedAt: new Date(at.nowMs).toISOString(),
  };
  setTask(records, { task, order: record.order });
  if (end.status === "done") yield* freeDependents(records, task);
  announceTask(
    records,
    end.status === "done" ? "completed" : "failed",
    task,
    held.session,
  );
  return task;
}

/** Counts a done task off the tasks that depend on it. */
function* freeDependents(records: Records, done: Task): Plan<void> {
  const { id, project = null } = done;
  yield [{ kind: "tasks-after", project, id }];
  for (const record of [...records.tasks.values()]) {
    const { task } = record;
    if (task.project !== done.project || !task.dependsOn.includes(id)) continue;
    setTask(records, {
      ...record,
      task: { ...task, waitsFor: task.waitsFor - 1 },
    });
  }
}

function* requeueOverdue(records: Records, at: Moment): Plan<void> {
  yield [{ kind: "tasks-overdue" }];
  for (const record of [...records.tasks.values()]) {
    if (isOverdue(record.task, at)) {
      requeueTask(records, at, record, "returned");
    }
  }
}

function isOverdue({ status, leaseExpiresAt = "" }: Task, at: Moment): boolean {
  return status === "claimed" && Date.parse(leaseExpiresAt) <= at.nowMs;
}

/** Reaps the dead sessions among the holders of claimed tasks. */
function* reapHolders(
  records: Records,
  at: Moment,
  tasks: readonly TaskRecord[],
): Plan<void> {
  const holders = new Set(
    tasks.filter(({ task }) => task.status === "claimed")
      .map(({ task }) => task.session!),
  );
  yield [...holders].map((id) => ({ kind: "session", id }));
  const table = new LockTable(records, at);
  for (const id of holders) {
    const session = records.sessions.get(id);
    if (session !== undefined && isDead(processOf(session), at)) {
      yield* table.endSession(id, "died");
    }
  }
  yield* table.grantWaiters();
}

/** Returns the matching tasks, in the order in which they are claimed. */
export function* listTasks(
  records: Records,
  at: Moment,
  query: TaskQuery,
): Plan<readonly Task[]> {
  yield* requeueOverdue(records, at);
  yield [{ kind: "tasks-claimed" }];
  yield* reapHolders(records, at, [...records.tasks.values()]);
  yield [{ kind: "tasks", query }];
  // Filters again, because this decision may have requeued some.
  return [...records.tasks.values()].filter(({ task }) =>
    (!query.exactProject || task.project === (query.project ?? undefined)) &&
    (query.status === undefined || task.status === query.status) &&
    (query.kind === undefined || task.kind === query.kind) &&
    (query.priorityMin === undefined || task.priority >= query.priorityMin) &&
    (query.id === undefined || task.id === query.id)
  ).sort(inOrder).map(({ task }) => task);
}

function* requireClaim(
  records: Records,
  at: Moment,
  act: string,
  held: Claim,
): Plan<TaskRecord> {
  const { id, project = null, session, token } = held;
  yield [{ kind: "task", project, id }];
  const record = taskOf(records, project, id);
  if (
    record !== undefined && record.task.status === "claimed" &&
    record.task.token === token && record.task.session === session &&
    !isOverdue(record.task, at)
  ) return record;
  throw new NotHeldError(act, id, token);
}

function assertFree(
  id: string,
  found: TaskRecord | undefined,
  session: string,
): TaskRecord {
  const record = assertOpen("claim", id, found);
  const { waitsFor, assignedTo = session } = record.task;
  if (assignedTo !== session) {
    throw new TaskStateError(
      "claim",
      id,
      "assigned",
      `it is assigned to ${assignedTo}`,
      "Take another task (mbus task next), or ask for it",
    );
  }
  if (waitsFor > 0) {
    throw new TaskStateError(
      "claim",
      id,
      "waiting",
      `it waits for ${waitsFor} other tasks`,
      "Take one of these first",
    );
  }
  return record;
}

function assertOpen(
  act: string,
  id: string,
  found: TaskRecord | undefined,
): TaskRecord {
  const record = assertUnended(act, id, found);
  const { status, session, changedAt } = record.task;
  if (status === "open") return record;
  throw new TaskStateError(
    act,
    id,
    status,
    `${session} has it since ${changedAt}`,
    act === "claim"
      ? "Take another task (mbus task next), or ask for it"
      : "Ask its holder to release it first (mbus task release)",
  );
}

function assertUnended(
  act: string,
  id: string,
  record: TaskRecord | undefined,
): TaskRecord {
  const error = (state: TaskState, clause: string, remedy: string) =>
    new TaskStateError(act, id, state, clause, remedy);
  if (record === undefined) {
    throw error(
      "missing",
      "no task of this project has that id",
      'List the tasks with "mbus task list"',
    );
  }
  const { status } = record.task;
  if (status === "open" || status === "claimed") return record;
  throw error(
    status,
    `it is ${status}`,
    act === "claim"
      ? "Take another task (mbus task next)"
      : `See its result (mbus task show ${id})`,
  );
}

function postedError(id: string): TaskStateError {
  return new TaskStateError(
    "post",
    id,
    "exists",
    "another task has that id",
    "Choose another id",
  );
}

function dependencyError(id: string, other: string): InvalidInputError {
  // A task depends only on earlier ones, so no cycle is possible.
  return new InvalidInputError(
    "dependsOn",
    `Cannot post task "${id}": it depends on "${other}", which is not posted. ` +
      `Post that one first.`,
  );
}

function taskOf(
  records: Records,
  project: string | null,
  id: string,
): TaskRecord | undefined {
  return records.tasks.get(taskKey(project, id));
}
