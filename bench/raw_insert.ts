/**
 * The floor of publishing: a handwritten insert by `node:sqlite` alone, on a
 * database of the bus, with its tables, indexes, triggers, columns and pragmas.
 *
 * @module
 */

import { DatabaseSync } from "node:sqlite";
import { getMessagingDbPath, type Json, openBus } from "../mod.ts";

const INSERT = `INSERT INTO inter_session_messages
  (sender_id, channel, payload, created_at, ttl_seconds, expires_at,
   project_id, recipient_id, reply_to, rung)
  VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 1)`;

/** A message for the bus or for {@linkcode RawInsert}. */
export interface Publishable {
  readonly channel: string;
  readonly payload: Json;
}

/** A writer of messages to a bus's database without the bus. */
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

  /** Creates a bus in `home` and opens its database. */
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
