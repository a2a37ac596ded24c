/**
 * One open database: opening, read and write transactions, and upkeep of the file.
 *
 * - Opening never changes another program's file, nor one whose schema is too
 *   new. A new file is made in one transaction, so a crash leaves an empty file,
 *   which the next opener completes.
 * - A write is one transaction: `BEGIN IMMEDIATE`, a check of the schema's
 *   version, the work, `COMMIT`. The work is synchronous, so other code of this
 *   process cannot run within it. It has no effect if it throws.
 * - A write or read is acknowledged only while the open file is still the one at
 *   its path. That is checked at most 1 ms before the end of a write, and 1 s
 *   before the end of a read. A file that was moved, deleted or replaced throws
 *   `StoreError` with fault `moved`. Operations succeed again once it is back.
 * - A file or folder without write permission is opened for reading. If no other
 *   process has the file open, SQLite cannot make the shared index. Then each
 *   read opens an immutable snapshot of the file.
 *
 * @module
 */

import { BusyError, ClosedError, StoreError } from "../model/errors.ts";
import { retryBusy, retryBusySync } from "./busy.ts";
import {
  type Database,
  type Library,
  nodeLibrary,
  SQLITE_VERSION_SAFE,
  type SqliteDriver,
  type Statement,
} from "./driver.ts";
import {
  areDescriptorsUsedUp,
  descriptorsError,
  faultOf,
  movedError,
  readOnlyError,
  storeError,
  unreachableError,
} from "./faults.ts";
import { areInodesUsedUp, inodesError } from "./file_system.ts";
import {
  assertUsablePlace,
  type BusLocation,
  prepareLocation,
} from "./location.ts";
import { closeWithoutCheckpoint, fileUri } from "./fast_open.ts";
import { WriterLock } from "./writer_lock.ts";
import {
  APPLICATION_ID,
  SCHEMA,
  type Schema,
  SCHEMA_VERSION,
} from "./schema.ts";

/** The durability of a commit: SQLite's `synchronous`. */
export type Synchronous = "normal" | "full";

/** Options for opening a bus's database. */
export interface ConnectionOptions {
  /**
   * The SQLite library.
   * @default {nodeLibrary}
   */
  readonly library?: Library;
  /** Whether to open for reading although writing is permitted. */
  readonly readOnly?: boolean;
  /** Maximum time that one write waits for other writers, in milliseconds. */
  readonly busyTimeoutMs: number;
  /**
   * Maximum time that all operations wait together, in milliseconds, with opening.
   * @default {Infinity}
   */
  readonly busyTotalMs?: number;
  /**
   * Whether the process ends without closing the file, and checkpoints before that
   * by itself (fast_open.ts).
   * @default {false}
   */
  readonly isOneShot?: boolean;
  /**
   * The durability of a commit. With `normal` it survives the death of any process,
   * with `full` also a power cut.
   * @default {"normal"}
   */
  readonly synchronous?: Synchronous;
  /**
   * The schema to migrate to.
   * @default {the schema of this program}
   */
  readonly schema?: Schema;
}

// While the file is opened, SQLite itself waits, because first openers meet locks inside
// a single statement, where our retries cannot act. Only processes that make or migrate
// the file wait.
const OPEN_TIMEOUT_MS = 20_000;

// Before 3.51.3, a checkpoint of SQLite can corrupt a busy file, and other programs may
// bring such a version. Theirs begin at 1,000 pages, so ours begin earlier. With
// background checkpoints (checkpoint.ts), an automatic one runs only if they fall behind.
const AUTO_CHECKPOINT_PAGES = 950;
const AUTO_CHECKPOINT_PAGES_WITHOUT_BACKGROUND = 250;

// A commit writes whole pages to the WAL, and a message changes a few bytes of several
// pages. So half of SQLite's default size makes a commit faster. A smaller one slows
// large payloads and batches. A file keeps the page size it was made with.
const PAGE_BYTES = 2048;

// How recently the file at the path was checked. A check costs a fifth of the fastest
// commit. A row that was written less than 1 ms before a move went with the file. A
// read of a moved file returns no new rows, so it may be noticed later.
const WRITE_CHECK_MS = 1;
const READ_CHECK_MS = 1_000;

/** One open database of a bus. */
export class Connection {
  /** The paths of the bus. */
  readonly location: BusLocation;
  readonly #options: ConnectionOptions;
  readonly #statements = new Map<string, Statement>();
  #db: Database;
  #access: Access;
  // Undefined for a one-shot process, because it writes once.
  readonly #writerLock: WriterLock | undefined;
  #closed = false;
  #replaced = false;
  #waitedMs = 0;
  // Identifies the open file, see fileAt().
  readonly #file: string;
  #checkedAt = -Infinity;

  private constructor(
    location: BusLocation,
    options: ConnectionOptions,
    opened: Opened,
  ) {
    this.location = location;
    this.#options = options;
    this.#db = opened.db;
    this.#access = opened.access;
    this.#writerLock = options.isOneShot
      ? undefined
      : new WriterLock(location.writerLockPath);
    this.#file = fileAt(location.databasePath);
  }

  /**
   * Opens the database in `location`, and makes it if there is none.
   *
   * @throws {StoreError} If the database cannot be used; the `fault` says why.
   * @throws {BusyError} If other processes have locked the file until the timeout.
   */
  static open(location: BusLocation, options: ConnectionOptions): Connection {
    return new Connection(location, options, openBest(location, options));
  }

  /** Returns the connection of a database that fast_open.ts has opened. */
  static over(
    db: Database,
    location: BusLocation,
    options: ConnectionOptions,
  ): Connection {
    return new Connection(location, options, { db, access: "write" });
  }

  /** The SQLite library in use. */
  get driver(): SqliteDriver {
    return this.#db.driver;
  }

  /** The open database, for checkpoints. */
  get db(): Database {
    return this.#db;
  }

  /** The version of SQLite in use. */
  get sqliteVersion(): string {
    return versionOf(this.#db);
  }

  /** Whether concurrent writes and checkpoints by this SQLite can corrupt the file. */
  get sqliteHasWalResetBug(): boolean {
    return hasWalResetBug(this.#db);
  }

  /**
   * Whether checkpoints run in the background. They need an SQLite with `NOOP`
   * checkpoints, and without the WAL-reset bug.
   */
  get usesBackgroundCheckpoint(): boolean {
    return !this.readOnly && !this.#options.isOneShot &&
      !this.sqliteHasWalResetBug;
  }

  /** Whether `close()` was called. */
  get closed(): boolean {
    return this.#closed;
  }

  /** Whether the file is open. A file is closed when another one replaces it. */
  get isOpen(): boolean {
    return !this.#closed && !this.#replaced;
  }

  /** Whether writes are refused. */
  get readOnly(): boolean {
    return this.#access !== "write";
  }

  /**
   * Returns a prepared statement; each text is prepared once.
   *
   * A bound LIMIT is written `LIMIT 0 + ?`. SQLite prepares the statement again for
   * each value of a plain `LIMIT ?`.
   */
  sql(text: string): Statement {
    let statement = this.#statements.get(text);
    if (statement === undefined) {
      statement = this.#db.prepare(text);
      this.#statements.set(text, statement);
    }
    return statement;
  }

  /**
   * Runs `work`, which only reads. Returns a promise only if the database is busy.
   *
   * @param act The operation, for the messages of errors.
   * @throws {StoreError} If SQLite fails, or the file was moved.
   */
  read<T>(act: string, work: () => T): T | Promise<T> {
    if (this.#closed) throw new ClosedError(act);
    // The first attempt is outside #retry(), because nearly all reads succeed at once
    // and each woken reader runs this.
    try {
      if (this.#access === "snapshot") this.#reopen();
      return this.#checked(act, work, READ_CHECK_MS);
    } catch (error) {
      if (faultOf(error) !== "busy") throw this.#storeError(act, error);
      return this.#withStoreErrors(
        act,
        () => this.#retry(act, () => this.#checked(act, work, READ_CHECK_MS)),
      );
    }
  }

  /**
   * Runs `work` in one write transaction. Returns a promise only if the database is
   * busy.
   *
   * @param act The operation, for the messages of errors.
   * @param work Called again for each attempt; its changes are rolled back if it
   * throws.
   * @param committed Called after the commit and before the check of the file, so
   * that woken readers do not wait for it.
   * @throws {BusyError} If the database is busy until the timeout.
   * @throws {StoreError} If SQLite fails, the file was moved or may only be read.
   */
  write<T>(
    act: string,
    work: () => T,
    committed?: (result: T) => void,
  ): T | Promise<T> {
    return this.#writeLocked(act, () => this.#transact(work), committed);
  }

  /**
   * Does the same as {@linkcode Connection.write} with one statement, without a
   * transaction around it. The statement checks the schema's version itself (see
   * {@linkcode WHILE_COMPATIBLE}), and violates a constraint if the schema is too
   * new.
   */
  writeOne<T>(
    act: string,
    statement: () => T,
    committed?: (result: T) => void,
  ): T | Promise<T> {
    return this.#writeLocked(act, () => {
      try {
        return statement();
      } catch (error) {
        if (faultOf(error) === "constraint") this.#checkVersion();
        throw error;
      }
    }, committed);
  }

  /** Does the same as {@linkcode Connection.write}, and blocks up to `deadlineMs`. */
  writeSync<T>(act: string, deadlineMs: number, work: () => T): T {
    this.#assertWritable(act);
    try {
      return retryBusySync(
        act,
        deadlineMs,
        () =>
          this.#checked(
            act,
            () => this.#transact(work),
            WRITE_CHECK_MS,
          ),
      );
    } catch (error) {
      throw storeError(act, this.location.databasePath, error);
    }
  }

  /**
   * Runs `work` in a savepoint of a write, which is rolled back if it throws.
   */
  savepoint<T>(work: () => T): T {
    this.sql("SAVEPOINT one").run();
    try {
      const result = work();
      this.sql("RELEASE one").run();
      return result;
    } catch (error) {
      this.sql("ROLLBACK TO one").run();
      this.sql("RELEASE one").run();
      throw error;
    }
  }

  /** Returns a value that changes when another connection commits. */
  dataVersion(): number | string {
    if (this.#access === "snapshot") {
      // A snapshot sees no commits. They change the times or sizes of these files.
      const { databasePath } = this.location;
      return `${stateOf(databasePath)} ${stateOf(`${databasePath}-wal`)}`;
    }
    return this.#checked(
      "look for changes",
      () => Number(this.sql("PRAGMA data_version").get()!.data_version),
      READ_CHECK_MS,
    );
  }

  /** Closes the file. A second call has no effect. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#statements.clear();
    this.#writerLock?.close();
    if (!this.#replaced) this.#db.close();
  }

  /** Runs `transaction` under the writer lock. */
  #writeLocked<T>(
    act: string,
    transaction: () => T,
    committed: ((result: T) => void) | undefined,
  ): T | Promise<T> {
    this.#assertWritable(act);
    const end = (result: T): T => {
      committed?.(result);
      this.#assertNotMoved(act, WRITE_CHECK_MS);
      return result;
    };
    return this.#withStoreErrors(act, () => {
      const result = this.#retry(
        act,
        () => this.#attempt(act, transaction),
        this.#writerLock,
      );
      return result instanceof Promise ? result.then(end) : end(result);
    });
  }

  /** Calls `attempt`. Its errors, also asynchronous ones, become errors of the store. */
  #withStoreErrors<T>(
    act: string,
    attempt: () => T | Promise<T>,
  ): T | Promise<T> {
    try {
      const result = attempt();
      return result instanceof Promise
        ? result.catch((error) => {
          throw this.#storeError(act, error);
        })
        : result;
    } catch (error) {
      throw this.#storeError(act, error);
    }
  }

  #storeError(act: string, error: unknown): unknown {
    return storeError(act, this.location.databasePath, error);
  }

  /** Runs `work`, and throws if the file was moved. */
  #checked<T>(act: string, work: () => T, withinMs: number): T {
    const result = this.#attempt(act, work);
    this.#assertNotMoved(act, withinMs);
    return result;
  }

  /** Runs `work`. If it fails because the file was moved, throws that error. */
  #attempt<T>(act: string, work: () => T): T {
    if (this.#replaced) throw movedError(act, this.location.databasePath);
    try {
      return work();
    } catch (error) {
      this.#assertNotMoved(act, 0);
      throw error;
    }
  }

  #assertNotMoved(act: string, withinMs: number): void {
    // Date.now() is the cheapest clock. It may have been set back.
    const now = Date.now();
    if (Math.abs(now - this.#checkedAt) < withinMs) return;
    const path = this.location.databasePath;
    const file = fileAt(path);
    if (file === this.#file || this.#access === "snapshot") {
      this.#checkedAt = now;
      return;
    }
    this.#checkedAt = -Infinity;
    // A replaced file is closed, because SQLite finds the WAL and the shared index by
    // the path. Both files would share them.
    if (file !== NO_FILE && this.isOpen) {
      this.#replaced = true;
      this.#statements.clear();
      this.#db.close();
    }
    throw movedError(act, path);
  }

  #transact<T>(work: () => T): T {
    // Not exec(), because its errors may lack a result code.
    this.sql("BEGIN IMMEDIATE").run();
    try {
      this.#checkVersion();
      const result = work();
      this.sql("COMMIT").run();
      return result;
    } catch (error) {
      rollBack(this.sql("ROLLBACK"));
      throw error;
    }
  }

  #checkVersion(): void {
    checkVersion(this.location, this.#options, this.sql(READ_VERSION));
  }

  /** Retries while the database is busy, within the time that is left. */
  #retry<T>(
    act: string,
    attempt: () => T,
    lock?: WriterLock,
  ): T | Promise<T> {
    const { busyTimeoutMs, busyTotalMs = Infinity } = this.#options;
    const leftMs = Math.max(0, busyTotalMs - this.#waitedMs);
    return retryBusy(
      act,
      Math.min(busyTimeoutMs, leftMs),
      () => {
        // The connection may have been closed during a pause.
        if (this.#closed) throw new ClosedError(act);
        return attempt();
      },
      (waitedMs) => {
        this.#waitedMs += waitedMs;
      },
      lock,
    );
  }

  #assertWritable(act: string): void {
    if (this.readOnly) {
      throw readOnlyError(act, this.location.databaseFolder);
    }
  }

  #reopen(): void {
    const { db, access } = openBest(this.location, {
      ...this.#options,
      readOnly: true,
    });
    this.#statements.clear();
    this.#db.close();
    this.#db = db;
    this.#access = access;
  }
}

/** SQL that is true while the file's schema is compatible with this program. */
export const WHILE_COMPATIBLE =
  `(SELECT compatible_from FROM _schema_version) <= ${SCHEMA_VERSION}`;

const READ_VERSION = "SELECT version, compatible_from FROM _schema_version";

// Ways to open a database, best first. A snapshot is read as an immutable file, without
// its shared index.
type Access = "write" | "read" | "snapshot";

interface Opened {
  readonly db: Database;
  readonly access: Access;
}

function openBest(location: BusLocation, options: ConnectionOptions): Opened {
  assertUsablePlace(location);
  let refusal: unknown;
  if (!options.readOnly) {
    try {
      prepareLocation(location);
      return openAs("write", location, options);
    } catch (error) {
      if (!isWriteDenied(error)) throw error;
      refusal = error;
    }
  }
  for (const access of ["read", "snapshot"] as const) {
    try {
      return openAs(access, location, options);
    } catch (error) {
      if (!isWriteDenied(error)) throw error;
      refusal ??= error;
    }
  }
  throw storeError("open the bus", location.databasePath, refusal);
}

const NO_FILE = "none";

/** Returns the identity of the file at a path, as text. */
function fileAt(path: string): string {
  try {
    const { dev, ino } = Deno.lstatSync(path);
    return `${dev} ${ino}`;
  } catch (error) {
    const isGone = error instanceof Deno.errors.NotFound ||
      error instanceof Deno.errors.NotADirectory;
    if (isGone) return NO_FILE;
    throw unreachableError("look at the database", path, error);
  }
}

/** Returns the modification time and size of a file, as text. */
function stateOf(path: string): string {
  try {
    const { mtime, size } = Deno.statSync(path);
    return `${mtime?.getTime()} ${size}`;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return NO_FILE;
    throw error;
  }
}

function isWriteDenied(error: unknown): boolean {
  const fault = error instanceof StoreError ? error.fault : faultOf(error);
  return fault === "read-only" || fault === "permission";
}

function openAs(
  access: Access,
  location: BusLocation,
  options: ConnectionOptions,
): Opened {
  const path = location.databasePath;
  const startedAt = performance.now();
  try {
    const db = (options.library ?? nodeLibrary).open(
      access === "snapshot" ? fileUri(path, "immutable=1") : path,
      {
        readOnly: access !== "write",
        timeoutMs: openTimeoutMs(options),
      },
    );
    try {
      if (access === "write") {
        makeOrMigrate(db, location, options);
        db.exec(
          `PRAGMA synchronous=${options.synchronous ?? "normal"};
           PRAGMA wal_autocheckpoint=${autoCheckpointPages(db, options)}`,
        );
      } else if (identify(db, path) === "empty") {
        throw new StoreError(
          "missing",
          path,
          `Cannot open the bus: ${path} has no tables yet and may only be read ` +
            `from here. Run "mbus init" where it may be written.`,
        );
      }
      checkVersion(location, options, db.prepare(READ_VERSION));
      db.exec(`PRAGMA foreign_keys=ON; PRAGMA busy_timeout=0`);
      if (access === "write") assertFileWritable(db);
      return { db, access };
    } catch (error) {
      // Determined before closing, which frees descriptors.
      const state = stateOfOpening(access, location, error);
      if (isOtherProgramsFile(error)) {
        closeWithoutCheckpoint(db, path, options.library);
      } else db.close();
      throw state;
    }
  } catch (error) {
    if (faultOf(error) === "busy") {
      const waitedMs = performance.now() - startedAt;
      throw new BusyError("open the bus", waitedMs, { cause: error });
    }
    throw storeError(
      "open the bus",
      path,
      stateOfOpening(access, location, error),
    );
  }
}

function openTimeoutMs({ busyTotalMs = Infinity }: ConnectionOptions): number {
  return Math.min(OPEN_TIMEOUT_MS, busyTotalMs);
}

/** Returns the error itself, or that no file can be opened or made beside it. */
function stateOfOpening(
  access: Access,
  { databasePath, databaseFolder }: BusLocation,
  error: unknown,
): unknown {
  if (error instanceof StoreError || !isWriteDenied(error)) return error;
  const act = "open the bus";
  if (faultOf(error) === "permission" && areDescriptorsUsedUp()) {
    return descriptorsError(act, databasePath, error);
  }
  // A reader needs no file beside it.
  return access === "write" && areInodesUsedUp(databaseFolder)
    ? inodesError(act, databasePath, error)
    : error;
}

function isOtherProgramsFile(error: unknown): boolean {
  return error instanceof StoreError &&
    (error.fault === "foreign" || error.fault === "newer");
}

/**
 * Throws if the database may only be read. SQLite opens such a file for reading
 * without an error.
 */
function assertFileWritable(db: Database): void {
  try {
    // Not BEGIN IMMEDIATE, because that succeeds on a read-only file.
    db.prepare("UPDATE _schema_version SET version = version WHERE 0").run();
  } catch (error) {
    // A busy file is writable, because only such a file can be locked.
    if (faultOf(error) !== "busy") throw error;
  }
}

/**
 * Returns whether a file is a bus or still empty.
 *
 * @throws {StoreError} If it is another program's database.
 */
function identify(db: Database, path: string): "bus" | "empty" {
  // The tables are counted before the id is read, because one commit makes both. So a
  // bus that is made between the reads is not taken for another program's file.
  const tables = Number(
    db.prepare("SELECT count(*) AS n FROM sqlite_schema").get()!.n,
  );
  const id = Number(db.prepare("PRAGMA application_id").get()!.application_id);
  if (id === APPLICATION_ID) return "bus";
  if (id === 0 && tables === 0) return "empty";
  throw new StoreError(
    "foreign",
    path,
    `Cannot open the bus: ${path} is another program's database. ` +
      `Move it away or choose another folder with MBUS_HOME.`,
  );
}

function makeOrMigrate(
  db: Database,
  location: BusLocation,
  options: ConnectionOptions,
): void {
  const path = location.databasePath;
  const { version, compatibleFrom, migrations } = options.schema ?? SCHEMA;
  if (identify(db, path) === "empty") {
    // These can only be set before there are tables.
    switchToWal(options, () => {
      db.prepare(`PRAGMA page_size=${PAGE_BYTES}`).run();
      db.prepare("PRAGMA auto_vacuum=INCREMENTAL").run();
      db.prepare("PRAGMA journal_mode=WAL").get();
    });
  } else {
    checkVersion(location, options, db.prepare(READ_VERSION));
    restoreWal(db, options);
    if (versionIn(db) >= version) return;
  }
  db.prepare("BEGIN IMMEDIATE").run();
  try {
    // Another process may have migrated the file meanwhile.
    const from = identify(db, path) === "empty" ? 0 : versionIn(db);
    for (const statements of migrations.slice(from)) {
      for (const statement of statements) db.prepare(statement).run();
    }
    if (from < version) {
      db.exec(`PRAGMA application_id=${APPLICATION_ID}`);
      db.prepare("UPDATE _schema_version SET version = ?, compatible_from = ?")
        .run(version, compatibleFrom);
    }
    db.prepare("COMMIT").run();
  } catch (error) {
    rollBack(db.prepare("ROLLBACK"));
    throw error;
  }
}

/** Sets the journal mode back to WAL, which another program may have changed. */
function restoreWal(db: Database, options: ConnectionOptions): void {
  if (journalMode(db) === "wal") return;
  // SQLite would wait for a reader for longer than this open may.
  db.exec("PRAGMA busy_timeout=0");
  switchToWal(options, () => db.prepare("PRAGMA journal_mode=WAL").get());
  db.exec(`PRAGMA busy_timeout=${openTimeoutMs(options)}`);
}

/** Retries a switch to WAL, to which SQLite's busy timeout does not apply. */
function switchToWal(options: ConnectionOptions, work: () => void): void {
  const { busyTimeoutMs, busyTotalMs = Infinity } = options;
  retryBusySync("open the bus", Math.min(busyTimeoutMs, busyTotalMs), work);
}

/** Returns the journal mode of an open database, in lower case. */
export function journalMode(db: Database): string {
  return String(db.prepare("PRAGMA journal_mode").get()!.journal_mode);
}

function rollBack(rollback: Statement): void {
  try {
    rollback.run();
  } catch (error) {
    // After some errors (a full disk, I/O) SQLite has already rolled back.
    if (!/no transaction is active/.test((error as Error).message)) {
      throw error;
    }
  }
}

function versionIn(db: Database): number {
  return Number(db.prepare(READ_VERSION).get()?.version ?? 0);
}

function checkVersion(
  location: BusLocation,
  options: ConnectionOptions,
  readVersion: Statement,
): void {
  const { version } = options.schema ?? SCHEMA;
  const row = readVersion.get();
  if (row === undefined) {
    throw new StoreError(
      "corrupt",
      location.databasePath,
      `Cannot use ${location.databasePath}: the version of its schema is ` +
        `missing, because another program deleted it. Move the file away.`,
    );
  }
  const needs = Number(row.compatible_from);
  if (needs <= version) return;
  throw new StoreError(
    "newer",
    location.databasePath,
    `Cannot use ${location.databasePath}: it was made for version ${needs} of ` +
      `the schema and this program knows ${version}. Upgrade mbus.`,
  );
}

/** Returns the `wal_autocheckpoint` of a connection, in pages. */
function autoCheckpointPages(db: Database, options: ConnectionOptions): number {
  // A one-shot process checkpoints before it exits.
  if (options.isOneShot) return 0;
  return hasWalResetBug(db)
    ? AUTO_CHECKPOINT_PAGES_WITHOUT_BACKGROUND
    : AUTO_CHECKPOINT_PAGES;
}

function versionOf(db: Database): string {
  return String(db.prepare("SELECT sqlite_version() AS v").get()!.v);
}

function hasWalResetBug(db: Database): boolean {
  return compareVersions(versionOf(db), SQLITE_VERSION_SAFE) < 0;
}

function compareVersions(a: string, b: string): number {
  const [left, right] = [a, b].map((version) => version.split(".").map(Number));
  const at = left.findIndex((part, i) => part !== (right[i] ?? 0));
  return at === -1 ? 0 : left[at] - (right[at] ?? 0);
}
