/**
 * Visible state of a store, for comparisons.
 *
 * @module
 */

import type { Operations } from "../bus/operations.ts";
import { targetOf } from "./peer.ts";

/** Returns everything that a store shows. */
export async function everything(store: Operations): Promise<unknown> {
  const all = { channels: null, project: null, session: null };
  const { messages } = await store.read(all, store.startCursor, 10_000);
  return {
    messages,
    locks: await store.locks({ project: null }),
    waiters: await store.lockWaiters(targetOf("/", "folder")),
    tasks: await store.tasks({ project: null, exactProject: false }),
    sessions: await store.sessions({ project: null, ended: true }),
    stats: (await store.stats()).durableNames,
  };
}
