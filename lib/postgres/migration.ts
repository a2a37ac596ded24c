/**
 * Making the schema what this program needs, and telling what that takes.
 *
 * Whoever opens a bus first makes it. Migrations only go forward, with sessions
 * running, each in a transaction of its own under an advisory lock of the
 * database, so that of many first openers one makes it and the others find it.
 * A program works on any schema whose `compatible_from` is not above its own
 * version, and the server looks inside each write.
 *
 * @module
 */

import { StoreError } from "../model/errors.ts";
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

/** What there is in a database. */
export interface SchemaState {
  /** The version of the schema; 0 if there is none of a bus. */
  readonly version: number;
  /** The oldest version whose programs can work on it. */
  readonly compatibleFrom: number;
  /** The server's version, such as `15.18`. */
  readonly serverVersion: string;
  /** The server's time, in milliseconds since 1970. */
  readonly nowMs: number;
}

// The advisory lock of making and migrating schemas, one for a database.
const MIGRATION_LOCK = `pg_advisory_xact_lock(${LOCK_CLASS}, 0)`;

/**
 * Looks what there is; changes nothing. (to_regclass() would answer from what
 * the server's process remembers: another may have made it since.)
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
    throw refused(
      "driver",
      address,
      `its server is PostgreSQL ${serverVersion}`,
      `update it to ${SERVER_VERSION_MIN} or later`,
    );
  }
  if (server.encoding !== "UTF8") {
    throw refused(
      "foreign",
      address,
      `the database's encoding is ${server.encoding}`,
      `use one that was created with ENCODING 'UTF8'`,
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

/** The steps that are still to be done. */
export function pendingMigrations(
  state: SchemaState,
  schema: Schema,
): readonly Migration[] {
  return schema.migrations.slice(state.version);
}

/**
 * Makes the schema what this program needs, if it `migrates`.
 *
 * @returns What there was before.
 * @throws {StoreError} If it cannot be used.
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
    throw refused(
      "missing",
      address,
      state.version === 0
        ? `there is no schema "${address.schema}" of a bus`
        : `its schema is of version ${state.version}`,
      `run "mbus migrate"`,
    );
  }
  await migrate(query, address, schema);
  return state;
}

/**
 * Does the steps that are still to be done; returns them.
 *
 * @throws {StoreError} If it lacks the rights, or the schema is a newer one.
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
      await query(`SELECT ${MIGRATION_LOCK}`);
      // Another may have done it while this one waited for the lock.
      const state = await schemaState(query, address);
      assertNotNewer(state, schema);
      const [next] = pendingMigrations(state, schema);
      if (next === undefined) {
        await query("COMMIT");
        return done;
      }
      if (state.version === 0) await createSchema(query, address.schema);
      for (const statement of next.statements(address.schema)) {
        await query(statement);
      }
      await query(
        `INSERT INTO ${address.schema}._schema_version(version, compatible_from)
         VALUES ($1, $2)`,
        [
          state.version + 1,
          Math.min(schema.compatibleFrom, state.version + 1),
        ],
      );
      await query("COMMIT");
      done.push(next);
    } catch (error) {
      await query("ROLLBACK").catch(() => {});
      throw error;
    }
  }
}

/** Makes the schema unless it is there: who owns it may not create others. */
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

function refused(
  fault: "driver" | "foreign" | "missing",
  address: ServerAddress,
  state: string,
  remedy: string,
): StoreError {
  return new StoreError(
    fault,
    address.shown,
    `Cannot open the bus at ${address.shown}: ${state}; ${remedy}.`,
  );
}
