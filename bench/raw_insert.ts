/**
 * The floor of publishing: `node:sqlite` alone, running the statement that a
 * program would write by hand, on a database that the bus has made. The same
 * table with the same indexes and triggers, the same columns, the same pragmas.
 *
 * @module
 */

import { DatabaseSync } from "node:sqlite";
import { getMessagingDbPath, type Json, openBus } from "../mod.ts";

const INSERT = `INSERT INTO inter_session_messages
  (sender_id, channel, payload, created_at, ttl_seconds, expires_at,
   project_id, recipient_id, reply_to, rung)
  VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 1)`;

/** One message, as both contestants take it. */
export interface Publishable {
  readonly channel: string;
  readonly payload: Json;
}

/** A bus's database, written to without the bus. */
export class RawInsert implements Disposable {
  readonly #db: DatabaseSync;
  readonly #insert: ReturnType<DatabaseSync["prepare"]>;
  readonly #project: string | null;
  readonly #sender: string;

  private constructor(path: string, project: string | null, sender: string) {
    this.#project = project;
    this.#sender = sender;
    this.#db = new DatabaseSync(path);
    this.#db.exec(
      `PRAGMA synchronous=NORMAL; PRAGMA foreign_keys=ON;
       PRAGMA busy_timeout=5000`,
    );
    this.#insert = this.#db.prepare(INSERT);
  }

  /** Makes a bus in `home` and opens its database. */
  static async open(home: string, sender = "bench"): Promise<RawInsert> {
    await using bus = await openBus({ home, session: sender });
    await bus.sessions.register();
    return new RawInsert(getMessagingDbPath(home), bus.project, sender);
  }

  /** Inserts one message. */
  one({ channel, payload }: Publishable): void {
    const now = Date.now();
    this.#insert.run(
      this.#sender,
      channel,
      JSON.stringify(payload),
      new Date(now).toISOString(),
      300,
      now + 300_000,
      this.#project,
      null,
      null,
    );
  }

  /** Inserts several in one transaction. */
  many(messages: readonly Publishable[]): void {
    this.#db.exec("BEGIN IMMEDIATE");
    for (const message of messages) this.one(message);
    this.#db.exec("COMMIT");
  }

  [Symbol.dispose](): void {
    this.#db.close();
  }
}
