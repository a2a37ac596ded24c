/**
 * What a call was found to have changed of what other sessions work on, as data.
 *
 * @module
 */

import type { OthersFile } from "../model/edit.ts";

/** A file that is not what it was before the call. */
export interface Change {
  /** Its absolute path. */
  readonly path: string;
  /** What covers it since before the call, each of another session. */
  readonly holds: readonly OthersFile[];
}

/** What has changed since. */
export interface Changes {
  /** Each path once. */
  readonly changes: readonly Change[];
  /** How many more files changed than are listed. */
  readonly more: number;
}

/** What ran while the files changed. */
export interface ObservedCall {
  /** What it is called in a sentence to its own session. */
  readonly call: string;
  /** When it began, in milliseconds since 1970. */
  readonly sinceMs: number;
  /** The files that it surely wrote to, if they have changed. */
  readonly named: ReadonlySet<string>;
  /** Whether it still runs. */
  readonly goesOn?: boolean;
}
