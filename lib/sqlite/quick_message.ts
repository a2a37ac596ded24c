/**
 * A message where there is next to nothing to do: its sender is on the bus, and
 * it is for everybody. It is a sign of life and a row, in a few statements.
 *
 * It decides nothing by itself. Where anything is out of the ordinary it changes
 * nothing and says so, and the whole way (brief_store.ts) is gone; a test holds
 * the two against each other.
 *
 * @module
 */

import { PURGE_AFTER_MS } from "../coordination/purge_rules.ts";
import { isoDate } from "./date_text.ts";
import type { Database, Row } from "./driver.ts";
import { SCHEMA_VERSION } from "./schema_version.ts";

/** A session that runs. */
export interface QuickSpeaker {
  /** Its id. */
  readonly id: string;
  /** Its process, as it is stored. */
  readonly pid: number | null;
  /** When that started, as it is stored. */
  readonly start: string | null;
  /** Its project, if it has one. */
  readonly project: string | null;
  /** The root of the working copy that it is in, if it is in one. */
  readonly worktree: string | null;
}

/** A message for everybody. */
export interface QuickMessage {
  /** Its channel. */
  readonly channel: string;
  /** Its payload's JSON text. */
  readonly payloadText: string;
  /** How long it is delivered, a whole number of seconds. */
  readonly ttlSeconds: number;
  /** The project it is for. */
  readonly project: string;
  /** The time, in milliseconds since 1970. */
  readonly nowMs: number;
}

const FIND = `SELECT pid, process_start AS start, project_id AS project,
    worktree
  FROM session_registry
  WHERE session_id = ?1 AND status IS NOT 'terminated'
    AND NOT EXISTS (SELECT 1 FROM session_registry
      WHERE session_id >= ?1 || '~' AND session_id < ?1 || char(127)
        AND status IS NOT 'terminated')`;

// Nobody has taken the session over since it was looked up, or ended it.
const BEAT = `UPDATE session_registry SET heartbeat_at = ${isoDate("?1")}
  WHERE session_id = ?2 AND status IS NOT 'terminated'
    AND pid IS ?3 AND process_start IS ?4
    AND (SELECT compatible_from FROM _schema_version) <= ${SCHEMA_VERSION}`;

const INSERT = `INSERT INTO inter_session_messages
    (sender_id, channel, payload, created_at, ttl_seconds, expires_at,
     project_id, rung)
  VALUES (?1, ?2, ?3, ${isoDate("?4")}, ?5, ?4 + ?5 * 1000, ?6, 1)`;

/** The session that runs under an id, if there is just one incarnation of it. */
export function speakerOf(db: Database, id: string): QuickSpeaker | undefined {
  const row = db.prepare(FIND).get(id);
  return row && {
    id,
    pid: row.pid as number | null,
    start: textOf(row, "start"),
    project: textOf(row, "project"),
    worktree: textOf(row, "worktree"),
  };
}

/** What foreign programs may have written there is nothing else. */
function textOf(row: Row, column: string): string | null {
  const value = row[column];
  return typeof value === "string" && value !== "" ? value : null;
}

/**
 * Stores a message of a session, with its sign of life; returns its id, or
 * undefined if nothing was done.
 */
export function insertQuickly(
  db: Database,
  speaker: QuickSpeaker,
  message: QuickMessage,
): string | undefined {
  const { id, pid, start } = speaker;
  const { channel, payloadText, ttlSeconds, project, nowMs } = message;
  db.prepare("BEGIN IMMEDIATE").run();
  if (db.prepare(BEAT).run(nowMs, id, pid, start).changes !== 1) {
    db.prepare("ROLLBACK").run();
    return undefined;
  }
  const { rowId } = db.prepare(INSERT)
    .run(id, channel, payloadText, nowMs, ttlSeconds, project);
  db.prepare("COMMIT").run();
  return String(rowId);
}

/** Whether nobody has taken a step of the purge for a while. */
export function isPurgeDue(db: Database, nowMs: number): boolean {
  const row = db.prepare(PURGED_AT).get();
  return Number(row?.value ?? 0) <= nowMs - PURGE_AFTER_MS;
}

const PURGED_AT = "SELECT value FROM counters WHERE name = 'purged_at'";
