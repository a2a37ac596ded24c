/**
 * Finds which files of other sessions a call has changed, and announces them.
 *
 * @module
 */

import type { Changes } from "./changes.ts";
import type { CallNote } from "./call_note.ts";
import type { ObservedCall } from "./changes.ts";
import type { OthersFile } from "../model/edit.ts";
import {
  overlapOnDisk,
  targetPathSets,
  tryParsePathSets,
} from "../path/lock_overlap.ts";
import { entryKindOf } from "../path/paths.ts";
import { lockTarget } from "../path/lock_target.ts";
import { parentOf } from "../path/path_text.ts";
import { FILES_MAX, isFile } from "./before_call.ts";
import type { Snapshot } from "./call_note.ts";
import {
  callKey,
  ENDED,
  type HookContext,
  notesOf,
  othersNear,
} from "./hook_context.ts";
import { targetsOf } from "./edits.ts";
import {
  entryStamp,
  hasChanged,
  isWrittenSince,
  stampOf,
} from "./file_stamp.ts";

const CHANGES_MAX = 1_000;
// A file's time may be that of the last tick of the system's clock.
const TICK_MS = 10;

/** Announces changes since a call began, and deletes the call's note. */
export async function afterCall(
  hook: HookContext,
  { atMs, seen, writes }: CallNote,
  call: string,
): Promise<void> {
  const named = targetsOf(hook, writes).map(({ path }) => path);
  const observed = { call, sinceMs: atMs, named: new Set(named) };
  await tellChanges(hook, seen, observed, {
    [callKey(hook)]: undefined,
    [ENDED]: hook.nowMs,
  });
}

/**
 * Announces changes since a snapshot, and writes `notes` in the same step.
 *
 * @returns The changed paths.
 */
export async function tellChanges(
  hook: HookContext,
  seen: Snapshot | undefined,
  observed: ObservedCall,
  notes: Readonly<Record<string, unknown>>,
): Promise<readonly string[]> {
  const { store, session } = hook;
  const found = seen === undefined ? undefined : await changesSince(hook, seen);
  const told = found === undefined || found.changes.length === 0
    ? undefined
    : await (await import("./change_notices.ts"))
      .noticesOf(hook, found, observed);
  await store.noteActivity(session.id, {
    touched: told?.touched,
    notes: new Map([...notesOf(notes), ...told?.notes ?? []]),
  });
  if (told !== undefined && told.messages.length > 0) {
    await store.append(told.messages, { atomic: true });
  }
  return found?.changes.map(({ path }) => path) ?? [];
}

/** Compares the files with a snapshot. */
async function changesSince(
  hook: HookContext,
  seen: Snapshot,
): Promise<Changes> {
  const { atMs, files, named } = seen;
  const changed = new Set([
    ...files.filter(([path, stamp]) => hasChanged(path, stamp))
      .map(([path]) => path),
    ...await changedInTrees(seen),
  ]);
  for (const path of seen.told ?? []) changed.delete(path);
  if (changed.size === 0 && !seen.hasMore) return { changes: [], more: 0 };
  // A hold taken after the snapshot covers the file as it is now.
  const holds = (await othersNear(hook, FILES_MAX, named)).files
    .filter(({ since }) => since === undefined || Date.parse(since) <= atMs);
  if (seen.hasMore) {
    for (const path of writtenSince(seen, holds)) {
      if (!seen.told?.includes(path)) changed.add(path);
    }
  }
  const covering = coveringOf(holds);
  return {
    changes: [...changed].slice(0, CHANGES_MAX)
      .map((path) => ({ path, holds: covering(path) }))
      .filter(({ path, holds }) => holds.length > 0 || named.includes(path)),
    more: Math.max(0, changed.size - CHANGES_MAX),
  };
}

/** Returns the snapshot as of now, for a call that still runs. */
export async function seenAgain(
  seen: Snapshot,
  atMs: number,
): Promise<Snapshot> {
  const { stampTrees } = await import("./tree_stamps.ts");
  return {
    ...seen,
    atMs,
    files: seen.files.map(([path, stamp]) =>
      hasChanged(path, stamp)
        ? [path, stampOf(path, { hash: stamp.hash !== undefined })]
        : [path, stamp]
    ),
    trees: stampTrees(seen.trees.map(({ root }) => root)),
  };
}

async function changedInTrees({ trees, atMs }: Snapshot): Promise<string[]> {
  if (trees.length === 0) return [];
  const { below, stampTrees } = await import("./tree_stamps.ts");
  const now = stampTrees(trees.map(({ root }) => root));
  return trees.flatMap(({ root, stamps, isWhole }) => {
    const found = now.find((tree) => tree.root === root)!;
    const gone = Object.keys(stamps).filter((name) => !(name in found.stamps));
    const changed = Object.entries(found.stamps)
      .filter(([name, stamp]) =>
        name in stamps
          ? stamps[name] !== stamp
          : isWhole || isWrittenSince(stamp, atMs - TICK_MS)
      );
    return [
      ...changed.map(([name]) => below(root, name)),
      // A file past the bound is missing from the walk, and may still exist.
      ...gone.map((name) => below(root, name))
        .filter((path, at) => entryStamp(path) !== stamps[gone[at]]),
    ];
  });
}

/** Returns the files without a stamp that were written since the snapshot. */
function writtenSince(
  { atMs, files }: Snapshot,
  holds: readonly OthersFile[],
): string[] {
  const stamped = new Set(files.map(([path]) => path));
  const emptyFolders = new Set<string>();
  return holds.filter(isFile).map(({ path }) => path).filter((path) => {
    const folder = parentOf(path);
    if (stamped.has(path) || emptyFolders.has(folder)) return false;
    const stamp = entryStamp(path);
    if (stamp !== undefined) return isWrittenSince(stamp, atMs - TICK_MS);
    if (entryStamp(folder) === undefined) emptyFolders.add(folder);
    return false;
  });
}

/** Returns a lookup of the holds that cover a path. */
function coveringOf(
  holds: readonly OthersFile[],
): (path: string) => OthersFile[] {
  const files = Map.groupBy(holds.filter(isFile), ({ path }) => path);
  const trees = holds.filter((hold) => !isFile(hold)).flatMap((hold) => {
    const pathSets = tryParsePathSets(hold, entryKindOf);
    return pathSets === undefined ? [] : [{ hold, pathSets }];
  });
  return (path) => {
    const exactly = files.get(path) ?? [];
    if (trees.length === 0) return exactly;
    const pathSets = targetPathSets(
      lockTarget(path, "/", { pattern: "literal" }),
      entryKindOf,
    );
    return [
      ...exactly,
      ...trees.filter((tree) => overlapOnDisk(tree.pathSets, pathSets))
        .map(({ hold }) => hold),
    ];
  };
}
