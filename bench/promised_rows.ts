/**
 * The floor of the database's size: the bus's messages in the columns and
 * indexes promised to other programs, after VACUUM. The bus adds an indexed
 * expiry, the project, the addressee and further tables.
 *
 * @module
 */

import { DatabaseSync } from "node:sqlite";

/** Returns the size of such a database for the bus at `bus`, in bytes. */
export function promisedBytes(bus: string): number {
  using db = new DatabaseSync(":memory:");
  db.exec(
    `CREATE TABLE session_registry(session_id TEXT PRIMARY KEY,
       llm_vendor TEXT NOT NULL, llm_model TEXT, tty TEXT, pid INTEGER,
       project_id TEXT, task_id TEXT, active_files TEXT,
       heartbeat_at TEXT NOT NULL, registered_at TEXT, status TEXT);
     CREATE TABLE inter_session_messages(
       id INTEGER PRIMARY KEY AUTOINCREMENT,
       sender_id TEXT NOT NULL REFERENCES session_registry,
       channel TEXT NOT NULL, payload TEXT NOT NULL, created_at TEXT,
       ttl_seconds NUMERIC);
     CREATE INDEX idx_messages_channel_created
       ON inter_session_messages(channel);
     CREATE INDEX idx_messages_ttl ON inter_session_messages(ttl_seconds)`,
  );
  db.prepare("ATTACH ? AS bus").run(bus);
  db.exec(
    `INSERT INTO main.session_registry SELECT session_id, llm_vendor, llm_model,
       tty, pid, project_id, task_id, active_files, heartbeat_at, registered_at,
       status FROM bus.session_registry;
     INSERT INTO main.inter_session_messages SELECT id, sender_id, channel,
       payload, created_at, ttl_seconds FROM bus.inter_session_messages
       ORDER BY id;
     DETACH bus;
     VACUUM`,
  );
  const { bytes } = db.prepare(
    `SELECT page_count * page_size AS bytes
     FROM pragma_page_count(), pragma_page_size()`,
  ).get()!;
  return Number(bytes);
}
