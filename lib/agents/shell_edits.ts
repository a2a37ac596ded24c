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
import type { Case, Verdict } from "./case.ts";
import { readNote, writeNotes } from "./case.ts";
import { afterEdit, beforeEdit } from "./edits.ts";
import { type FileStamp, hasChanged, stampOf } from "./file_stamp.ts";
import { shellWrites } from "./shell.ts";

const FILES_MAX = 100;

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
  const verdict = await beforeEdit(hook, writtenBy(command));
  if (verdict.decision.verdict === "deny") return verdict;
  const files = await othersFiles(hook);
  const note: ShellNote = { atMs: hook.nowMs, files };
  await writeNotes(hook, {
    [noteKey(hook)]: files.length > 0 ? note : undefined,
  });
  return verdict;
}

/** Finds what a command that ran has changed of others' files. */
export async function afterShell(hook: Case, command: string): Promise<void> {
  await afterEdit(hook, writtenBy(command));
  const key = noteKey(hook);
  const note = await readNote<ShellNote>(hook, key);
  if (note === undefined) return;
  await writeNotes(hook, { [key]: undefined });
  for (const { path, session, stamp } of note.files) {
    if (!hasChanged(path, stamp)) continue;
    const touches = await hook.store.touchesOf(path, note.atMs);
    // Its holder, or somebody else who says so, has changed it meanwhile.
    if (touches.some((touch) => touch.session !== hook.session.id)) continue;
    await hook.store.touchFiles(hook.session.id, [path]);
    await announce(hook, path, session);
  }
}

/** The paths that a command writes to, resolved as far as can be known. */
function writtenBy(command: string): string[] {
  const { writes } = shellWrites(command, { home: Deno.env.get("HOME") });
  return writes.flatMap(({ path, base, entry }) => {
    const whole = base === undefined || path.startsWith("/")
      ? path
      : `${base}/${path}`;
    // A folder that is written into stands for the one name that is written.
    return [entry === undefined ? whole : `${whole}/${entry}`];
  });
}

async function othersFiles(hook: Case): Promise<Watched[]> {
  const { store, session } = hook;
  const project = session.project ?? null;
  const [holds, sessions] = await Promise.all([
    store.locks({ project }),
    store.sessions({ project, ended: false }),
  ]);
  const files = new Map<string, string>();
  for (const other of sessions) {
    if (other.id === session.id) continue;
    for (const path of other.activeFiles) files.set(path, other.id);
  }
  for (const hold of holds) {
    if (hold.session !== session.id && hold.kind === "file") {
      files.set(hold.path, hold.session);
    }
  }
  return [...files].slice(0, FILES_MAX).map(([path, session]) => ({
    path,
    session,
    stamp: stampOf(path, { hash: true }),
  }));
}

async function announce(
  hook: Case,
  path: string,
  holder: string,
): Promise<void> {
  const { store, session } = hook;
  const payload = JSON.stringify({
    event: "overwritten",
    path,
    sessions: [session.id, holder],
  });
  await store.append([{
    sender: session.id,
    channel: "file_conflict",
    payloadText: payload,
    ttlSeconds: ttlOf("file_conflict"),
    project: session.project ?? null,
  }], { atomic: true });
}

function noteKey({ event }: Case): string {
  const call = event.kind === "before-tool" || event.kind === "after-tool"
    ? event.tool.callId
    : undefined;
  return `shell:${event.agentId ?? ""}:${call ?? ""}`;
}
