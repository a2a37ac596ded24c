/**
 * Options of opening a bus: units, defaults and checks.
 *
 * @module
 */

import { assertNameChoosable } from "../rules/names.ts";
import type { Store } from "../store/store.ts";
import { InvalidInputError } from "../model/errors.ts";
import { assertKnownKeys, type KeysOf } from "../model/known_keys.ts";
import { hasInvisible } from "../text/harmless_text.ts";

/** Default limit of a payload, in bytes of JSON. */
export const PAYLOAD_BYTES_MAX: number = 64 * 1024;

/** Options of opening a bus. */
export interface OpenBusOptions {
  /**
   * Store of another program, in place of a URL. The bus closes it. Options that
   * choose and open a store must not be given with it.
   * @default {the store of `url`}
   */
  readonly store?: Store;
  /**
   * URL of the store: `sqlite:///absolute/bus/folder`, or
   * `postgres://user:password@host:5432/database`. docs/postgres.md lists the
   * parts of the URL, and says when to choose a server.
   * @default {`$MBUS_URL`, or SQLite in the bus folder}
   */
  readonly url?: string;
  /**
   * Absolute path of the bus folder.
   * @default {`$MBUS_HOME`, or `$CODITECT_HOME/message-bus`, or the platform's folder for state}
   */
  readonly home?: string;
  /**
   * Id of the bus's own session.
   * @default {`$MBUS_SESSION`, or a new id of the vendor and a random part}
   */
  readonly session?: string;
  /**
   * Name of the bus's own session, which belongs to the project. The next session
   * that takes it gets the messages that this one leaves unread.
   * @default {`$MBUS_NAME` unless a living session has it, or a new name of the vendor and four characters}
   */
  readonly name?: string;
  /**
   * Vendor of the agent, such as `claude` or `codex`.
   * @default {"script"}
   */
  readonly vendor?: string;
  /** Model, such as `gpt-5.5`. */
  readonly model?: string;
  /** Task of the session. */
  readonly task?: string;
  /** Terminal of the session, such as `/dev/pts/3`. */
  readonly tty?: string;
  /**
   * Id of the process that lives as long as the session.
   * @default {this process}
   */
  readonly pid?: number;
  /**
   * Project of the session; `null` for every project.
   * @default {the git repository of the working folder, or that folder}
   */
  readonly project?: string | null;
  /**
   * SQLite library: `node` is built in, `ffi` is `@db/sqlite`.
   * @default {`$MBUS_SQLITE_DRIVER`, or "node"}
   */
  readonly driver?: "node" | "ffi";
  /**
   * Wake-up of readers: `auto` watches and falls back to polling, `watch` throws
   * instead of falling back, `poll` only polls.
   * @default {"auto"}
   */
  readonly notify?: "auto" | "watch" | "poll";
  /**
   * Interval of the safety poll, in milliseconds, 1 to 60,000.
   * @default {250 in SQLite, 2000 in PostgreSQL}
   */
  readonly pollIntervalMs?: number;
  /**
   * Wall time that a write waits for other writers, in milliseconds, 0 to 600,000.
   * With a server: the time that an operation is retried, at least a second.
   * @default {5000}
   */
  readonly busyTimeoutMs?: number;
  /**
   * Wall time that all operations together wait for other writers, opening
   * included, in milliseconds; for one-shot processes. With a server: the wall
   * time of all operations, closing included.
   * @default {Infinity}
   */
  readonly busyTotalMs?: number;
  /**
   * Durability of a commit: `normal` survives the death of any process, `full`
   * also a power cut, and is about ten times slower.
   * @default {"normal"}
   */
  readonly synchronous?: "normal" | "full";
  /**
   * Whether the bus is opened for reading only.
   * @default {false}
   */
  readonly readOnly?: boolean;
  /**
   * Limit of a payload, in bytes of JSON, up to 1 MiB.
   * @default {65536}
   */
  readonly payloadBytesMax?: number;
  /**
   * Limit of messages kept on a channel; the oldest are deleted first.
   * @default {10000}
   */
  readonly channelMessagesMax?: number;
  /**
   * Limit of messages that this process publishes in a second, with bursts of ten
   * times as many; stops runaway loops.
   * @default {1000}
   */
  readonly publishesPerSecondMax?: number;
  /**
   * Limit of locks that a session holds and waits for at a time, 1 to 1,000,000;
   * stops runaway loops.
   * @default {1000}
   */
  readonly locksMax?: number;
  /**
   * Interval of the session's heartbeat, in milliseconds.
   * @default {10000}
   */
  readonly heartbeatIntervalMs?: number;
  /**
   * Receives each warning once, such as the fall back to polling.
   * @default {console.error}
   */
  readonly warn?: (message: string) => void;
  /**
   * Clock, in milliseconds since 1970, for tests.
   * @default {Date.now}
   */
  readonly now?: () => number;
  /** Signal that closes the bus when aborted. */
  readonly signal?: AbortSignal;
}

const OPEN_KEYS: KeysOf<OpenBusOptions> = {
  name: true,
  store: true,
  url: true,
  home: true,
  session: true,
  vendor: true,
  model: true,
  task: true,
  tty: true,
  pid: true,
  project: true,
  driver: true,
  notify: true,
  pollIntervalMs: true,
  busyTimeoutMs: true,
  busyTotalMs: true,
  synchronous: true,
  readOnly: true,
  payloadBytesMax: true,
  channelMessagesMax: true,
  publishesPerSecondMax: true,
  locksMax: true,
  heartbeatIntervalMs: true,
  warn: true,
  now: true,
  signal: true,
};

/** Options that a bus and its stores share, with every default filled in. */
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
 * Returns options with every default filled in.
 *
 * @throws {InvalidInputError} If an option is invalid.
 */
export function resolveOptions(options: OpenBusOptions): ResolvedOptions {
  assertKnownKeys("open the bus", options, OPEN_KEYS);
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
  if (options.name !== undefined) assertNameChoosable(options.name);
  assertName("vendor", resolved.vendor);
  return resolved;
}

// Options for a store that the bus opens itself.
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
        `is given. Pass only one of the two.`,
    );
  }
}

/**
 * Throws for a text with a NUL, where some stores and programs cut a text.
 *
 * @throws {InvalidInputError} If `value` is a text with a NUL.
 */
export function assertNoNul(field: string, value: unknown): void {
  if (typeof value !== "string" || !value.includes("\0")) return;
  throw new InvalidInputError(
    field,
    `Cannot use ${JSON.stringify(value)} as ${field}: it contains a NUL ` +
      `character. Leave it out.`,
  );
}

/**
 * Returns the chosen name of a project, or the usual one. Replaces half surrogate
 * pairs, because no store keeps them.
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
  min: number,
  max: number,
): void {
  if (typeof value === "number" && value >= min && value <= max) return;
  throw new InvalidInputError(
    field,
    `Cannot open the bus: ${field} is ${value}. Pass a number from ${min} to ${max}.`,
  );
}

function assertInteger(
  field: string,
  value: number,
  min: number,
  max: number,
): void {
  assertInRange(field, value, min, max);
  if (Number.isInteger(value)) return;
  throw new InvalidInputError(
    field,
    `Cannot open the bus: ${field} is ${value}. Pass a whole number.`,
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
    `Cannot open the bus: ${field} is ${JSON.stringify(value)}. Pass one of ` +
      `${choices.join(", ")}.`,
  );
}

/**
 * Throws if a value cannot be a session's id, a vendor or a durable name. A name
 * must survive a shell, a table and a URL.
 *
 * @throws {InvalidInputError} If `value` is given and is not a valid name.
 */
export function assertName(
  field: string,
  value: string | undefined,
): void {
  // The plain pattern spares most names the compiling of Unicode classes.
  if (value === undefined || /^[\w.\-/:~@+]{1,128}$/.test(value)) return;
  if (
    /^[\p{L}\p{N}._\-/:~@+]{1,128}$/u.test(value) && !hasInvisible(value)
  ) return;
  throw new InvalidInputError(
    field,
    `Cannot use ${
      JSON.stringify(value)
    } as a ${field}: it is not valid. Use 1 to ` +
      `128 letters, digits and . _ - / : ~ @ + without spaces or invisible ` +
      `characters.`,
  );
}
