/**
 * One open database: how it is opened, and how everything reads and writes.
 *
 * - Opening never changes a file that is not a bus's, and never one whose
 *   schema is too new. A new file is made in one transaction, so a crash
 *   leaves an empty file that the next opener finishes.
 * - A write is one transaction: `BEGIN IMMEDIATE`, a look at the schema's
 *   version, the work, `COMMIT`. The work is synchronous, so nothing of this
 *   process can come between, and it has no effect if it throws.
 * - Nothing is said to be written, or read, that was so in a file that others
 *   no longer find: who deletes, moves or replaces the file under a process
 *   leaves it with one of its own. After each commit it was in its place a
 *   millisecond ago at most, and after each read, or look for changes, a second.
 *   Where it is put back, all goes on.
 * - A bus whose file or folder may only be read is opened for reading. Where
 *   nobody else has it open, SQLite cannot make the shared index it wants for
 *   that: then a snapshot of the file is read, opened anew for each look.
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
import {
  assertPrivateFolders,
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

/** How a commit reaches the disk. */
export type Synchronous = "normal" | "full";

/** How to open a bus's database. */
export interface ConnectionOptions {
  /**
   * The SQLite library.
   * @default {nodeLibrary}
   */
  readonly library?: Library;
  /** Whether nothing may be written, although it could. */
  readonly readOnly?: boolean;
  /** How long a write waits for other writers, in milliseconds. */
  readonly busyTimeoutMs: number;
  /**
   * How long all operations together wait, opening included, in milliseconds.
   * @default {Infinity}
   */
  readonly busyTotalMs?: number;
  /**
   * Whether the process ends without closing it, and looks after the log by
   * itself (see sound.ts).
   * @default {false}
   */
  readonly brief?: boolean;
  /**
   * `normal` survives the death of any process, `full` also a power cut.
   * @default {"normal"}
   */
  readonly synchronous?: Synchronous;
  /**
   * The schema to make or migrate to.
   * @default {the one of this program}
   */
  readonly schema?: Schema;
}

// While it is opened, SQLite itself waits: many first openers at once meet
// locks inside a single statement, where no retry of ours can come between. Only
// who makes or migrates the file waits at all, and a hundred of them for long.
const OPEN_TIMEOUT_MS = 20_000;

// Other programs may bring an SQLite whose checkpoint can corrupt a busy file
// (before 3.51.3). Ours run early, so that theirs seldom have to: they start
// theirs at 1,000 pages. Where the log is folded in behind the commits (log.ts),
// one that is part of a commit, which all wait for, comes only where that did
// not keep up.
const CHECKPOINT_PAGES_BEHIND = 950;
const CHECKPOINT_PAGES = 250;

// A commit writes whole pages into the log, and a message changes five or six of
// them by 200 bytes. Half of SQLite's usual size makes that commit a third faster;
// the quarter gains little more, and costs large payloads and batches. A file keeps
// the size it was made with.
const PAGE_BYTES = 2048;

// A look at the file costs a fifth of the fastest commit. What was written this
// short a time before it was taken away is gone with it, or is where it went. Who
// reads on in a file that was taken away gets nothing new, and may know it later:
// whoever is woken a few times a second would pay a fifth of its work for a look at each.
const WRITTEN_IN_PLACE_MS = 1;
const READ_IN_PLACE_MS = 1_000;

/** One open database of a bus. */
export class Connection {
  /** Where it lives. */
  readonly location: BusLocation;
  readonly #options: ConnectionOptions;
  readonly #statements = new Map<string, Statement>();
  #db: Database;
  #access: Access;
  // A one-shot process has none: it writes once.
  readonly #writerLock: WriterLock | undefined;
  #closed = false;
  #replaced = false;
  #waitedMs = 0;
  // What the open file is, to be told from another of its name.
  readonly #file: string;
  #inPlaceAt = -Infinity;

  private constructor(
    location: BusLocation,
    options: ConnectionOptions,
    opened: Opened,
  ) {
    this.location = location;
    this.#options = options;
    this.#db = opened.db;
    this.#access = opened.access;
    this.#writerLock = options.brief
      ? undefined
      : new WriterLock(location.writerLockPath);
    this.#file = fileAt(location.databasePath);
  }

  /**
   * Opens the bus in `location`, making it if it is new.
   *
   * @throws {StoreError} If it cannot be used; the `fault` says why.
   */
  static open(location: BusLocation, options: ConnectionOptions): Connection {
    return new Connection(location, options, openBest(location, options));
  }

  /** The bus in `location` that is open as `db`, see sound.ts. */
  static over(
    db: Database,
    location: BusLocation,
    options: ConnectionOptions,
  ): Connection {
    return new Connection(location, options, { db, access: "write" });
  }

  /** The library that serves it. */
  get driver(): SqliteDriver {
    return this.#db.driver;
  }

  /** The database itself, for sound.ts. */
  get db(): Database {
    return this.#db;
  }

  /** The version of SQLite in use. */
  get sqliteVersion(): string {
    return versionOf(this.#db);
  }

  /** Whether this SQLite can corrupt a file that two write and checkpoint. */
  get sqliteHasWalResetBug(): boolean {
    return hasWalResetBug(this.#db);
  }

  /**
   * Whether the log is to be folded in behind the commits: this SQLite can tell
   * how much there is to fold in without doing it, and two may do it at once.
   */
  get usesBackgroundCheckpoint(): boolean {
    return !this.readOnly && !this.#options.brief && !this.sqliteHasWalResetBug;
  }

  /** Whether it was closed. */
  get closed(): boolean {
    return this.#closed;
  }

  /** Whether its file is still open: it is given up where another takes its place. */
  get isOpen(): boolean {
    return !this.#closed && !this.#replaced;
  }

  /** Whether it may only be read. */
  get readOnly(): boolean {
    return this.#access !== "write";
  }

  /**
   * The statement, prepared once.
   *
   * SQLite's planner looks at a bound LIMIT, so binding one makes it prepare
   * the statement anew at every run (45 instead of 3 µs). `LIMIT 0 + ?` hides
   * it.
   */
  sql(text: string): Statement {
    let statement = this.#statements.get(text);
    if (statement === undefined) {
      statement = this.#db.prepare(text);
      this.#statements.set(text, statement);
    }
    return statement;
  }

  /** Runs `work`, which only reads; nearly always at once. */
  read<T>(act: string, work: () => T): T | Promise<T> {
    if (this.#closed) throw new ClosedError(act);
    // Tried without what comes between where somebody may be in the way: next to
    // no read meets anybody, and each reader that is woken pays for it.
    try {
      if (this.#access === "snapshot") this.#reopen();
      return this.#inPlace(act, work, READ_IN_PLACE_MS);
    } catch (error) {
      if (faultOf(error) !== "busy") throw this.#told(act, error);
      return this.#tell(
        act,
        () =>
          this.#retry(act, () => this.#inPlace(act, work, READ_IN_PLACE_MS)),
      );
    }
  }

  /**
   * Runs `work` in one write transaction, all or nothing; nearly always at once.
   * `committed` is called right after the commit, and before it is looked whether the
   * file is in its place: who is rung in there does not wait for that.
   */
  write<T>(
    act: string,
    work: () => T,
    committed?: (result: T) => void,
  ): T | Promise<T> {
    return this.#writeWhole(act, () => this.#transact(work), committed);
  }

  /**
   * {@linkcode Connection.write} of one statement by itself. The statement itself must
   * look at the schema's version (see {@linkcode WHILE_COMPATIBLE}), and break a
   * constraint where the schema has become too new.
   */
  writeOne<T>(
    act: string,
    statement: () => T,
    committed?: (result: T) => void,
  ): T | Promise<T> {
    return this.#writeWhole(act, () => {
      try {
        return statement();
      } catch (error) {
        if (faultOf(error) === "constraint") this.#checkVersion();
        throw error;
      }
    }, committed);
  }

  /** {@linkcode Connection.write} that blocks, at most for `deadlineMs`. */
  writeSync<T>(act: string, deadlineMs: number, work: () => T): T {
    this.#assertWritable(act);
    try {
      return retryBusySync(
        act,
        deadlineMs,
        () =>
          this.#inPlace(
            act,
            () => this.#transact(work),
            WRITTEN_IN_PLACE_MS,
          ),
      );
    } catch (error) {
      throw storeError(act, this.location.databasePath, error);
    }
  }

  /**
   * Runs `work` so that what it did is undone if it throws; inside a write.
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

  /** What changes when another connection commits. */
  dataVersion(): number | string {
    if (this.#access === "snapshot") {
      // A snapshot sees no commits: the times of the file, and of the log that
      // somebody who came may have begun, stand in.
      const { databasePath } = this.location;
      return `${stateOf(databasePath)} ${stateOf(`${databasePath}-wal`)}`;
    }
    return this.#inPlace(
      "look for changes",
      () => Number(this.sql("PRAGMA data_version").get()!.data_version),
      READ_IN_PLACE_MS,
    );
  }

  /** Gives the file back; closing twice is fine. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#statements.clear();
    this.#writerLock?.close();
    if (!this.#replaced) this.#db.close();
  }

  /** Runs `transaction` under the writer lock. */
  #writeWhole<T>(
    act: string,
    transaction: () => T,
    committed: ((result: T) => void) | undefined,
  ): T | Promise<T> {
    this.#assertWritable(act);
    const end = (result: T): T => {
      committed?.(result);
      this.#assertNotMoved(act, WRITTEN_IN_PLACE_MS);
      return result;
    };
    return this.#tell(act, () => {
      const result = this.#retry(
        act,
        () => this.#attempt(act, transaction),
        this.#writerLock,
      );
      return result instanceof Promise ? result.then(end) : end(result);
    });
  }

  /** Does something; where that fails, at once or later, SQLite's error is told. */
  #tell<T>(act: string, attempt: () => T | Promise<T>): T | Promise<T> {
    try {
      const result = attempt();
      return result instanceof Promise
        ? result.catch((error) => {
          throw this.#told(act, error);
        })
        : result;
    } catch (error) {
      throw this.#told(act, error);
    }
  }

  #told(act: string, error: unknown): unknown {
    return storeError(act, this.location.databasePath, error);
  }

  /** Runs `work`, and refuses what came of it if the file was not in its place. */
  #inPlace<T>(act: string, work: () => T, withinMs: number): T {
    const result = this.#attempt(act, work);
    this.#assertNotMoved(act, withinMs);
    return result;
  }

  /** Runs `work`; where it fails, that may only follow from a file that was moved. */
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
    // The cheapest clock there is; it may have been set back since.
    const now = Date.now();
    if (Math.abs(now - this.#inPlaceAt) < withinMs) return;
    const path = this.location.databasePath;
    const file = fileAt(path);
    if (file === this.#file || this.#access === "snapshot") {
      this.#inPlaceAt = now;
      return;
    }
    this.#inPlaceAt = -Infinity;
    // Where another file has taken its place, the open one is given up: both
    // may go by the same log and the same shared index, and would mix them up.
    if (file !== NO_FILE && this.isOpen) {
      this.#replaced = true;
      this.#statements.clear();
      this.#db.close();
    }
    throw movedError(act, path);
  }

  #transact<T>(work: () => T): T {
    // Prepared, as errors of exec() may carry no code.
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

  /**
   * Tries while the database is busy, within what is left of the time; a write
   * under the writer lock.
   */
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
        // It may have been closed while this waited.
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

/** True in a statement while this program may write the file. */
export const WHILE_COMPATIBLE =
  `(SELECT compatible_from FROM _schema_version) <= ${SCHEMA_VERSION}`;

const READ_VERSION = "SELECT version, compatible_from FROM _schema_version";

// How a database can be opened, best first. A snapshot is a file that nobody
// writes, read without its shared index.
type Access = "write" | "read" | "snapshot";

interface Opened {
  readonly db: Database;
  readonly access: Access;
}

function openBest(location: BusLocation, options: ConnectionOptions): Opened {
  assertPrivateFolders(location);
  let refusal: unknown;
  if (!options.readOnly) {
    try {
      prepareLocation(location);
      return openAs("write", location, options);
    } catch (error) {
      if (!isRefusedWrite(error)) throw error;
      refusal = error;
    }
  }
  for (const access of ["read", "snapshot"] as const) {
    try {
      return openAs(access, location, options);
    } catch (error) {
      if (!isRefusedWrite(error)) throw error;
      refusal ??= error;
    }
  }
  throw storeError("open the bus", location.databasePath, refusal);
}

const NO_FILE = "none";

/** Which file a path leads to, as text. */
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

/** What of a file changes when it is written. */
function stateOf(path: string): string {
  try {
    const { mtime, size } = Deno.statSync(path);
    return `${mtime?.getTime()} ${size}`;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return "none";
    throw error;
  }
}

function isRefusedWrite(error: unknown): boolean {
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
        timeoutMs: Math.min(OPEN_TIMEOUT_MS, options.busyTotalMs ?? Infinity),
      },
    );
    try {
      if (access === "write") {
        makeOrMigrate(db, location, options);
        db.exec(
          `PRAGMA synchronous=${options.synchronous ?? "normal"};
           PRAGMA wal_autocheckpoint=${checkpointPages(db, options)}`,
        );
      } else if (identify(db, path) === "empty") {
        throw new StoreError(
          "missing",
          path,
          `Cannot open the bus: ${path} has no tables yet and may only be read ` +
            `from here; run "mbus init" where it may be written.`,
        );
      }
      checkVersion(location, options, db.prepare(READ_VERSION));
      db.exec(`PRAGMA foreign_keys=ON; PRAGMA busy_timeout=0`);
      if (access === "write") assertFileWritable(db);
      return { db, access };
    } catch (error) {
      // Before it is closed, which gives some back.
      const state = stateOfOpening(path, error);
      if (isAnothers(error)) closeWithoutCheckpoint(db, path, options.library);
      else db.close();
      throw state;
    }
  } catch (error) {
    if (faultOf(error) === "busy") {
      const waitedMs = performance.now() - startedAt;
      throw new BusyError("open the bus", waitedMs, { cause: error });
    }
    throw storeError("open the bus", path, stateOfOpening(path, error));
  }
}

/** Tells a file that may not be opened from one too many. */
function stateOfOpening(path: string, error: unknown): unknown {
  return faultOf(error) === "permission" && areDescriptorsUsedUp()
    ? descriptorsError("open the bus", path, error)
    : error;
}

function isAnothers(error: unknown): boolean {
  return error instanceof StoreError &&
    (error.fault === "foreign" || error.fault === "newer");
}

/** SQLite opens a file for reading without a word where it may not write it. */
function assertFileWritable(db: Database): void {
  try {
    // Not BEGIN IMMEDIATE: on such a file it only begins to read.
    db.prepare("UPDATE _schema_version SET version = version WHERE 0").run();
  } catch (error) {
    // Busy is well: only a file that can be written can be locked.
    if (faultOf(error) !== "busy") throw error;
  }
}

/** Whether a file is a bus's or still empty; refuses everything else. */
function identify(db: Database, path: string): "bus" | "empty" {
  // In this order: tables and id come with one commit, so that whoever makes
  // the bus between the two reads is not taken for another program.
  const tables = Number(
    db.prepare("SELECT count(*) AS n FROM sqlite_schema").get()!.n,
  );
  const id = Number(db.prepare("PRAGMA application_id").get()!.application_id);
  if (id === APPLICATION_ID) return "bus";
  if (id === 0 && tables === 0) return "empty";
  throw new StoreError(
    "foreign",
    path,
    `Cannot open the bus: ${path} is another program's database; ` +
      `move it away or choose another folder with MBUS_HOME.`,
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
    // All can only be set before there are tables.
    const { busyTimeoutMs, busyTotalMs = Infinity } = options;
    retryBusySync("open the bus", Math.min(busyTimeoutMs, busyTotalMs), () => {
      db.prepare(`PRAGMA page_size=${PAGE_BYTES}`).run();
      db.prepare("PRAGMA auto_vacuum=INCREMENTAL").run();
      // SQLite does not wait when two switch to WAL at once.
      db.prepare("PRAGMA journal_mode=WAL").get();
    });
  } else {
    checkVersion(location, options, db.prepare(READ_VERSION));
    if (versionIn(db) >= version) return;
  }
  db.prepare("BEGIN IMMEDIATE").run();
  try {
    // Another opener may have been here first.
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

function rollBack(rollback: Statement): void {
  try {
    rollback.run();
  } catch (error) {
    // SQLite has rolled back by itself after some errors (a full disk, I/O);
    // then there is no transaction, which is what was wanted.
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
        `missing; another program deleted it, move the file away.`,
    );
  }
  const needs = Number(row.compatible_from);
  if (needs <= version) return;
  throw new StoreError(
    "newer",
    location.databasePath,
    `Cannot use ${location.databasePath}: it was made for version ${needs} of ` +
      `the schema and this program knows ${version}; upgrade mbus.`,
  );
}

/** After how many pages of the log a commit folds it in itself. */
function checkpointPages(db: Database, options: ConnectionOptions): number {
  // Who ends without closing looks after the log by itself.
  if (options.brief) return 0;
  return hasWalResetBug(db) ? CHECKPOINT_PAGES : CHECKPOINT_PAGES_BEHIND;
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
