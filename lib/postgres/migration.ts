/**
 * Migrations of the schema.
 *
 * The first program that opens a bus creates it. Migrations go forward only,
 * while sessions run. Each is a transaction under an advisory lock of the
 * database, so that one of several concurrent openers migrates. A program works
 * on any schema whose `compatible_from` is at most its own version. The server
 * checks that in each write.
 *
 * @module
 */

import { StoreError } from "../model/errors.ts";
import { codeOf } from "./faults.ts";
import type { Row, SqlValue } from "./link.ts";
import {
  CLOCK_MS,
  LOCK_CLASS,
  type Migration,
  NEWER_SCHEMA_STATE,
  type Schema,
} from "./schema.ts";
import { SERVER_VERSION_MIN } from "./schema_version.ts";
import type { ServerAddress } from "./url.ts";

export type { Migration } from "./schema.ts";

/** Runs one statement on one connection. */
export type Query = (
  sql: string,
  values?: readonly SqlValue[],
) => Promise<readonly Row[]>;

/** The state of a bus's schema. */
export interface SchemaState {
  /** The version of the schema; 0 if it does not exist. */
  readonly version: number;
  /** The oldest version whose programs can work on the schema. */
  readonly compatibleFrom: number;
  /** The server's version, such as `15.18`. */
  readonly serverVersion: string;
  /** The server's time, in milliseconds since 1970. */
  readonly nowMs: number;
}

// The advisory lock of migrations, one for each database.
const MIGRATION_LOCK = `pg_advisory_xact_lock(${LOCK_CLASS}, 0)`;

/**
 * Returns the state of the schema, without a change. (`to_regclass()` may answer
 * from the backend's cache, although another process has created the table.)
 */
export async function schemaState(
  query: Query,
  address: ServerAddress,
): Promise<SchemaState> {
  const [server] = await query(
    `SELECT current_setting('server_version') AS version,
       current_setting('server_version_num')::integer AS number,
       current_setting('server_encoding') AS encoding,
       ${CLOCK_MS} AS now_ms,
       EXISTS (SELECT FROM pg_class AS c
         JOIN pg_namespace AS n ON n.oid = c.relnamespace
         WHERE n.nspname = $1 AND c.relname = '_schema_version') AS exists`,
    [address.schema],
  );
  const serverVersion = String(server.version).split(" ")[0];
  if (Number(server.number) < SERVER_VERSION_MIN * 10_000) {
    throw openError(
      "driver",
      address,
      `the server is PostgreSQL ${serverVersion}`,
      `Update it to ${SERVER_VERSION_MIN} or later`,
    );
  }
  if (server.encoding !== "UTF8") {
    throw openError(
      "foreign",
      address,
      `the database's encoding is ${server.encoding}`,
      `Use a database that was created with ENCODING 'UTF8'`,
    );
  }
  const nowMs = Number(server.now_ms);
  if (server.exists !== true) {
    return { version: 0, compatibleFrom: 0, serverVersion, nowMs };
  }
  const [row] = await query(
    `SELECT max(version) AS version, max(compatible_from) AS compatible_from
     FROM ${address.schema}._schema_version`,
  );
  return {
    version: Number(row?.version ?? 0),
    compatibleFrom: Number(row?.compatible_from ?? 0),
    serverVersion,
    nowMs,
  };
}

/** Returns the pending migrations. */
export function pendingMigrations(
  state: SchemaState,
  schema: Schema,
): readonly Migration[] {
  return schema.migrations.slice(state.version);
}

/**
 * Runs the pending migrations if `migrates` is true.
 *
 * @returns The state before.
 * @throws {StoreError} If the schema cannot be used.
 */
export async function prepareSchema(
  query: Query,
  address: ServerAddress,
  schema: Schema,
  migrates: boolean,
): Promise<SchemaState> {
  const state = await schemaState(query, address);
  assertNotNewer(state, schema);
  if (pendingMigrations(state, schema).length === 0) return state;
  if (!migrates) {
    throw openError(
      "missing",
      address,
      state.version === 0
        ? `the schema "${address.schema}" does not exist`
        : `its schema is of the old version ${state.version}`,
      `Run "mbus migrate"`,
    );
  }
  await migrate(query, address, schema);
  return state;
}

/**
 * Runs the pending migrations and returns them.
 *
 * @throws {StoreError} If the role lacks the rights, or the schema is newer than
 * this program.
 */
export async function migrate(
  query: Query,
  address: ServerAddress,
  schema: Schema,
): Promise<readonly Migration[]> {
  const done: Migration[] = [];
  for (;;) {
    await query("BEGIN");
    try {
      const step = await migrateOnce(query, address, schema);
      await query("COMMIT");
      if (step === undefined) return done;
      done.push(step);
    } catch (error) {
      await query("ROLLBACK").catch(() => {});
      throw error;
    }
  }
}

/**
 * Runs the next pending migration in the caller's transaction and returns it;
 * undefined if none is pending.
 */
export async function migrateOnce(
  query: Query,
  address: ServerAddress,
  schema: Schema,
): Promise<Migration | undefined> {
  await query(`SELECT ${MIGRATION_LOCK}`);
  // Another process may have migrated during the wait for the lock.
  const state = await schemaState(query, address);
  assertNotNewer(state, schema);
  const [next] = pendingMigrations(state, schema);
  if (next === undefined) return undefined;
  try {
    if (state.version === 0) await createSchema(query, address.schema);
    for (const statement of next.statements(address.schema)) {
      await query(statement);
    }
    await query(
      `INSERT INTO ${address.schema}._schema_version(version, compatible_from)
       VALUES ($1, $2)`,
      [state.version + 1, Math.min(schema.compatibleFrom, state.version + 1)],
    );
  } catch (error) {
    if (state.version === 0 || codeOf(error) !== "42501") throw error;
    throw openError(
      "permission",
      address,
      `its schema is of the old version ${state.version}, and the role lacks ` +
        `the right to migrate it`,
      `Run "mbus migrate" as the owner of the schema`,
      error,
    );
  }
  return next;
}

/** Creates a missing schema; the owner of an existing one may lack that right. */
async function createSchema(query: Query, schema: string): Promise<void> {
  const [row] = await query(
    "SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = $1) AS exists",
    [schema],
  );
  if (row.exists !== true) await query(`CREATE SCHEMA ${schema}`);
}

function assertNotNewer(state: SchemaState, schema: Schema): void {
  if (state.compatibleFrom <= schema.version) return;
  throw Object.assign(
    new Error(`version ${state.version}`),
    { code: NEWER_SCHEMA_STATE },
  );
}

function openError(
  fault: "driver" | "foreign" | "missing" | "permission",
  address: ServerAddress,
  state: string,
  remedy: string,
  cause?: unknown,
): StoreError {
  return new StoreError(
    fault,
    address.shown,
    `Cannot open the bus at ${address.shown}: ${state}. ${remedy}.`,
    { cause },
  );
}
