/**
 * The tables, which other programs use too, and their migrations.
 *
 * **Any program that can insert a row is on the bus.** A plain
 * `INSERT INTO inter_session_messages(sender_id, channel, payload)` from any
 * language is a complete message. Defaults and triggers add the other columns, and
 * refuse or correct values that would harm a reader. The tables, and the columns in
 * the first block of each, are fixed, because other programs write them. The other
 * columns are ours.
 *
 * Invariants that the triggers keep:
 *
 * - Every sender is a registered session. Other libraries do not enforce foreign
 *   keys, so an unknown sender is registered with vendor `unknown`.
 * - `expires_at` is a valid time in milliseconds. An invalid date or TTL becomes now
 *   plus the channel's default. A date in the future or before 2020 becomes now.
 * - SQLite assigns consecutive ids. Writers are serialized, so the order of ids is the
 *   order of commits, and an id is a safe cursor. An explicit id is refused. It could
 *   exhaust the ids (2⁶³−1), precede the cursors of readers, or not fit a JavaScript
 *   number.
 * - An impossible `pid` is absent.
 * - A payload with a NUL is a blob, because text would end there for readers.
 * - An insert over another session's exclusive lock is refused.
 *
 * Only features of SQLite 3.37 are used, because other programs bring their own
 * version. Times are ISO 8601 in UTC in fixed columns, and milliseconds since 1970 in
 * others.
 *
 * **Versions.** `_schema_version` holds `version` and `compatible_from`. Migrations
 * only go forward, each in one transaction, while sessions run. A program works on a
 * file whose `compatible_from` is at most {@linkcode SCHEMA_VERSION}, and checks that
 * in each write transaction.
 *
 * @module
 */

import { DEFAULT_LOCK_LEASE_MS } from "../model/lock.ts";
import { DOING_MAX } from "../model/session.ts";
import {
  CHANNEL_TTL_SECONDS,
  DEFAULT_TTL_SECONDS,
  TTL_SECONDS_MAX,
} from "../model/channels.ts";
import { COMPATIBLE_FROM, SCHEMA_VERSION } from "./schema_version.ts";

export { APPLICATION_ID, SCHEMA_VERSION } from "./schema_version.ts";

/** The schema of one version of this program. */
export interface Schema {
  /** The version of the schema. */
  readonly version: number;
  /** The oldest version whose programs can work on such a file. */
  readonly compatibleFrom: number;
  /** The statements that migrate each version to the next; index 0 makes version 1. */
  readonly migrations: readonly (readonly string[])[];
}

const NOW_ISO = `(strftime('%Y-%m-%dT%H:%M:%fZ','now'))`;
const NOW_MS = `CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)`;
// The limits of exact numbers, process ids and dates in JavaScript.
const SAFE_INTEGER = 9007199254740991;
const PID_MAX = 4294967295;
const LAST_DATE_MS = 8640000000000000;

const CHANNEL_TTL = `CASE NEW.channel ${
  Object.entries(CHANNEL_TTL_SECONDS)
    .map(([channel, ttl]) => `WHEN '${channel}' THEN ${ttl}`).join(" ")
} ELSE ${DEFAULT_TTL_SECONDS} END`;

const TTL_IS_SANE = `(typeof(NEW.ttl_seconds) IN ('integer','real')
    AND NEW.ttl_seconds > 0 AND NEW.ttl_seconds <= ${TTL_SECONDS_MAX})`;

// SQLite reads an invalid date as NULL, but a bare number or time as a date in the year
// -4713 or 2000. No message is older than 2020.
const FIRST_MS = Date.UTC(2020, 0);
const GIVEN_MS =
  `CAST((julianday(NEW.created_at) - 2440587.5) * 86400000 AS INTEGER)`;
const CREATED_MS =
  `CASE WHEN ${GIVEN_MS} BETWEEN ${FIRST_MS} AND ${NOW_MS} THEN ${GIVEN_MS}
    ELSE ${NOW_MS} END`;

/** Returns SQL for valid text. It has no NUL, because many programs end a text there. */
const isText = (column: string) =>
  `typeof(${column}) = 'text' AND length(${column}) BETWEEN 1 AND 256
      AND instr(CAST(${column} AS BLOB), x'00') = 0`;

/** Returns SQL for an integer between two numbers, both included. */
const isNumber = (column: string, min: number, max: number) =>
  `(typeof(${column}) = 'integer' AND ${column} BETWEEN ${min} AND ${max})`;

/** Returns the trigger that completes a message of another program. */
const messagesComplete = () =>
  `CREATE TRIGGER messages_complete AFTER INSERT ON inter_session_messages
  WHEN NEW.rung = 0 OR NEW.expires_at IS NULL
  BEGIN
    UPDATE inter_session_messages SET
      expires_at = coalesce(NEW.expires_at, ${CREATED_MS} + CAST(1000 *
        CASE WHEN ${TTL_IS_SANE} THEN NEW.ttl_seconds ELSE ${CHANNEL_TTL} END AS INTEGER)),
      created_at = strftime('%Y-%m-%dT%H:%M:%fZ', ${CREATED_MS} / 86400000.0 + 2440587.5),
      ttl_seconds = CASE WHEN ${TTL_IS_SANE} THEN NEW.ttl_seconds ELSE ${CHANNEL_TTL} END,
      payload = CASE WHEN instr(CAST(NEW.payload AS BLOB), x'00') > 0
        THEN CAST(NEW.payload AS BLOB) ELSE NEW.payload END,
      project_id = coalesce(NEW.project_id,
        (SELECT project_id FROM session_registry WHERE session_id = NEW.sender_id))
    WHERE id = NEW.id;
  END`;

/** Returns the statements of version 1, which only a process that makes a bus needs. */
const version1 = (): readonly string[] => [
  `CREATE TABLE _schema_version (
    version INTEGER NOT NULL,
    compatible_from INTEGER NOT NULL,
    migrated_at TEXT NOT NULL DEFAULT ${NOW_ISO}
  )`,

  `CREATE TABLE session_registry (
    session_id TEXT PRIMARY KEY NOT NULL CHECK (${isText("session_id")}),
    llm_vendor TEXT NOT NULL,
    llm_model TEXT,
    tty TEXT,
    pid INTEGER,
    project_id TEXT,
    task_id TEXT,
    active_files TEXT,
    heartbeat_at TEXT NOT NULL,
    registered_at TEXT DEFAULT ${NOW_ISO},
    status TEXT DEFAULT 'active',

    host TEXT,
    process_start TEXT,
    worktree TEXT,
    branch TEXT,
    ended_at INTEGER
  )`,
  // Readers check liveness by the pid, and a number beyond JavaScript's would throw.
  ...Object.entries({ pid: PID_MAX, ended_at: LAST_DATE_MS })
    .flatMap(([column, max]) =>
      ["INSERT", `UPDATE OF ${column}`].map((change) =>
        `CREATE TRIGGER registry_${column}_${change.slice(0, 6).toLowerCase()}
    AFTER ${change} ON session_registry
    WHEN NEW.${column} IS NOT NULL AND NOT ${isNumber(`NEW.${column}`, 1, max)}
    BEGIN
      UPDATE session_registry SET ${column} = NULL WHERE rowid = NEW.rowid;
    END`
      )
    ),
  `CREATE INDEX idx_registry_status ON session_registry(status)`,
  `CREATE INDEX idx_registry_heartbeat ON session_registry(heartbeat_at)`,

  `CREATE TABLE inter_session_messages (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    sender_id TEXT NOT NULL REFERENCES session_registry(session_id),
    channel TEXT NOT NULL CHECK (${isText("channel")}),
    payload TEXT NOT NULL CHECK (length(payload) <= 1048576),
    created_at TEXT DEFAULT ${NOW_ISO},
    ttl_seconds NUMERIC DEFAULT ${DEFAULT_TTL_SECONDS},

    expires_at INTEGER CHECK (expires_at IS NULL OR
      (typeof(expires_at) = 'integer' AND expires_at BETWEEN 0 AND ${LAST_DATE_MS})),
    project_id TEXT,
    recipient_id TEXT,
    reply_to INTEGER CHECK (reply_to IS NULL OR
      (typeof(reply_to) = 'integer' AND reply_to BETWEEN 1 AND ${SAFE_INTEGER})),
    rung INTEGER NOT NULL DEFAULT 0 CHECK (rung IN (0, 1))
  )`,
  // The index of a rowid table ends in the rowid, so this one is (channel, id).
  `CREATE INDEX idx_messages_channel_created ON inter_session_messages(channel)`,
  `CREATE INDEX idx_messages_ttl ON inter_session_messages(expires_at)`,
  `CREATE INDEX idx_messages_recipient ON inter_session_messages(recipient_id)
    WHERE recipient_id IS NOT NULL`,
  `CREATE INDEX idx_messages_sender ON inter_session_messages(sender_id)`,
  `CREATE INDEX idx_messages_unrung ON inter_session_messages(id) WHERE rung = 0`,

  `CREATE TRIGGER messages_sender BEFORE INSERT ON inter_session_messages
  WHEN NOT EXISTS (SELECT 1 FROM session_registry WHERE session_id = NEW.sender_id)
  BEGIN
    INSERT INTO session_registry(session_id, llm_vendor, heartbeat_at)
    VALUES (NEW.sender_id, 'unknown', ${NOW_ISO});
  END`,
  // sqlite_sequence is updated after all rows of a statement, so the largest id before
  // this one is compared too.
  `CREATE TRIGGER messages_id AFTER INSERT ON inter_session_messages
  WHEN NEW.id <= 0 OR NEW.id <> 1 + max(
    coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'inter_session_messages'), 0),
    coalesce((SELECT max(id) FROM inter_session_messages WHERE id < NEW.id), 0))
  BEGIN
    SELECT RAISE(ABORT, 'message ids are given by the bus: leave the id column out');
  END`,
  messagesComplete(),
  `CREATE TRIGGER messages_immutable
  BEFORE UPDATE ON inter_session_messages
  WHEN NEW.id <> OLD.id OR NEW.sender_id <> OLD.sender_id
    OR NEW.channel <> OLD.channel OR NEW.recipient_id IS NOT OLD.recipient_id
    OR CAST(NEW.payload AS BLOB) <> CAST(OLD.payload AS BLOB)
    OR (OLD.expires_at IS NOT NULL AND NEW.expires_at IS NOT OLD.expires_at)
    OR (OLD.project_id IS NOT NULL AND NEW.project_id IS NOT OLD.project_id)
  BEGIN
    SELECT RAISE(ABORT, 'messages are immutable: publish another one');
  END`,

  // Holds; waiters are in lock_waiters. The token is the row's id, because both only
  // grow. The extent is the lock's path set, as a path or a glob. The prefix is its
  // literal beginning, case folded, which finds the locks that may overlap. It is NULL
  // in an incomplete row of another program.
  `CREATE TABLE file_locks (
    file_path TEXT NOT NULL CHECK (length(file_path) BETWEEN 1 AND 4096),
    session_id TEXT NOT NULL REFERENCES session_registry(session_id),
    lock_type TEXT DEFAULT 'advisory' CHECK (lock_type IN ('advisory', 'exclusive')),
    locked_at TEXT DEFAULT ${NOW_ISO},

    token INTEGER PRIMARY KEY,
    agent_id TEXT NOT NULL DEFAULT '',
    kind TEXT NOT NULL DEFAULT 'file' CHECK (kind IN ('file', 'folder', 'glob')),
    extent TEXT,
    prefix TEXT,
    repo_extent TEXT,
    repo_prefix TEXT,
    folds_case INTEGER NOT NULL DEFAULT 0,
    worktree TEXT,
    project_id TEXT,
    expires_at INTEGER,
    holds INTEGER NOT NULL DEFAULT 1,
    why TEXT,
    waiter INTEGER
  )`,
  `CREATE INDEX idx_locks_path ON file_locks(file_path)`,
  `CREATE INDEX idx_locks_session ON file_locks(session_id)`,
  `CREATE INDEX idx_locks_prefix ON file_locks(prefix)`,
  `CREATE INDEX idx_locks_repo_prefix ON file_locks(repo_prefix)
    WHERE repo_prefix IS NOT NULL`,
  `CREATE TRIGGER locks_session BEFORE INSERT ON file_locks
  WHEN NOT EXISTS (SELECT 1 FROM session_registry WHERE session_id = NEW.session_id)
  BEGIN
    INSERT INTO session_registry(session_id, llm_vendor, heartbeat_at)
    VALUES (NEW.session_id, 'unknown', ${NOW_ISO});
  END`,
  // An insert without a prefix is corrected by locks_complete. Any other invalid number
  // is refused, because it would throw at a reader.
  ...["INSERT", "UPDATE"].map((change) =>
    `CREATE TRIGGER locks_numbers_${change.toLowerCase()}
  BEFORE ${change} ON file_locks
  WHEN ${change === "INSERT" ? "NEW.prefix IS NOT NULL AND" : ""} NOT (
    ${isNumber("NEW.token", 1, SAFE_INTEGER)}
    AND ${isNumber("NEW.expires_at", 0, LAST_DATE_MS)}
    AND ${isNumber("NEW.holds", 1, SAFE_INTEGER)}
    AND ${isNumber("NEW.folds_case", 0, 1)}
    AND (NEW.waiter IS NULL OR ${isNumber("NEW.waiter", 1, SAFE_INTEGER)}))
  BEGIN
    SELECT RAISE(ABORT, 'the numbers of a lock are given by the bus');
  END`
  ),
  `CREATE TRIGGER locks_exclusive BEFORE INSERT ON file_locks
  WHEN NEW.prefix IS NULL
    AND EXISTS (SELECT 1 FROM file_locks WHERE file_path = NEW.file_path
      AND session_id <> NEW.session_id AND lock_type = 'exclusive')
  BEGIN
    SELECT RAISE(ABORT, 'another session holds this path exclusively');
  END`,
  // Completes a row of another program: a token from the counter, because its own may
  // have been used before, and a lease.
  `CREATE TRIGGER locks_complete AFTER INSERT ON file_locks
  WHEN NEW.prefix IS NULL
  BEGIN
    UPDATE counters SET value = value + 1 WHERE name = 'fencing';
    UPDATE file_locks SET
      token = (SELECT value FROM counters WHERE name = 'fencing'),
      lock_type = coalesce(NEW.lock_type, 'advisory'),
      locked_at = coalesce(NEW.locked_at, ${NOW_ISO}),
      holds = 1,
      folds_case = 0,
      waiter = NULL,
      expires_at = CASE WHEN typeof(NEW.expires_at) = 'integer'
          AND NEW.expires_at BETWEEN 0 AND ${LAST_DATE_MS}
        THEN NEW.expires_at ELSE ${NOW_MS} + ${DEFAULT_LOCK_LEASE_MS} END
    WHERE token = NEW.token;
  END`,

  `CREATE TABLE lock_waiters (
    waiter INTEGER PRIMARY KEY AUTOINCREMENT,
    session_id TEXT NOT NULL REFERENCES session_registry(session_id),
    agent_id TEXT NOT NULL,
    file_path TEXT NOT NULL,
    lock_type TEXT NOT NULL,
    kind TEXT NOT NULL,
    extent TEXT NOT NULL,
    prefix TEXT NOT NULL,
    repo_extent TEXT,
    repo_prefix TEXT,
    folds_case INTEGER NOT NULL,
    worktree TEXT,
    project_id TEXT,
    lease_ms INTEGER NOT NULL,
    why TEXT,
    waits_since INTEGER NOT NULL,
    wait_expires_at INTEGER NOT NULL,
    host TEXT NOT NULL,
    pid INTEGER NOT NULL,
    process_start TEXT,
    token INTEGER,
    alongside TEXT NOT NULL DEFAULT '[]',
    upgrades INTEGER
  )`,
  `CREATE INDEX idx_waiters_session ON lock_waiters(session_id)`,

  // waits_for counts the dependencies that are not done yet.
  `CREATE TABLE tasks (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    project_id TEXT NOT NULL,
    task_id TEXT NOT NULL,
    title TEXT NOT NULL,
    kind TEXT,
    payload TEXT NOT NULL,
    priority INTEGER NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('open', 'claimed', 'done', 'failed')),
    waits_for INTEGER NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    posted_by TEXT NOT NULL,
    posted_at INTEGER NOT NULL,
    changed_at INTEGER NOT NULL,
    session_id TEXT,
    agent_id TEXT,
    token INTEGER,
    lease_expires_at INTEGER,
    result TEXT,
    UNIQUE (project_id, task_id)
  )`,
  `CREATE INDEX idx_tasks_next ON tasks(project_id, status, waits_for, priority DESC, seq)`,
  `CREATE INDEX idx_tasks_session ON tasks(session_id) WHERE status = 'claimed'`,
  `CREATE INDEX idx_tasks_lease ON tasks(lease_expires_at) WHERE status = 'claimed'`,
  `CREATE TABLE task_dependencies (
    seq INTEGER NOT NULL REFERENCES tasks(seq) ON DELETE CASCADE,
    depends_on INTEGER NOT NULL REFERENCES tasks(seq) ON DELETE CASCADE,
    PRIMARY KEY (depends_on, seq)
  ) WITHOUT ROWID`,
  `CREATE INDEX idx_task_dependencies_seq ON task_dependencies(seq)`,

  // The state of each direct message. A delivery outlives its message, so that the
  // sender can learn that it expired.
  `CREATE TABLE deliveries (
    message_id INTEGER PRIMARY KEY,
    sender_id TEXT NOT NULL,
    recipient_id TEXT NOT NULL,
    state TEXT NOT NULL,
    changed_at INTEGER NOT NULL
  )`,
  `CREATE INDEX idx_deliveries_open ON deliveries(recipient_id, message_id)
    WHERE state IN ('queued', 'noticed', 'injected')`,
  `CREATE INDEX idx_deliveries_changed ON deliveries(changed_at)`,
  `CREATE TRIGGER messages_delivery AFTER INSERT ON inter_session_messages
  WHEN NEW.recipient_id IS NOT NULL
  BEGIN
    INSERT INTO deliveries(message_id, sender_id, recipient_id, state, changed_at)
    VALUES (NEW.id, NEW.sender_id, NEW.recipient_id, 'queued', ${NOW_MS});
  END`,

  // Notes of a session, which its one-shot processes share.
  `CREATE TABLE session_notes (
    session_id TEXT NOT NULL,
    key TEXT NOT NULL,
    value TEXT NOT NULL,
    changed_at INTEGER NOT NULL,
    PRIMARY KEY (session_id, key)
  ) WITHOUT ROWID`,
  `CREATE INDEX idx_notes_changed ON session_notes(changed_at)`,
  // The last change of a file by each session, for sessions that have read it.
  `CREATE TABLE file_touches (
    path TEXT NOT NULL,
    session_id TEXT NOT NULL,
    touched_at INTEGER NOT NULL,
    PRIMARY KEY (path, session_id)
  ) WITHOUT ROWID`,
  `CREATE INDEX idx_touches_touched ON file_touches(touched_at)`,

  // The number of kept messages of a channel, up to an id. A purge counts the later
  // ones, so that publishing does not.
  `CREATE TABLE channel_tally (
    channel TEXT PRIMARY KEY NOT NULL,
    counted_to INTEGER NOT NULL,
    kept INTEGER NOT NULL
  ) WITHOUT ROWID`,
  `CREATE TRIGGER messages_untally AFTER DELETE ON inter_session_messages
  BEGIN
    UPDATE channel_tally SET kept = kept - 1
    WHERE channel = OLD.channel AND counted_to >= OLD.id;
  END`,

  // Durable names. The cursor is the last acknowledged message, and the reader_ columns
  // are the lease of the reader.
  `CREATE TABLE durable_names (
    name TEXT NOT NULL,
    project_id TEXT NOT NULL,
    channels TEXT,
    session_id TEXT,
    cursor INTEGER NOT NULL,
    lost INTEGER NOT NULL DEFAULT 0,
    token INTEGER NOT NULL,
    used_at INTEGER NOT NULL,
    lease_expires_at INTEGER NOT NULL,
    reader_host TEXT,
    reader_pid INTEGER,
    reader_process_start TEXT,
    PRIMARY KEY (project_id, name)
  ) WITHOUT ROWID`,

  // One bell per process, and its interests. The channel '*' is every channel.
  `CREATE TABLE bells (
    bell TEXT PRIMARY KEY NOT NULL,
    host TEXT NOT NULL,
    pid INTEGER NOT NULL,
    process_start TEXT
  ) WITHOUT ROWID`,
  `CREATE TABLE bell_interests (
    channel TEXT NOT NULL,
    bell TEXT NOT NULL REFERENCES bells(bell) ON DELETE CASCADE,
    watch INTEGER NOT NULL,
    project_id TEXT,
    session_id TEXT,
    PRIMARY KEY (channel, bell, watch)
  ) WITHOUT ROWID`,
  `CREATE INDEX idx_bell_interests_bell ON bell_interests(bell)`,

  // Leader leases: one process of a host watches for rows of other programs.
  `CREATE TABLE duties (
    duty TEXT NOT NULL,
    host TEXT NOT NULL,
    bell TEXT NOT NULL,
    pid INTEGER NOT NULL,
    process_start TEXT,
    expires_at INTEGER NOT NULL,
    PRIMARY KEY (duty, host)
  ) WITHOUT ROWID`,

  // The store's own numbers, such as the fencing counter and the time of the last purge.
  `CREATE TABLE counters (
    name TEXT PRIMARY KEY NOT NULL,
    value INTEGER NOT NULL
  ) WITHOUT ROWID`,
  `INSERT INTO counters(name, value) VALUES ('fencing', 0), ('purged_at', 0)`,
  `INSERT INTO _schema_version(version, compatible_from) VALUES (1, 1)`,
];

/** Version 2: the keeper of a session (keeper.ts), as JSON. */
const VERSION_2: readonly string[] = [
  "ALTER TABLE session_registry ADD COLUMN keeper TEXT",
];

/**
 * Returns the statements of version 3: names and activities of sessions, and the TTL of
 * the channel `chat`. Registrations look for the ends of names.
 */
const version3 = (): readonly string[] => [
  `ALTER TABLE session_registry ADD COLUMN name TEXT CHECK (name IS NULL OR ${
    isText("name")
  })`,
  `ALTER TABLE session_registry ADD COLUMN name_chosen INTEGER NOT NULL DEFAULT 0
    CHECK (name_chosen IN (0, 1))`,
  `ALTER TABLE session_registry ADD COLUMN doing TEXT
    CHECK (doing IS NULL OR length(doing) <= ${DOING_MAX})`,
  "ALTER TABLE session_registry ADD COLUMN activity TEXT",
  "ALTER TABLE session_registry ADD COLUMN activity_why TEXT",
  `ALTER TABLE session_registry ADD COLUMN activity_at INTEGER
    CHECK (activity_at IS NULL OR ${isNumber("activity_at", 0, LAST_DATE_MS)})`,
  "CREATE INDEX idx_registry_name_end ON session_registry(substr(name, -4))",
  "DROP TRIGGER messages_complete",
  messagesComplete(),
];

/** Version 4: the session that a task is assigned to. */
const VERSION_4: readonly string[] = [
  "ALTER TABLE tasks ADD COLUMN assigned_to TEXT",
];

/** The schema of this program. */
export const SCHEMA: Schema = {
  version: SCHEMA_VERSION,
  compatibleFrom: COMPATIBLE_FROM,
  get migrations(): Schema["migrations"] {
    return [version1(), VERSION_2, version3(), VERSION_4];
  },
};
