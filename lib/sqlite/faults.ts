/**
 * The faults of SQLite's errors, and the errors of a bus, each with a remedy.
 *
 * A fault is determined by the result code. The errors of `exec()` and of the FFI
 * library's `prepare()` have no code, so their messages are compared.
 *
 * @module
 */

import { StoreError, type StoreFault } from "../model/errors.ts";

/** The kinds of SQLite's errors that a bus distinguishes. */
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

// The primary result codes of sqlite.org/rescode.html, each with its message.
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

// The shared index cannot grow. SQLite reports an I/O error, but the disk is full.
const IOERR_SHMSIZE = 4874;

/**
 * Returns whether no more files can be opened. SQLite's error does not tell that from
 * a missing permission.
 */
export function areDescriptorsUsedUp(): boolean {
  if (Deno.build.os === "windows") return false;
  try {
    Deno.openSync("/dev/null").close();
    return false;
  } catch (error) {
    // EMFILE or ENFILE: the limit of the process, or of the system.
    return /os error 2[34]\b/.test(String(error));
  }
}

/** Returns the fault of an SQLite error, or undefined for any other error. */
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
 * Returns the {@linkcode StoreError} for an SQLite error, with a remedy. An error
 * without such a fault is returned unchanged.
 */
export function storeError(act: string, path: string, error: unknown): unknown {
  const fault = faultOf(error);
  const make = (fault: StoreFault, state: string, remedy: string) =>
    new StoreError(fault, path, `Cannot ${act}: ${state}. ${remedy}.`, {
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
        `${path} is not an SQLite database`,
        `Move that file away or choose another folder with MBUS_HOME`,
      );
    case "corrupt":
      return make(
        fault,
        `${path} is damaged`,
        `End the programs that use it, keep a copy of its folder, and ` +
          `restore it with "sqlite3 messaging.db .recover" or move it away`,
      );
    case "full":
      return make(
        fault,
        `no space is left for ${path}`,
        `Free some, or raise the limit of file sizes ("ulimit -f"), and try again`,
      );
    case "io":
      return make(
        fault,
        `the system refuses to read or write ${path}`,
        `Check the limit of file sizes ("ulimit -f"), your quota, the disk's ` +
          `health and the system's log`,
      );
    case "schema":
      return make(
        "foreign",
        `${path} lacks tables of a bus`,
        `Move that file away or choose another folder with MBUS_HOME`,
      );
    default:
      return error;
  }
}

/** Returns the error for a file that cannot be opened. */
export function unreachableError(
  act: string,
  path: string,
  cause: unknown,
): StoreError {
  return new StoreError(
    "permission",
    path,
    `Cannot ${act}: ${path} cannot be opened. Check that its folder exists ` +
      `and that you may read and write it.`,
    { cause },
  );
}

/** Returns the error for a file that cannot be opened because too many are open. */
export function descriptorsError(
  act: string,
  path: string,
  cause: unknown,
): StoreError {
  return new StoreError(
    "descriptors",
    path,
    `Cannot ${act}: ${path} cannot be opened, because too many files are open ` +
      `already. Close some, or raise the limit ("ulimit -n").`,
    { cause },
  );
}

/** Returns the error for a file that was moved, deleted or replaced while open. */
export function movedError(act: string, path: string): StoreError {
  return new StoreError(
    "moved",
    path,
    `Cannot ${act}: ${path} was moved, deleted or replaced while it was open ` +
      `here. Put it back, or open the bus again.`,
  );
}

/** Returns the error for a write to a bus that may only be read. */
export function readOnlyError(
  act: string,
  path: string,
  cause?: unknown,
): StoreError {
  return new StoreError(
    "read-only",
    path,
    `Cannot ${act}: ${path} may only be read from here. If this is an agent's ` +
      `sandbox, make the bus folder writable in it (for Codex: add it to ` +
      `sandbox_workspace_write.writable_roots), otherwise check the folder's permissions.`,
    { cause },
  );
}
