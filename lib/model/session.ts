/**
 * Sessions as data.
 *
 * @module
 */

import type { Keeper } from "./process.ts";

// Up to this length an id is its own short name.
const SHORT_NAME_LENGTH = 16;

/** How a session stands: at work, waiting for its person, or ended. */
export type SessionStatus = "active" | "idle" | "terminated";

/** After this long without a sign of life a session is shown as stale. */
export const STALE_AFTER_MS = 30_000;

/** One session, as the registry has it. */
export interface Session {
  /** Its id, unique on the bus. */
  readonly id: string;
  /** The vendor of the agent, such as `claude`; `unknown` for foreign writers. */
  readonly vendor: string;
  /** The model, if told. */
  readonly model?: string;
  /** Its terminal, such as `/dev/pts/3`. */
  readonly tty?: string;
  /** The process that lives as long as the session does. */
  readonly pid?: number;
  /** Where {@linkcode Session.pid} means something. */
  readonly host?: string;
  /** When that process started, in the host's own spelling. */
  readonly processStart?: string;
  /** What it lives by, or is known by, beside that process. */
  readonly keeper?: Keeper;
  /** What it works on; absent when it belongs to no project. */
  readonly project?: string;
  /** The folder of the working copy. */
  readonly worktree?: string;
  /** The branch that was checked out when it last said so. */
  readonly branch?: string;
  /** The task it says it is on. */
  readonly task?: string;
  /** The files it says it is editing. */
  readonly activeFiles: readonly string[];
  /** How it stands. */
  readonly status: SessionStatus;
  /** When it registered, as an ISO 8601 time in UTC. */
  readonly registeredAt: string;
  /** Its last sign of life, as an ISO 8601 time in UTC. */
  readonly heartbeatAt: string;
  /** When it ended, as an ISO 8601 time in UTC. */
  readonly endedAt?: string;
}

/**
 * A name for a session that is short enough to type: its id if that is short,
 * else its vendor and the end of the id, as vendors' ids begin with the time.
 */
export function shortName(session: Pick<Session, "id" | "vendor">): string {
  return session.id.length <= SHORT_NAME_LENGTH
    ? session.id
    : `${session.vendor}-${session.id.slice(-4)}`;
}

/** The process that an incarnation of a session was registered with. */
export type Incarnation = Pick<Session, "pid" | "processStart">;

/** What is known of a session when it registers. */
export interface SessionStart {
  /** Its id. */
  readonly id: string;
  /** The vendor of the agent. */
  readonly vendor: string;
  /** The model. */
  readonly model?: string;
  /** Its terminal. */
  readonly tty?: string;
  /** The process that lives as long as the session does. */
  readonly pid?: number;
  /** When that process started, in the host's own spelling. */
  readonly processStart?: string;
  /** What it lives by, or is known by, beside that process. */
  readonly keeper?: Keeper;
  /** The process that has its id until now, and hands that on to it. */
  readonly replaces?: Incarnation;
  /** What it works on; `null` for no project. */
  readonly project: string | null;
  /** The folder of the working copy. */
  readonly worktree?: string;
  /** The branch that is checked out. */
  readonly branch?: string;
  /** The task it is on. */
  readonly task?: string;
}

/** Changes that a session may make of itself; absent fields stay. */
export interface SessionChange {
  /** How it stands. */
  readonly status?: "active" | "idle";
  /** The model. */
  readonly model?: string;
  /** The task it is on; `null` for none. */
  readonly task?: string | null;
  /** The files it is editing. */
  readonly activeFiles?: readonly string[];
  /** The branch that is checked out. */
  readonly branch?: string;
}
