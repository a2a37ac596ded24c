/**
 * The folders and files of a bus, and the checks of them.
 *
 * ```text
 * ‹bus folder›/        0700
 *   db/messaging.db    0600   SQLite's, with -wal and -shm
 *   bells/‹name›              ours: the files that are watched
 *   turn                      ours: the writer lock (writer_lock.ts)
 * ```
 *
 * **Only SQLite opens the files in `db/`, and no watch includes them.** Closing any
 * descriptor of a file drops all POSIX locks of the process on it. A file watcher opens and closes each changed file. So the bells are in a
 * folder of their own. The one exception is a watch on `messaging.db-wal`, because
 * SQLite takes no locks on it (external_writes.ts).
 *
 * @module
 */

import {
  InvalidInputError,
  StoreError,
  type StoreFault,
} from "../model/errors.ts";
import {
  areInodesUsedUp,
  assertLocalFileSystem,
  inodesError,
} from "./file_system.ts";

/** The paths of one bus. */
export interface BusLocation {
  /** The bus folder. */
  readonly home: string;
  /** The folder that only SQLite touches. */
  readonly databaseFolder: string;
  /** The database file. */
  readonly databasePath: string;
  /** The folder of the bells. */
  readonly bellsFolder: string;
  /** The file that the writer lock is taken on. */
  readonly writerLockPath: string;
  /** The relative `XDG_STATE_HOME` that was ignored. */
  readonly ignoredStateHome?: string;
}

/**
 * Returns the paths of a bus. The folder is the first of `home`, `$MBUS_HOME`,
 * `$CODITECT_HOME/message-bus` and the platform's folder for state.
 *
 * A relative `home` is resolved against the working folder. A relative variable is
 * refused, because it would name another bus in each folder. `XDG_STATE_HOME` is
 * ignored if it is relative, as its specification demands.
 *
 * @throws {InvalidInputError} If `home` is not a path, a variable is not an absolute
 * path, or the user's home folder is unknown.
 */
export function locateBus(home?: string): BusLocation {
  const folder = home === undefined ? defaultHome() : absolute(home);
  return {
    home: folder,
    databaseFolder: `${folder}/db`,
    databasePath: `${folder}/db/messaging.db`,
    bellsFolder: `${folder}/bells`,
    writerLockPath: `${folder}/turn`,
    ...(home === undefined && { ignoredStateHome: ignoredStateHome() }),
  };
}

function defaultHome(): string {
  const own = folderIn("MBUS_HOME");
  if (own !== undefined) return own;
  const coditect = folderIn("CODITECT_HOME");
  if (coditect !== undefined) return `${coditect}/message-bus`;
  if (Deno.build.os === "windows") {
    const data = folderIn("LOCALAPPDATA");
    if (data !== undefined) return `${data}/message-bus`;
  }
  const state = usesStateHome() ? variable("XDG_STATE_HOME") : undefined;
  if (state !== undefined && isAbsolute(state)) {
    return `${withoutEnd(state)}/message-bus`;
  }
  const user = folderIn("HOME") ?? folderIn("USERPROFILE");
  if (user === undefined) {
    throw new InvalidInputError(
      "home",
      `Cannot find the bus: neither MBUS_HOME nor HOME is set. ` +
        `Set MBUS_HOME to a folder of your own.`,
    );
  }
  return Deno.build.os === "darwin"
    ? `${user}/Library/Application Support/message-bus`
    : `${user}/.local/state/message-bus`;
}

function ignoredStateHome(): string | undefined {
  const isElsewhere = ["MBUS_HOME", "CODITECT_HOME"].some(variable);
  if (isElsewhere || !usesStateHome()) return undefined;
  const state = variable("XDG_STATE_HOME");
  return state === undefined || isAbsolute(state) ? undefined : state;
}

/** Returns a warning about the variable that was ignored, if one was. */
export function ignoredStateHomeWarning(
  { home, ignoredStateHome }: BusLocation,
): string | undefined {
  if (ignoredStateHome === undefined) return undefined;
  return `XDG_STATE_HOME=${
    JSON.stringify(ignoredStateHome)
  } is ignored, because ` +
    `it is a relative path. The bus is in ${home}. Write an absolute path, or ` +
    `set MBUS_HOME.`;
}

function usesStateHome(): boolean {
  return Deno.build.os !== "darwin" && Deno.build.os !== "windows";
}

function variable(name: string): string | undefined {
  return Deno.env.get(name) || undefined;
}

/** Returns the folder that a variable names; undefined if it is unset or empty. */
function folderIn(name: string): string | undefined {
  const path = variable(name);
  if (path === undefined) return undefined;
  if (!isAbsolute(path)) throw relativeError(name, path);
  return withoutEnd(path);
}

/** Returns the error for a path of a variable, or of the option `home`. */
function relativeError(name: string | undefined, path: string): Error {
  const below = path.match(/^~(?=\/|$)(.*)/s)?.[1];
  const user = variable("HOME");
  const given = JSON.stringify(path);
  const value = name === undefined ? given : `${name}=${given}`;
  const state = path.startsWith("~")
    ? `only a shell replaces "~", and only outside of quotes`
    : "it is a relative path, so each folder would have a bus of its own";
  const remedy = below !== undefined && user !== undefined && isAbsolute(user)
    ? `Write ${withoutEnd(user)}${below}`
    : "Write an absolute path";
  return new InvalidInputError(
    "home",
    `Cannot use ${value} for the bus folder: ${state}. ${remedy}.`,
  );
}

function absolute(path: string): string {
  if (path === "" || path.includes("\0")) {
    throw new InvalidInputError(
      "home",
      `Cannot use ${JSON.stringify(path)} as the bus folder: it is not a ` +
        `path. Choose another with MBUS_HOME or --home.`,
    );
  }
  if (/^~(\/|$)/.test(path)) throw relativeError(undefined, path);
  return withoutEnd(isAbsolute(path) ? path : `${Deno.cwd()}/${path}`);
}

/** Returns whether a path begins at a root. */
export function isAbsolute(path: string): boolean {
  return Deno.build.os === "windows"
    ? /^([a-zA-Z]:[\\/]|[\\/])/.test(path)
    : path.startsWith("/");
}

/** Returns a path without the separators at its end. */
function withoutEnd(path: string): string {
  // A backslash separates names only on Windows.
  const isEnd = (text: string) =>
    text.endsWith("/") || Deno.build.os === "windows" && text.endsWith("\\");
  let full = path;
  while (full.length > 1 && isEnd(full)) full = full.slice(0, -1);
  return full;
}

/**
 * Makes the missing folders of a bus, and an empty database file with mode 0600.
 *
 * The caller has checked the place with {@linkcode assertUsablePlace}.
 *
 * @throws {StoreError} If a folder cannot be made, belongs to another user, or can be
 * written by other users.
 */
export function prepareLocation(location: BusLocation): void {
  for (
    const folder of [
      location.home,
      location.databaseFolder,
      location.bellsFolder,
    ]
  ) {
    makeFolder(folder);
  }
  if (exists(location.databasePath)) return;
  try {
    // SQLite gives -wal and -shm the mode of the database, so it applies to all three
    // with any umask. createNew never opens an existing file.
    Deno.openSync(location.databasePath, {
      createNew: true,
      write: true,
      mode: 0o600,
    }).close();
  } catch (error) {
    if (!(error instanceof Deno.errors.AlreadyExists)) {
      throw cannotMake(location.databasePath, error);
    }
  }
}

function exists(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch {
    // Making the file reports any other reason.
    return false;
  }
}

function makeFolder(folder: string): void {
  let made = false;
  try {
    Deno.statSync(folder);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) {
      throw cannotMake(folder, error);
    }
    try {
      Deno.mkdirSync(folder, { recursive: true, mode: 0o700 });
      made = true;
    } catch (error) {
      throw cannotMake(folder, error);
    }
  }
  // The umask may have removed our own permissions.
  if (made && Deno.build.os !== "windows") Deno.chmodSync(folder, 0o700);
  assertPrivateFolder(folder);
}

/**
 * Checks the place of a bus: its folders, its database file and their file systems.
 *
 * @throws {StoreError} If another user owns a folder or may write to it, its path is
 * not a folder, the database is not a regular file, or the place is on a network file
 * system.
 */
export function assertUsablePlace(location: BusLocation): void {
  const { home, databaseFolder, bellsFolder, databasePath } = location;
  let checked: number | undefined;
  const assertLocal = (path: string, { dev }: Deno.FileInfo) => {
    if (dev === checked) return;
    assertLocalFileSystem(path, dev);
    checked = dev;
  };
  for (const folder of [home, databaseFolder, bellsFolder]) {
    const info = infoOf(() => assertPrivateFolder(folder));
    if (info !== undefined) assertLocal(folder, info);
    else if (folder === home) {
      const parent = nearestExisting(home);
      const info = infoOf(() => Deno.statSync(parent));
      if (info !== undefined) assertLocal(parent, info);
      return;
    }
  }
  const info = infoOf(() => Deno.lstatSync(databasePath));
  if (info === undefined) return;
  assertRegularFile(databasePath, info);
  assertLocal(databasePath, info);
}

/** Returns undefined if the path is missing, or opening the file reports the reason. */
function infoOf(look: () => Deno.FileInfo): Deno.FileInfo | undefined {
  try {
    return look();
  } catch (error) {
    if (error instanceof StoreError) throw error;
    return undefined;
  }
}

/**
 * Throws unless the database is a regular file. Through a link, SQLite keeps the WAL
 * beside the linked file, where another bus folder has none of ours.
 */
function assertRegularFile(path: string, info: Deno.FileInfo): void {
  if (info.isFile) return;
  const state = info.isSymlink ? "a symbolic link" : "not a regular file";
  const remedy = info.isSymlink
    ? "Put the file itself there, or set MBUS_HOME to the bus folder that has it"
    : "Move it away or choose another folder with MBUS_HOME";
  throw new StoreError(
    "permission",
    path,
    `Cannot use ${path} for the bus: it is ${state}. ${remedy}.`,
  );
}

/** Returns the path, or the nearest folder above it that exists. */
export function nearestExisting(path: string): string {
  let folder = path;
  while (infoOf(() => Deno.lstatSync(folder)) === undefined) {
    const parent = folder.replace(/[\\/][^\\/]*$/, "");
    if (parent === folder || parent === "") return "/";
    folder = parent;
  }
  return folder;
}

/**
 * Checks that no other user controls a folder. On Windows only checks that the path
 * is a folder.
 *
 * @returns The folder's information.
 * @throws {StoreError} If another user owns the folder or a link to it, its group or
 * others may write to it, or the path is not a folder.
 */
export function assertPrivateFolder(folder: string): Deno.FileInfo {
  // Two stats are needed only for a link.
  const link = Deno.lstatSync(folder);
  const info = link.isSymlink ? Deno.statSync(folder) : link;
  if (!info.isDirectory) {
    throw new StoreError(
      "permission",
      folder,
      `Cannot use ${folder} for the bus: it is not a folder. ` +
        `Move it away or choose another with MBUS_HOME.`,
    );
  }
  if (Deno.build.os === "windows") return info;
  const owner = [info.uid, link.uid].find((uid) => uid !== Deno.uid());
  if (owner !== undefined) {
    throw new StoreError(
      "ownership",
      folder,
      `Cannot use the bus in ${folder}: it belongs to another user (uid ` +
        `${owner}, you are ${Deno.uid()}). Run as that user or choose a folder ` +
        `of your own with MBUS_HOME.`,
    );
  }
  if (((info.mode ?? 0) & 0o022) !== 0) {
    throw new StoreError(
      "permission",
      folder,
      `Cannot use the bus in ${folder}: other users may write to that folder. Run ` +
        `"chmod go-w '${folder}'" or choose another with MBUS_HOME.`,
    );
  }
  return info;
}

// The faults of the system's error numbers.
const FAULTS: readonly [RegExp, StoreFault, string][] = [
  [/os error (1|13)\b/, "permission", "you may not write there"],
  [/os error 2[34]\b/, "descriptors", "too many files are open already"],
  [/os error 28\b/, "full", "no space is left"],
  [/os error 122\b/, "full", "your quota is used up"],
  [/os error 30\b/, "permission", "the file system may only be read from here"],
];

function cannotMake(path: string, error: unknown): unknown {
  // `openBus()` names the missing permission.
  if (error instanceof Deno.errors.NotCapable) return error;
  if (
    /os error 28\b/.test(`${error}`) && areInodesUsedUp(nearestExisting(path))
  ) {
    return inodesError("open the bus", path, error);
  }
  const [, fault, state] = FAULTS.find(([text]) => text.test(String(error))) ??
    [null, "permission", String((error as Error).message ?? error)] as const;
  return new StoreError(
    fault,
    path,
    `Cannot make ${path} for the bus: ${state}. ` +
      `Choose a folder of your own with MBUS_HOME or --home.`,
    { cause: error },
  );
}
