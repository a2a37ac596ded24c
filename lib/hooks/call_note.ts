/**
 * The note that a session keeps of a call from its start to its end.
 *
 * @module
 */

import type { FileStamp } from "./file_stamp.ts";
import type { TreeStamps } from "./tree_stamps.ts";

/** A path as a tool or command names it; a command may name a glob. */
export type EditPath = string | { readonly glob: string };

/** The stamped part of other sessions' files at the start of a call. */
export interface Snapshot {
  /** Time of the snapshot, in milliseconds since 1970. */
  readonly atMs: number;
  /** The files, each with its stamp. */
  readonly files: readonly (readonly [path: string, stamp: FileStamp])[];
  /** Stamps of the files that held folders and globs cover. */
  readonly trees: readonly TreeStamps[];
  /** Whether more files are held than were stamped. */
  readonly hasMore: boolean;
  /** The files that the call itself names; they count without a hold, too. */
  readonly named: readonly string[];
  /** Changed files that were announced already. */
  readonly told?: readonly string[];
}

/** The note of one call. */
export interface CallNote {
  /** Start of the call, in milliseconds since 1970. */
  readonly atMs: number;
  /** The paths that the call is known to write, as given. */
  readonly writes: readonly EditPath[];
  /** The snapshot, if other sessions' files are near. */
  readonly seen?: Snapshot;
}
