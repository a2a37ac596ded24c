/**
 * Backups: the text of a file before a change, kept beside it.
 *
 * A backup's name is `‹file›.mbus-backup-‹time›`. It has the file's mode and
 * owner, and lies at the agent's path, not at a link's target. The same text is
 * kept once.
 *
 * A backup is removed if its text without our parts equals the file's present
 * text, because it then contains no further information. Any other backup contains
 * text of the person and stays.
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
 * Keeps the text of a file.
 *
 * @param path The file's path, as the agent knows it.
 * @param file The file as it was read.
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
  throw new Error(
    `Cannot back up "${path}": each name for this second is taken.`,
  );
}

/** Returns the backups of a file, the oldest first. */
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
    // The folder is missing or unreadable, so it has no backups of ours.
    return [];
  }
}

/**
 * Removes the backups of a file that contain no further information.
 *
 * @param path The file's path, as the agent knows it.
 * @param bare Removes our parts from a text.
 * @returns The removed and the kept backups.
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
    // It cannot be read or edited, so a person decides about it.
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
