/**
 * What a session keeps for itself between processes that live for one call, in
 * SQLite: small texts by key, and which files it changed when.
 *
 * @module
 */

import type { Activity, FileTouch } from "../store.ts";
import type { Connection } from "./connection.ts";
import { beat } from "./sessions.ts";
import type { Transaction } from "./transaction.ts";

const KEPT_MS = 24 * 60 * 60 * 1000;
const STEP_ROWS_MAX = 200;

/** The notes of a session with these keys. */
export function readNotes(
  connection: Connection,
  session: string,
  keys: readonly string[],
): Map<string, string> {
  const rows = connection.sql(
    `SELECT key, value FROM session_notes
     WHERE session_id = ? AND key IN (SELECT value FROM json_each(?))`,
  ).all(session, JSON.stringify(keys));
  return new Map(rows.map((row) => [String(row.key), String(row.value)]));
}

/** Writes down what a session just did, unless a note is not as expected. */
export function noteActivity(
  tx: Transaction,
  session: string,
  { change = {}, notes = new Map(), touched = [], expects }: Activity,
): boolean {
  if (
    expects !== undefined &&
    expects.value !==
      (readNotes(tx.connection, session, [expects.key]).get(expects.key) ??
        null)
  ) return false;
  beat(tx, session, change);
  for (const [key, value] of notes) {
    if (value === null) {
      tx.connection.sql(
        "DELETE FROM session_notes WHERE session_id = ? AND key = ?",
      ).run(session, key);
    } else {
      tx.connection.sql(
        `INSERT OR REPLACE INTO session_notes(session_id, key, value, changed_at)
         VALUES (?, ?, ?, ?)`,
      ).run(session, key, value, tx.nowMs);
    }
  }
  for (const path of touched) {
    tx.connection.sql(
      "INSERT OR REPLACE INTO file_touches(path, session_id, touched_at) VALUES (?, ?, ?)",
    ).run(path, session, tx.nowMs);
  }
  return true;
}

/** Who changed a file at or after a time, latest first. */
export function touchesOf(
  connection: Connection,
  path: string,
  sinceMs: number,
): FileTouch[] {
  return connection.sql(
    `SELECT session_id, touched_at FROM file_touches
     WHERE path = ? AND touched_at >= ? ORDER BY touched_at DESC`,
  ).all(path, sinceMs).map((row) => ({
    session: String(row.session_id),
    touchedAtMs: Number(row.touched_at),
  }));
}

/** Forgets what is a day old, a bounded number of rows at a time. */
export function purgeNotes(tx: Transaction): void {
  const before = tx.nowMs - KEPT_MS;
  tx.connection.sql(
    `DELETE FROM session_notes WHERE (session_id, key) IN (
       SELECT session_id, key FROM session_notes WHERE changed_at < ? LIMIT 0 + ?)`,
  ).run(before, STEP_ROWS_MAX);
  tx.connection.sql(
    `DELETE FROM file_touches WHERE (path, session_id) IN (
       SELECT path, session_id FROM file_touches WHERE touched_at < ? LIMIT 0 + ?)`,
  ).run(before, STEP_ROWS_MAX);
}
