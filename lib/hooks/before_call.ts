/**
 * Takes a snapshot of other sessions' files before a call that may change any
 * file. One note keeps the snapshot until the call ends.
 *
 * - The latest 100 held or active files are stamped, small ones with a hash.
 * - Held folders and globs are stamped by size and time, up to 5,000 files and
 *   folders in all. A session is told once for each hold that exceeds the bound.
 * - Further files are only counted. After the call, such a file counts as
 *   changed if it was written since the call began.
 *
 * @module
 */

import type { Snapshot } from "./call_note.ts";
import type { CallNote, EditPath } from "./call_note.ts";
import type { LockTarget } from "../model/lock.ts";
import type { OthersFile } from "../model/edit.ts";
import {
  overlapOnDisk,
  pathSetPrefix,
  targetPathSets,
  tryParsePathSets,
} from "../path/lock_overlap.ts";
import { isAtOrBelow } from "../path/path_text.ts";
import { entryKindOf } from "../path/paths.ts";
import {
  atWork,
  BEGAN,
  callKey,
  type HookContext,
  notesOf,
  type OthersNear,
  othersNear,
  STAMPED_MAX,
} from "./hook_context.ts";
import { targetsOf } from "./edits.ts";
import { stampOf } from "./file_stamp.ts";

/** Maximum number of other sessions' files that are listed. */
export const FILES_MAX = 5_000;
// Past this many hashed bytes in all, a stamp is size and time alone.
const HASHED_BYTES_MAX = 1024 * 1024;

/** Takes the snapshot before a command. */
export async function beforeCommand(
  hook: HookContext,
  near: OthersNear,
  writes: readonly EditPath[],
): Promise<void> {
  const holds = near.files.slice(0, STAMPED_MAX);
  const seen = holds.length === 0 ? undefined : await stamped(hook, {
    paths: holds.filter(isFile).map(pathOf),
    roots: rootsOf(holds, near.folders),
    hasMore: near.files.length > STAMPED_MAX,
  });
  await begin(hook, { atMs: hook.nowMs, writes, seen }, holds);
}

/**
 * Takes the snapshot before a tool: the files that the call names, and other
 * sessions' files in the folders that it names.
 */
export async function beforeUnknown(
  hook: HookContext,
  paths: readonly string[],
): Promise<void> {
  // Not every text that looks like a path is one, so nothing is logged.
  const targets = targetsOf({ ...hook, log: () => {} }, paths);
  const near = await othersNear(hook, FILES_MAX, targets.map(pathOf));
  // Without another session, no other session's files can change.
  if (near.isAlone || targets.length === 0) return;
  const named = targets.filter(isFile).map(pathOf);
  const folders = targets.filter((target) => !isFile(target));
  const folderSets = folders.map((folder) =>
    targetPathSets(folder, entryKindOf)
  );
  const holds = near.files.filter((hold) => {
    const pathSets = folders.length === 0
      ? undefined
      : tryParsePathSets(hold, entryKindOf);
    return pathSets !== undefined &&
      folderSets.some((each) => overlapOnDisk(each, pathSets));
  });
  const held = holds.filter(isFile).map(pathOf);
  const seen = await stamped(hook, {
    paths: [...named, ...held].slice(0, FILES_MAX),
    roots: rootsOf(holds, folders.map(pathOf)),
    named,
  });
  await begin(hook, { atMs: hook.nowMs, writes: [], seen }, holds);
}

async function begin(
  hook: HookContext,
  note: CallNote,
  holds: readonly OthersFile[],
): Promise<void> {
  const { store, session, nowMs } = hook;
  const isCut = note.seen?.trees.some(({ isWhole }) => !isWhole) === true;
  await store.noteActivity(session.id, {
    change: await atWork(hook),
    notes: new Map([
      ...notesOf({ [callKey(hook)]: note, [BEGAN]: nowMs }),
      ...isCut ? await leftOutNotes(hook, leftOutOf(holds, note.seen!)) : [],
    ]),
  });
}

async function stamped(
  { nowMs }: HookContext,
  { paths, roots, named = [], hasMore = false }:
    & { paths: readonly string[]; roots: readonly string[] }
    & Partial<Pick<Snapshot, "named" | "hasMore">>,
): Promise<Snapshot> {
  let hashed = 0;
  const files = [...new Set(paths)].map((path) => {
    const stamp = stampOf(path, { hash: hashed < HASHED_BYTES_MAX });
    if (stamp.hash !== undefined) hashed += stamp.size;
    return [path, stamp] as const;
  });
  const trees = roots.length === 0
    ? []
    : (await import("./tree_stamps.ts")).stampTrees(roots);
  return { atMs: nowMs, files, trees, hasMore, named };
}

function pathOf({ path }: { readonly path: string }): string {
  return path;
}

/** Whether a hold or target covers one file. */
export function isFile({ kind }: Pick<LockTarget, "kind">): boolean {
  return kind === "file";
}

/** Returns the folders to walk for held folders and globs near the call. */
function rootsOf(
  holds: readonly OthersFile[],
  near: readonly string[],
): string[] {
  return holds.filter((hold) => !isFile(hold)).flatMap((hold) => {
    const folder = folderOf(hold);
    const within = near.filter((each) => isAtOrBelow(each, folder));
    return within.length > 0 ? within : [folder];
  });
}

/** Returns the folder that contains all that a hold covers. */
function folderOf({ kind, path, disk, foldsCase }: OthersFile): string {
  return kind === "folder" ? path : pathSetPrefix(kind, disk, foldsCase) || "/";
}

/** Returns the held folders and globs that were only partly stamped. */
function leftOutOf(
  holds: readonly OthersFile[],
  { trees }: Snapshot,
): OthersFile[] {
  const cut = trees.filter(({ isWhole }) => !isWhole);
  return holds.filter((hold) =>
    !isFile(hold) && cut.some(({ root }) => {
      const folder = folderOf(hold);
      return isAtOrBelow(folder, root) || isAtOrBelow(root, folder);
    })
  );
}

/** Makes the notices of holds that are only partly checked, once for each. */
async function leftOutNotes(
  hook: HookContext,
  cut: readonly OthersFile[],
): Promise<ReadonlyMap<string, string>> {
  if (cut.length === 0) return new Map();
  const keys = cut.map(({ session, path, since }) =>
    `left-out:${session}:${path}:${since}`
  );
  const { store, session } = hook;
  const told = await store.readNotes(session.id, keys);
  const { noticeNotes } = await import("./deferred_notices.ts");
  const { plainName, plainPath } = await import("./frame.ts");
  const { ENTRIES_MAX } = await import("./tree_stamps.ts");
  const news = cut.filter((_, at) => !told.has(keys[at]));
  return new Map([
    ...keys.map((key) => [key, "1"] as const),
    ...await noticeNotes(
      hook,
      news.map(({ session, name, path, kind }) => ({
        session,
        facts: `Only part of ${plainPath(path)} (a ${kind}), which ` +
          `${plainName(name)} holds, is checked after your commands: it ` +
          `has more than ${ENTRIES_MAX} entries.`,
      })),
    ),
  ]);
}
