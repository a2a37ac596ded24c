/**
 * The one file that touches an SQLite library.
 *
 * Two libraries can serve: `node:sqlite`, built into the runtime and the
 * default, and `@db/sqlite` over FFI. **A process uses one of them only.** Two
 * copies of SQLite in one process do not know of each other's POSIX locks, and
 * closing a file in one drops the locks of the other: rows that were
 * acknowledged got lost so, with `integrity_check` still saying ok. The first
 * open therefore fixes the choice, and a different one is refused.
 *
 * @module
 */

import {
  DatabaseSync,
  type StatementSync,
  type SupportedValueType,
} from "node:sqlite";
import { InvalidInputError, StoreError } from "../model/errors.ts";

/** The SQLite libraries that can serve. */
export type SqliteDriver = "node" | "ffi";

/** What SQLite can bind and return. */
export type SqlValue = null | number | bigint | string | Uint8Array;

/** A row, by column name. */
export type Row = Record<string, SqlValue>;

/** A prepared statement. */
export interface Statement {
  /** Runs it to its end; `rowId` is that of the last row inserted. */
  run(...values: SqlValue[]): { changes: number; rowId: number };
  /** The first row, if any. */
  get(...values: SqlValue[]): Row | undefined;
  /** All rows. */
  all(...values: SqlValue[]): Row[];
  /** All rows, as their columns' values in order: half of the work. */
  values(...values: SqlValue[]): SqlValue[][];
}

/** An open database. */
export interface Database {
  /** The library that serves it. */
  readonly driver: SqliteDriver;
  /** Prepares one statement. */
  prepare(sql: string): Statement;
  /** Runs statements that return nothing. */
  exec(sql: string): void;
  /** Closes it. */
  close(): void;
}

/** How to open a database. */
export interface OpenOptions {
  /** Whether nothing may be written. */
  readonly readOnly?: boolean;
  /** How long SQLite itself waits for a lock, in milliseconds. */
  readonly timeoutMs: number;
}

/** The first SQLite without the bug that lets WAL writers corrupt the file. */
export const SQLITE_VERSION_SAFE = "3.51.3";

let chosen: SqliteDriver | undefined;

/** The driver that an option or the environment asks for. */
export function requestedDriver(option?: SqliteDriver): SqliteDriver {
  const asked = option ?? readEnv("MBUS_SQLITE_DRIVER") ?? "node";
  if (asked !== "node" && asked !== "ffi") {
    throw new InvalidInputError(
      "driver",
      `Cannot open the bus: there is no SQLite driver "${asked}"; ` +
        `MBUS_SQLITE_DRIVER is "node" or "ffi".`,
    );
  }
  return asked;
}

/** A loaded SQLite library. */
export interface Library {
  /** Which one it is. */
  readonly driver: SqliteDriver;
  /**
   * Opens a database file, or a `file:` URI.
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
 * The library for a driver.
 *
 * @throws {StoreError} If it cannot be loaded.
 */
export async function loadLibrary(driver: SqliteDriver): Promise<Library> {
  if (driver === "node") return nodeLibrary;
  // Not even loaded where the other one is in use.
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
        `drop each other's file locks; use one driver in a process.`,
    );
  }
}

function readEnv(name: string): string | undefined {
  try {
    return Deno.env.get(name) || undefined;
  } catch (error) {
    // Without the permission to read it, a variable is one that is not set.
    if (error instanceof Deno.errors.NotCapable) return undefined;
    throw error;
  }
}

// It is in the runtime, and not yet in its types.
type GivingArrays = StatementSync & {
  setReturnArrays(arrays: boolean): void;
};

function openWithNode(path: string, options: OpenOptions): Database {
  const db = new DatabaseSync(path, {
    readOnly: options.readOnly ?? false,
    timeout: options.timeoutMs,
  });
  // Arrows, not methods: those can be compiled ahead (packaging/eager_compile.ts).
  return {
    driver: "node",
    prepare: (sql) => {
      const statement = db.prepare(sql) as GivingArrays;
      let givesArrays = false;
      const giving = (arrays: boolean) => {
        if (arrays !== givesArrays) statement.setReturnArrays(arrays);
        givesArrays = arrays;
        return statement;
      };
      return {
        run: (...values: SupportedValueType[]) => {
          const { changes, lastInsertRowid } = statement.run(...values);
          return { changes: Number(changes), rowId: Number(lastInsertRowid) };
        },
        get: (...values) => giving(false).get(...values) as Row | undefined,
        all: (...values) => giving(false).all(...values) as Row[],
        values: (...values) =>
          giving(true).all(...values) as unknown as SqlValue[][],
      };
    },
    exec: (sql) => db.exec(sql),
    close: () => db.close(),
  };
}

async function loadFfi(): Promise<FfiLibrary> {
  // Not a literal, so that nobody who does not ask for it downloads it. In a
  // checkout deno.json maps the bare name; a published module has no such map.
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
        `to be had here; use the default driver ("node").`,
      { cause: error },
    );
  }
}

function openWithFfi(
  library: FfiLibrary,
  path: string,
  options: OpenOptions,
): Database {
  const db = new library.Database(path, {
    readonly: options.readOnly ?? false,
    create: !options.readOnly,
    int64: true,
  });
  db.exec(`PRAGMA busy_timeout=${options.timeoutMs}`);
  return {
    driver: "ffi",
    prepare(sql: string): Statement {
      const statement = db.prepare(sql);
      return {
        run(...values: SqlValue[]) {
          const changes = statement.run(...values);
          return { changes, rowId: Number(db.lastInsertRowId) };
        },
        get: (...values) => statement.get(...values),
        all: (...values) => statement.all(...values),
        values: (...values) => statement.values(...values),
      };
    },
    exec: (sql) => void db.exec(sql),
    close: () => db.close(),
  };
}

// The part of @db/sqlite that is used, so that checking needs no download.
interface FfiLibrary {
  Database: new (
    path: string,
    options: { readonly: boolean; create: boolean; int64: boolean },
  ) => {
    readonly lastInsertRowId: number;
    exec(sql: string): number;
    close(): void;
    prepare(sql: string): {
      run(...values: SqlValue[]): number;
      get(...values: SqlValue[]): Row | undefined;
      all(...values: SqlValue[]): Row[];
      values(...values: SqlValue[]): SqlValue[][];
    };
  };
}
