/**
 * What a session keeps of the files that its agents read and changed.
 *
 * @module
 */

import { agentOf, type HookContext } from "./hook_context.ts";
import type { FileStamp } from "./file_stamp.ts";

/** What an agent of a session read, and when. */
export interface ReadNote extends FileStamp {
  readonly atMs: number;
}

/** Which agent of a session changed a file last, and when. */
export interface ChangeNote {
  readonly agent: string;
  readonly atMs: number;
  /** It changed while this agent ran something, by whose hand is not known. */
  readonly isUnsure?: true;
}

/** The notes that files changed while this agent ran something. */
export function unsureNotes(
  hook: HookContext,
  paths: readonly string[],
): ReadonlyMap<string, string> {
  const note: ChangeNote = {
    agent: agentOf(hook),
    atMs: hook.nowMs,
    isUnsure: true,
  };
  const text = JSON.stringify(note);
  return new Map(paths.map((path) => [changeKey(path), text]));
}

/** Whether a change that a session made for all it says may be another's. */
export async function isUnsureChange(
  { store }: HookContext,
  session: string,
  path: string,
): Promise<boolean> {
  const key = changeKey(path);
  const text = (await store.readNotes(session, [key])).get(key);
  const note: ChangeNote | undefined = text && JSON.parse(text);
  return note?.isUnsure === true;
}

// Both keys are read by the quick answer, too: sqlite/fast_guard.ts.
/** The key of the note of what an agent read. */
export function readKey(hook: HookContext, path: string): string {
  return `read:${agentOf(hook)}:${path}`;
}

/** The key of the note of the agent that changed a file. */
export function changeKey(path: string): string {
  return `changed:${path}`;
}
