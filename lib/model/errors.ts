/**
 * What can go wrong, as types that callers catch.
 *
 * Every message says what was attempted, what stood in the way and what to do.
 * `kind` sorts them by who can mend it, and is all that a command needs to
 * choose its exit code:
 *
 * - `input`: the caller passed something wrong; the same call fails again.
 * - `state`: the call was right, but the state of things refuses it now.
 * - `store`: the place where the rows live cannot be used.
 *
 * @module
 */

import type { Blocker } from "./lock.ts";

/** Who can mend an error: the caller, time, or whoever keeps the store. */
export type ErrorKind = "input" | "state" | "store";

const OF_LIBRARY = Symbol.for("@coditect/message-bus error");

/** The base of every error this library throws on purpose. */
export abstract class MessageBusError extends Error {
  /** Who can mend it. */
  readonly kind: ErrorKind;

  /** Whether a value is one, also of another copy of this module, as in bundles. */
  static override [Symbol.hasInstance](value: unknown): boolean {
    return this === MessageBusError
      ? value instanceof Error && OF_LIBRARY in value
      : Function.prototype[Symbol.hasInstance].call(this, value);
  }

  /** Makes the error of the class `name`; `message` is a whole sentence. */
  constructor(
    name: string,
    kind: ErrorKind,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
    // Spelled out, as a bundle may call the class something else.
    this.name = name;
    this.kind = kind;
    Object.defineProperty(this, OF_LIBRARY, { value: true });
  }
}

/** An argument that no state of the bus would make right. */
export class InvalidInputError extends MessageBusError {
  /** The argument that is wrong, such as `channel` or `ttlSeconds`. */
  readonly field: string;

  /** Makes the error for one `field`; `message` is a whole sentence. */
  constructor(field: string, message: string, options?: ErrorOptions) {
    super("InvalidInputError", "input", message, options);
    this.field = field;
  }
}

/** A payload above the configured size. */
export class PayloadTooLargeError extends InvalidInputError {
  /** The size of the refused payload in bytes of UTF-8 JSON. */
  readonly payloadBytes: number;
  /** The most that is taken, in the same bytes. */
  readonly payloadBytesMax: number;

  /** Makes the error for a payload of `payloadBytes`. */
  constructor(channel: string, payloadBytes: number, payloadBytesMax: number) {
    super(
      "payload",
      `Cannot publish on "${channel}": the payload has ${payloadBytes} bytes, ` +
        `the most is ${payloadBytesMax}; put the data in a file and publish its path.`,
    );
    this.name = "PayloadTooLargeError";
    this.payloadBytes = payloadBytes;
    this.payloadBytesMax = payloadBytesMax;
  }
}

/** A session that is not on the bus, or a prefix that fits more than one. */
export class UnknownSessionError extends InvalidInputError {
  /** What was given as the session. */
  readonly session: string;
  /** The sessions that it could have meant, by id; empty when there is none. */
  readonly candidates: readonly string[];

  /** Makes the error; `act` is what was attempted, such as `send to "x"`. */
  constructor(
    act: string,
    session: string,
    candidates: readonly string[] = [],
  ) {
    super(
      "session",
      candidates.length === 0
        ? `Cannot ${act}: no session "${session}" is on this bus; ` +
          `"mbus sessions" lists those that are.`
        : `Cannot ${act}: "${session}" fits ${candidates.length} sessions ` +
          `(${candidates.slice(0, 5).join(", ")}); give more of the id.`,
    );
    this.name = "UnknownSessionError";
    this.session = session;
    this.candidates = candidates;
  }
}

/** A bus, store or subscription that was closed before the call. */
export class ClosedError extends MessageBusError {
  /** Makes the error; `act` is what was attempted. */
  constructor(act: string) {
    super(
      "ClosedError",
      "state",
      `Cannot ${act}: the bus is closed; open it again with openBus().`,
    );
  }
}

/** More messages in a short time than one process may publish. */
export class RateLimitError extends MessageBusError {
  /** When the next message would be taken, in milliseconds from now. */
  readonly retryAfterMs: number;

  /** Makes the error for a limit of `perSecond` messages. */
  constructor(perSecond: number, retryAfterMs: number) {
    super(
      "RateLimitError",
      "state",
      `Cannot publish: this process is over ${perSecond} messages a second; ` +
        `wait ${retryAfterMs} ms, or raise publishesPerSecondMax if it is no runaway loop.`,
    );
    this.retryAfterMs = retryAfterMs;
  }
}

/** A durable name that another living reader holds. */
export class DurableNameInUseError extends MessageBusError {
  /** The durable name. */
  readonly durable: string;
  /** Who reads under that name, such as `pid 4711` or a session id. */
  readonly reader: string;

  /** Makes the error for `durable`, read by `reader`. */
  constructor(durable: string, reader: string) {
    super(
      "DurableNameInUseError",
      "state",
      `Cannot subscribe as "${durable}": ${reader} reads under that name; ` +
        `end that reader or choose another name.`,
    );
    this.durable = durable;
    this.reader = reader;
  }
}

/** A durable reader whose lease went to another while it was away. */
export class LeaseLostError extends MessageBusError {
  /** What was held, such as `durable name "builds"`. */
  readonly held: string;

  /** Makes the error; `act` is what was attempted with the lost lease. */
  constructor(act: string, held: string) {
    super(
      "LeaseLostError",
      "state",
      `Cannot ${act}: the lease on ${held} ran out and went to another; ` +
        `take it again.`,
    );
    this.held = held;
  }
}

/** Another writer held the store for longer than the caller would wait. */
export class BusyError extends MessageBusError {
  /** How long it was tried, in milliseconds. */
  readonly waitedMs: number;

  /** Makes the error; `act` is what was attempted. */
  constructor(act: string, waitedMs: number, options?: ErrorOptions) {
    super(
      "BusyError",
      "store",
      `Cannot ${act}: another program held the database's write lock for all of ` +
        `the ${Math.round(waitedMs)} ms that it was tried; look for one that ` +
        `keeps a transaction open, then try again.`,
      options,
    );
    this.waitedMs = waitedMs;
  }
}

/** Why a store cannot be used. */
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
  | "unreachable";

/** The place where the rows live cannot be used; `fault` says why. */
export class StoreError extends MessageBusError {
  /** The reason, for programs. */
  readonly fault: StoreFault;
  /** The file, folder or server it is about, without credentials. */
  readonly location: string;

  /** Makes the error; `message` is a whole sentence with the remedy. */
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

/** A lock that another session holds, or waits for since earlier. */
export class LockHeldError extends MessageBusError {
  /** The absolute path or pattern that was asked for. */
  readonly path: string;
  /** Who stands before it. */
  readonly blockers: readonly Blocker[];
  /** How long it was waited for, in milliseconds. */
  readonly waitedMs: number;

  /** Makes the error for `path`. */
  constructor(path: string, blockers: readonly Blocker[], waitedMs: number) {
    const waited = waitedMs > 0 ? ` in ${Math.round(waitedMs)} ms` : "";
    const remedy = blockers.some(({ overdue }) => overdue)
      ? "it is overdue: ask its holder, or take it over (--take-over)"
      : "wait for it, ask its holder, or work elsewhere";
    super(
      "LockHeldError",
      "state",
      `Cannot lock "${path}"${waited}: ${
        blockers.map(describeBlocker).join("; ") || "it is held by another"
      }; ${remedy}.`,
    );
    this.path = path;
    this.blockers = blockers;
    this.waitedMs = waitedMs;
  }
}

/** One blocker in words: who, since when, on what task. */
function describeBlocker(blocker: Blocker): string {
  const { session, vendor, state, type, path, since, task, why } = blocker;
  const how = state === "waits"
    ? `waits for ${path} since`
    : `holds ${path} ${
      type === "exclusive" ? "exclusively" : "as an advisory lock"
    } since`;
  return `${session} (${vendor}) ${how} ${since}` +
    (blocker.expiresAt === undefined
      ? ""
      : blocker.overdue
      ? `, overdue since ${blocker.expiresAt}`
      : ` until ${blocker.expiresAt}`) +
    (task === undefined ? "" : `, on task ${task}`) +
    (why === undefined ? "" : ` ("${why}")`);
}

/** A lock or claim that is not, or no longer, held under the token given. */
export class NotHeldError extends MessageBusError {
  /** The path or task. */
  readonly held: string;
  /** The fencing token that is not valid, if one was given. */
  readonly token: number | undefined;

  /** Makes the error; `act` is what was attempted, such as `renew`. */
  constructor(act: string, held: string, token?: number) {
    super(
      "NotHeldError",
      "state",
      `Cannot ${act} "${held}": ` +
        (token === undefined
          ? "this session does not hold it."
          : `it is not held under token ${token} any more, as it was given ` +
            `back, ran out or was taken over; take it again.`),
    );
    this.held = held;
    this.token = token;
  }
}

/** More of something than one session may have. */
export class LimitError extends MessageBusError {
  /** The option that sets the limit, such as `locksMax`. */
  readonly option: string;
  /** The most that there may be. */
  readonly most: number;

  /** Makes the error; `act` is what was attempted, `things` what there is of. */
  constructor(act: string, things: string, option: string, most: number) {
    super(
      "LimitError",
      "state",
      `Cannot ${act}: this session has ${most} ${things}, the most there may ` +
        `be; give some back, or raise ${option} if it is no runaway loop.`,
    );
    this.option = option;
    this.most = most;
  }
}

/** One edge of a cycle of waiters. */
export interface DeadlockStep {
  /** The session that waits. */
  readonly session: string;
  /** What it waits for. */
  readonly path: string;
  /** The session that it waits for. */
  readonly waitsFor: string;
}

/** Waiting that would never end, as everyone would wait for the next. */
export class DeadlockError extends MessageBusError {
  /** The cycle, beginning with the session that asked. */
  readonly cycle: readonly DeadlockStep[];

  /** Makes the error for `path`, which closes `cycle`. */
  constructor(path: string, cycle: readonly DeadlockStep[]) {
    super(
      "DeadlockError",
      "state",
      `Cannot wait for "${path}": it would close a cycle (${
        cycle.map(({ session, path, waitsFor }) =>
          `${session} waits for ${waitsFor} on ${path}`
        ).join(", ")
      }); release one of these first.`,
    );
    this.cycle = cycle;
  }
}

/**
 * A session that has ended, where a running one is needed. Whoever acted in its
 * name registers again, with `bus.sessions.register()` or `mbus register`.
 */
export class SessionEndedError extends MessageBusError {
  /** The session. */
  readonly session: string;
  /** Whether another process has the session's id by now. */
  readonly takenOver: boolean;

  /** Makes the error; `act` is what was attempted. */
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
          ? ", and another process has its id by now; register again, under an " +
            "id of your own"
          : "; register it again") +
        ` with "mbus register".`,
    );
    this.session = session;
    this.takenOver = takenOver;
  }
}

/** A task that is not in the state that the act needs. */
export class TaskStateError extends MessageBusError {
  /** The task's id. */
  readonly task: string;

  /** Makes the error; `state` says what stands in the way, `remedy` what to do. */
  constructor(act: string, task: string, state: string, remedy: string) {
    super(
      "TaskStateError",
      "state",
      `Cannot ${act} task "${task}": ${state}; ${remedy}.`,
    );
    this.task = task;
  }
}

/** A question to a session that has ended, or ended before it answered. */
export class AskUnansweredError extends MessageBusError {
  /** The session that was asked. */
  readonly session: string;
  /** The id of the message that asked. */
  readonly id: string;

  /** Makes the error for a question to `session`. */
  constructor(session: string, id: string) {
    super(
      "AskUnansweredError",
      "state",
      `Cannot get an answer from "${session}": it has ended; ask one of those ` +
        `that "mbus sessions" shows (if it is resumed in time, it finds the ` +
        `question, message ${id}, in its inbox).`,
    );
    this.session = session;
    this.id = id;
  }
}

/** A request that nobody answered in time. */
export class AskTimeoutError extends MessageBusError {
  /** The id of the message that asked. */
  readonly id: string;
  /** How far that message is proven to have come. */
  readonly delivery: string;

  /** Makes the error for a question to `to`. */
  constructor(to: string, id: string, waitedMs: number, delivery: string) {
    super(
      "AskTimeoutError",
      "state",
      `Cannot get an answer from "${to}": none came in ${
        Math.round(waitedMs)
      } ms ` +
        `(the question, message ${id}, is ${delivery}); it may still come to the inbox.`,
    );
    this.id = id;
    this.delivery = delivery;
  }
}
