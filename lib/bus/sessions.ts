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

import type { Session, SessionChange, SessionStart } from "../model/session.ts";
import type { Operations } from "./operations.ts";
import {
  InvalidInputError,
  SessionEndedError,
  UnknownSessionError,
} from "../model/errors.ts";
import { endLeft, type MaybeLeft } from "./left_sessions.ts";
import { assertNoNul } from "./options.ts";

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
  readonly #operations: Operations;
  readonly #self: SessionSelf;
  readonly #onRegistered: () => void;

  /** Made by the bus: take {@linkcode MessageBus.sessions}. */
  constructor(
    operations: Operations,
    self: SessionSelf,
    onRegistered: () => void,
  ) {
    this.#operations = operations;
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
    for (const [field, value] of Object.entries(known)) {
      assertNoNul(field, value);
    }
    const session = await this.#operations.registerSession({
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
    await this.#operations.updateSession(this.#self.id, {});
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
      assertNoNul(field, value);
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
    return await this.#operations.updateSession(this.#self.id, change);
  }

  /**
   * Ends the session, or another by its id; ending one twice is fine. What it
   * holds is free at once. The bus does nothing more in the name of its own
   * session until that is registered again.
   */
  async end(id?: string): Promise<void> {
    const self = this.#self;
    if (id !== undefined) await this.#operations.endSession(id);
    else if (self.owned) {
      await this.#operations.endSession(self.id, self.process);
    }
    if (id === undefined || id === self.id) {
      self.owned = false;
      self.ended = true;
    }
  }

  /** The sessions on the bus, those that registered first first. */
  async list(options: SessionListOptions = {}): Promise<readonly Session[]> {
    const list = () =>
      this.#operations.sessions({
        project: options.allProjects ? null : this.#self.start.project,
        ended: options.ended ?? false,
      });
    const found = await list();
    const running = found.filter(({ status }) => status !== "terminated");
    return await endLeft(this.#operations, running.map(maybeLeft))
      ? await list()
      : found;
  }
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
