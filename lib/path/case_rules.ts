/**
 * The key of a path: its spelling with case folded on a disk that ignores case.
 *
 * Two spellings of one file have one key, whether or not the file exists yet.
 * Nothing is written to find that out.
 *
 * Case rules belong to a folder, not to a device. For example, ext4 folds case in
 * marked folders only, and a mounted root may differ from its mount point.
 * A folder is probed by looking up a name in it with its case swapped. The
 * deepest folder is probed first, and its parents only while case is folded, so
 * the usual path costs one failed look-up. A case-sensitive folder ends the
 * climb, because on Linux marks and mounts are inherited downwards. Elsewhere the
 * system returns existing names as they are on disk.
 *
 * A folder without a name that has letters follows its parent on the same
 * device, else the system's default.
 *
 * Letters fold one by one, as in globs, so that a key and a pattern agree.
 * `ß` and `ss` stay two names, although a few file systems equate them.
 *
 * @module
 */

import { ExpiringCache } from "./expiring_cache.ts";
import { foldCase } from "../glob/code_points.ts";
import { joined, lastName, parentOf } from "./path_text.ts";
import { entryAt, type RealPath } from "./paths.ts";

/** Returns the key of a path: `absolute`, case folded if its folders ignore case. */
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
  // The index from which names are folded; a slash has no case.
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

const probed = new ExpiringCache<boolean>();

/**
 * Returns whether an existing folder is case-insensitive.
 *
 * @param known An existing name in the folder, which saves listing it.
 */
export function foldsCase(folder: string, known?: string): boolean {
  let folds = probed.get(folder);
  if (folds === undefined) {
    folds = probe(folder, known);
    probed.set(folder, folds);
  }
  return folds;
}

function probe(folder: string, known: string | undefined): boolean {
  try {
    if (known !== undefined && swapCase(known) !== known) {
      return hasOneFileForBothCases(folder, known);
    }
    for (const { name } of Deno.readDirSync(folder)) {
      if (swapCase(name) !== name) return hasOneFileForBothCases(folder, name);
    }
    const above = parentOf(folder);
    const name = lastName(folder);
    if (name !== "" && entryAt(above)?.dev === entryAt(folder)?.dev) {
      return foldsCase(above, name);
    }
  } catch (error) {
    if (error instanceof Deno.errors.NotCapable) throw error;
    // The folder cannot be listed or is gone: the system's default holds.
  }
  return Deno.build.os === "darwin" || Deno.build.os === "windows";
}

function hasOneFileForBothCases(folder: string, name: string): boolean {
  const other = swapCase(name);
  const swapped = entryAt(joined(folder, other));
  if (swapped === undefined) return false;
  const entry = entryAt(joined(folder, name));
  // One file with one link was found by both spellings.
  if (
    entry !== undefined && entry.ino !== null && entry.ino === swapped.ino &&
    entry.dev === swapped.dev && (entry.isDirectory || entry.nlink === 1)
  ) {
    return true;
  }
  // Two files, or two links to one, are both listed. FUSE may give each spelling
  // its own inode number, and then lists one name.
  let listed = 0;
  for (const { name: found } of Deno.readDirSync(folder)) {
    if (found === name || found === other) listed++;
  }
  return listed < 2;
}

// ASCII letters only: a file system that folds case folds these.
function swapCase(name: string): string {
  return name.replace(
    /[A-Za-z]/g,
    (letter) => String.fromCharCode(letter.charCodeAt(0) ^ 0x20),
  );
}
