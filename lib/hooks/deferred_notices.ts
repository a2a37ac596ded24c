/**
 * Telling after: where the policy is `inform`, an edit passes, and what was to
 * be said is kept for the next moment at which the model can be told.
 *
 * @module
 */

import { type HookContext, readNote } from "./hook_context.ts";

/** The key of what is yet to be told. */
export const INFORM = "inform";

/** What is yet to be told of one conflict. */
export interface DeferredNotice {
  /** The session whose work is concerned. */
  readonly session: string;
  /** The facts. */
  readonly text: string;
  /** When they came about, in milliseconds since 1970. */
  readonly atMs: number;
}

const KEPT_MAX = 20;

/** The notes that keep notices for telling them after. */
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
