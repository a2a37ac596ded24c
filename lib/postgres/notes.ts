/**
 * What a session keeps for itself between processes that live for one call, in
 * PostgreSQL: small texts by key, and which files it changed when.
 *
 * @module
 */

import type { Activity, FileTouch } from "../store.ts";
import { arrayText, type Queryable, type Row } from "./connection.ts";
import { isOnDisk, updateSession } from "./sessions.ts";
import { storable } from "./text.ts";
import type { Transaction } from "./transaction.ts";

const KEPT_MS = 24 * 60 * 60 * 1000;
const STEP_ROWS_MAX = 200;

/** The notes of a session with these keys. */
export async function readNotes(
  connection: Queryable,
  session: string,
  keys: readonly string[],
): Promise<Map<string, string>> {
  const rows = await connection.all(
    `SELECT key, value FROM session_notes
     WHERE session_id = $1 AND key = ANY($2::text[])`,
    [session, arrayText(keys)],
  );
  return new Map(rows.map((row) => [String(row.key), String(row.value)]));
}

/** Writes down what a session just did, unless a note is not as expected. */
export async function noteActivity(
  tx: Transaction,
  session: string,
  { change = {}, notes = new Map(), touched = [], expects }: Activity,
): Promise<boolean> {
  if (expects !== undefined && !await isAsExpected(tx, session, expects)) {
    return false;
  }
  await updateSession(tx, session, change);
  const gone = [...notes].filter(([, value]) => value === null);
  const kept = [...notes].filter(([, value]) => value !== null);
  await Promise.all([
    gone.length > 0 && tx.connection.run(
      `DELETE FROM session_notes
       WHERE session_id = $1 AND key = ANY($2::text[])`,
      [session, arrayText(gone.map(([key]) => key))],
    ),
    kept.length > 0 && tx.connection.run(
      `INSERT INTO session_notes(session_id, key, value, changed_at)
       SELECT $1, u.key, u.value, $4
       FROM unnest($2::text[], $3::text[]) AS u(key, value)
       ON CONFLICT (session_id, key) DO UPDATE SET
         value = excluded.value, changed_at = excluded.changed_at`,
      [
        session,
        arrayText(kept.map(([key]) => key)),
        arrayText(kept.map(([, value]) => storable(value))),
        tx.nowMs,
      ],
    ),
    touched.length > 0 && tx.connection.run(
      `INSERT INTO file_touches(path, session_id, touched_at)
       SELECT DISTINCT path, $1, $3::bigint FROM unnest($2::text[]) AS path
       ON CONFLICT (path, session_id) DO UPDATE SET
         touched_at = excluded.touched_at`,
      [session, arrayText(touched.map(storable)), tx.nowMs],
    ),
  ]);
  return true;
}

async function isAsExpected(
  tx: Transaction,
  session: string,
  { key, value }: { readonly key: string; readonly value: string | null },
): Promise<boolean> {
  const [, found] = await Promise.all([
    // Of two that expect the same note, the second one looks when the first
    // one is through.
    tx.connection.run(
      "SELECT 1 FROM session_registry WHERE session_id = $1 FOR UPDATE",
      [session],
    ),
    readNotes(tx.connection, session, [key]),
  ]);
  return (found.get(key) ?? null) === value;
}

/** Who changed a file at or after a time, latest first. */
export async function touchesOf(
  connection: Queryable,
  path: string,
  sinceMs: number,
): Promise<FileTouch[]> {
  const rows = await connection.all(
    `SELECT t.session_id, t.touched_at, s.host
     FROM file_touches AS t LEFT JOIN session_registry AS s USING (session_id)
     WHERE path = $1 AND touched_at >= $2 ORDER BY touched_at DESC`,
    [storable(path), Math.ceil(sinceMs)],
  );
  return rows.filter(isOnDisk).map(toTouch);
}

/** What the row of a touch says. */
export function toTouch(row: Row): FileTouch {
  return {
    session: String(row.session_id),
    touchedAtMs: Number(row.touched_at),
  };
}

/** Forgets what is a day old, a bounded number of rows at a time. */
export async function purgeNotes(tx: Transaction): Promise<void> {
  const before = tx.nowMs - KEPT_MS;
  await Promise.all([
    tx.connection.run(
      `DELETE FROM session_notes WHERE (session_id, key) IN (
         SELECT session_id, key FROM session_notes WHERE changed_at < $1
         LIMIT ${STEP_ROWS_MAX})`,
      [before],
    ),
    tx.connection.run(
      `DELETE FROM file_touches WHERE (path, session_id) IN (
         SELECT path, session_id FROM file_touches WHERE touched_at < $1
         LIMIT ${STEP_ROWS_MAX})`,
      [before],
    ),
  ]);
}
