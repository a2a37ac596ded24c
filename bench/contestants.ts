/**
 * The contestants: who takes part, what each keeps of what it acknowledged, and
 * what has to run beside the sessions.
 *
 * @module
 */

import type { ServerName } from "./servers.ts";

/** A way in which sessions can tell each other something. */
export interface Contestant {
  /** Its name in results. */
  readonly name: string;
  /** What it is called before people. */
  readonly label: string;
  /** Its module in the folder `contestants`; none for one that can't take part. */
  readonly module?: string;
  /** Its server, if it needs one. */
  readonly server?: ServerName;
  /** What its module is told besides. */
  readonly options?: Readonly<Record<string, string | number>>;
  /** What survives, once acknowledged. */
  readonly durability: string;
  /** What runs beside the sessions. */
  readonly beside: string;
  /** Messages that one call of its fastest way takes. */
  readonly batch: number;
  /** Why it is ahead of this bus, where it is. */
  readonly strength?: string;
  /** Whether delivery takes it a minute: it is measured in the background. */
  readonly slow?: boolean;
  /** Whether it may pass over what commits late, and that is no failure. */
  readonly passesOver?: boolean;
  /** Why it is not measured, or only in part. */
  readonly remark?: string;
}

/** This bus on SQLite, which all others are held against. */
export const BUS: Contestant = {
  name: "bus",
  label: "this bus, SQLite",
  module: "bus",
  durability: "stored: WAL, synchronous=NORMAL; survives the death of any " +
    "process, a power cut can take the last moments",
  beside: "nothing",
  batch: 500,
};

/** What a wake-up alone costs. */
export const SOCKETS: Contestant = {
  name: "sockets",
  strength: "nothing is stored or looked up, and the message itself is pushed",
  label: "Unix sockets, mesh",
  module: "unix_sockets",
  durability: "nothing stored: what was not read dies with its reader",
  beside: "nothing",
  batch: 500,
};

/** The floor of whatever is pushed by the file system. */
export const FILE_WATCH: Contestant = {
  name: "file-watch",
  label: "bare file watch",
  module: "file_watch",
  durability: "a file each, touched by all others; nothing is stored, looked " +
    "up or read: the floor of a push by the file system",
  beside: "nothing",
  batch: 1,
};

/** The base of the gate: what waking by files is held against. */
export const BUS_SOCKETS: Contestant = {
  ...BUS,
  name: "bus-sockets",
  label: "this bus, woken by sockets",
  module: "bus_sockets",
  options: { notify: "poll", pollIntervalMs: 250 },
};

/** The floor of what is stored in SQLite: woken so, without the bus. */
export const SQLITE_SOCKETS: Contestant = {
  name: "sqlite-sockets",
  label: "bare SQLite, woken by sockets",
  module: "sqlite_sockets",
  durability: "the same inserts in the same file, without a bus",
  beside: "nothing",
  batch: 500,
};

/** The floor of the bus: all of it that is not the bus. */
export const SQLITE_FILE_WATCH: Contestant = {
  name: "sqlite-file-watch",
  strength:
    "nothing is checked or looked up: a sender knows whom to wake, and who is " +
    "woken reads the rows",
  label: "bare SQLite, woken by files",
  module: "sqlite_file_watch",
  durability:
    "the same inserts in the same file, without a bus: the floor of " +
    "what is stored in SQLite and pushed by the file system",
  beside: "nothing",
  batch: 500,
};

/** This bus without bells, looking every so many milliseconds. */
export function polling(intervalMs: number): Contestant {
  return {
    ...BUS,
    name: `poll-${intervalMs}`,
    strength: "nobody is rung, and each looks for itself all the time",
    label: `SQLite, polled every ${intervalMs} ms`,
    options: { notify: "poll", pollIntervalMs: intervalMs },
  };
}

const SERVER_STRENGTH =
  "a server that runs all the time holds a connection to each reader and sends " +
  "it the message itself; here a reader is woken by the file system, by way of " +
  "a thread of the runtime, and then reads";

/** This bus over a server. */
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

/** What one would write by hand over the same server. */
export const POSTGRES_READ: Contestant = {
  name: "postgres-read",
  strength: SERVER_STRENGTH,
  label: "PostgreSQL, notified and read",
  module: "postgres_read",
  server: "postgres",
  passesOver: true,
  durability: "a row, and a notification to read on: flushed before the " +
    "acknowledgement, survives a power cut",
  beside: "postgres",
  batch: 500,
};

/** The floor of what is pushed by that server. */
export const POSTGRES_NOTIFY: Contestant = {
  name: "postgres-notify",
  strength: SERVER_STRENGTH,
  label: "PostgreSQL LISTEN/NOTIFY",
  module: "postgres_notify",
  server: "postgres",
  durability: "a row and its notification: flushed before the " +
    "acknowledgement, survives a power cut; who is away reads the rows",
  beside: "postgres",
  batch: 500,
};

/** All that were weighed. */
export const CONTESTANTS: readonly Contestant[] = [
  BUS,
  BUS_POSTGRES,
  polling(1),
  polling(250),
  {
    name: "json-files",
    strength:
      "a message is a file of its own, with no cursor, no order among " +
      "senders and nothing to look up",
    label: "JSON files, watched",
    module: "json_files",
    durability: "files, not flushed: survive the death of any process; no " +
      "order among senders, no acknowledgement",
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
    durability: "nothing stored: who is not connected never gets it",
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
      "of any process, a power cut can take a second",
    beside: "redis-server",
    batch: 500,
  },
  {
    name: "nats-core",
    strength: SERVER_STRENGTH,
    label: "NATS core",
    module: "nats_core",
    server: "nats",
    durability: "nothing stored: who is not connected never gets it",
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
    remark: "wakes listeners of the same process only: another process looks " +
      "about once a minute, so it is measured with one session",
  },
  {
    name: "motia",
    label: "Motia",
    durability: "—",
    beside: "its own runtime",
    batch: 0,
    remark: "cannot cross processes: its events stay within the runtime that " +
      "runs all steps, so separate sessions have no way in",
  },
];
