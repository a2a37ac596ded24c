/**
 * A schema as version 1 of the program made it.
 *
 * @module
 */

import assert from "node:assert/strict";
import type { Sql } from "postgres";

/** The statements of version 2's functions that version 1 lacks. */
const SINCE_VERSION_2: Readonly<Record<string, [RegExp, string][]>> = {
  append_one: [
    [/, own boolean DEFAULT[^)]*\)/, ")"],
    [/own IS NOT TRUE/, "true"],
    [/IF own IS NOT NULL THEN[^;]*;\s*END IF;/, ""],
  ],
  append: [
    [/, own_senders text\[\] DEFAULT[^)]*\)/, ")"],
    [/WHERE own_senders IS NULL[^\n]*/, ""],
    [/IF own_senders IS NOT NULL THEN[^;]*;\s*END IF;/, ""],
  ],
};

/** Turns a new schema into one of version 1. */
export async function toVersion1(sql: Sql): Promise<void> {
  for (const [name, changes] of Object.entries(SINCE_VERSION_2)) {
    const [{ text }] = await sql`SELECT
      pg_get_functiondef(${`message_bus.${name}`}::regproc) AS text`;
    let older = text;
    for (const [since, before] of changes) {
      assert.match(older, since);
      older = older.replace(since, before);
    }
    assert.doesNotMatch(older, /own_|refuse_ended/);
    await sql.unsafe(`DROP FUNCTION message_bus.${name}`);
    await sql.unsafe(older);
  }
  await sql`DROP FUNCTION message_bus.refuse_ended`;
  // Since version 3.
  await sql`DROP PROCEDURE message_bus.publish_one`;
  await sql`DROP PROCEDURE message_bus.publish`;
  // Since version 4.
  await sql`ALTER TABLE message_bus.session_registry DROP COLUMN keeper`;
  // Since version 5.
  await sql`ALTER TABLE message_bus.session_registry DROP COLUMN name,
    DROP COLUMN name_chosen, DROP COLUMN doing, DROP COLUMN activity,
    DROP COLUMN activity_why, DROP COLUMN activity_at`;
  await sql`DELETE FROM message_bus._schema_version WHERE version > 1`;
}
