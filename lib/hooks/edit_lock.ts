/**
 * How long a hook's lock holds, and what of it a session shows.
 *
 * @module
 */

import type { Limits } from "../bus/operations.ts";

/**
 * The lease of the advisory lock on an edited file, in milliseconds. It is
 * renewed by touching that file and by nothing else, or warnings would become
 * noise.
 */
export const LEASE_MS: number = 10 * 60 * 1000;

/** Locks that a session may have by its hooks. */
export const LOCKS_MAX = 1_000;

/** Limits of what hooks do. A hook removes no message for a channel's cap. */
export const LIMITS: Limits = {
  locksMax: LOCKS_MAX,
  channelMessagesMax: Infinity,
};

const ACTIVE_FILES_MAX = 20;

/** The files that are active once `paths` are edited, if they change. */
export function activeFiles(
  before: readonly string[],
  paths: readonly string[],
): readonly string[] | undefined {
  if (paths.every((path) => before.includes(path))) return undefined;
  return [...paths, ...before.filter((path) => !paths.includes(path))]
    .slice(0, ACTIVE_FILES_MAX);
}
