/**
 * A schema that comes after this program's, whose migration changes a table,
 * makes one and fills it: to be interrupted.
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

/** Opens a bus as the program does that has that schema. */
export function openWithNextSchema(home: string): Connection {
  return Connection.open(locateBus(home), {
    busyTimeoutMs: 5_000,
    schema: NEXT_SCHEMA,
  });
}

/** What is wrong with a bus that was migrated, or is now. */
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
