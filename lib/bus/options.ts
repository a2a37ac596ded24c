/**
 * How to open a bus: every option with its unit and default, resolved once.
 *
 * @module
 */

import type { Store } from "../store/store.ts";
import { InvalidInputError } from "../model/errors.ts";
import { hasInvisible } from "../text/harmless_text.ts";

/** The largest payload if no option says otherwise, in bytes of JSON. */
export const PAYLOAD_BYTES_MAX: number = 64 * 1024;

/** How to open a bus. */
export interface OpenBusOptions {
  /**
   * The store itself, in place of a URL: for stores of other programs. The bus
   * closes it. What tells which store to open, and how, must not be given with it.
   * @default {the one of the URL}
   */
  readonly store?: Store;
  /**
   * The store: `sqlite:///absolute/bus/folder`, or
   * `postgres://user:password@host:5432/database` (docs/postgres.md lists
   * the parts of the URL, and says when to choose a server).
   * @default {`$MBUS_URL`, else SQLite in the bus folder}
   */
  readonly url?: string;
  /**
   * The bus folder.
   * @default {`$MBUS_HOME`, else `$CODITECT_HOME/message-bus`, else the platform's folder for state}
   */
  readonly home?: string;
  /**
   * The id of one's own session.
   * @default {`$MBUS_SESSION`, else a new one made of the vendor and a random part}
   */
  readonly session?: string;
  /**
   * Who makes the agent, such as `claude` or `codex`.
   * @default {"script"}
   */
  readonly vendor?: string;
  /** The model, such as `gpt-5.5`. */
  readonly model?: string;
  /** The task that the session is on. */
  readonly task?: string;
  /** The terminal that the session runs in, such as `/dev/pts/3`. */
  readonly tty?: string;
  /**
   * The process that lives as long as the session.
   * @default {this process}
   */
  readonly pid?: number;
  /**
   * What the session works on; `null` for every project.
   * @default {the git repository of the working folder, else that folder}
   */
  readonly project?: string | null;
  /**
   * The SQLite library: `node`, built in, or `ffi`, which is `@db/sqlite`.
   * @default {`$MBUS_SQLITE_DRIVER`, else "node"}
   */
  readonly driver?: "node" | "ffi";
  /**
   * How readers are woken: `auto` is pushed to and falls back to polling,
   * `watch` throws instead, `poll` only polls.
   * @default {"auto"}
   */
  readonly notify?: "auto" | "watch" | "poll";
  /**
   * How often to look for what did not ring, in milliseconds, 1 to 60,000.
   * @default {250 in SQLite, 2000 in PostgreSQL}
   */
  readonly pollIntervalMs?: number;
  /**
   * Wall time that a write waits for other writers, in milliseconds, 0 to 600,000.
   * With a server: the time that an operation is tried, at least a second.
   * @default {5000}
   */
  readonly busyTimeoutMs?: number;
  /**
   * How long all operations together wait for other writers, opening included,
   * in milliseconds: for processes that live for one call.
   * @default {Infinity}
   */
  readonly busyTotalMs?: number;
  /**
   * How a commit reaches the disk: `normal` survives the death of any
   * process, `full` also a power cut, at about ten times the time.
   * @default {"normal"}
   */
  readonly synchronous?: "normal" | "full";
  /**
   * Whether nothing may be written.
   * @default {false}
   */
  readonly readOnly?: boolean;
  /**
   * The largest payload, in bytes of JSON, up to 1 MiB.
   * @default {65536}
   */
  readonly payloadBytesMax?: number;
  /**
   * Messages kept on a channel; the oldest go first.
   * @default {10000}
   */
  readonly channelMessagesMax?: number;
  /**
   * Messages this process may publish in a second, with bursts of ten times
   * as many: a guard against runaway loops.
   * @default {1000}
   */
  readonly publishesPerSecondMax?: number;
  /**
   * Locks a session may hold and wait for at a time, 1 to 1,000,000: a guard
   * against runaway loops.
   * @default {1000}
   */
  readonly locksMax?: number;
  /**
   * How often the session says that it lives, in milliseconds.
   * @default {10000}
   */
  readonly heartbeatIntervalMs?: number;
  /**
   * Is told once of what does not stop the bus, such as a fall-back to polling.
   * @default {console.error}
   */
  readonly warn?: (message: string) => void;
  /**
   * The clock, in milliseconds since 1970, for tests.
   * @default {Date.now}
   */
  readonly now?: () => number;
  /** Closes the bus when it is aborted. */
  readonly signal?: AbortSignal;
}

/** The options that a bus and its stores share, with every default filled in. */
export type ResolvedOptions =
  & OpenBusOptions
  & Required<
    Pick<
      OpenBusOptions,
      | "vendor"
      | "notify"
      | "busyTimeoutMs"
      | "payloadBytesMax"
      | "channelMessagesMax"
      | "publishesPerSecondMax"
      | "locksMax"
      | "heartbeatIntervalMs"
      | "warn"
      | "now"
    >
  >;

/**
 * The options with every default filled in.
 *
 * @throws {InvalidInputError} If one is out of its range.
 */
export function resolveOptions(options: OpenBusOptions): ResolvedOptions {
  if (options.store !== undefined) assertNoStoreOptions(options);
  const resolved = {
    ...options,
    vendor: options.vendor ?? "script",
    notify: options.notify ?? "auto",
    busyTimeoutMs: options.busyTimeoutMs ?? 5_000,
    payloadBytesMax: options.payloadBytesMax ?? PAYLOAD_BYTES_MAX,
    channelMessagesMax: options.channelMessagesMax ?? 10_000,
    publishesPerSecondMax: options.publishesPerSecondMax ?? 1_000,
    locksMax: options.locksMax ?? 1_000,
    heartbeatIntervalMs: options.heartbeatIntervalMs ?? 10_000,
    warn: options.warn ?? ((message: string) => console.error(message)),
    now: options.now ?? Date.now,
  };
  assertInRange("pollIntervalMs", options.pollIntervalMs ?? 1, 1, 60_000);
  assertInRange("busyTimeoutMs", resolved.busyTimeoutMs, 0, 600_000);
  assertInteger("payloadBytesMax", resolved.payloadBytesMax, 1, 1 << 20);
  assertInteger("channelMessagesMax", resolved.channelMessagesMax, 1, 1e9);
  assertInRange(
    "publishesPerSecondMax",
    resolved.publishesPerSecondMax,
    1,
    1e9,
  );
  assertInteger("locksMax", resolved.locksMax, 1, 1_000_000);
  assertInRange(
    "heartbeatIntervalMs",
    resolved.heartbeatIntervalMs,
    100,
    600_000,
  );
  assertOneOf("notify", resolved.notify, ["auto", "watch", "poll"]);
  assertOneOf("synchronous", options.synchronous ?? "normal", [
    "normal",
    "full",
  ]);
  for (const field of ["model", "task", "tty", "project"] as const) {
    assertNoNul(field, options[field]);
  }
  assertName("session", options.session);
  assertName("vendor", resolved.vendor);
  return resolved;
}

// What only a store that is opened here can heed.
const STORE_OPTIONS = [
  "url",
  "home",
  "driver",
  "notify",
  "pollIntervalMs",
  "busyTimeoutMs",
  "busyTotalMs",
  "synchronous",
  "readOnly",
] as const;

function assertNoStoreOptions(options: OpenBusOptions): void {
  for (const field of STORE_OPTIONS) {
    if (options[field] === undefined) continue;
    throw new InvalidInputError(
      field,
      `Cannot open the bus: ${field} is for a store that it opens, and a store ` +
        `is given; pass one of the two.`,
    );
  }
}

/**
 * Refuses a text that some store or program would take to end early: at a NUL.
 *
 * @throws {InvalidInputError} If `value` is a text with one.
 */
export function assertNoNul(field: string, value: unknown): void {
  if (typeof value !== "string" || !value.includes("\0")) return;
  throw new InvalidInputError(
    field,
    `Cannot use ${JSON.stringify(value)} as ${field}: it holds a NUL ` +
      `character; leave it out.`,
  );
}

/**
 * The name of a project that was chosen, or the usual one, as every store keeps it: half
 * of a surrogate pair is no text to any of them.
 */
export function projectNameOf(
  chosen: string | null | undefined,
  usual: string | null,
): string | null {
  return chosen === undefined ? usual : chosen?.toWellFormed() ?? null;
}

function assertInRange(
  field: string,
  value: number,
  least: number,
  most: number,
): void {
  if (typeof value === "number" && value >= least && value <= most) return;
  throw new InvalidInputError(
    field,
    `Cannot open the bus: ${field} is ${value}; pass a number from ${least} to ${most}.`,
  );
}

function assertInteger(
  field: string,
  value: number,
  least: number,
  most: number,
): void {
  assertInRange(field, value, least, most);
  if (Number.isInteger(value)) return;
  throw new InvalidInputError(
    field,
    `Cannot open the bus: ${field} is ${value}; pass a whole number.`,
  );
}

function assertOneOf(
  field: string,
  value: string,
  choices: readonly string[],
): void {
  if (choices.includes(value)) return;
  throw new InvalidInputError(
    field,
    `Cannot open the bus: ${field} is ${JSON.stringify(value)}; pass one of ` +
      `${choices.join(", ")}.`,
  );
}

/**
 * Refuses what can't be the id of a session or the name of a vendor or a
 * durable reader: it must survive a shell, a table and a URL.
 *
 * @throws {InvalidInputError} If `value` is given and is none.
 */
export function assertName(
  field: string,
  value: string | undefined,
): void {
  // Compiling Unicode classes takes a third of a millisecond: seldom needed.
  if (value === undefined || /^[\w.\-/:~@+]{1,128}$/.test(value)) return;
  if (
    /^[\p{L}\p{N}._\-/:~@+]{1,128}$/u.test(value) && !hasInvisible(value)
  ) return;
  throw new InvalidInputError(
    field,
    `Cannot use ${
      JSON.stringify(value)
    } as a ${field}: it is 1 to 128 letters, ` +
      `digits and . _ - / : ~ @ + without spaces or invisible characters.`,
  );
}
