/**
 * The changes that a call made to other sessions' files, as data.
 *
 * @module
 */

import type { OthersFile } from "../model/edit.ts";

/** A file that differs from its stamp before the call. */
export interface Change {
  /** The absolute path. */
  readonly path: string;
  /** Other sessions' holds on the file that are older than the call. */
  readonly holds: readonly OthersFile[];
}

/** The changes since a snapshot. */
export interface Changes {
  /** The changed files, each once. */
  readonly changes: readonly Change[];
  /** The number of further changed files that are not listed. */
  readonly more: number;
}

/** The call that ran while the files changed. */
export interface ObservedCall {
  /** The call's name in a sentence to its own session. */
  readonly call: string;
  /** Start of the call, in milliseconds since 1970. */
  readonly sinceMs: number;
  /** The files that the call names as ones that it writes. */
  readonly named: ReadonlySet<string>;
  /** Whether the call still runs. */
  readonly goesOn?: boolean;
}
