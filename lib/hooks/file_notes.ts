/**
 * The notes that a session keeps of files that its agents read and changed.
 *
 * @module
 */

import { agentOf, type HookContext } from "./hook_context.ts";
import type { FileStamp } from "./file_stamp.ts";

/** The note of a read: the file's stamp and the time. */
export interface ReadNote extends FileStamp {
  readonly atMs: number;
}

/** The note of the last change by an agent of the session. */
export interface ChangeNote {
  readonly agent: string;
  readonly atMs: number;
  /** Set if the agent only ran a command or tool while the file changed. */
  readonly isUnsure?: true;
}

/** Makes the notes of files that changed while this agent ran something. */
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

/** Whether another process may have made a change that a session noted. */
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

/** Key of the note of an agent's read. `sqlite/fast_guard.ts` reads it, too. */
export function readKey(hook: HookContext, path: string): string {
  return `read:${agentOf(hook)}:${path}`;
}

/** Key of the note of a change. `sqlite/fast_guard.ts` reads it, too. */
export function changeKey(path: string): string {
  return `changed:${path}`;
}
