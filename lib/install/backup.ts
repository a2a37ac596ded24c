/**
 * Backups: what a file said before it was changed, kept beside it.
 *
 * They are called `‹file›.mbus-backup-‹time›`, have the file's mode and owner,
 * and lie where the agent looks, not where a link leads. No text is kept twice.
 *
 * A backup is of no more use, and removed, when taking out what is ours from
 * it gives what the file says now: it then tells nothing that is not there.
 * Any other holds text of the person and stays.
 *
 * @module
 */

import {
  createTextFile,
  folderOf,
  type NewFile,
  readTextFile,
  removeFile,
  type TextFile,
} from "./text_file.ts";

const MARK = ".mbus-backup-";
const SUFFIX = /^\d{8}T\d{6}Z(-\d+)?$/;
const SAME_SECOND_MAX = 1000;

/**
 * Keeps what a file said.
 *
 * @param path The file's path, as the agent knows it.
 * @param file What was read there.
 * @returns The backup's path.
 */
export function keepBackup(path: string, file: TextFile): string {
  const kept = backupsOf(path).find((backup) => says(backup, file.text));
  if (kept !== undefined) return kept;
  const time = new Date().toISOString().replaceAll(/[-:]|\.\d+/g, "");
  const how: NewFile = { isPrivate: true };
  for (let i = 1; i <= SAME_SECOND_MAX; i++) {
    const backup = `${path}${MARK}${time}${i === 1 ? "" : `-${i}`}`;
    if (createTextFile(backup, file.text, file.info, how)) return backup;
  }
  throw new Error(`no name is left for a backup of ${path}`);
}

/** The backups of a file, the oldest first. */
export function backupsOf(path: string): string[] {
  const start = path.slice(folderOf(path).length).replace(/^\//, "") + MARK;
  try {
    return [...Deno.readDirSync(folderOf(path))]
      .filter(({ name, isFile }) =>
        isFile && name.startsWith(start) &&
        SUFFIX.test(name.slice(start.length))
      )
      .map(({ name }) => `${folderOf(path)}/${name}`).sort();
  } catch {
    // No such folder, or none that may be looked into: then none of ours.
    return [];
  }
}

/**
 * Removes the backups of a file that are of no more use.
 *
 * @param path The file's path, as the agent knows it.
 * @param bare Takes what is ours out of a text.
 * @returns Those that were removed, and those that stay.
 */
export function removeBackups(
  path: string,
  bare: (text: string) => string | undefined,
): { removed: string[]; kept: string[] } {
  const now = readTextFile(path)?.text;
  const removed: string[] = [];
  const kept: string[] = [];
  for (const backup of backupsOf(path)) {
    if (tellsNoMore(backup, bare, now)) {
      removeFile(backup);
      removed.push(backup);
    } else kept.push(backup);
  }
  return { removed, kept };
}

function tellsNoMore(
  backup: string,
  bare: (text: string) => string | undefined,
  now: string | undefined,
): boolean {
  try {
    const text = readTextFile(backup)?.text;
    return text !== undefined && bare(text) === now;
  } catch {
    // It cannot be read or edited: a person decides about it.
    return false;
  }
}

function says(backup: string, text: string): boolean {
  try {
    return readTextFile(backup)?.text === text;
  } catch {
    return false;
  }
}
