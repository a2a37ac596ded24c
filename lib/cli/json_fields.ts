/**
 * Fields of the objects that several commands print as JSON.
 *
 * A `?` after a name marks a field that is left out where it has no value.
 *
 * @module
 */

/** A kind of line that a command prints with `--json`. */
export interface JsonLine {
  /** Condition of the line, such as `with --list` (default: always). */
  readonly when?: string;
  /** Names of the fields. */
  readonly fields: readonly string[];
}

/** A message. */
// deno-fmt-ignore
export const MESSAGE: readonly string[] = [
  "id", "sender", "channel", "payload", "createdAt", "expiresAt", "project?",
  "to?", "replyTo?",
];

/** A sent message. */
// deno-fmt-ignore
export const SENT: readonly string[] = [
  "id", "channel", "sender", "project?", "to?", "replyTo?", "notRunning?",
];

/** A session. */
// deno-fmt-ignore
export const SESSION: readonly string[] = [
  "id", "vendor", "model?", "tty?", "pid?", "host?", "processStart?",
  "project?", "worktree?", "branch?", "task?", "doing?", "activity?",
  "activeFiles", "status", "registeredAt", "heartbeatAt", "endedAt?",
];

/** A held lock. */
// deno-fmt-ignore
export const HOLD: readonly string[] = [
  "token", "kind", "path", "type", "session", "agent?", "vendor", "task?",
  "why?", "since", "expiresAt", "overdue", "count", "project?", "worktree?",
];

/** A task. */
// deno-fmt-ignore
export const TASK: readonly string[] = [
  "id", "title", "kind?", "payload", "priority", "status", "dependsOn",
  "waitsFor", "attempts", "assignedTo?", "postedBy", "postedAt", "changedAt", "session?",
  "agent?", "token?", "leaseExpiresAt?", "result?", "project?",
];

/** A hook of git, with the guard. */
// deno-fmt-ignore
export const GUARD_HOOK: readonly string[] = [
  "hook", "path", "done", "chained?", "kept?",
];

/** A part of an agent's configuration. */
// deno-fmt-ignore
export const PART: readonly string[] = [
  "agent", "scope", "part", "path?", "target?", "program?", "done", "dryRun?",
  "diff?", "backup?", "message?", "line?", "column?",
];
