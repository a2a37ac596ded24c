/**
 * Administration of a bus on a server: schema version, migration, and the state
 * of the server.
 *
 * It creates no bus unless told to migrate. It also works on a bus that this
 * program cannot open.
 *
 * @module
 */

import { resourceTarget } from "../path/lock_target.ts";
import { acquire } from "../rules/locks.ts";
import { publish } from "../rules/messages.ts";
import type { Moment, Plan } from "../rules/rule.ts";
import type { Records } from "../rules/records.ts";
import { registerSession } from "../rules/sessions.ts";
import { Connection, type Queryable } from "./connection.ts";
import {
  migrate,
  migrateOnce,
  type Migration,
  pendingMigrations,
  type SchemaState,
  schemaState,
} from "./migration.ts";
import { SCHEMA, type Schema } from "./schema.ts";
import { decide } from "./records.ts";
import { Transaction } from "./transaction.ts";
import { parseUrl } from "./url.ts";
import { LISTENER_NAME } from "./connection_listener.ts";

/** The state of a server. */
export interface ServerState {
  /** The duration of the query, in milliseconds. */
  readonly answerMs: number;
  /** The server's clock minus this host's, in milliseconds. */
  readonly clockAheadMs: number;
  /** The role of the connection. */
  readonly role: string;
  /** Whether the connection is encrypted. */
  readonly encrypted: boolean;
  /** The settings that decide on the durability of a commit. */
  readonly settings: Readonly<
    Record<"fsync" | "synchronous_commit", string>
  >;
  /** The number of buses' connections, of all visible roles. */
  readonly connections: number;
  /** The server's `max_connections`. */
  readonly connectionsMax: number;
  /** The number of listening connections among them. */
  readonly listeners: number;
  /** The used part of the server's notification queue, from 0 to 1. */
  readonly queueUsage: number;
}

/** The administration of one bus on a server. */
export class ServerAdmin implements AsyncDisposable {
  readonly #connection: Connection;
  readonly #schema: Schema;

  /** Creates an unconnected instance; the first query connects. */
  constructor(url: string, busyTimeoutMs: number, schema: Schema = SCHEMA) {
    this.#schema = schema;
    this.#connection = Connection.openWithoutMigration(parseUrl(url), {
      busyTimeoutMs,
      now: Date.now,
      schema,
    });
  }

  /** The address of the bus, without secrets. */
  get location(): string {
    return this.#connection.address.shown;
  }

  /** The version of the schema that this program writes. */
  get ownVersion(): number {
    return this.#schema.version;
  }

  /** Returns the state of the schema, and the pending migrations. */
  async schema(): Promise<
    { readonly state: SchemaState; readonly pending: readonly Migration[] }
  > {
    const { address } = this.#connection;
    const state = await this.#connection.onOneConnection(
      "read the bus's schema",
      (query) => schemaState(query, address),
    );
    return { state, pending: pendingMigrations(state, this.#schema) };
  }

  /**
   * Runs the pending migrations and returns them.
   *
   * @throws {StoreError} If the role lacks the rights, or the schema is newer
   * than this program.
   */
  async migrate(): Promise<readonly Migration[]> {
    return await this.#connection.onOneConnection(
      "migrate the bus",
      (query) => migrate(query, this.#connection.address, this.#schema),
    );
  }

  /**
   * Tries what a session does: registers, locks a name and sends a message, after
   * the pending migrations. Rolls everything back.
   *
   * @returns The duration, in milliseconds.
   * @throws {StoreError} If any of these fails.
   */
  async tryWrite(): Promise<number> {
    const startedAt = performance.now();
    const { address } = this.#connection;
    await this.#connection.onOneConnection(
      "write to the bus",
      async (query, at) => {
        await query("BEGIN");
        try {
          while (await migrateOnce(query, address, this.#schema)) {
            /* Next. */
          }
          await this.#write(at);
        } finally {
          // Without an answer the connection has ended, which rolls back as well.
          await query("ROLLBACK").catch(() => {});
        }
      },
    );
    return performance.now() - startedAt;
  }

  async #write(at: Queryable): Promise<void> {
    const started = await at.get(
      "SELECT now_ms FROM begin_write($1, $2, 'wait', NULL)",
      [this.ownVersion, at.clockShiftMs],
    );
    const tx = new Transaction(at, Number(started!.now_ms));
    await decide(tx, trial);
    const end = tx.end(this.ownVersion, crypto.randomUUID());
    // The first failure in the order of the statements is the cause.
    await Promise.all([...end.before, at.run(end.sql, end.values)]);
  }

  /** Returns the state of the server. */
  async server(): Promise<ServerState> {
    const askedAt = performance.now();
    const [row] = await this.#connection.onOneConnection(
      "read the server's state",
      (query) => query(STATE, [LISTENER_NAME]),
    );
    const answerMs = performance.now() - askedAt;
    return {
      answerMs,
      // The server read its clock about halfway.
      clockAheadMs: Number(row.now_ms) - (Date.now() - answerMs / 2),
      role: String(row.role),
      encrypted: row.encrypted === true,
      settings: {
        fsync: String(row.fsync),
        synchronous_commit: String(row.synchronous_commit),
      },
      connections: Number(row.connections),
      connectionsMax: Number(row.connections_max),
      listeners: Number(row.listeners),
      queueUsage: Number(row.queue_usage),
    };
  }

  /** Closes the connection. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#connection.close();
  }
}

/** The rule of {@linkcode ServerAdmin.tryWrite}. */
function* trial(records: Records, at: Moment): Plan<void> {
  const name = `doctor-${crypto.randomUUID()}`;
  const { id } = yield* registerSession(records, at, {
    id: name,
    vendor: "mbus",
    project: null,
  });
  yield* acquire(records, at, {
    session: id,
    agent: "",
    target: resourceTarget(`@port/${name}`, "/"),
    type: "exclusive",
    leaseMs: 1_000,
    takeOver: false,
    wait: false,
    actingFor: [],
  }, 1);
  yield* publish(records, at, {
    sender: id,
    channel: name,
    payloadText: "null",
    ttlSeconds: 1,
    project: null,
  });
}

const STATE = `SELECT
  extract(epoch FROM clock_timestamp()) * 1000 AS now_ms,
  current_user AS role,
  coalesce((SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()), false)
    AS encrypted,
  current_setting('fsync') AS fsync,
  current_setting('synchronous_commit') AS synchronous_commit,
  (SELECT count(*) FROM pg_stat_activity
    WHERE application_name LIKE 'message-bus%') AS connections,
  current_setting('max_connections') AS connections_max,
  (SELECT count(*) FROM pg_stat_activity WHERE application_name = $1)
    AS listeners,
  pg_notification_queue_usage() AS queue_usage`;
