/**
 * Deferred notices: under the policy `inform` an edit passes, and its facts are
 * kept until the next event at which the model can be told.
 *
 * @module
 */

import { type HookContext, readNote } from "./hook_context.ts";

/** Key of the note that keeps the notices. */
export const INFORM = "inform";

/** A notice of one conflict, kept for later. */
export interface DeferredNotice {
  /** The session whose work is concerned. */
  readonly session: string;
  /** The facts. */
  readonly text: string;
  /** Time of the facts, in milliseconds since 1970. */
  readonly atMs: number;
}

const KEPT_MAX = 20;

/** Makes the note that keeps further notices, at most the latest 20. */
export async function noticeNotes(
  hook: HookContext,
  notices: readonly { readonly session: string; readonly facts: string }[],
): Promise<ReadonlyMap<string, string>> {
  if (notices.length === 0) return new Map();
  const before = await readNote<DeferredNotice[]>(hook, INFORM) ?? [];
  const added = notices.map(({ session, facts }): DeferredNotice => ({
    session,
    text: facts,
    atMs: hook.nowMs,
  }));
  return new Map([
    [INFORM, JSON.stringify([...before, ...added].slice(-KEPT_MAX))],
  ]);
}
