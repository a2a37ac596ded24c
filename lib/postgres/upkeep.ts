/**
 * Looking after a bus on a server: how its schema stands, what it takes to
 * bring it up to date, and how the server is.
 *
 * It makes no bus, and works on one that this program could not open.
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
import { LISTENER_NAME } from "./own_ear.ts";

/** How a server stands. */
export interface ServerState {
  /** How long it took to answer, in milliseconds. */
  readonly answerMs: number;
  /** By how much its clock is ahead of ours, in milliseconds. */
  readonly clockAheadMs: number;
  /** The role that is logged in. */
  readonly role: string;
  /** Whether the connection is encrypted. */
  readonly encrypted: boolean;
  /** Whether it is a standby, which may only be read. */
  readonly isStandby: boolean;
  /** Whether the role may make what a bus needs. */
  readonly mayMake: boolean;
  /** Whether the role may use what is there. */
  readonly mayUse: boolean;
  /** Settings that say when a commit is safe. */
  readonly settings: Readonly<
    Record<"fsync" | "synchronous_commit", string>
  >;
  /** Connections of sessions, of all roles that are seen. */
  readonly connections: number;
  /** The most that there may be of everybody. */
  readonly connectionsMax: number;
  /** Those of them that listen. */
  readonly listeners: number;
  /** How full the server's queue of notifications is, from 0 to 1. */
  readonly queueUsage: number;
}

/** Looks after one bus on a server. */
export class Upkeep implements AsyncDisposable {
  readonly #connection: Connection;
  readonly #schema: Schema;

  /** Connects with the first question. */
  constructor(url: string, busyTimeoutMs: number, schema: Schema = SCHEMA) {
    this.#schema = schema;
    this.#connection = Connection.unprepared(parseUrl(url), {
      busyTimeoutMs,
      now: Date.now,
      schema,
    });
  }

  /** Where it is, without what is secret. */
  get location(): string {
    return this.#connection.address.shown;
  }

  /** The version of the schema that this program writes. */
  get versionOurs(): number {
    return this.#schema.version;
  }

  /** How the schema stands, and the steps that are still to be done. */
  async schema(): Promise<
    { readonly state: SchemaState; readonly pending: readonly Migration[] }
  > {
    const { address } = this.#connection;
    const state = await this.#connection.exclusively(
      "look at the bus",
      (query) => schemaState(query, address),
    );
    return { state, pending: pendingMigrations(state, this.#schema) };
  }

  /**
   * Does the steps that are still to be done; returns them.
   *
   * @throws {StoreError} If it lacks the rights, or the schema is a newer one.
   */
  async migrate(): Promise<readonly Migration[]> {
    return await this.#connection.exclusively(
      "migrate the bus",
      (query) => migrate(query, this.#connection.address, this.#schema),
    );
  }

  /** How the server stands. */
  async server(): Promise<ServerState> {
    const askedAt = performance.now();
    const [row] = await this.#connection.exclusively(
      "look at the server",
      (query) => query(STATE, [this.#connection.schema, LISTENER_NAME]),
    );
    const answerMs = performance.now() - askedAt;
    return {
      answerMs,
      // It was asked somewhere in between.
      clockAheadMs: Number(row.now_ms) - (Date.now() - answerMs / 2),
      role: String(row.role),
      encrypted: row.encrypted === true,
      isStandby: row.standby === true,
      mayMake: row.may_make === true,
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

  /** Ends it. */
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
    has_database_privilege(current_database(), 'CREATE')) AS may_make,
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
