/**
 * A next schema, whose migration alters a table and creates and fills another.
 * The sweep kills this migration.
 *
 * @module
 */

import { Connection } from "../../lib/sqlite/connection.ts";
import { locateBus } from "../../lib/sqlite/location.ts";
import { SCHEMA, type Schema } from "../../lib/sqlite/schema.ts";

const ROWS = 40;

const NEXT_SCHEMA: Schema = {
  version: SCHEMA.version + 1,
  compatibleFrom: SCHEMA.compatibleFrom,
  migrations: [...SCHEMA.migrations, [
    "ALTER TABLE session_registry ADD COLUMN mood TEXT",
    "CREATE TABLE moods (mood TEXT PRIMARY KEY, filling BLOB)",
    ...Array.from(
      { length: ROWS },
      (_, i) => `INSERT INTO moods VALUES ('mood ${i}', zeroblob(3000))`,
    ),
  ]],
};

/** Opens a bus with the next schema, which migrates it. */
export function openWithNextSchema(home: string): Connection {
  return Connection.open(locateBus(home), {
    busyTimeoutMs: 5_000,
    schema: NEXT_SCHEMA,
  });
}

/** Migrates a bus if needed. Returns a description of a flaw. */
export function flawOfMigration(home: string): string | undefined {
  const connection = openWithNextSchema(home);
  try {
    const { version } = connection.sql("SELECT version FROM _schema_version")
      .get()!;
    const { n } = connection.sql("SELECT count(*) AS n FROM moods").get()!;
    return version === NEXT_SCHEMA.version && n === ROWS
      ? undefined
      : `version ${version} with ${n} of ${ROWS} rows`;
  } finally {
    connection.close();
  }
}
