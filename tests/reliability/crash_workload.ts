/**
 * The common parts of the processes in a round of crashes: their arguments, and
 * the channels, names and files that they compete for.
 *
 * @module
 */

/** The first argument of a peer, as JSON. */
export interface CrashPeerStart {
  /** The URL of the library's `mod.ts`. */
  readonly library: string;
  /** The bus folder. */
  readonly home: string;
  /** The folder of the histories. */
  readonly histories: string;
  /** The name of the process in the run. */
  readonly peer: string;
  /** The id of its session. */
  readonly session: string;
  /** The seed of its random choices. */
  readonly seed: number;
}

/** The channels that the peers use. */
export const CHANNELS = {
  /** Its messages do not expire during the run. */
  kept: "kept",
  /** Its messages expire soon, so that purges delete some. */
  brief: "brief",
} as const;

/** The durable names of the peers, and their channels. */
export const NAMES: Readonly<Record<string, string>> = {
  first: CHANNELS.kept,
  second: CHANNELS.kept,
  brief: CHANNELS.brief,
};

/** The start of messages that mark the end of a channel. */
export const END = "the end of ";

/** The number of locked files. */
export const PATHS = 3;

/** Returns the text of an error, with its causes. */
export function errorText(error: unknown): string {
  const { name, message, cause } = error as Error;
  const because = cause === undefined ? "" : ` (${errorText(cause)})`;
  return `${name}: ${message}${because}`;
}

/** A step of a process that the sweep kills. */
export type CrashStep =
  | "first open"
  | "commit"
  | "checkpoint"
  | "purge"
  | "migration"
  | "last close";
