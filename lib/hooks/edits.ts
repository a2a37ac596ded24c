/**
 * Edits: checks and locks before the edit, notes after it.
 *
 * Before the edit, for every path of the call:
 *
 * 1. Another session holds the path exclusively: denied as long as it does.
 * 2. Another session edits the path (an advisory lock), or another session or
 *    agent changed it since this agent read it. The second case is a lost update,
 *    which no lock prevents. The policy decides: `warn` denies once and lets the
 *    retry pass, `block` denies, `inform` lets the edit pass and tells later.
 * 3. Otherwise the session takes an advisory lock for ten minutes. Another edit
 *    of the file renews it.
 *
 * Reads are noted for each agent of a session. A denied call takes no lock on any
 * of its paths. One transaction returns the conflicts, or takes the locks.
 *
 * @module
 */

import {
  changeKey,
  type ChangeNote,
  readKey,
  type ReadNote,
} from "./file_notes.ts";
import type { EditPath } from "./call_note.ts";
import { InvalidInputError } from "../model/errors.ts";
import { lockTarget } from "../path/lock_target.ts";
import type { LockTarget } from "../model/lock.ts";
import type { KnownFolders } from "../path/paths.ts";
import type { EditConflict, EditTarget } from "../model/edit.ts";
import {
  agentOf,
  ALLOW,
  atWork,
  type HookContext,
  type HookResult,
  lastCallNotes,
} from "./hook_context.ts";
import { stampOf } from "./file_stamp.ts";
import { activeFiles, LEASE_MS } from "./edit_lock.ts";

/** A call with more files is denied, because judging them takes too long. */
const PATHS_MAX = 10_000;

/** The session's notes of the files of a call. */
interface Noted {
  /** The acting agent's reads, by path. */
  readonly reads: ReadonlyMap<string, ReadNote>;
  /** Changes by other agents of the session after those reads, by path. */
  readonly siblings: ReadonlyMap<string, ChangeNote>;
}

/** Judges an edit of `paths`, as given by the agent, and takes their locks. */
export async function beforeEdit(
  hook: HookContext,
  paths: readonly EditPath[],
): Promise<HookResult> {
  if (paths.length > PATHS_MAX || isCutEdit(hook)) return TOO_LARGE;
  const targets = targetsOf(hook, paths);
  if (targets.length === 0) return ALLOW;
  const { reads, siblings } = await notedOf(hook, targets);
  if (siblings.size > 0) {
    const { judgeSiblings } = await import("./edit_policy.ts");
    const stale = await judgeSiblings(hook, targets, siblings, reads);
    if (stale !== undefined) return stale;
  }
  const edited = targets.map((target): EditTarget => ({
    target,
    readAtMs: reads.get(target.path)?.atMs,
  }));
  const conflicts = await guard(hook, edited, false);
  if (conflicts.length === 0) return ALLOW;
  // Loaded on demand, because a near session is rare.
  const { judgeConflicts } = await import("./edit_policy.ts");
  const stopped = await judgeConflicts(hook, conflicts, reads);
  if (stopped !== undefined) return stopped;
  // Another session may have taken an exclusive lock meanwhile.
  const firm = await guard(hook, edited, true);
  return firm.length === 0
    ? ALLOW
    : await judgeConflicts(hook, firm, reads) ?? ALLOW;
}

/** Notes that the session has changed `paths`, and stamps them. */
export async function afterEdit(
  hook: HookContext,
  paths: readonly EditPath[],
): Promise<void> {
  const targets = targetsOf(hook, paths);
  // A failed edit may have changed the file, but its agent does not know how.
  const failed = hook.event.kind === "after-tool" &&
    hook.event.succeeded === false;
  await hook.store.noteActivity(hook.session.id, {
    change: await atWork(hook),
    touched: targets.map(({ path }) => path),
    notes: new Map([
      ...lastCallNotes(hook, targets[0]?.path),
      ...failed
        ? []
        : [...stampNotes(hook, targets), ...changeNotes(hook, targets)],
    ]),
  });
}

/** Notes that the session has read `paths`. */
export async function afterRead(
  hook: HookContext,
  paths: readonly string[],
): Promise<void> {
  const targets = targetsOf(hook, paths);
  await hook.store.noteActivity(hook.session.id, {
    change: await atWork(hook),
    notes: new Map([
      ...lastCallNotes(hook, targets[0]?.path),
      ...stampNotes(hook, targets),
    ]),
  });
}

/** Returns lock targets of the paths, without the impossible ones. */
export function targetsOf(
  hook: HookContext,
  paths: readonly EditPath[],
): LockTarget[] {
  const targets = new Map<string, LockTarget>();
  const folder = hook.event.cwd || Deno.cwd();
  const known: KnownFolders = new Map();
  for (const path of paths.slice(0, PATHS_MAX)) {
    try {
      const target = typeof path === "string"
        ? lockTarget(path, folder, { pattern: "literal", known })
        : lockTarget(path.glob, folder, { pattern: "glob" });
      const { project } = hook.session;
      targets.set(
        target.path,
        target.project === undefined ? { ...target, project } : target,
      );
    } catch (error) {
      if (!(error instanceof InvalidInputError)) throw error;
      hook.log(error.message);
    }
  }
  return [...targets.values()];
}

/** Denies a call that exceeds a bound. */
export const TOO_LARGE: HookResult = {
  decision: {
    verdict: "deny",
    reason: `[message-bus] This call is too large to check: more than ` +
      `${PATHS_MAX} files, or a command of more than 256 Ki characters. Split ` +
      `it into smaller calls.`,
  },
  onDelivered: () => Promise.resolve(),
};

function isCutEdit({ event }: HookContext): boolean {
  return event.kind === "before-tool" && event.tool.kind === "edit" &&
    event.tool.isCut === true;
}

async function guard(
  hook: HookContext,
  targets: readonly EditTarget[],
  informed: boolean,
): Promise<readonly EditConflict[]> {
  const { store, session } = hook;
  const { activity } = await atWork(hook);
  return await store.guardEdit({
    session: session.id,
    agent: agentOf(hook),
    targets,
    leaseMs: LEASE_MS,
    actingFor: hook.actingFor,
    activeFiles: activeFiles(
      session.activeFiles,
      targets.map(({ target }) => target.path),
    ),
    activity,
    informed,
  });
}

async function notedOf(
  hook: HookContext,
  targets: readonly LockTarget[],
): Promise<Noted> {
  const texts = await hook.store.readNotes(
    hook.session.id,
    targets.flatMap(({ path }) => [readKey(hook, path), changeKey(path)]),
  );
  const reads = new Map<string, ReadNote>();
  const siblings = new Map<string, ChangeNote>();
  for (const { path } of targets) {
    const text = texts.get(readKey(hook, path));
    if (text === undefined) continue;
    const read: ReadNote = JSON.parse(text);
    reads.set(path, read);
    const changed = texts.get(changeKey(path));
    if (changed === undefined) continue;
    const change: ChangeNote = JSON.parse(changed);
    const isOthers = change.agent !== agentOf(hook);
    if (isOthers && change.atMs >= read.atMs) siblings.set(path, change);
  }
  return { reads, siblings };
}

/** Only the last change is kept: its agent knows the file as it is. */
function changeNotes(
  hook: HookContext,
  targets: readonly LockTarget[],
): ReadonlyMap<string, string> {
  const note: ChangeNote = { agent: agentOf(hook), atMs: hook.nowMs };
  const text = JSON.stringify(note);
  return new Map(targets.map(({ path }) => [changeKey(path), text]));
}

function stampNotes(
  hook: HookContext,
  targets: readonly LockTarget[],
): ReadonlyMap<string, string> {
  const notes = new Map<string, string>();
  for (const { kind, path } of targets) {
    if (kind !== "file") continue;
    const note: ReadNote = {
      ...stampOf(path, { hash: true }),
      atMs: hook.nowMs,
    };
    notes.set(readKey(hook, path), JSON.stringify(note));
  }
  return notes;
}
