/**
 * The bus as it nearly always is: there, sound, of this version, and left by a
 * process that ends without closing it.
 *
 * Such a file is opened with one look at it, by a process that lives for one
 * call of an agent's hook. Everything else is left to `Connection.open`, which
 * finds out what is the matter.
 *
 * @module
 */

import { type Database, type Library, nodeLibrary } from "./driver.ts";
import { assertPrivateFolders, type BusLocation } from "./location.ts";
import { APPLICATION_ID, SCHEMA_VERSION } from "./schema_version.ts";

// Where nobody else has the file open, the next process reads the whole log:
// about half a microsecond a KiB. Folding it in costs milliseconds.
const CHECKPOINT_ON_EXIT_BYTES = 256 * 1024;

/**
 * Opens a bus that is as it should be; undefined where it is not, or has to be
 * waited for.
 */
export function tryOpenExisting(location: BusLocation): Database | undefined {
  let db: Database | undefined;
  try {
    assertPrivateFolders(location);
    // Opening by name alone would make a file where there is none.
    const name = fileUri(location.databasePath, "mode=rw");
    db = nodeLibrary.open(name, { timeoutMs: 0 });
    const row = db.prepare(
      `SELECT application_id AS id, version, compatible_from
       FROM pragma_application_id, _schema_version`,
    ).get();
    if (
      row?.id === APPLICATION_ID && row.version === SCHEMA_VERSION &&
      Number(row.compatible_from) <= SCHEMA_VERSION
    ) {
      db.exec("PRAGMA synchronous=normal; PRAGMA wal_autocheckpoint=0");
      return db;
    }
  } catch {
    // Whoever looks more closely says what it was.
  }
  if (db !== undefined) closeWithoutCheckpoint(db, location.databasePath);
  return undefined;
}

/**
 * Closes a file that may not be for us as it was: the last one that closes a
 * file folds its log in, unless that one may only read.
 */
export function closeWithoutCheckpoint(
  db: Database,
  path: string,
  library: Library = nodeLibrary,
): void {
  const last = library.open(path, { readOnly: true, timeoutMs: 0 });
  try {
    // Only what has read has the file open.
    last.prepare("PRAGMA application_id").get();
  } catch {
    // What cannot even be read is not folded in.
  } finally {
    db.close();
    last.close();
  }
}

/**
 * Folds the log into the file if it is long: for who ends without closing.
 *
 * Where nobody else has the file open, the next one who opens it reads the
 * whole log anew and takes none of it for folded in. So the log would grow by
 * every such process, whatever they check-point, unless it is cut off.
 */
export function checkpointOnExit(db: Database, location: BusLocation): void {
  const { size } = Deno.statSync(`${location.databasePath}-wal`);
  // Does what can be done at once: who reads or writes now is not waited for.
  if (size > CHECKPOINT_ON_EXIT_BYTES) {
    db.prepare("PRAGMA wal_checkpoint(TRUNCATE)").get();
  }
}

/** A database file's name as a URI that says how to open it. */
export function fileUri(file: string, how: string): string {
  const path = encodeURI(file.replaceAll("\\", "/"));
  const name = path.replaceAll("?", "%3F").replaceAll("#", "%23");
  return `file://${name}?${how}`;
}
