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
  assertPrivateFolders,
  type BusLocation,
  fileSystemOf,
  isNetworkFileSystem,
} from "../../sqlite/location.ts";
import { renderBytes } from "../output/bytes.ts";
import { fail, failBy, type Finding, ok, warn } from "./finding.ts";

// A busy bus may fill less within a day.
const FREE_BYTES_LOW = 100 << 20;

/** Returns the findings about the folders of a bus. */
export function checkPlace(location: BusLocation): Finding[] {
  return [
    ...checkFolders(location),
    checkFileSystem(location),
    ...checkSpace(location),
  ];
}

/** Returns whether no other user can change the folders. */
export function isOurs(location: BusLocation): boolean {
  try {
    assertPrivateFolders(location);
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

function checkFileSystem({ home }: BusLocation): Finding {
  const type = fileSystemOf(nearestExisting(home));
  if (type === undefined) return ok("file system", "unknown on this system");
  return isNetworkFileSystem(type)
    ? fail(
      "file system",
      `${home} is on a network or shared file system (${type}), where SQLite's locks do not work`,
      "choose a folder on a local disk with MBUS_HOME",
    )
    : ok("file system", type);
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

function nearestExisting(path: string): string {
  let folder = path;
  while (!exists(folder)) {
    const parent = folder.replace(/[\\/][^\\/]*$/, "");
    if (parent === folder || parent === "") return "/";
    folder = parent;
  }
  return folder;
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
