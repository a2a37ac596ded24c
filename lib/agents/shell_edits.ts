/**
 * Shell commands: an edit by other means.
 *
 * Before one runs, what can be read off it as written is judged like an edit,
 * and the files that others hold or edit are stamped. After it ran, those that
 * changed meanwhile, and not by their holder's own hand, are put to this
 * session's account: both are told on `file_conflict`.
 *
 * @module
 */

import { ttlOf } from "../channels.ts";
import { escapeGlob } from "../glob.ts";
import type { Case, Verdict } from "./case.ts";
import { notesOf, readNote } from "./case.ts";
import {
  afterEdit,
  afterRead,
  beforeEdit,
  type EditPath,
  TOO_LARGE,
} from "./edits.ts";
import { type FileStamp, hasChanged, stampOf } from "./file_stamp.ts";
import { plainName, plainPath } from "./frame.ts";
import { informNotes } from "./informing.ts";
import { hasOtherBranch } from "./registration.ts";
import { type ShellWrite, shellWrites } from "./shell.ts";
import { diskAt, isRegularFile, placedIn } from "./shell_disk.ts";
import type { TreeCommand } from "./whole_tree.ts";

const FILES_MAX = 100;
// What is larger in all is told by its size and time alone.
const HASHED_BYTES_MAX = 1024 * 1024;

/** A file that another session was at when the command began. */
interface Watched {
  readonly path: string;
  readonly session: string;
  readonly stamp: FileStamp;
}

interface ShellNote {
  readonly atMs: number;
  readonly files: readonly Watched[];
}

/** Judges a command before it runs. */
export async function beforeShell(
  hook: Case,
  command: string,
): Promise<Verdict> {
  const { writes, trees, isCut } = filesOf(hook, command);
  if (trees.length > 0) {
    const { beforeWholeTree } = await import("./whole_tree.ts");
    const stopped = await beforeWholeTree(hook, trees);
    if (stopped !== undefined) return stopped;
  }
  const verdict = await beforeEdit(quiet(hook), writes);
  if (verdict.decision.verdict === "deny") return verdict;
  if (isCut) return TOO_LARGE;
  const files = await othersFiles(hook);
  if (files.length > 0) {
    const note: ShellNote = { atMs: hook.nowMs, files };
    await hook.store.noteActivity(hook.session.id, {
      change: { status: "active" },
      notes: notesOf({ [noteKey(hook)]: note }),
    });
  }
  return verdict;
}

/** Finds what a command that ran has changed of others' files. */
export async function afterShell(hook: Case, command: string): Promise<void> {
  const { writes, reads, trees } = filesOf(hook, command);
  if (trees.length > 0 || hasOtherBranch(hook.session)) {
    const { noteBranches } = await import("./branches.ts");
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
  const key = noteKey(hook);
  const note = await readNote<ShellNote>(hook, key);
  if (note === undefined) return;
  const overwritten: Watched[] = [];
  for (const watched of note.files) {
    if (!hasChanged(watched.path, watched.stamp)) continue;
    const touches = await hook.store.touchesOf(watched.path, note.atMs);
    // Its holder, or somebody else who says so, has changed it meanwhile.
    if (touches.some((touch) => touch.session !== hook.session.id)) continue;
    overwritten.push(watched);
  }
  await hook.store.noteActivity(hook.session.id, {
    touched: overwritten.map(({ path }) => path),
    notes: notesOf({ [key]: undefined }),
  });
  await announce(hook, overwritten);
}

/** What can be read off a command. */
interface FilesOfCommand {
  readonly writes: EditPath[];
  readonly reads: string[];
  readonly trees: TreeCommand[];
  /** Whether a bound left something unread. */
  readonly isCut: boolean;
}

/** What a command writes and shows, as seen from the session's folder. */
function filesOf(
  hook: Case,
  command: string,
): FilesOfCommand {
  const { event } = hook;
  const folder = "tool" in event ? event.tool.folder : undefined;
  const start = placedIn(event.cwd || Deno.cwd(), folder ?? ".");
  const { writes, reads, wholeTree, isCut } = shellWrites(command, {
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
      // The shell has expanded what was to be expanded.
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
  };
}

/**
 * The call, without its log: a command that names what can be no path fails,
 * and its model sees that.
 */
function quiet(hook: Case): Case {
  return { ...hook, log: () => {} };
}

/** A command that failed may have stopped before it showed a file. */
function hasFailed({ event }: Case): boolean {
  return event.kind === "after-tool" && event.succeeded === false;
}

async function othersFiles(hook: Case): Promise<Watched[]> {
  const { store, session } = hook;
  const files = await store.othersFiles(
    session.id,
    session.project ?? null,
    FILES_MAX,
  );
  let hashed = 0;
  return files.map(({ path, session }) => {
    const stamp = stampOf(path, { hash: hashed < HASHED_BYTES_MAX });
    if (stamp.hash !== undefined) hashed += stamp.size;
    return { path, session, stamp };
  });
}

/** Says on the bus whose files were overwritten: to them, and to who did it. */
async function announce(
  hook: Case,
  overwritten: readonly Watched[],
): Promise<void> {
  if (overwritten.length === 0) return;
  const { store, session } = hook;
  await store.append(
    overwritten.map(({ path, session: holder }) => ({
      sender: session.id,
      channel: "file_conflict",
      payloadText: JSON.stringify({
        event: "overwritten",
        path,
        sessions: [session.id, holder],
      }),
      ttlSeconds: ttlOf("file_conflict"),
      project: session.project ?? null,
    })),
    { atomic: true },
  );
  const facts = overwritten.map(({ path, session: holder }) => ({
    path,
    session: holder,
    facts: `Your command has changed ${plainPath(path)}, which ` +
      `${plainName(holder)} is working on: tell them, or put it back.`,
  }));
  await store.noteActivity(session.id, {
    notes: await informNotes(hook, facts),
  });
}

function noteKey({ event }: Case): string {
  const call = event.kind === "before-tool" || event.kind === "after-tool"
    ? event.tool.callId
    : undefined;
  return `shell:${event.agentId ?? ""}:${call ?? ""}`;
}
