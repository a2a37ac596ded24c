/**
 * Errors that callers catch.
 *
 * Every message names the attempted act, the state that prevents it, and the
 * remedy. `kind` determines the exit code of a command:
 *
 * - `input`: an argument is wrong; the same call fails again.
 * - `state`: the call is right, but the present state of the bus prevents it.
 * - `store`: the store of the rows cannot be used.
 *
 * @module
 */

import type { DeliveryState } from "./delivery.ts";
import type { Blocker } from "./lock.ts";
import type { TaskState } from "./task_state.ts";

/** Kind of an error: wrong argument, present state, or unusable store. */
export type ErrorKind = "input" | "state" | "store";

const OF_LIBRARY = Symbol.for("@coditect/message-bus error");

/** Base class of every error that this library throws on purpose. */
export abstract class MessageBusError extends Error {
  /** Kind of the error. */
  readonly kind: ErrorKind;

  /** Returns whether a value is one, also of another copy of this module. */
  static override [Symbol.hasInstance](value: unknown): boolean {
    return this === MessageBusError
      ? value instanceof Error && OF_LIBRARY in value
      : Function.prototype[Symbol.hasInstance].call(this, value);
  }

  /** Makes an error of the class `name`; `message` is a whole sentence. */
  constructor(
    name: string,
    kind: ErrorKind,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
    // Not the class's own name, because a bundler may change that.
    this.name = name;
    this.kind = kind;
    Object.defineProperty(this, OF_LIBRARY, { value: true });
  }
}

/** Argument that is wrong in every state of the bus. */
export class InvalidInputError extends MessageBusError {
  /** Wrong argument, such as `channel` or `ttlSeconds`. */
  readonly field: string;

  /** Makes an error for one `field`; `message` is a whole sentence. */
  constructor(field: string, message: string, options?: ErrorOptions) {
    super("InvalidInputError", "input", message, options);
    this.field = field;
  }
}

/** Payload above the configured size. */
export class PayloadTooLargeError extends InvalidInputError {
  /** Size of the refused payload, in bytes of UTF-8 JSON. */
  readonly payloadBytes: number;
  /** Largest accepted size, in bytes of UTF-8 JSON. */
  readonly payloadBytesMax: number;

  /** Makes an error for a payload of `payloadBytes`. */
  constructor(channel: string, payloadBytes: number, payloadBytesMax: number) {
    super(
      "payload",
      `Cannot publish on "${channel}": the payload has ${payloadBytes} bytes, ` +
        `the limit is ${payloadBytesMax}. Put the data in a file and publish its path.`,
    );
    this.name = "PayloadTooLargeError";
    this.payloadBytes = payloadBytes;
    this.payloadBytesMax = payloadBytesMax;
  }
}

/** Session that is not on the bus, or a prefix that several sessions have. */
export class UnknownSessionError extends InvalidInputError {
  /** Text that was passed as the session. */
  readonly session: string;
  /** Names of the sessions that match the text; empty if none does. */
  readonly candidates: readonly string[];

  /**
   * Makes an error.
   *
   * @param act Attempted act, such as `send to "x"`.
   * @param known Names of living sessions of the project, and the project of a
   * session elsewhere that matches.
   */
  constructor(
    act: string,
    session: string,
    candidates: readonly string[] = [],
    known: {
      readonly here?: readonly string[];
      readonly elsewhere?: string;
    } = {},
  ) {
    super("session", unknownSession(act, session, candidates, known));
    this.name = "UnknownSessionError";
    this.session = session;
    this.candidates = candidates;
  }
}

const NAMES_SHOWN_MAX = 5;

function unknownSession(
  act: string,
  session: string,
  candidates: readonly string[],
  { here = [], elsewhere }: {
    readonly here?: readonly string[];
    readonly elsewhere?: string;
  },
): string {
  if (candidates.length > 0) {
    return `Cannot ${act}: "${session}" fits ${candidates.length} sessions ` +
      `(${shownNames(candidates)}). Write more of the name.`;
  }
  if (elsewhere !== undefined) {
    return `Cannot ${act}: session "${session}" is in another project, ` +
      `${elsewhere}. Add --all-projects, or pass the session's id.`;
  }
  return `Cannot ${act}: no session "${session}" is on this bus. ` +
    (here.length === 0
      ? `Choose one that "mbus sessions" lists.`
      : `Choose one of ${shownNames(here)}.`);
}

function shownNames(names: readonly string[]): string {
  const shown = names.slice(0, NAMES_SHOWN_MAX).join(", ");
  const more = names.length - NAMES_SHOWN_MAX;
  return more > 0 ? `${shown} and ${more} more` : shown;
}

/** Chosen name that another living session has. */
export class NameTakenError extends MessageBusError {
  /** Wanted name. */
  readonly taken: string;
  /** Id of the session that has it. */
  readonly session: string;

  /** Makes an error for a `name` that `session` has. */
  constructor(name: string, session: string) {
    super(
      "NameTakenError",
      "state",
      `Cannot take the name "${name}": another living session has it. End that ` +
        `session with "mbus end --session ${name}", or choose another name.`,
    );
    this.taken = name;
    this.session = session;
  }
}

/** Call of a bus, store or subscription that is closed. */
export class ClosedError extends MessageBusError {
  /** Makes an error; `act` is the attempted act. */
  constructor(act: string) {
    super(
      "ClosedError",
      "state",
      `Cannot ${act}: the bus is closed. Open it again with openBus().`,
    );
  }
}

/** Publishing above the rate limit of the process. */
export class RateLimitError extends MessageBusError {
  /** Time until a message is accepted again, in milliseconds. */
  readonly retryAfterMs: number;

  /** Makes an error for a limit of `perSecond` messages. */
  constructor(perSecond: number, retryAfterMs: number) {
    super(
      "RateLimitError",
      "state",
      `Cannot publish: this process is over ${perSecond} messages a second. ` +
        `Wait ${retryAfterMs} ms, or raise publishesPerSecondMax unless a loop runs away.`,
    );
    this.retryAfterMs = retryAfterMs;
  }
}

/** Durable name that another living reader holds. */
export class DurableNameInUseError extends MessageBusError {
  /** Durable name. */
  readonly durable: string;
  /** Reader under that name, such as `pid 4711` or a session id. */
  readonly reader: string;

  /** Makes an error for `durable`, read by `reader`. */
  constructor(durable: string, reader: string) {
    super(
      "DurableNameInUseError",
      "state",
      `Cannot subscribe as "${durable}": ${reader} reads under that name. ` +
        `End that reader or choose another name.`,
    );
    this.durable = durable;
    this.reader = reader;
  }
}

/** Lease of a durable reader that has passed to another reader. */
export class LeaseLostError extends MessageBusError {
  /** Lost object, such as `durable name "builds"`. */
  readonly held: string;

  /** Makes an error; `act` is the act attempted with the lost lease. */
  constructor(act: string, held: string) {
    super(
      "LeaseLostError",
      "state",
      `Cannot ${act}: the lease on ${held} has expired, and another reader ` +
        `holds it. Take it again.`,
    );
    this.held = held;
  }
}

/** Write lock that another writer held for longer than the caller's timeout. */
export class BusyError extends MessageBusError {
  /** Time spent trying, in milliseconds. */
  readonly waitedMs: number;

  /** Makes an error; `act` is the attempted act. */
  constructor(act: string, waitedMs: number, options?: ErrorOptions) {
    super(
      "BusyError",
      "store",
      `Cannot ${act}: another program held the database's write lock for ` +
        `${
          Math.round(waitedMs)
        } ms. End the program that keeps a transaction ` +
        `open, then try again.`,
      options,
    );
    this.waitedMs = waitedMs;
  }
}

/** Reason why a store cannot be used. */
export type StoreFault =
  | "missing"
  | "moved"
  | "not-a-database"
  | "foreign"
  | "corrupt"
  | "newer"
  | "read-only"
  | "full"
  | "permission"
  | "descriptors"
  | "ownership"
  | "network-file-system"
  | "driver"
  | "io"
  | "unreachable"
  | "server";

/** Store that cannot be used; `fault` is the reason. */
export class StoreError extends MessageBusError {
  /** Reason, for programs. */
  readonly fault: StoreFault;
  /** File, folder or server, without credentials. */
  readonly location: string;

  /** Makes an error; `message` is a whole sentence with the remedy. */
  constructor(
    fault: StoreFault,
    location: string,
    message: string,
    options?: ErrorOptions,
  ) {
    super("StoreError", "store", message, options);
    this.fault = fault;
    this.location = location;
  }
}

/** Lock that another session holds, or waits for since earlier. */
export class LockHeldError extends MessageBusError {
  /** Requested absolute path or pattern. */
  readonly path: string;
  /** Sessions that block the request. */
  readonly blockers: readonly Blocker[];
  /** Time spent waiting, in milliseconds. */
  readonly waitedMs: number;

  /** Makes an error for `path`. */
  constructor(path: string, blockers: readonly Blocker[], waitedMs: number) {
    const waited = waitedMs > 0 ? ` in ${Math.round(waitedMs)} ms` : "";
    const remedy = blockers.some(({ overdue }) => overdue)
      ? "Ask its holder, or take the overdue lock over (--take-over)"
      : "Wait for it, ask its holder, or work elsewhere";
    super(
      "LockHeldError",
      "state",
      `Cannot lock "${path}"${waited}: ${
        blockers.map(describeBlocker).join("; ") || "another session holds it"
      }. ${remedy}.`,
    );
    this.path = path;
    this.blockers = blockers;
    this.waitedMs = waitedMs;
  }
}

/** Returns a blocker in words: session, lock, times, task and reason. */
function describeBlocker(blocker: Blocker): string {
  const { name, vendor, state, type, path, since, task, why } = blocker;
  const how = state === "waits"
    ? `waits for ${path} since`
    : `holds ${path} ${
      type === "exclusive" ? "exclusively" : "as an advisory lock"
    } since`;
  return `${name} (${vendor}) ${how} ${since}` +
    (blocker.expiresAt === undefined
      ? ""
      : blocker.overdue
      ? `, overdue since ${blocker.expiresAt}`
      : ` until ${blocker.expiresAt}`) +
    (task === undefined ? "" : `, on task ${task}`) +
    (why === undefined ? "" : ` ("${why}")`);
}

/** Lock or claim that is not held, or no longer held under the given token. */
export class NotHeldError extends MessageBusError {
  /** Path or task. */
  readonly held: string;
  /** Invalid fencing token, if one was given. */
  readonly token: number | undefined;

  /** Makes an error; `act` is the attempted act, such as `renew`. */
  constructor(act: string, held: string, token?: number) {
    super(
      "NotHeldError",
      "state",
      `Cannot ${act} "${held}": ` +
        (token === undefined
          ? "this session does not hold it."
          : `token ${token} is not valid, because the hold was released, expired ` +
            `or was taken over. Take it again.`),
    );
    this.held = held;
    this.token = token;
  }
}

/** Limit on the number of things that one session may have. */
export class LimitError extends MessageBusError {
  /** Option that sets the limit, such as `locksMax`. */
  readonly option: string;
  /** Largest allowed number. */
  readonly max: number;

  /** Makes an error; `act` is the attempted act, `things` the limited things. */
  constructor(act: string, things: string, option: string, max: number) {
    super(
      "LimitError",
      "state",
      `Cannot ${act}: this session has ${max} ${things}, which is the limit. ` +
        `Release some, or raise ${option} unless a loop runs away.`,
    );
    this.option = option;
    this.max = max;
  }
}

/** Session whose inbox holds as many unacknowledged messages as it may. */
export class InboxFullError extends MessageBusError {
  /** Id of the session. */
  readonly session: string;
  /** Largest number of unacknowledged messages. */
  readonly max: number;

  /** Makes an error for a message to `session`. */
  constructor(session: string, max: number) {
    super(
      "InboxFullError",
      "state",
      `Cannot send to "${session}": its inbox holds ${max} unacknowledged ` +
        `messages, which is the limit. Write again after it has run "mbus inbox".`,
    );
    this.session = session;
    this.max = max;
  }
}

/** Edge of a cycle of waiting sessions. */
export interface DeadlockStep {
  /** Id of the waiting session. */
  readonly session: string;
  /** Path or pattern that it waits for. */
  readonly path: string;
  /** Id of the session that it waits for. */
  readonly waitsFor: string;
}

/** Wait that would close a cycle of waiting sessions, and so never end. */
export class DeadlockError extends MessageBusError {
  /** Cycle, beginning with the asking session. */
  readonly cycle: readonly DeadlockStep[];

  /**
   * Makes an error for `path`, which closes `cycle`.
   *
   * @param names Names of the sessions, by id.
   */
  constructor(
    path: string,
    cycle: readonly DeadlockStep[],
    names: ReadonlyMap<string, string> = new Map(),
  ) {
    const named = (session: string) => names.get(session) ?? session;
    super(
      "DeadlockError",
      "state",
      `Cannot wait for "${path}": the wait would close a cycle (${
        cycle.map(({ session, path, waitsFor }) =>
          `${named(session)} waits for ${named(waitsFor)} on ${path}`
        ).join(", ")
      }). Release one of these first.`,
    );
    this.cycle = cycle;
  }
}

/**
 * Ended session, where a running one is required. Its process registers again with
 * `bus.sessions.register()` or `mbus register`.
 */
export class SessionEndedError extends MessageBusError {
  /** Id of the ended session. */
  readonly session: string;
  /** Whether another process has taken over the id. */
  readonly takenOver: boolean;

  /** Makes an error; `act` is the attempted act. */
  constructor(
    act: string,
    session: string,
    { takenOver = false }: { readonly takenOver?: boolean } = {},
  ) {
    super(
      "SessionEndedError",
      "state",
      `Cannot ${act}: session "${session}" has ended` +
        (takenOver
          ? ", and another process has its id. Register again, under an id of " +
            "your own,"
          : ". Register it again") +
        ` with "mbus register".`,
    );
    this.session = session;
    this.takenOver = takenOver;
  }
}

/** Task in a state that does not allow the act. */
export class TaskStateError extends MessageBusError {
  /** Id of the task. */
  readonly task: string;
  /** State of the task. */
  readonly state: TaskState;

  /** Makes an error; `clause` names the state, `remedy` is an imperative. */
  constructor(
    act: string,
    task: string,
    state: TaskState,
    clause: string,
    remedy: string,
  ) {
    super(
      "TaskStateError",
      "state",
      `Cannot ${act} task "${task}": ${clause}. ${remedy}.`,
    );
    this.task = task;
    this.state = state;
  }
}

/** Question to a session that has ended, or that ends before it answers. */
export class AskUnansweredError extends MessageBusError {
  /** Id of the asked session. */
  readonly session: string;
  /** Id of the message with the question. */
  readonly id: string;

  /** Makes an error for a question to `session`. */
  constructor(session: string, id: string, name = session) {
    super(
      "AskUnansweredError",
      "state",
      `Cannot get an answer from "${name}": it has ended, and the question, ` +
        `message ${id}, stays in its inbox. Ask a session that "mbus sessions" lists.`,
    );
    this.session = session;
    this.id = id;
  }
}

/** Question that was not answered in time. */
export class AskTimeoutError extends MessageBusError {
  /** Id of the asked session. */
  readonly to: string;
  /** Id of the message with the question. */
  readonly id: string;
  /** Proven progress of that message, such as `queued`. */
  readonly delivery: DeliveryState | "gone";

  /**
   * Makes an error for a question to `to`.
   *
   * @param asked Proven progress of the question, a short name of the asked session,
   * and whether it is at work.
   */
  constructor(
    to: string,
    id: string,
    waitedMs: number,
    { delivery, name, isActive }: {
      readonly delivery: DeliveryState | "gone";
      readonly name: string;
      readonly isActive: boolean;
    },
  ) {
    super(
      "AskTimeoutError",
      "state",
      `No answer within ${shortDuration(waitedMs)}. ${
        progressOf(id, name, delivery, isActive)
      }; a late answer arrives in mbus inbox.`,
    );
    this.to = to;
    this.id = id;
    this.delivery = delivery;
  }
}

/** Returns what is proven of a question that is not answered. */
function progressOf(
  id: string,
  name: string,
  delivery: DeliveryState | "gone",
  isActive: boolean,
): string {
  switch (delivery) {
    case "queued":
      return `Message ${id} is not read yet`;
    case "noticed":
      return `Message ${id} has reached ${name}, but its model has not read it`;
    case "injected":
      return isActive
        ? `${name} has read message ${id} and is at work`
        : `${name} has read message ${id} and is idle`;
    case "acked":
      return `${name} has acknowledged message ${id}`;
    case "gone":
    case "expired":
    case "undeliverable":
      return `Message ${id} expired unread`;
  }
}

/** Returns a duration in its largest fitting unit, such as `5 min`. */
function shortDuration(ms: number): string {
  if (ms < 1_000) return `${Math.round(ms)} ms`;
  const seconds = Math.round(ms / 1_000);
  return seconds < 120 ? `${seconds} s` : `${Math.round(seconds / 60)} min`;
}
