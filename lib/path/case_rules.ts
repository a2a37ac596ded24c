/**
 * How letters of two cases compare on disk: the key of a path.
 *
 * What it keeps true: two spellings that the system takes for one file have
 * one key, whether or not the file exists yet, and nothing is ever written to
 * find that out.
 *
 * Case rules hold for a folder, not for a device: ext4 folds case in marked
 * folders only, and the root of a mounted file system follows other rules than
 * the folder it is mounted in. A folder is asked by looking up a name that it
 * contains with its case swapped. The deepest folder is asked first, and those
 * above it only while case is folded, so that the common path costs one failed
 * look-up. A folder that keeps case apart ends the climb: on Linux marks and
 * mounts reach downwards, and elsewhere the system returns the names that exist
 * as they are on disk.
 *
 * Where no name with a letter tells, as in the empty root of a disk, the rule
 * is that of the folder above on the same device, else the system's usual one.
 *
 * Letters fold one by one, as in globs, so that a key and a pattern agree.
 * `ß` and `ss` stay two names, though a few file systems take them for one.
 *
 * @module
 */

import { BriefMemory } from "./brief_memory.ts";
import { foldCase } from "../glob/code_points.ts";
import { joined, lastName, parentOf } from "./path_text.ts";
import { entryAt, type RealPath } from "./paths.ts";

/** The path to compare by: `absolute` as its folders read the case of letters. */
export function keyOf(real: RealPath): string {
  const { absolute } = real;
  let folder = real.folder;
  // A name below the deepest folder may not exist, and then proves nothing.
  let known: string | undefined;
  if (absolute === folder) {
    known = lastName(folder);
    folder = parentOf(folder);
  } else if (real.exists) {
    known = lastName(absolute);
  }
  // Where the names begin whose folders fold case; a slash has no case.
  let folded = absolute.length;
  while (known !== "" && foldsCase(folder, known)) {
    folded = folder.length;
    known = lastName(folder);
    folder = parentOf(folder);
  }
  const kept = absolute.slice(0, folded);
  return (Deno.build.os === "darwin" ? kept.normalize("NFC") : kept) +
    foldCase(absolute.slice(folded).normalize("NFC"));
}

/** Whether each folder asked takes letters of either case for the same. */
const asked = new BriefMemory<boolean>();

/**
 * Whether an existing folder takes letters of either case for the same;
 * `known` is a name in it, if one is known, and saves listing the folder.
 */
export function foldsCase(folder: string, known?: string): boolean {
  let folds = asked.get(folder);
  if (folds === undefined) {
    folds = ask(folder, known);
    asked.set(folder, folds);
  }
  return folds;
}

function ask(folder: string, known: string | undefined): boolean {
  try {
    if (known !== undefined && swapCase(known) !== known) {
      return answersToBoth(folder, known);
    }
    for (const { name } of Deno.readDirSync(folder)) {
      if (swapCase(name) !== name) return answersToBoth(folder, name);
    }
    // Nothing in it tells: it is as the folder above, on the same device.
    const above = parentOf(folder);
    const name = lastName(folder);
    if (name !== "" && entryAt(above)?.dev === entryAt(folder)?.dev) {
      return foldsCase(above, name);
    }
  } catch (error) {
    if (error instanceof Deno.errors.NotCapable) throw error;
    // It may be entered but not listed, or is gone: assume the usual.
  }
  return Deno.build.os === "darwin" || Deno.build.os === "windows";
}

function answersToBoth(folder: string, name: string): boolean {
  const other = swapCase(name);
  const swapped = entryAt(joined(folder, other));
  if (swapped === undefined) return false;
  const entry = entryAt(joined(folder, name));
  // One file with a single name that answers to two.
  if (
    entry !== undefined && entry.ino !== null && entry.ino === swapped.ino &&
    entry.dev === swapped.dev && (entry.isDirectory || entry.nlink === 1)
  ) {
    return true;
  }
  // Else these may be two files or two links to one, and then both are listed;
  // or FUSE, which numbers a file anew for each spelling, and lists only one.
  let listed = 0;
  for (const { name: found } of Deno.readDirSync(folder)) {
    if (found === name || found === other) listed++;
  }
  return listed < 2;
}

/** Swaps the case of ASCII letters, which every file system folds if any. */
function swapCase(name: string): string {
  return name.replace(
    /[A-Za-z]/g,
    (letter) => String.fromCharCode(letter.charCodeAt(0) ^ 0x20),
  );
}
