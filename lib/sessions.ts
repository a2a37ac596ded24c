/**
 * Sessions: who is on the bus.
 *
 * A session is one running agent, person or script. Its row is written when
 * it comes, touched by whatever it does, and marked when it ends; the
 * `heartbeat` channel carries only these changes. *Stale* is a word for
 * display: an agent that thinks for a minute writes nothing and is not dead.
 *
 * @module
 */

import {
  InvalidInputError,
  SessionEndedError,
  UnknownSessionError,
} from "./errors.ts";
import type { Keeper } from "./keeper.ts";
import { endLeft, type MaybeLeft } from "./left_sessions.ts";
import { refuseNul } from "./options.ts";
import type { Store } from "./store.ts";

/** How a session stands: at work, waiting for its person, or ended. */
export type SessionStatus = "active" | "idle" | "terminated";

/** After this long without a sign of life a session is shown as stale. */
export const STALE_AFTER_MS = 30_000;

/** One session, as the registry has it. */
export interface Session {
  /** Its id, unique on the bus. */
  readonly id: string;
  /** Who makes the agent, such as `claude`; `unknown` for foreign writers. */
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

// Up to this long an id is its own short name.
const SHORT_NAME_LENGTH = 16;

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
  /** Who makes the agent. */
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

function maybeLeft(session: Session): MaybeLeft {
  const { id, pid, processStart, host, keeper, status } = session;
  return pid === undefined || host === undefined ? { id } : {
    id,
    process: {
      pid,
      startTime: processStart ?? "",
      host,
      keeper,
      isIdle: status === "idle",
    },
  };
}

/** What a session may say anew of itself; what is left out stays. */
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

/** Which sessions to list. */
export interface SessionListOptions {
  /**
   * Whether sessions of every project are listed, not only one's own.
   * @default {false}
   */
  readonly allProjects?: boolean;
  /**
   * Whether those that ended are listed, too.
   * @default {false}
   */
  readonly ended?: boolean;
}

/** The bus's own session, as far as {@linkcode Sessions} needs it. */
export interface SessionSelf {
  /** Its id, once it is registered; else the one it would take. */
  id: string;
  /** Whether this bus has registered it, and so ends it. */
  owned: boolean;
  /** Whether it was ended here: then nothing is done in its name. */
  ended: boolean;
  /** The process that it was registered with; no other's is ended here. */
  process?: Pick<Session, "pid" | "processStart">;
  /** What is known of it. */
  readonly start: SessionStart;
  /** Is aborted when the bus is closed: it ends whatever waits. */
  readonly closing: AbortSignal;
}

/** The sessions on a bus, and what the bus's own one says of itself. */
export class Sessions {
  readonly #store: Store;
  readonly #self: SessionSelf;
  readonly #onRegistered: () => void;

  /** Made by the bus: take {@linkcode MessageBus.sessions}. */
  constructor(store: Store, self: SessionSelf, onRegistered: () => void) {
    this.#store = store;
    this.#self = self;
    this.#onRegistered = onRegistered;
  }

  /**
   * Registers the bus's own session, or says anew who it is. A bus does this by
   * itself before it first publishes; it ends what it registered when it is
   * closed. Where another living process has the same id, the session gets the
   * id `id~2` (and so on), and the bus publishes under that.
   *
   * @example
   * ```ts
   * import { openBus } from "@coditect/message-bus";
   * import assert from "node:assert/strict";
   *
   * await using bus = await openBus({ home: await Deno.makeTempDir() });
   * const session = await bus.sessions.register({ vendor: "claude", task: "T-1" });
   * assert.equal(session.vendor, "claude");
   * ```
   */
  async register(
    known: Partial<Omit<SessionStart, "id">> = {},
  ): Promise<Session> {
    for (const [field, value] of Object.entries(known)) refuseNul(field, value);
    const session = await this.#store.registerSession({
      ...this.#self.start,
      ...known,
      id: this.#self.id,
    });
    this.#self.id = session.id;
    this.#self.owned = true;
    this.#self.ended = false;
    this.#self.process = session;
    this.#onRegistered();
    return session;
  }

  /** Says that the session lives; one small write that wakes nobody. */
  async heartbeat(): Promise<void> {
    // By then its id may be another's.
    if (!this.#self.owned) return;
    await this.#store.updateSession(this.#self.id, {});
  }

  /**
   * Says what the session does now; any change is also a heartbeat.
   *
   * @throws {UnknownSessionError} If it is not registered.
   * @throws {SessionEndedError} If it was ended.
   */
  async update(change: SessionChange): Promise<Session> {
    const { id, owned, ended } = this.#self;
    if (ended) throw new SessionEndedError(`update session "${id}"`, id);
    if (!owned) throw new UnknownSessionError(`update session "${id}"`, id);
    for (const [field, value] of Object.entries(change)) {
      refuseNul(field, value);
    }
    for (const file of change.activeFiles ?? []) {
      if (typeof file !== "string" || file === "") {
        throw new InvalidInputError(
          "activeFiles",
          `Cannot update session "${this.#self.id}": an active file is ` +
            `${JSON.stringify(file)}; pass paths.`,
        );
      }
    }
    return await this.#store.updateSession(this.#self.id, change);
  }

  /**
   * Ends the session, or another by its id; ending one twice is fine. What it
   * holds is free at once. The bus does nothing more in the name of its own
   * session until that is registered again.
   */
  async end(id?: string): Promise<void> {
    const self = this.#self;
    if (id !== undefined) await this.#store.endSession(id);
    else if (self.owned) await this.#store.endSession(self.id, self.process);
    if (id === undefined || id === self.id) {
      self.owned = false;
      self.ended = true;
    }
  }

  /** The sessions on the bus, those that registered first first. */
  async list(options: SessionListOptions = {}): Promise<readonly Session[]> {
    const list = () =>
      this.#store.sessions({
        project: options.allProjects ? null : this.#self.start.project,
        ended: options.ended ?? false,
      });
    const found = await list();
    const running = found.filter(({ status }) => status !== "terminated");
    return await endLeft(this.#store, running.map(maybeLeft))
      ? await list()
      : found;
  }
}
