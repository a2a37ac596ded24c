/**
 * A contestant: one way to send messages between sessions, each a process.
 * Each is used as its documentation recommends.
 *
 * A contestant is a module of the folder `contestants` that exports
 * {@linkcode OpenPeer} as `openPeer`, which runs in each session's process. Its
 * name, its server and its durability are in `contestants.ts`.
 *
 * @module
 */

import type { Payload } from "./workload.ts";

/** The configuration of one session's process. */
export interface PeerConfig {
  /** The number of the session, from 0. */
  readonly session: number;
  /** The number of sessions. */
  readonly sessions: number;
  /** A folder that all sessions share. */
  readonly folder: string;
  /** The URL of the server; empty without a server. */
  readonly url: string;
  /** The start position: kept messages, or new ones only. */
  readonly from: "start" | "now";
  /** Whether the session reads messages to all, or only its own. */
  readonly receivesAll: boolean;
  /** Options of the contestant. */
  readonly options: Readonly<Record<string, string | number>>;
}

/** The readers of a message: one session by its number, or all others. */
export type Recipient = number | "all";

/** One session's end of a contestant. */
export interface Peer extends AsyncDisposable {
  /** Connects to the other sessions, once all of them are ready. */
  join?(): Promise<void>;
  /**
   * Publishes a message. Resolves when the contestant acknowledges it, with the
   * time of its commit if that is known.
   */
  publish(
    channel: string,
    payload: Payload,
    to: Recipient,
  ): Promise<number | void>;
  /** Publishes many messages by the fastest call that acknowledges them. */
  publishMany(
    channel: string,
    many: readonly Payload[],
    to: number,
  ): Promise<void>;
  /** Returns sizes of stored files, in bytes, by name. */
  sizes?(): Readonly<Record<string, number>>;
}

/**
 * Opens a session's end. It passes each message to `receive` at once. A
 * contestant whose wake-ups carry no message calls `woken` instead.
 */
export type OpenPeer = (
  config: PeerConfig,
  receive: (payload: Payload) => void,
  woken: () => void,
) => Promise<Peer>;
