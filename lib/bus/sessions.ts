/**
 * Sessions on the bus.
 *
 * A session is one running agent, person or script. Registration writes its row,
 * each act updates the heartbeat, and the end marks the row. The `heartbeat`
 * channel carries only registrations, changes and ends. *Stale* is for display
 * only: an agent that thinks for a minute writes nothing and is not dead.
 *
 * @module
 */

import {
  ACTIVITY_STATES,
  type FollowedChannel,
  type ListedSession,
  type Session,
  type SessionChange,
  type SessionStart,
} from "../model/session.ts";
import type { Operations } from "./operations.ts";
import {
  InvalidInputError,
  SessionEndedError,
  UnknownSessionError,
} from "../model/errors.ts";
import { assertChannel } from "../model/channels.ts";
import type { FollowChange, Follows } from "../rules/follows.ts";
import { endClosedWindows, type WindowedSession } from "./closed_windows.ts";
import { assertNoNul } from "./options.ts";
import { assertKnownKeys, type KeysOf } from "../model/known_keys.ts";

/** Options of listing sessions. */
export interface SessionListOptions {
  /**
   * Whether to list sessions of every project, not only of the bus's own.
   * @default {false}
   */
  readonly allProjects?: boolean;
  /**
   * Whether to list ended sessions too.
   * @default {false}
   */
  readonly ended?: boolean;
}

const LIST_KEYS: KeysOf<SessionListOptions> = {
  allProjects: true,
  ended: true,
};

const REGISTER_KEYS: KeysOf<Omit<SessionStart, "id">> = {
  name: true,
  wishedName: true,
  vendor: true,
  model: true,
  tty: true,
  pid: true,
  processStart: true,
  keeper: true,
  replaces: true,
  project: true,
  worktree: true,
  branch: true,
  task: true,
  activity: true,
};

const ACTIVITY_KEYS: KeysOf<NonNullable<SessionChange["activity"]>> = {
  state: true,
  why: true,
};
const CHANGE_KEYS: KeysOf<SessionChange> = {
  activity: true,
  doing: true,
  status: true,
  model: true,
  task: true,
  activeFiles: true,
  branch: true,
};

/** State of the bus's own session. */
export interface SessionSelf {
  /** Id of the session; before registration the wanted id. */
  id: string;
  /** Name of the session; absent before registration. */
  name?: string;
  /** Whether this bus has registered the session, and so ends it. */
  owned: boolean;
  /** Whether the session was ended here, and so may not act. */
  ended: boolean;
  /** Process of the registration; only its incarnation is ended here. */
  process?: Pick<Session, "pid" | "processStart">;
  /** Facts for the registration. */
  readonly start: SessionStart;
  /** Signal that is aborted when the bus closes, which ends every wait. */
  readonly closing: AbortSignal;
  /** Registrations and acquires under way, which closing awaits. */
  readonly taking: Set<Promise<unknown>>;
}

/** Has the close of the bus wait for `taking`. */
export async function awaitedByClose<T>(
  self: SessionSelf,
  taking: Promise<T>,
): Promise<T> {
  self.taking.add(taking);
  try {
    return await taking;
  } finally {
    self.taking.delete(taking);
  }
}

/** Sessions on a bus, and the bus's own session. */
export class Sessions {
  readonly #operations: Operations;
  readonly #self: SessionSelf;
  readonly #onRegistered: () => void;

  /** Called by the bus; use {@linkcode MessageBus.sessions}. */
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
   * Registers the bus's own session, or registers it again with new facts. A bus
   * registers by itself before it first publishes. Closing it ends the session. If
   * another living process has the id, the session gets the id `id~2` and so on,
   * and the bus publishes under that.
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
    assertKnownKeys(
      `register session "${this.#self.id}"`,
      known,
      REGISTER_KEYS,
    );
    for (const [field, value] of Object.entries(known)) {
      assertNoNul(field, value);
    }
    if (known.activity !== undefined) {
      assertActivity(this.#self.id, known.activity);
    }
    return await awaitedByClose(this.#self, this.#register(known));
  }

  async #register(
    known: Partial<Omit<SessionStart, "id">>,
  ): Promise<Session> {
    const start = { ...this.#self.start, ...known, id: this.#self.id };
    if (start.name !== undefined) await this.#assertNoChannel(start.name);
    const session = await this.#operations.registerSession(start);
    this.#self.id = session.id;
    this.#self.name = session.name;
    this.#self.owned = true;
    this.#self.ended = false;
    this.#self.process = session;
    this.#onRegistered();
    return session;
  }

  /** Updates the session's heartbeat; wakes no reader. */
  async heartbeat(): Promise<void> {
    // Without registration, the id may belong to another session.
    if (!this.#self.owned) return;
    await this.#operations.updateSession(this.#self.id, {});
  }

  /**
   * Changes the session's status, task, active files or other facts. Any change is
   * also a heartbeat.
   *
   * @throws {UnknownSessionError} If the session is not registered.
   * @throws {SessionEndedError} If the session has ended.
   */
  async update(change: SessionChange): Promise<Session> {
    const { id, owned, ended } = this.#self;
    if (ended) throw new SessionEndedError(`update session "${id}"`, id);
    if (!owned) throw new UnknownSessionError(`update session "${id}"`, id);
    assertSessionChange(id, change);
    return await this.#operations.updateSession(this.#self.id, change);
  }

  /**
   * Gives the bus's own session a name, which belongs to the project. The next
   * session that takes it gets the messages that this one leaves unread.
   *
   * @throws {InvalidInputError} If the name has other characters than letters,
   * digits and `. _ -`, has more than 32 of them, or is that of a vendor or of a
   * channel with messages.
   * @throws {NameTakenError} If another living session of the project has it.
   *
   * @example
   * ```ts
   * import { openBus } from "@coditect/message-bus";
   * import assert from "node:assert/strict";
   *
   * const home = await Deno.makeTempDir();
   * await using bus = await openBus({ home, vendor: "claude" });
   * await bus.sessions.register();
   * await bus.sessions.rename("backend");
   * await using peer = await openBus({ home });
   * await peer.tell("backend", "the schema has changed");
   * const [message] = await bus.inbox().pending();
   * assert.equal(message.payload, "the schema has changed");
   * ```
   */
  async rename(name: string): Promise<Session> {
    const { id, owned, ended } = this.#self;
    const act = `name session "${id}"`;
    if (ended) throw new SessionEndedError(act, id);
    if (!owned) throw new UnknownSessionError(act, id);
    await this.#assertNoChannel(name);
    const session = await this.#operations.renameSession(id, name);
    this.#self.name = session.name;
    return session;
  }

  /** Throws if messages of a channel with that name are kept. */
  async #assertNoChannel(name: string): Promise<void> {
    const { channels } = await this.#operations.stats();
    if (!channels.some(({ channel }) => channel === name)) return;
    throw new InvalidInputError(
      "name",
      `Cannot take the name "${name}": it is a channel. Choose another one.`,
    );
  }

  /**
   * Ends the bus's own session, or another one by its id. Releases its locks and
   * tasks. Ending an ended session has no effect. The bus's own session cannot act
   * until it is registered again. If the store fails, the end is repeated until it
   * succeeds.
   */
  async end(id?: string): Promise<void> {
    const self = this.#self;
    if (id === undefined || id === self.id) {
      self.owned = false;
      self.ended = true;
    }
    if (id !== undefined) await this.#operations.endSession(id);
    else if (self.process !== undefined) {
      await this.#operations.endSession(self.id, self.process);
    }
  }

  /**
   * Follows channels from now on: the session's hooks tell its model each message
   * once. Every session follows `chat`.
   *
   * @returns All followed channels.
   * @throws {InvalidInputError} If a name is not valid, or there are too many.
   *
   * @example
   * ```ts
   * import { openBus } from "@coditect/message-bus";
   * import assert from "node:assert/strict";
   *
   * await using bus = await openBus({ home: await Deno.makeTempDir() });
   * const followed = await bus.sessions.follow(["builds"]);
   * assert.deepEqual(followed.map(({ channel }) => channel), ["chat", "builds"]);
   * ```
   */
  async follow(
    channels: readonly string[],
  ): Promise<readonly FollowedChannel[]> {
    return await this.#changeFollows({ add: channels });
  }

  /**
   * Follows channels no longer.
   *
   * @returns The channels that are still followed.
   */
  async unfollow(
    channels: readonly string[],
  ): Promise<readonly FollowedChannel[]> {
    return await this.#changeFollows({ remove: channels });
  }

  /** Returns the followed channels; none before the session is registered. */
  async followed(): Promise<readonly FollowedChannel[]> {
    return this.#self.owned
      ? toFollowed(await this.#operations.followsOf(this.#self.id))
      : [];
  }

  async #changeFollows(
    change: FollowChange,
  ): Promise<readonly FollowedChannel[]> {
    [...change.add ?? [], ...change.remove ?? []].forEach(assertChannel);
    const { id, owned, ended } = this.#self;
    if (ended) throw new SessionEndedError("follow channels", id);
    if (!owned) await this.register();
    return toFollowed(
      await this.#operations.changeFollows(this.#self.id, change),
    );
  }

  /**
   * Returns the sessions on the bus, in the order of registration, each with what it
   * does.
   *
   * @example
   * ```ts
   * import { openBus } from "@coditect/message-bus";
   * import assert from "node:assert/strict";
   *
   * await using bus = await openBus({ home: await Deno.makeTempDir() });
   * await bus.sessions.register();
   * await bus.sessions.update({ doing: "moves the parser" });
   * const [session] = await bus.sessions.list();
   * assert.equal(session.does, "moves the parser");
   * ```
   */
  async list(
    options: SessionListOptions = {},
  ): Promise<readonly ListedSession[]> {
    assertKnownKeys("list sessions", options, LIST_KEYS);
    const list = () =>
      this.#operations.sessions({
        project: options.allProjects ? null : this.#self.start.project,
        ended: options.ended ?? false,
      });
    const found = await list();
    const running = found.filter(({ status }) => status !== "terminated");
    const isStale = await endClosedWindows(
      this.#operations,
      running.map(toWindowed),
    );
    const sessions = isStale ? await list() : found;
    const doings = await this.#operations.doingsOf(sessions);
    return sessions.map((session) => {
      const does = doings.get(session.id);
      return does === undefined ? session : { ...session, does };
    });
  }
}

/**
 * Throws if a change of a session cannot be stored.
 *
 * @throws {InvalidInputError} If it has an unknown key or an invalid value.
 */
export function assertSessionChange(id: string, change: SessionChange): void {
  assertKnownKeys(`update session "${id}"`, change, CHANGE_KEYS);
  for (const [field, value] of Object.entries(change)) {
    assertNoNul(field, value);
  }
  if (change.activity !== undefined) assertActivity(id, change.activity);
  for (const file of change.activeFiles ?? []) {
    if (typeof file !== "string" || file === "") {
      throw new InvalidInputError(
        "activeFiles",
        `Cannot update session "${id}": an active file is ` +
          `${JSON.stringify(file)}. Pass paths.`,
      );
    }
  }
}

function assertActivity(
  id: string,
  activity: NonNullable<SessionChange["activity"]>,
): void {
  const act = `update session "${id}"`;
  assertKnownKeys(act, activity, ACTIVITY_KEYS);
  if (!ACTIVITY_STATES.includes(activity.state)) {
    throw new InvalidInputError(
      "activity",
      `Cannot ${act}: the activity ${JSON.stringify(activity.state)} is ` +
        `unknown. Pass one of ${ACTIVITY_STATES.join(", ")}.`,
    );
  }
  assertNoNul("why", activity.why);
}

function toFollowed(follows: Follows): FollowedChannel[] {
  return [...follows].map(([channel, since]) => ({ channel, since }));
}

function toWindowed(session: Session): WindowedSession {
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
