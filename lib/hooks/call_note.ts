/**
 * What is kept of a call from its begin to its end.
 *
 * @module
 */

import type { FileStamp } from "./file_stamp.ts";
import type { TreeStamps } from "./tree_stamps.ts";

/** A path as a tool or a command names it; a command may name a glob. */
export type EditPath = string | { readonly glob: string };

/** What other sessions worked on when a call began, as far as it was looked at. */
export interface Snapshot {
  /** When that was, in milliseconds since 1970. */
  readonly atMs: number;
  /** The files, each with its stamp. */
  readonly files: readonly (readonly [path: string, stamp: FileStamp])[];
  /** What folders and globs cover. */
  readonly trees: readonly TreeStamps[];
  /** Whether more files are held than were stamped. */
  readonly hasMore: boolean;
  /** The files that the call itself names: they count, whichever session holds them. */
  readonly named: readonly string[];
  /** The files of which it was told already that they changed. */
  readonly told?: readonly string[];
}

/** What is kept of a call from its begin to its end. */
export interface CallNote {
  /** When it began, in milliseconds since 1970. */
  readonly atMs: number;
  /** The paths that it is known to write, as given. */
  readonly writes: readonly EditPath[];
  /** What other sessions worked on. */
  readonly seen?: Snapshot;
}
