/**
 * Administration of a bus on a server: schema version, migration, and the state
 * of the server.
 *
 * It creates no bus unless told to migrate. It also works on a bus that this
 * program cannot open.
 *
 * @module
 */

import { Connection } from "./connection.ts";
import {
  migrate,
  type Migration,
  pendingMigrations,
  type SchemaState,
  schemaState,
} from "./migration.ts";
import { SCHEMA, type Schema } from "./schema.ts";
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
  /** Whether the server is a standby, which is read-only. */
  readonly isStandby: boolean;
  /** Whether the role may create the bus's schema. */
  readonly mayCreate: boolean;
  /** Whether the role may use the bus's tables. */
  readonly mayUse: boolean;
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

  /** Returns the state of the server. */
  async server(): Promise<ServerState> {
    const askedAt = performance.now();
    const [row] = await this.#connection.onOneConnection(
      "read the server's state",
      (query) => query(STATE, [this.#connection.schema, LISTENER_NAME]),
    );
    const answerMs = performance.now() - askedAt;
    return {
      answerMs,
      // The server read its clock about halfway.
      clockAheadMs: Number(row.now_ms) - (Date.now() - answerMs / 2),
      role: String(row.role),
      encrypted: row.encrypted === true,
      isStandby: row.standby === true,
      mayCreate: row.may_create === true,
      mayUse: row.may_use === true,
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

const STATE = `SELECT
  extract(epoch FROM clock_timestamp()) * 1000 AS now_ms,
  current_user AS role,
  coalesce((SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()), false)
    AS encrypted,
  pg_is_in_recovery() AS standby,
  coalesce(has_schema_privilege(n.oid, 'CREATE'),
    has_database_privilege(current_database(), 'CREATE')) AS may_create,
  coalesce(has_schema_privilege(n.oid, 'USAGE') AND NOT EXISTS (
    SELECT FROM pg_class AS c WHERE c.relnamespace = n.oid AND c.relkind = 'r'
      AND NOT has_table_privilege(c.oid, 'SELECT, INSERT, UPDATE, DELETE')),
    false) AS may_use,
  current_setting('fsync') AS fsync,
  current_setting('synchronous_commit') AS synchronous_commit,
  (SELECT count(*) FROM pg_stat_activity
    WHERE application_name LIKE 'message-bus%') AS connections,
  current_setting('max_connections') AS connections_max,
  (SELECT count(*) FROM pg_stat_activity WHERE application_name = $2)
    AS listeners,
  pg_notification_queue_usage() AS queue_usage
FROM (VALUES (1)) AS one LEFT JOIN pg_namespace AS n ON n.nspname = $1`;
