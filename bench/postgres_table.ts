/**
 * The table of contestants that use PostgreSQL without a bus.
 *
 * @module
 */

import postgres from "postgres";

/** Connects, and creates the table if it is missing. */
export async function openMessages(url: string): Promise<postgres.Sql> {
  const sql = postgres(url, { max: 1, onnotice: () => {} });
  await sql.begin(async (sql) => {
    // PostgreSQL rejects concurrent creation of one table.
    await sql`SELECT pg_advisory_xact_lock(1)`;
    await sql`CREATE TABLE IF NOT EXISTS messages (
      id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
      channel text NOT NULL,
      payload text NOT NULL,
      created_at timestamptz NOT NULL DEFAULT now()
    )`;
  });
  return sql;
}
