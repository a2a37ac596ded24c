/**
 * What the processes of a round of crashes have in common: what they are told,
 * and what they fight for.
 *
 * @module
 */

/** What a peer is told, as JSON in its first argument. */
export interface CrashPeerStart {
  /** The `mod.ts` of the library to use. */
  readonly library: string;
  /** The bus folder. */
  readonly home: string;
  /** The folder of the histories. */
  readonly histories: string;
  /** Its name in the run. */
  readonly peer: string;
  /** The id of its session. */
  readonly session: string;
  /** What its choices follow from. */
  readonly seed: number;
}

/** The channels that the peers use. */
export const CHANNELS = {
  /** Nothing on it is over before the run is. */
  kept: "kept",
  /** Messages on it are soon over, so that there is something to purge. */
  brief: "brief",
} as const;

/** The durable names that the peers read under, and what they read. */
export const NAMES: Readonly<Record<string, string>> = {
  first: CHANNELS.kept,
  second: CHANNELS.kept,
  brief: CHANNELS.brief,
};

/** How messages begin that only end a reading. */
export const END = "the end of ";

/** How many files are fought for. */
export const PATHS = 3;

/** An error, with what caused it. */
export function told(error: unknown): string {
  const { name, message, cause } = error as Error;
  const because = cause === undefined ? "" : ` (${told(cause)})`;
  return `${name}: ${message}${because}`;
}

/** What a process does when it is killed at one of its system calls. */
export type CrashStep =
  | "first open"
  | "commit"
  | "checkpoint"
  | "purge"
  | "migration"
  | "last close";
