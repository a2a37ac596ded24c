/**
 * Sessions as data.
 *
 * @module
 */

import type { Keeper } from "./process.ts";

// Longest id that is its own short name.
const SHORT_NAME_LENGTH = 16;

/** Status of a session: at work, waiting for a person's prompt, or ended. */
export type SessionStatus = "active" | "idle" | "terminated";

/** Time without a heartbeat after which a session is stale, in milliseconds. */
export const STALE_AFTER_MS = 30_000;

/**
 * What a session is about: at work, without a prompt, waiting for a lock or an
 * answer, or in need of its person.
 */
export type ActivityState = "working" | "idle" | "waiting" | "needs-person";

/** All states of an activity. */
export const ACTIVITY_STATES: readonly ActivityState[] = Object.freeze([
  "working",
  "idle",
  "waiting",
  "needs-person",
]);

/** Largest length of {@linkcode Session.doing}, in characters. */
export const DOING_MAX = 200;

/** SessionActivity of a session, as its hooks report it. */
export interface SessionActivity {
  /** State of the session. */
  readonly state: ActivityState;
  /** Reason, such as the question to its person. */
  readonly why?: string;
  /** Time since which state and reason are the same, as ISO 8601 in UTC. */
  readonly since: string;
}

/** Session, as the registry has it. */
export interface Session {
  /** Id, unique on the bus. */
  readonly id: string;
  /** Short name; absent if another program registered the session. */
  readonly name?: string;
  /** Whether the name was chosen, and so belongs to the project. */
  readonly nameIsChosen?: boolean;
  /** Vendor of the agent, such as `claude`; `unknown` for other programs. */
  readonly vendor: string;
  /** Model, if known. */
  readonly model?: string;
  /** Terminal, such as `/dev/pts/3`. */
  readonly tty?: string;
  /** Id of the process that lives as long as the session. */
  readonly pid?: number;
  /** Host of {@linkcode Session.pid}. */
  readonly host?: string;
  /** Start time of that process, as its host spells it. */
  readonly processStart?: string;
  /** Further process or thread that it lives by, or is recognised by. */
  readonly keeper?: Keeper;
  /** Project; absent if it belongs to none. */
  readonly project?: string;
  /** Root of the worktree. */
  readonly worktree?: string;
  /** Branch that it reported last. */
  readonly branch?: string;
  /** Task that it reported. */
  readonly task?: string;
  /** What it says it does, in at most {@linkcode DOING_MAX} characters. */
  readonly doing?: string;
  /** SessionActivity that its hooks reported last. */
  readonly activity?: SessionActivity;
  /** Files that it reports as being edited. */
  readonly activeFiles: readonly string[];
  /** Status of the session. */
  readonly status: SessionStatus;
  /** Time of registration, as ISO 8601 in UTC. */
  readonly registeredAt: string;
  /** Time of the last heartbeat, as ISO 8601 in UTC. */
  readonly heartbeatAt: string;
  /** Time of its end, as ISO 8601 in UTC. */
  readonly endedAt?: string;
}

/**
 * Returns a name of a session that is short enough to type: its id if that is
 * short. Otherwise it is the vendor and the end of the id, because vendors' ids
 * begin with the time.
 */
export function shortName(session: Pick<Session, "id" | "vendor">): string {
  return session.id.length <= SHORT_NAME_LENGTH
    ? session.id
    : `${session.vendor}-${session.id.slice(-4)}`;
}

/** Returns the name of a session, which {@linkcode shortName} is by default. */
export function nameOf(
  session: Pick<Session, "id" | "vendor" | "name">,
): string {
  return session.name ?? shortName(session);
}

/**
 * Returns the state of a session: that of its last report, or of its status if it
 * reports none.
 */
export function stateOf(
  session: Pick<Session, "activity" | "status">,
): ActivityState {
  return session.activity?.state ??
    (session.status === "idle" ? "idle" : "working");
}

/** Session in a list, with its work. */
export interface ListedSession extends Session {
  /**
   * What it does: its own words, or the title of its claimed task, or its last tool
   * and file. Absent if none is known.
   */
  readonly does?: string;
}

/** Vendors that a session's name cannot be. */
export const VENDORS: readonly string[] = Object.freeze([
  "claude",
  "codex",
  "gemini",
  "kimi",
  "qwen",
  "copilot",
  "cursor",
  "opencode",
  "droid",
  "shell",
  "script",
  "unknown",
]);

/** Process with which an incarnation of a session was registered. */
export type Incarnation = Pick<Session, "pid" | "processStart">;

/** Session as it registers. */
export interface SessionStart {
  /** Id of the session. */
  readonly id: string;
  /** Chosen name; by default the session gets one. */
  readonly name?: string;
  /** Chosen name that it gets unless another living session has it. */
  readonly wishedName?: string;
  /** Vendor of the agent. */
  readonly vendor: string;
  /** Model. */
  readonly model?: string;
  /** Terminal. */
  readonly tty?: string;
  /** Id of the process that lives as long as the session. */
  readonly pid?: number;
  /** Start time of that process, as its host spells it. */
  readonly processStart?: string;
  /** Further process or thread that it lives by, or is recognised by. */
  readonly keeper?: Keeper;
  /** Process that has this id until now and hands it on. */
  readonly replaces?: Incarnation;
  /** Project; `null` for none. */
  readonly project: string | null;
  /** Root of the worktree. */
  readonly worktree?: string;
  /** Branch that is checked out. */
  readonly branch?: string;
  /** Task. */
  readonly task?: string;
  /** SessionActivity at the start; its time is that of the registration. */
  readonly activity?: Omit<SessionActivity, "since">;
}

/** Channel whose messages a session's hooks tell its model. */
export interface FollowedChannel {
  /** Name of the channel. */
  readonly channel: string;
  /** Time from which on its messages are told, as ISO 8601 in UTC. */
  readonly since: string;
}

/** Changes of a session by itself; absent fields stay. */
export interface SessionChange {
  /** Status of the session. */
  readonly status?: "active" | "idle";
  /** Model. */
  readonly model?: string;
  /** Task; `null` for none. */
  readonly task?: string | null;
  /**
   * What it does, in at most {@linkcode DOING_MAX} characters; `null` for
   * nothing said.
   */
  readonly doing?: string | null;
  /** SessionActivity; its time is that of the change. */
  readonly activity?: Omit<SessionActivity, "since">;
  /** Files that it is editing. */
  readonly activeFiles?: readonly string[];
  /** Branch that is checked out. */
  readonly branch?: string;
}
