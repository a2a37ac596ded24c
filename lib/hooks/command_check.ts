/**
 * Checks shell commands, which may edit files like an edit tool.
 *
 * Before a command runs, the writes read off its text are judged like edits, and
 * other sessions' files are stamped. After it ran, changed files are announced
 * to both sides: `change_notices.ts` holds the words.
 *
 * @module
 */

import type { CallNote, EditPath } from "./call_note.ts";
import { escapeGlob } from "../glob/glob.ts";
import {
  atWork,
  BEGAN,
  callKey,
  ENDED,
  type HookContext,
  type HookResult,
  notesOf,
  othersNear,
  readNote,
  STAMPED_MAX,
} from "./hook_context.ts";
import { noteBranches } from "./branches.ts";
import { afterEdit, afterRead, beforeEdit, TOO_LARGE } from "./edits.ts";
import { hasOtherBranch } from "./registration.ts";
import { type ShellWrite, shellWrites } from "./shell/shell.ts";
import { diskAt, isRegularFile, placedIn } from "./shell/disk.ts";
import { beforeWholeTree, type TreeCommand } from "./whole_tree.ts";

/** Judges a command before it runs. */
export async function beforeShell(
  hook: HookContext,
  command: string,
): Promise<HookResult> {
  const { writes, trees, isCut } = filesOf(hook, command);
  if (trees.length > 0) {
    const stopped = await beforeWholeTree(hook, trees);
    if (stopped !== undefined) return stopped;
  }
  const result = await beforeEdit(quiet(hook), writes);
  if (result.decision.verdict === "deny") return result;
  if (isCut) return TOO_LARGE;
  const near = await othersNear(hook, STAMPED_MAX + 1);
  if (near.files.length > 0) {
    const { beforeCommand } = await import("./before_call.ts");
    await beforeCommand(hook, near, writes);
  } else if (near.isHolder && !near.isAlone) {
    // The note shows others that this session may be changing its own files.
    const note: CallNote = { atMs: hook.nowMs, writes };
    await noteCall(hook, { [callKey(hook)]: note, [BEGAN]: hook.nowMs });
  }
  return result;
}

/** Announces the changes of a command to other sessions' files. */
export async function afterShell(
  hook: HookContext,
  command: string,
): Promise<void> {
  const { writes: read, reads, trees, goesOn } = filesOf(hook, command);
  const note = await readNote<CallNote>(hook, callKey(hook));
  // The writes were read before the command ran, when the disk was as it found it.
  const writes = note?.writes ?? read;
  if (trees.length > 0 || hasOtherBranch(hook.session)) {
    await noteBranches(hook, trees);
  }
  const shown = hasFailed(hook)
    ? []
    : reads.filter((path) =>
      isRegularFile(placedIn(hook.event.cwd || Deno.cwd(), path))
    );
  if (shown.length > 0) await afterRead(quiet(hook), shown);
  if (writes.length > 0 || shown.length === 0) {
    await afterEdit(quiet(hook), writes);
  }
  if (note === undefined) return;
  if (note.seen === undefined) {
    await noteCall(hook, {
      [callKey(hook)]: undefined,
      [ENDED]: hook.nowMs,
    });
    return;
  }
  if (goesOn) {
    const { watchCommand } = await import("./background.ts");
    await watchCommand(quiet(hook), note);
  } else {
    const { afterCall } = await import("./after_call.ts");
    await afterCall(quiet(hook), note, "command");
  }
}

async function noteCall(
  hook: HookContext,
  notes: Readonly<Record<string, unknown>>,
): Promise<void> {
  await hook.store.noteActivity(hook.session.id, {
    change: await atWork(hook),
    notes: notesOf(notes),
  });
}

/** Files and trees read off a command. */
interface FilesOfCommand {
  readonly writes: EditPath[];
  readonly reads: string[];
  readonly trees: TreeCommand[];
  /** Whether a bound cut off part of the command. */
  readonly isCut: boolean;
  /** Whether a process goes on when the call has ended. */
  readonly goesOn: boolean;
}

/** Reads a command's files, relative to the session's folder. */
function filesOf(
  hook: HookContext,
  command: string,
): FilesOfCommand {
  const { event } = hook;
  const folder = "tool" in event ? event.tool.folder : undefined;
  const start = placedIn(event.cwd || Deno.cwd(), folder ?? ".");
  const { writes, reads, wholeTree, isCut, goesOn } = shellWrites(command, {
    home: Deno.env.get("HOME"),
    syntax: "tool" in event && /powershell|pwsh/i.test(event.tool.name)
      ? "powershell"
      : "posix",
    disk: diskAt(start),
  });
  const placed = ({ path, base, isGlob }: ShellWrite): EditPath => {
    const folders = [folder, base].filter((each) => each !== undefined);
    const from = folders.reduceRight(
      (inner, outer) => placedIn(isGlob ? escapeGlob(outer) : outer, inner),
      // The shell has expanded a leading tilde already.
      path.startsWith("~") ? `./${path}` : path,
    );
    return isGlob ? { glob: from } : from;
  };
  return {
    writes: writes.map(placed),
    reads: reads.map(placed).filter((path) => typeof path === "string"),
    trees: wholeTree.map(({ command, folder = "." }) => ({
      command,
      folder: placedIn(start, folder),
    })),
    isCut: isCut === true || "tool" in event && event.tool.isCut === true,
    goesOn: goesOn === true ||
      "tool" in event && event.tool.isBackground === true,
  };
}

/**
 * Returns the context without its log. A command that names an impossible path
 * fails, and its model sees the error.
 */
function quiet(hook: HookContext): HookContext {
  return { ...hook, log: () => {} };
}

/** Whether a command failed; it may have stopped before it showed a file. */
function hasFailed({ event }: HookContext): boolean {
  return event.kind === "after-tool" && event.succeeded === false;
}
