/**
 * The contestants: their names, their durability and their servers.
 *
 * @module
 */

import type { ServerName } from "./servers.ts";

/** A way to send messages between sessions. */
export interface Contestant {
  /** The name in results and folders. */
  readonly name: string;
  /** The name in charts and tables. */
  readonly label: string;
  /**
   * The module in the folder `contestants`; undefined if it is not measured.
   */
  readonly module?: string;
  readonly server?: ServerName;
  /** Options of the module. */
  readonly options?: Readonly<Record<string, string | number>>;
  /** The guarantee for an acknowledged message. */
  readonly durability: string;
  /** The programs that run beside the sessions. */
  readonly beside: string;
  /** The number of messages in one call of `publishMany`. */
  readonly batch: number;
  /** The reason for a better figure than this bus's. */
  readonly strength?: string;
  /** Whether a delivery takes a minute; measured in the background. */
  readonly slow?: boolean;
  /** Whether its readers may skip messages that commit late. */
  readonly skipsLate?: boolean;
  /** The reason why it is not measured, or only in part. */
  readonly remark?: string;
}

/** This bus on SQLite, the base of every comparison. */
export const BUS: Contestant = {
  name: "bus",
  label: "this bus, SQLite",
  module: "bus",
  durability: "stored: WAL, synchronous=NORMAL; survives the death of any " +
    "process; a power cut can lose the last moments",
  beside: "nothing",
  batch: 500,
};

/** The cost of a wake-up alone. */
export const SOCKETS: Contestant = {
  name: "sockets",
  strength: "it stores and looks up nothing, and pushes the message itself",
  label: "Unix sockets, mesh",
  module: "unix_sockets",
  durability: "nothing stored: unread messages are lost with their reader",
  beside: "nothing",
  batch: 500,
};

/** The floor of every wake-up by the file system. */
export const FILE_WATCH: Contestant = {
  name: "file-watch",
  label: "bare file watch",
  module: "file_watch",
  durability:
    "one file per session, touched by the others; nothing is stored, " +
    "looked up or read: the floor of a wake-up by the file system",
  beside: "nothing",
  batch: 1,
};

/** The base of the gate, against which wake-ups by files are compared. */
export const BUS_SOCKETS: Contestant = {
  ...BUS,
  name: "bus-sockets",
  label: "this bus, woken by sockets",
  module: "bus_sockets",
  options: { notify: "poll", pollIntervalMs: 250 },
};

/** The floor of storage in SQLite: the same wake-ups without the bus. */
export const SQLITE_SOCKETS: Contestant = {
  name: "sqlite-sockets",
  label: "bare SQLite, woken by sockets",
  module: "sqlite_sockets",
  durability: "the same inserts in the same file, without a bus",
  beside: "nothing",
  batch: 500,
};

/** The floor of the bus: its storage and wake-ups without its code. */
export const SQLITE_FILE_WATCH: Contestant = {
  name: "sqlite-file-watch",
  strength:
    "it checks and looks up nothing: a sender knows the readers, and a " +
    "woken reader reads the rows",
  label: "bare SQLite, woken by files",
  module: "sqlite_file_watch",
  durability:
    "the same inserts in the same file, without a bus: the floor of storage " +
    "in SQLite with wake-ups by the file system",
  beside: "nothing",
  batch: 500,
};

/** Returns this bus without bells, polling every `intervalMs`. */
export function polling(intervalMs: number): Contestant {
  return {
    ...BUS,
    name: `poll-${intervalMs}`,
    strength: "a publisher wakes no reader, and every reader polls",
    label: `SQLite, polled every ${intervalMs} ms`,
    options: { notify: "poll", pollIntervalMs: intervalMs },
  };
}

const SERVER_STRENGTH =
  "a permanent server holds a connection to each reader and sends it the " +
  "message itself; a reader of this bus is woken by the file system through a " +
  "thread of the runtime, and then reads";

/** This bus on PostgreSQL. */
export const BUS_POSTGRES: Contestant = {
  name: "bus-postgres",
  label: "this bus, PostgreSQL",
  module: "bus",
  server: "postgres",
  durability: "stored: PostgreSQL's default, flushed before the " +
    "acknowledgement; survives a power cut",
  beside: "postgres",
  batch: 500,
};

/** A program written by hand on the same server. */
export const POSTGRES_READ: Contestant = {
  name: "postgres-read",
  strength: SERVER_STRENGTH,
  label: "PostgreSQL, notified and read",
  module: "postgres_read",
  server: "postgres",
  skipsLate: true,
  durability: "a row and a notification without payload: flushed before the " +
    "acknowledgement; survives a power cut",
  beside: "postgres",
  batch: 500,
};

/** The floor of a wake-up by that server. */
export const POSTGRES_NOTIFY: Contestant = {
  name: "postgres-notify",
  strength: SERVER_STRENGTH,
  label: "PostgreSQL LISTEN/NOTIFY",
  module: "postgres_notify",
  server: "postgres",
  durability: "a row and a notification with its payload: flushed before the " +
    "acknowledgement; survives a power cut; an absent reader reads the rows later",
  beside: "postgres",
  batch: 500,
};

/** All contestants of the matrix. */
export const CONTESTANTS: readonly Contestant[] = [
  BUS,
  BUS_POSTGRES,
  polling(1),
  polling(250),
  {
    name: "json-files",
    strength: "each message is one file, without cursor, order among senders " +
      "or look-up",
    label: "JSON files, watched",
    module: "json_files",
    durability: "files, not flushed: survive the death of any process; " +
      "without order among senders and without acknowledgement",
    beside: "nothing",
    batch: 500,
  },
  SOCKETS,
  {
    name: "redis-pubsub",
    strength: SERVER_STRENGTH,
    label: "Redis pub/sub",
    module: "redis_pubsub",
    server: "redis",
    durability: "nothing stored: a disconnected reader never gets the message",
    beside: "redis-server",
    batch: 500,
  },
  {
    name: "redis-streams",
    strength: SERVER_STRENGTH,
    label: "Redis streams",
    module: "redis_streams",
    server: "redis",
    durability: "append-only file, flushed every second: survives the death " +
      "of any process; a power cut can lose a second",
    beside: "redis-server",
    batch: 500,
  },
  {
    name: "nats-core",
    strength: SERVER_STRENGTH,
    label: "NATS core",
    module: "nats_core",
    server: "nats",
    durability: "nothing stored: a disconnected reader never gets the message",
    beside: "nats-server",
    batch: 500,
  },
  {
    name: "jetstream",
    strength: SERVER_STRENGTH,
    label: "NATS JetStream",
    module: "jetstream",
    server: "nats",
    durability:
      "file storage, flushed every two minutes by default: survives " +
      "the death of any process",
    beside: "nats-server",
    batch: 500,
  },
  {
    name: "jetstream-always",
    strength: SERVER_STRENGTH,
    label: "NATS JetStream, sync always",
    module: "jetstream",
    server: "nats-always",
    durability: "file storage, flushed before the acknowledgement: survives " +
      "a power cut",
    beside: "nats-server",
    batch: 500,
  },
  POSTGRES_NOTIFY,
  POSTGRES_READ,
  SQLITE_FILE_WATCH,
  {
    name: "deno-kv",
    label: "Deno KV queue",
    module: "deno_kv",
    durability: "stored in SQLite: survives the death of any process",
    beside: "nothing",
    batch: 500,
    slow: true,
    remark: "wakes listeners of the same process only; another process polls " +
      "about once a minute, so it is measured with one session",
  },
  {
    name: "motia",
    label: "Motia",
    durability: "—",
    beside: "its own runtime",
    batch: 0,
    remark:
      "cannot cross processes: its events stay in the runtime that runs " +
      "all steps, so separate sessions cannot join",
  },
];
