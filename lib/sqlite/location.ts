/**
 * Where a bus lives on disk, and whether that place will do.
 *
 * ```text
 * ‹bus folder›/        0700
 *   db/messaging.db    0600   SQLite's, with -wal and -shm
 *   bells/‹name›              ours: the only files that are watched
 *   turn                      ours: whose turn it is to write (writer_lock.ts)
 * ```
 *
 * **Nothing of ours ever opens or watches a file in `db/`.** Closing any
 * descriptor of a file drops every POSIX lock that the process holds on it,
 * and SQLite's are among them; a file watcher opens and closes what changes.
 * With the bells in the sibling folder no watch can touch the database.
 * (`messaging.db-wal` by name is the one exception: SQLite takes no locks on
 * it. See foreign_rows.ts.)
 *
 * @module
 */

import {
  InvalidInputError,
  StoreError,
  type StoreFault,
} from "../model/errors.ts";

/** The places of one bus. */
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
}

/**
 * The bus folder: `home` if given, else `$MBUS_HOME`, else
 * `$CODITECT_HOME/message-bus`, else the platform's folder for state.
 *
 * @throws {InvalidInputError} If none is given and there is no home folder.
 */
export function locateBus(home?: string): BusLocation {
  const folder = absolute(home ?? defaultHome());
  return {
    home: folder,
    databaseFolder: `${folder}/db`,
    databasePath: `${folder}/db/messaging.db`,
    bellsFolder: `${folder}/bells`,
    writerLockPath: `${folder}/turn`,
  };
}

function defaultHome(): string {
  const env = (name: string) => Deno.env.get(name) || undefined;
  const own = env("MBUS_HOME");
  if (own !== undefined) return own;
  const coditect = env("CODITECT_HOME");
  if (coditect !== undefined) return `${coditect}/message-bus`;
  if (Deno.build.os === "windows") {
    const data = env("LOCALAPPDATA");
    if (data !== undefined) return `${data}/message-bus`;
  }
  const user = env("HOME") ?? env("USERPROFILE");
  if (user === undefined) {
    throw new InvalidInputError(
      "home",
      `Cannot find the bus: neither MBUS_HOME nor HOME is set; ` +
        `set MBUS_HOME to a folder of your own.`,
    );
  }
  if (Deno.build.os === "darwin") {
    return `${user}/Library/Application Support/message-bus`;
  }
  return `${env("XDG_STATE_HOME") ?? `${user}/.local/state`}/message-bus`;
}

function absolute(path: string): string {
  if (path === "" || path.includes("\0")) {
    throw new InvalidInputError(
      "home",
      `Cannot use ${JSON.stringify(path)} as the bus folder: it is no path.`,
    );
  }
  const rooted = Deno.build.os === "windows"
    ? /^([a-zA-Z]:[\\/]|[\\/])/.test(path)
    : path.startsWith("/");
  let full = rooted ? path : `${Deno.cwd()}/${path}`;
  // A backslash is a letter of a name but on Windows.
  const isEnd = (text: string) =>
    text.endsWith("/") || Deno.build.os === "windows" && text.endsWith("\\");
  while (full.length > 1 && isEnd(full)) full = full.slice(0, -1);
  return full;
}

/**
 * Makes the folders of a bus where they are missing, and the empty database
 * file with its rights.
 *
 * @throws {StoreError} If a folder cannot be made, is somebody else's, can be
 * written by others, or lies on a network file system.
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
  // Reading the mounts is half of what opening costs, so only for a new one.
  assertLocalFileSystem(location.home);
  try {
    // SQLite gives -wal and -shm the rights of the database, so these hold for
    // all three whatever the umask. createNew never opens a file that exists.
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
    // Whoever makes it is told what else stands in the way.
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
  // The umask may have taken rights away from a folder that is ours to use.
  if (made && Deno.build.os !== "windows") Deno.chmodSync(folder, 0o700);
  assertPrivateFolder(folder);
}

/**
 * Refuses a bus in whose folders somebody else can have a hand, as far as they
 * are there.
 *
 * @throws {StoreError} If one is no folder, is another user's, or its group or
 * others may write to it.
 */
export function assertPrivateFolders(location: BusLocation): void {
  const { home, databaseFolder, bellsFolder } = location;
  for (const folder of [home, databaseFolder, bellsFolder]) {
    try {
      assertPrivateFolder(folder);
    } catch (error) {
      if (error instanceof StoreError) throw error;
      // What cannot be looked at is not there, or cannot be used either.
    }
  }
}

/**
 * Refuses a folder that somebody else could have filled or can change.
 *
 * @throws {StoreError} If it is no folder, is another user's, or its group or
 * others may write to it.
 */
export function assertPrivateFolder(folder: string): void {
  // What is no link tells all of itself.
  const link = Deno.lstatSync(folder);
  const info = link.isSymlink ? Deno.statSync(folder) : link;
  if (!info.isDirectory) {
    throw new StoreError(
      "permission",
      folder,
      `Cannot use ${folder} for the bus: it is no folder; ` +
        `move it away or choose another with MBUS_HOME.`,
    );
  }
  if (Deno.build.os === "windows") return;
  const owner = [info.uid, link.uid].find((uid) => uid !== Deno.uid());
  if (owner !== undefined) {
    throw new StoreError(
      "ownership",
      folder,
      `Cannot use the bus in ${folder}: it belongs to another user (uid ` +
        `${owner}, you are ${Deno.uid()}); run as that user or choose a folder ` +
        `of your own with MBUS_HOME.`,
    );
  }
  if (((info.mode ?? 0) & 0o022) !== 0) {
    throw new StoreError(
      "permission",
      folder,
      `Cannot use the bus in ${folder}: others may write to that folder; run ` +
        `"chmod go-w '${folder}'" or choose another with MBUS_HOME.`,
    );
  }
}

// By the system's error numbers.
const REFUSALS: readonly [RegExp, StoreFault, string][] = [
  [/os error (1|13)\b/, "permission", "you may not write there"],
  [/os error 2[34]\b/, "descriptors", "too many files are open already"],
  [/os error 28\b/, "full", "no space is left"],
  [/os error 30\b/, "permission", "the file system may only be read from here"],
];

function cannotMake(path: string, error: unknown): StoreError {
  const [, fault, state] =
    REFUSALS.find(([text]) => text.test(String(error))) ??
      [null, "permission", String((error as Error).message ?? error)] as const;
  return new StoreError(
    fault,
    path,
    `Cannot make ${path} for the bus: ${state}; ` +
      `choose a folder of your own with MBUS_HOME or --home.`,
    { cause: error },
  );
}

// File systems whose locks or shared memory do not reach every machine or VM
// that can write to them.
const NETWORK_FILE_SYSTEMS =
  /^(nfs\d?|cifs|smb\d?|smbfs|afs|ncpfs|ceph|glusterfs|lustre|fuse\.(sshfs|glusterfs|s3fs|rclone|grpcfuse|osxfs)|grpcfuse|osxfs|fakeowner|drvfs)$/;

/** The file system type that holds `folder`, where the system tells. */
export function fileSystemOf(folder: string): string | undefined {
  let mounts: string;
  let real: string;
  try {
    mounts = Deno.readTextFileSync("/proc/self/mounts");
    real = Deno.realPathSync(folder);
  } catch {
    // Not Linux, or no right to look: then there is nothing to tell.
    return undefined;
  }
  let best: { point: string; type: string } | undefined;
  for (const line of mounts.split("\n")) {
    const [source, rawPoint, type] = line.split(" ");
    if (type === undefined) continue;
    const point = rawPoint.replace(
      /\\([0-7]{3})/g,
      (_, octal: string) => String.fromCharCode(parseInt(octal, 8)),
    );
    const within = real === point || point === "/" ||
      real.startsWith(`${point}/`);
    if (within && (best === undefined || point.length >= best.point.length)) {
      // WSL mounts Windows drives as 9p with this source.
      const drive = type === "9p" && /^([A-Z]:|drvfs)/.test(source);
      best = { point, type: drive ? "drvfs" : type };
    }
  }
  return best?.type;
}

/** Whether SQLite's locks and shared memory may not hold on a file system. */
export function isNetworkFileSystem(type: string): boolean {
  return NETWORK_FILE_SYSTEMS.test(type);
}

function assertLocalFileSystem(folder: string): void {
  const type = fileSystemOf(folder);
  if (type === undefined || !isNetworkFileSystem(type)) return;
  throw new StoreError(
    "network-file-system",
    folder,
    `Cannot keep the bus in ${folder}: it lies on a network or shared file ` +
      `system (${type}), where SQLite's locks do not hold; choose a folder on ` +
      `a local disk with MBUS_HOME.`,
  );
}
