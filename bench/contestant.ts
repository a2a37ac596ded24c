/**
 * A contestant: one way in which sessions, each a process, can tell each other
 * something. Every way is put to use as those who choose it would do it.
 *
 * A contestant is a module of the folder `contestants` that exports
 * {@linkcode OpenPeer} as `openPeer`: it runs in each session's process. What is
 * true of it as a whole (its name, its server, what survives) stands in
 * `contestants.ts`, for the process that leads.
 *
 * @module
 */

import type { Said } from "./workload.ts";

/** What a session's process is told of its place among the others. */
export interface Seat {
  /** Its number, from 0. */
  readonly session: number;
  /** How many take part. */
  readonly sessions: number;
  /** A folder that all share. */
  readonly folder: string;
  /** Where the server is, for who needs one. */
  readonly url: string;
  /** Whether it begins with what is kept, or with what comes from now on. */
  readonly from: "start" | "now";
  /** Whether it takes part in fan-out: else it hears only what is for it. */
  readonly hearsAll: boolean;
  /** What the contestant is told besides. */
  readonly options: Readonly<Record<string, string | number>>;
}

/** Who gets a message: one session by its number, or all others. */
export type Recipient = number | "all";

/** One session's end of a contestant. */
export interface Peer extends AsyncDisposable {
  /** Meets the others, once all of them stand. */
  join?(): Promise<void>;
  /**
   * Says something; resolves when it is acknowledged, as far as the contestant
   * acknowledges, with when it was stored, where that can be told.
   */
  say(channel: string, said: Said, to: Recipient): Promise<number | void>;
  /** Says many things to one, in the fastest way that acknowledges them. */
  sayMany(channel: string, many: readonly Said[], to: number): Promise<void>;
  /** Sizes of what it has stored, in bytes, by name. */
  sizes?(): Readonly<Record<string, number>>;
}

/**
 * Opens a session's end; whatever it gets is handed to `hear` at once. One that
 * is only woken, and not told for what, calls `woken`.
 */
export type OpenPeer = (
  seat: Seat,
  hear: (said: Said) => void,
  woken: () => void,
) => Promise<Peer>;
