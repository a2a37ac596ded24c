/**
 * Fields of the lines that commands print as JSON.
 *
 * A `?` after a name marks a field that is left out where it has no value. Only
 * the help loads this module, because commands name the objects by words.
 *
 * @module
 */

/** A kind of line that a command prints with `--json`. */
export interface JsonLine {
  /** Condition of the line, such as `with --list` (default: always). */
  readonly when?: string;
  /** Object whose fields the line has (default: none). */
  readonly object?: keyof typeof OBJECTS;
  /** Names of further fields (default: none). */
  readonly fields?: readonly string[];
}

// Fields of the objects that several commands print.
// deno-fmt-ignore
const OBJECTS = {
  message: [
    "id", "sender", "name", "channel", "payload", "createdAt", "expiresAt",
    "project?", "to?", "toName?", "replyTo?",
  ],
  sent: [
    "id", "channel", "sender", "project?", "to?", "toName?", "replyTo?",
    "notRunning?",
  ],
  session: [
    "id", "name", "nameIsChosen?", "vendor", "model?", "tty?", "pid?", "host?", "processStart?",
    "project?", "worktree?", "branch?", "task?", "doing?", "activity?",
    "activeFiles", "status", "registeredAt", "heartbeatAt", "endedAt?",
  ],
  hold: [
    "token", "kind", "path", "type", "session", "name", "agent?", "vendor", "task?",
    "why?", "since", "expiresAt", "overdue", "count", "project?", "worktree?",
  ],
  task: [
    "id", "title", "kind?", "payload", "priority", "status", "dependsOn",
    "waitsFor", "attempts", "assignedTo?", "postedBy", "postedAt", "changedAt",
    "session?", "name?", "agent?", "token?", "leaseExpiresAt?", "result?",
    "project?",
  ],
  guardHook: [
    "hook", "path", "done", "chained?", "kept?",
  ],
  part: [
    "agent", "scope", "part", "path?", "target?", "program?", "done", "dryRun?",
    "diff?", "backup?", "message?", "line?", "column?",
  ],
} as const;

/** Returns the names of all fields of a line. */
export function fieldsOf(
  { object, fields = [] }: JsonLine,
): readonly string[] {
  return object === undefined ? fields : [...OBJECTS[object], ...fields];
}
