/**
 * The lease and the limits of locks that hooks take.
 *
 * @module
 */

import type { Limits } from "../bus/operations.ts";

/**
 * Lease of the advisory lock on an edited file, in milliseconds. Only a touch of
 * the same file renews it: otherwise stale locks would cause false warnings.
 */
export const LEASE_MS: number = 10 * 60 * 1000;

/** Maximum number of locks that a session may take by its hooks. */
export const LOCKS_MAX = 1_000;

/** Limits of hooks. A hook deletes no message for a channel's cap. */
export const LIMITS: Limits = {
  locksMax: LOCKS_MAX,
  channelMessagesMax: Infinity,
};

const ACTIVE_FILES_MAX = 20;

/** Returns the active files after an edit; undefined if they stay the same. */
export function activeFiles(
  before: readonly string[],
  paths: readonly string[],
): readonly string[] | undefined {
  if (paths.every((path) => before.includes(path))) return undefined;
  return [...paths, ...before.filter((path) => !paths.includes(path))]
    .slice(0, ACTIVE_FILES_MAX);
}
