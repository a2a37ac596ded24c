/**
 * States of a task.
 *
 * @module
 */

/** Status of a task. */
export type TaskStatus = "open" | "claimed" | "done" | "failed";

/**
 * State of a task that does not allow an act: its status; `missing` if no task has
 * the id, `exists` if another has it; `waiting` if it depends on unfinished tasks;
 * `assigned` if only another session may claim it.
 */
export type TaskState =
  | TaskStatus
  | "missing"
  | "exists"
  | "waiting"
  | "assigned";
