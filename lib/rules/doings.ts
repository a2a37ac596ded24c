/**
 * What sessions do: their own words, or their claimed tasks, or their last calls.
 *
 * A session says it by `mbus status`, or by a `status` in a message on the channel
 * `state`.
 *
 * @module
 */

import type { NewMessage } from "../model/message.ts";
import { DOING_MAX, type Session } from "../model/session.ts";
import { isAtOrBelow } from "../path/path_text.ts";
import { noteKey, type Records } from "./records.ts";
import type { Moment, Plan } from "./rule.ts";

/** Key of the note of a session's last tool call. */
export const LAST_CALL = "last-call";

/** Note of a session's last tool call. */
export interface LastCall {
  /** Name of the tool, as the agent calls it. */
  readonly tool: string;
  /** Absolute path of the first file. */
  readonly path?: string;
}

/** Returns what each of the sessions does, by id. */
export function* doingsOf(
  records: Records,
  _at: Moment,
  sessions: readonly Session[],
): Plan<ReadonlyMap<string, string>> {
  const asked = sessions.filter(({ doing, status }) =>
    doing === undefined && status !== "terminated"
  );
  yield asked.flatMap(({ id }) => [
    { kind: "tasks-of", session: id } as const,
    { kind: "note", session: id, key: LAST_CALL } as const,
  ]);
  const titles = new Map<string, string>();
  for (const { task } of records.tasks.values()) {
    if (task.status !== "claimed" || task.session === undefined) continue;
    if (!titles.has(task.session)) titles.set(task.session, task.title);
  }
  return new Map(
    sessions.flatMap((session) => {
      const { id, doing } = session;
      const does = doing ?? titles.get(id) ??
        callText(session, records.notes.get(noteKey(id, LAST_CALL))?.value);
      return does === undefined ? [] : [[id, does] as const];
    }),
  );
}

function callText(
  { worktree }: Session,
  note: string | undefined,
): string | undefined {
  if (note === undefined) return undefined;
  const { tool, path }: LastCall = JSON.parse(note);
  if (path === undefined) return tool;
  const isInside = worktree !== undefined && path !== worktree &&
    isAtOrBelow(path, worktree);
  return `${tool} ${isInside ? path.slice(worktree.length + 1) : path}`;
}

/** Returns what a message says that its sender does; undefined if nothing. */
export function saidIn(
  { channel, payloadText, to }: NewMessage,
): string | undefined {
  if (channel !== "state" || to !== undefined) return undefined;
  if (!payloadText.includes('"status"')) return undefined;
  const payload: unknown = JSON.parse(payloadText);
  if (typeof payload !== "object" || payload === null) return undefined;
  const { status } = payload as Readonly<Record<string, unknown>>;
  if (typeof status !== "string") return undefined;
  const text = status.replaceAll("\0", " ").trim();
  return text === "" ? undefined : [...text].slice(0, DOING_MAX).join("");
}
