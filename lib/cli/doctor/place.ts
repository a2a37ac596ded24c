/**
 * Checks of the bus folder: permissions, file system and free space.
 *
 * Test files are removed. In the folder of the database no file is opened.
 *
 * @module
 */

import { statfsSync } from "node:fs";
import {
  assertPrivateFolder,
  assertUsablePlace,
  type BusLocation,
  ignoredStateHomeWarning,
  nearestExisting,
} from "../../sqlite/location.ts";
import {
  ALLOW_NETWORK_FS,
  fileSystemOf,
  isNetworkFileSystem,
  isNetworkFileSystemAllowed,
} from "../../sqlite/file_system.ts";
import { renderBytes } from "../output/bytes.ts";
import { fail, failBy, type Finding, ok, warn, warnBy } from "./finding.ts";

// A busy bus may fill less within a day.
const FREE_BYTES_LOW = 100 << 20;

/** Returns the findings about the folders of a bus. */
export function checkPlace(location: BusLocation): Finding[] {
  const ignored = ignoredStateHomeWarning(location);
  return [
    ...(ignored === undefined ? [] : [warnBy("folder", ignored)]),
    ...checkFolders(location),
    checkFileSystem(location),
    ...checkSpace(location),
  ];
}

/** Returns whether the bus may be opened there. */
export function isUsable(location: BusLocation): boolean {
  try {
    assertUsablePlace(location);
    return true;
  } catch {
    // checkPlace() reports the reason.
    return false;
  }
}

function checkFolders(location: BusLocation): Finding[] {
  const { home, databaseFolder, bellsFolder } = location;
  if (!exists(home)) return [checkWhereItWouldBe(home)];
  const folders = [home, databaseFolder, bellsFolder].filter(exists);
  for (const folder of folders) {
    try {
      assertPrivateFolder(folder);
    } catch (error) {
      return [failBy("folder", error)];
    }
    // Only SQLite may write in the database's folder.
    if (folder !== databaseFolder && !isWritable(folder)) {
      return [fail(
        "folder",
        `${folder} is read-only for this process`,
        "in an agent's sandbox make the bus folder writable (for Codex: add it to " +
          "sandbox_workspace_write.writable_roots), else check its permissions",
      )];
    }
  }
  return [
    ok("folder", `${home} is yours and writable`),
    ...checkPermissions(location),
  ];
}

function checkWhereItWouldBe(home: string): Finding {
  const parent = nearestExisting(home);
  return isWritable(parent)
    ? ok("folder", `${home} does not exist yet; ${parent} is writable`)
    : fail(
      "folder",
      `${home} does not exist and cannot be created in ${parent}`,
      "choose a folder of your own with MBUS_HOME or --home",
    );
}

/** Returns a warning if other users can read the messages. */
function checkPermissions({ home, databasePath }: BusLocation): Finding[] {
  if (Deno.build.os === "windows") return [];
  const open = [home, databasePath].filter((path) =>
    exists(path) && ((Deno.statSync(path).mode ?? 0) & 0o077) !== 0
  );
  if (open.length === 0) return [];
  // A folder of mode 0700 protects all files inside.
  if (!open.includes(home)) return [];
  return [warn(
    "permissions",
    `other users can read ${home}`,
    `run "chmod 700 '${home}'"`,
  )];
}

function checkFileSystem({ home, databaseFolder }: BusLocation): Finding {
  const check = "file system";
  const folders = [home, databaseFolder].map(nearestExisting);
  const types = folders.map(fileSystemOf);
  const network = types.findIndex((type) =>
    type !== undefined && isNetworkFileSystem(type)
  );
  if (network === -1) {
    return ok(check, types[0] ?? "unknown on this system");
  }
  const state = `${folders[network]} is on a network or shared file system (${
    types[network]
  }), where SQLite's locks do not work`;
  const remedy = "choose a folder on a local disk with MBUS_HOME";
  return isNetworkFileSystemAllowed()
    ? warn(check, `${state}; ${ALLOW_NETWORK_FS} permits it`, remedy)
    : fail(check, state, remedy);
}

function checkSpace({ home }: BusLocation): Finding[] {
  try {
    const { bavail, bsize } = statfsSync(nearestExisting(home));
    const free = bavail * bsize;
    const message = `${renderBytes(free)} free`;
    return free < FREE_BYTES_LOW
      ? [warn("space", message, "free some space on that disk")]
      : [ok("space", message)];
  } catch {
    // The system does not report the free space.
    return [];
  }
}

function exists(path: string): boolean {
  try {
    Deno.lstatSync(path);
    return true;
  } catch {
    return false;
  }
}

function isWritable(folder: string): boolean {
  try {
    // A file is created because a mount may be read-only.
    const file = Deno.makeTempFileSync({ dir: folder, prefix: ".doctor-" });
    Deno.removeSync(file);
    return true;
  } catch {
    return false;
  }
}
