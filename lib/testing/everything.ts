/**
 * All that a store shows, to be compared before and after.
 *
 * @module
 */

import type { Operations } from "../bus/operations.ts";
import { targetOf } from "./peer.ts";

/** Returns all that a store holds, as far as it can be seen. */
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
