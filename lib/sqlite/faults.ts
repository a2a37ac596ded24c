/**
 * What SQLite's errors mean to a bus, and what a person can do about them.
 *
 * Errors are told apart by result code where the library gives one, else by
 * SQLite's own wording: `exec()` and the FFI library give only the message.
 *
 * @module
 */

import { StoreError, type StoreFault } from "../model/errors.ts";

/** What stood in the way, as far as a bus must tell it apart. */
export type SqliteFault =
  | "busy"
  | "constraint"
  | "schema"
  | Exclude<
    StoreFault,
    | "missing"
    | "moved"
    | "descriptors"
    | "foreign"
    | "newer"
    | "ownership"
    | "network-file-system"
    | "driver"
    | "unreachable"
  >;

// Primary result codes of sqlite.org/rescode.html, and the text of each.
const FAULTS: readonly [number, RegExp, SqliteFault][] = [
  [5, /database is locked|database is busy/, "busy"],
  [6, /database table is locked/, "busy"],
  [8, /attempt to write a readonly database/, "read-only"],
  [10, /disk I\/O error/, "io"],
  [11, /malformed|disk image/, "corrupt"],
  [13, /database or disk is full/, "full"],
  [14, /unable to open database file/, "permission"],
  [19, /constraint failed/, "constraint"],
  [23, /authorization denied|access permission denied/, "permission"],
  [26, /file is not a database/, "not-a-database"],
];

// The shared index cannot grow: an I/O error to SQLite, and a full disk to us.
const IOERR_SHMSIZE = 4874;

/**
 * Whether a file cannot be opened as there are too many open ones already: to
 * SQLite, one file that cannot be opened is as another.
 */
export function areDescriptorsUsedUp(): boolean {
  if (Deno.build.os === "windows") return false;
  try {
    Deno.openSync("/dev/null").close();
    return false;
  } catch (error) {
    // The process's, or all that the system has.
    return /os error 2[34]\b/.test(String(error));
  }
}

/** The fault of an SQLite error, or undefined for any other error. */
export function faultOf(error: unknown): SqliteFault | undefined {
  if (!(error instanceof Error)) return undefined;
  const code = (error as { errcode?: unknown }).errcode;
  if (typeof code === "number") {
    if (code === IOERR_SHMSIZE) return "full";
    const fault = FAULTS.find(([primary]) => primary === (code & 0xff))?.[2];
    if (fault !== undefined) return fault;
  }
  const fault = FAULTS.find(([, text]) => text.test(error.message))?.[2];
  if (fault !== undefined) return fault;
  return /no such (table|column)/.test(error.message) ? "schema" : undefined;
}

/**
 * The error a caller gets for an SQLite error: a {@linkcode StoreError} with
 * the remedy where it is known what stood in the way, else the error itself.
 */
export function storeError(act: string, path: string, error: unknown): unknown {
  const fault = faultOf(error);
  const make = (fault: StoreFault, state: string, remedy: string) =>
    new StoreError(fault, path, `Cannot ${act}: ${state}; ${remedy}.`, {
      cause: error,
    });
  switch (fault) {
    case "read-only":
      return readOnlyError(act, path, error);
    case "permission":
      return unreachableError(act, path, error);
    case "not-a-database":
      return make(
        fault,
        `${path} is no SQLite database`,
        `move that file away or choose another folder with MBUS_HOME`,
      );
    case "corrupt":
      return make(
        fault,
        `${path} is damaged`,
        `end the programs that use it, keep a copy of its folder, and ` +
          `restore it with "sqlite3 messaging.db .recover" or move it away`,
      );
    case "full":
      return make(
        fault,
        `no space is left for ${path}`,
        `free some and try again`,
      );
    case "io":
      return make(
        fault,
        `the disk that holds ${path} fails`,
        `look at the system's log, at the disk's health and at your quota`,
      );
    case "schema":
      return make(
        "foreign",
        `${path} lacks tables of a bus`,
        `move that file away or choose another folder with MBUS_HOME`,
      );
    default:
      return error;
  }
}

/** The error for a file that cannot be got at, whatever it holds. */
export function unreachableError(
  act: string,
  path: string,
  cause: unknown,
): StoreError {
  return new StoreError(
    "permission",
    path,
    `Cannot ${act}: ${path} cannot be opened; check that its folder exists ` +
      `and that you may read and write it.`,
    { cause },
  );
}

/** The error for a file that cannot be opened beside all that are open. */
export function descriptorsError(
  act: string,
  path: string,
  cause: unknown,
): StoreError {
  return new StoreError(
    "descriptors",
    path,
    `Cannot ${act}: ${path} cannot be opened, as too many files are open ` +
      `already; close some, or raise the limit ("ulimit -n").`,
    { cause },
  );
}

/** The error for a file that was taken away from under who has it open. */
export function movedError(act: string, path: string): StoreError {
  return new StoreError(
    "moved",
    path,
    `Cannot ${act}: ${path} was moved, deleted or replaced while it was open ` +
      `here; put it back, or open the bus anew.`,
  );
}

/** The error for a write to a bus that may only be read. */
export function readOnlyError(
  act: string,
  path: string,
  cause?: unknown,
): StoreError {
  return new StoreError(
    "read-only",
    path,
    `Cannot ${act}: ${path} may only be read from here; if this is an agent's ` +
      `sandbox, make the bus folder writable in it (for Codex: add it to ` +
      `sandbox_workspace_write.writable_roots), else check the rights of the folder.`,
    { cause },
  );
}
