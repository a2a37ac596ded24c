/**
 * The drivers. Only this file imports an SQLite library.
 *
 * There are two libraries: `node:sqlite`, the default, which is built into the
 * runtime, and `@db/sqlite` over FFI.
 *
 * **A process uses only one of them.** Two copies of SQLite in one process do not know
 * each other's POSIX locks. Closing a file in one drops the locks of the other, which
 * loses acknowledged rows, although `integrity_check` passes. So the first open fixes
 * the driver of the process.
 *
 * @module
 */

import {
  DatabaseSync,
  type StatementSync,
  type SupportedValueType,
} from "node:sqlite";
import { InvalidInputError, StoreError } from "../model/errors.ts";

/** The names of the SQLite libraries. */
export type SqliteDriver = "node" | "ffi";

/** The values that SQLite binds and returns. */
export type SqlValue = null | number | bigint | string | Uint8Array;

/** A row, by column name. */
export type Row = Record<string, SqlValue>;

/** A prepared statement. */
export interface Statement {
  /** Runs the statement. `rowId` is the id of the last inserted row. */
  run(...values: SqlValue[]): { changes: number; rowId: number };
  /** Returns the first row, if any. */
  get(...values: SqlValue[]): Row | undefined;
  /** Returns all rows. */
  all(...values: SqlValue[]): Row[];
  /** Returns all rows as arrays of columns, in half the time of `all()`. */
  values(...values: SqlValue[]): SqlValue[][];
}

/** An open database. */
export interface Database {
  /** The library in use. */
  readonly driver: SqliteDriver;
  /** Prepares one statement. */
  prepare(sql: string): Statement;
  /** Runs statements that return nothing. */
  exec(sql: string): void;
  /** Closes the database. */
  close(): void;
}

/** Options for opening a database. */
export interface OpenOptions {
  /** Whether to open for reading only. */
  readonly readOnly?: boolean;
  /** SQLite's busy timeout, in milliseconds. */
  readonly timeoutMs: number;
}

/** The first SQLite version without the WAL-reset bug, which can corrupt a file. */
export const SQLITE_VERSION_SAFE = "3.51.3";

let chosen: SqliteDriver | undefined;

/**
 * Returns the driver of the option or of `$MBUS_SQLITE_DRIVER`.
 *
 * @throws {InvalidInputError} If there is no such driver.
 */
export function requestedDriver(option?: SqliteDriver): SqliteDriver {
  const asked = option ?? readEnv("MBUS_SQLITE_DRIVER") ?? "node";
  if (asked !== "node" && asked !== "ffi") {
    throw new InvalidInputError(
      "driver",
      `Cannot open the bus: there is no SQLite driver "${asked}". ` +
        `Set MBUS_SQLITE_DRIVER to "node" or "ffi".`,
    );
  }
  return asked;
}

/** A loaded SQLite library. */
export interface Library {
  /** The name of the library. */
  readonly driver: SqliteDriver;
  /**
   * Opens a database by a path or a `file:` URI.
   *
   * @throws {StoreError} If this process already uses the other library.
   */
  open(path: string, options: OpenOptions): Database;
}

/** The library that is built into the runtime. */
export const nodeLibrary: Library = {
  driver: "node",
  open: (path, options) => {
    fixDriver("node");
    return openWithNode(path, options);
  },
};

/**
 * Loads the library of a driver.
 *
 * @throws {StoreError} If the library cannot be loaded, or this process already uses
 * the other one.
 */
export async function loadLibrary(driver: SqliteDriver): Promise<Library> {
  if (driver === "node") return nodeLibrary;
  // Checked before loading as well, so that an unusable library is not loaded.
  assertSameDriver(driver);
  const library = await loadFfi();
  return {
    driver: "ffi",
    open(path: string, options: OpenOptions): Database {
      fixDriver("ffi");
      return openWithFfi(library, path, options);
    },
  };
}

function fixDriver(driver: SqliteDriver): void {
  assertSameDriver(driver);
  chosen = driver;
}

function assertSameDriver(driver: SqliteDriver): void {
  if (chosen !== undefined && chosen !== driver) {
    throw new StoreError(
      "driver",
      driver,
      `Cannot open the bus with the "${driver}" driver: this process has ` +
        `opened one with "${chosen}", and two SQLite libraries in one process ` +
        `drop each other's file locks. Use one driver in a process.`,
    );
  }
}

function readEnv(name: string): string | undefined {
  try {
    return Deno.env.get(name) || undefined;
  } catch (error) {
    // A variable without permission counts as not set.
    if (error instanceof Deno.errors.NotCapable) return undefined;
    throw error;
  }
}

// The types of the runtime lack this method.
type ArrayStatement = StatementSync & {
  setReturnArrays(arrays: boolean): void;
};

function openWithNode(path: string, options: OpenOptions): Database {
  const db = new DatabaseSync(path, {
    readOnly: options.readOnly ?? false,
    timeout: options.timeoutMs,
  });
  // Arrow functions, because packaging/eager_compile.ts cannot compile methods.
  return {
    driver: "node",
    prepare: (sql) => {
      const statement = db.prepare(sql) as ArrayStatement;
      let returnsArrays = false;
      const returning = (arrays: boolean) => {
        if (arrays !== returnsArrays) statement.setReturnArrays(arrays);
        returnsArrays = arrays;
        return statement;
      };
      return {
        run: (...values: SupportedValueType[]) => {
          const { changes, lastInsertRowid } = statement.run(...values);
          return { changes: Number(changes), rowId: Number(lastInsertRowid) };
        },
        get: (...values) => returning(false).get(...values) as Row | undefined,
        all: (...values) => returning(false).all(...values) as Row[],
        values: (...values) =>
          returning(true).all(...values) as unknown as SqlValue[][],
      };
    },
    exec: (sql) => db.exec(sql),
    close: () => db.close(),
  };
}

async function loadFfi(): Promise<FfiLibrary> {
  // Not a literal, so that it is downloaded only when it is used. In a checkout
  // deno.json maps the bare name, and a published module has no such map.
  const published = !import.meta.url.startsWith("file:");
  const specifier = `${published ? "jsr:" : ""}@db/sqlite${
    published ? "@^0.13.0" : ""
  }`;
  try {
    return await import(specifier);
  } catch (error) {
    throw new StoreError(
      "driver",
      "@db/sqlite",
      `Cannot load the "ffi" driver: @db/sqlite or its native library is not ` +
        `available here. Use the default driver ("node").`,
      { cause: error },
    );
  }
}

// SQLite's flags for opening.
const OPEN_READONLY = 0x01;
const OPEN_READWRITE_CREATE = 0x06;
const OPEN_URI = 0x40;

function openWithFfi(
  library: FfiLibrary,
  path: string,
  options: OpenOptions,
): Database {
  const db = new library.Database(path, {
    // Not its other options, because they leave URIs off.
    flags: OPEN_URI |
      (options.readOnly ? OPEN_READONLY : OPEN_READWRITE_CREATE),
    int64: true,
    // Otherwise JSON functions return parsed values.
    parseJson: false,
  });
  db.exec(`PRAGMA busy_timeout=${options.timeoutMs}`);
  // Not lastInsertRowId of @db/sqlite, because that has 32 bits. Prepared late, because
  // that reads the file.
  let lastId: FfiStatement | undefined;
  return {
    driver: "ffi",
    prepare(sql: string): Statement {
      // Finalized by a failure, and prepared again by the next call.
      let statement: FfiStatement | undefined = db.prepare(sql);
      const call = <T>(work: (statement: FfiStatement) => T): T => {
        const called = statement ??= db.prepare(sql);
        try {
          return work(called);
        } catch (error) {
          statement = undefined;
          throw withResultCode(error, called);
        }
      };
      return {
        run: (...values) => {
          const changes = call((statement) => statement.run(...values));
          lastId ??= db.prepare("SELECT last_insert_rowid()");
          return { changes, rowId: Number(lastId.values()[0][0]) };
        },
        get: (...values) => call((statement) => statement.get(...values)),
        all: (...values) => call((statement) => statement.all(...values)),
        values: (...values) => call((statement) => statement.values(...values)),
      };
    },
    exec: (sql) => void db.exec(sql),
    close: () => db.close(),
  };
}

/**
 * Finalizes a statement that failed. Returns its error with SQLite's result code, which
 * only `finalize()` tells.
 */
function withResultCode(error: unknown, statement: FfiStatement): unknown {
  try {
    statement.finalize();
    return error;
  } catch (finalized) {
    const { code } = finalized as { code?: number };
    return Object.assign(error as Error, { errcode: code });
  }
}

// The part of @db/sqlite that is used, so that type-checking needs no download.
interface FfiLibrary {
  Database: new (
    path: string,
    options: { flags: number; int64: boolean; parseJson: boolean },
  ) => {
    exec(sql: string): number;
    close(): void;
    prepare(sql: string): FfiStatement;
  };
}

interface FfiStatement {
  run(...values: SqlValue[]): number;
  get(...values: SqlValue[]): Row | undefined;
  all(...values: SqlValue[]): Row[];
  values(...values: SqlValue[]): SqlValue[][];
  /** Throws an error with the `code` of the last call, if that failed. */
  finalize(): void;
}
