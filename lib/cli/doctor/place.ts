/**
 * Whether the place where the bus lives will do. Nothing stays that is made
 * here, and in the database's folder nothing is opened.
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

// Below this a busy bus may fill the disk within a day.
const FREE_BYTES_LOW = 100 << 20;

/** Looks at the folders of a bus. */
export function checkPlace(location: BusLocation): Finding[] {
  return [
    ...checkFolders(location),
    checkFileSystem(location),
    ...checkSpace(location),
  ];
}

/** Returns whether no other user can have a hand in the folders. */
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
    // Whether the database's can be written is tried by SQLite alone.
    if (folder !== databaseFolder && !isWritable(folder)) {
      return [fail(
        "folder",
        `${folder} may only be read from here`,
        "if this is an agent's sandbox, make the bus folder writable in it (for " +
          "Codex: add it to sandbox_workspace_write.writable_roots), else check its rights",
      )];
    }
  }
  return [
    ok("folder", `${home} is ours and can be written`),
    ...checkRights(location),
  ];
}

function checkWhereItWouldBe(home: string): Finding {
  const parent = nearestExisting(home);
  return isWritable(parent)
    ? ok("folder", `${home} is not there yet; ${parent} can be written`)
    : fail(
      "folder",
      `${home} is not there and cannot be made in ${parent}`,
      "choose a folder of your own with MBUS_HOME or --home",
    );
}

/** Others may not read what sessions say to each other. */
function checkRights({ home, databasePath }: BusLocation): Finding[] {
  if (Deno.build.os === "windows") return [];
  const open = [home, databasePath].filter((path) =>
    exists(path) && ((Deno.statSync(path).mode ?? 0) & 0o077) !== 0
  );
  if (open.length === 0) return [];
  // A folder of 0700 keeps everybody out, whatever the rights inside.
  if (!open.includes(home)) return [];
  return [warn(
    "rights",
    `other users can look into ${home}`,
    `run "chmod 700 '${home}'"`,
  )];
}

function checkFileSystem({ home }: BusLocation): Finding {
  const type = fileSystemOf(nearestExisting(home));
  if (type === undefined) return ok("file system", "not known on this system");
  return isNetworkFileSystem(type)
    ? fail(
      "file system",
      `${home} lies on a network or shared file system (${type}), where SQLite's locks do not hold`,
      "choose a folder on a local disk with MBUS_HOME",
    )
    : ok("file system", type);
}

function checkSpace({ home }: BusLocation): Finding[] {
  try {
    const { bavail, bsize } = statfsSync(nearestExisting(home));
    const free = bavail * bsize;
    const told = `${renderBytes(free)} free`;
    return free < FREE_BYTES_LOW
      ? [warn("space", told, "free some space on that disk")]
      : [ok("space", told)];
  } catch {
    // Nothing is known of it here.
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
    // Rights do not tell it all: a mount may be read-only.
    const file = Deno.makeTempFileSync({ dir: folder, prefix: ".doctor-" });
    Deno.removeSync(file);
    return true;
  } catch {
    return false;
  }
}
