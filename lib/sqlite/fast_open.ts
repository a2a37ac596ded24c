/**
 * Opens an existing, up-to-date database without migration checks, for a one-shot
 * process, which ends without closing it.
 *
 * In any other case the caller uses `Connection.open`, which reports the reason.
 *
 * @module
 */

import { type Database, type Library, nodeLibrary } from "./driver.ts";
import { assertUsablePlace, type BusLocation } from "./location.ts";
import { APPLICATION_ID, SCHEMA_VERSION } from "./schema_version.ts";

// If no process has the file open, the next one that opens it reads the whole WAL.
// Up to this size that takes less than a checkpoint.
const CHECKPOINT_ON_EXIT_BYTES = 256 * 1024;

/**
 * Opens the database in `location`. Returns undefined if it does not exist, has
 * another schema version or journal mode, is busy, or cannot be opened.
 */
export function tryOpenExisting(location: BusLocation): Database | undefined {
  let db: Database | undefined;
  try {
    assertUsablePlace(location);
    // Without mode=rw, SQLite makes a missing file.
    const name = fileUri(location.databasePath, "mode=rw");
    db = nodeLibrary.open(name, { timeoutMs: 0 });
    const row = db.prepare(
      `SELECT application_id AS id, journal_mode, version, compatible_from
       FROM pragma_application_id, pragma_journal_mode, _schema_version`,
    ).get();
    if (
      row?.id === APPLICATION_ID && row.journal_mode === "wal" &&
      row.version === SCHEMA_VERSION &&
      Number(row.compatible_from) <= SCHEMA_VERSION
    ) {
      db.exec("PRAGMA synchronous=normal; PRAGMA wal_autocheckpoint=0");
      return db;
    }
  } catch {
    // Connection.open() throws the error that says why.
  }
  if (db !== undefined) closeWithoutCheckpoint(db, location.databasePath);
  return undefined;
}

/**
 * Closes a file that may belong to another program, and leaves it unchanged. The
 * last connection checkpoints as it closes, unless it is read-only. Without a
 * descriptor for a read-only one, the file stays open until the process ends.
 */
export function closeWithoutCheckpoint(
  db: Database,
  path: string,
  library: Library = nodeLibrary,
): void {
  let last: Database;
  try {
    last = library.open(path, { readOnly: true, timeoutMs: 0 });
  } catch {
    return;
  }
  try {
    // A connection has the file open from its first read on.
    last.prepare("PRAGMA application_id").get();
  } catch {
    // An unreadable file is not checkpointed.
  } finally {
    db.close();
    last.close();
  }
}

/**
 * Truncates a large WAL, for a process that ends without closing the file.
 *
 * Other checkpoint modes do not help. If no process has the file open, the next one
 * that opens it takes the whole WAL for pending, so the WAL never resets.
 */
export function checkpointOnExit(db: Database, location: BusLocation): void {
  let size: number;
  try {
    size = Deno.statSync(`${location.databasePath}-wal`).size;
  } catch (error) {
    // A snapshot of a read-only file has no WAL.
    if (error instanceof Deno.errors.NotFound) return;
    throw error;
  }
  // The busy timeout is 0, so this does not wait for readers and writers.
  if (size > CHECKPOINT_ON_EXIT_BYTES) {
    db.prepare("PRAGMA wal_checkpoint(TRUNCATE)").get();
  }
}

/** Returns the URI of a database file, with a query such as `mode=rw`. */
export function fileUri(file: string, query: string): string {
  // A Windows path begins with a drive, and a URI's path with a slash.
  const path = encodeURI(file.replaceAll("\\", "/").replace(/^(?!\/)/, "/"));
  const name = path.replaceAll("?", "%3F").replaceAll("#", "%23");
  return `file://${name}?${query}`;
}
