/**
 * The event `denied` on `file_conflict`: the holder is told of the denial at its
 * next step, and `mbus who` shows it.
 *
 * ```json
 * { "event": "denied", "path": "/p/a.ts", "sessions": ["denied", "holder"] }
 * ```
 *
 * `tree` is set if the call would have changed the whole worktree `path`. A fact
 * without a hold names the denied session alone. Each fact is announced once per
 * session, and a call announces at most twenty facts.
 *
 * @module
 */

import type { Fact } from "./fact.ts";
import type { HookContext } from "./hook_context.ts";

/** Lifetime of the event, in seconds: a holder may be idle for a while. */
const TTL_SECONDS = 60 * 60;

const EVENTS_MAX = 20;

/** Maximum number of sessions in one event, to keep its payload small. */
const SESSIONS_MAX = 200;

/** Announces the facts for which a call was denied. */
export async function announceDenied(
  { store, session }: HookContext,
  facts: readonly Fact[],
): Promise<void> {
  await store.append(
    facts.slice(0, EVENTS_MAX).map((
      { path, held, session: other, others = [], project, isWholeTree },
    ) => ({
      sender: session.id,
      channel: "file_conflict",
      payloadText: JSON.stringify({
        event: "denied",
        path,
        sessions: held
          ? [session.id, other, ...others.slice(0, SESSIONS_MAX)]
          : [session.id],
        tree: isWholeTree,
      }),
      ttlSeconds: TTL_SECONDS,
      project: project ?? session.project ?? null,
    })),
    { atomic: true },
  );
}
