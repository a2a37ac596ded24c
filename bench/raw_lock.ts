/**
 * The floor of a lock: handwritten statements by `node:sqlite` alone, on a
 * database of the bus, with its tables, indexes, triggers, values and pragmas.
 *
 * A durable lock is a row with a fencing token from a counter. One transaction
 * counts and inserts, and another deletes. It checks no conflict and announces
 * nothing.
 *
 * @module
 */

import { DatabaseSync } from "node:sqlite";
import { getMessagingDbPath, type Hold } from "../mod.ts";

const INSERT = `INSERT INTO file_locks
  (token, file_path, session_id, lock_type, locked_at, agent_id, kind, extent,
   prefix, repo_extent, repo_prefix, folds_case, worktree, project_id,
   expires_at, why, waiter)
  VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`;

/** A writer of locks to a bus's database without the bus. */
export class RawLock implements Disposable {
  readonly #db: DatabaseSync;
  readonly #prepared: ReturnType<typeof prepare>;

  /** Opens the database of the bus in `home`. */
  constructor(home: string) {
    this.#db = new DatabaseSync(getMessagingDbPath(home));
    this.#db.exec(
      `PRAGMA synchronous=NORMAL; PRAGMA wal_autocheckpoint=250;
       PRAGMA foreign_keys=ON; PRAGMA busy_timeout=0`,
    );
    this.#prepared = prepare(this.#db);
  }

  /** Writes a copy of a hold, and deletes it. */
  acquireAndRelease(like: Hold): void {
    const { begin, count, insert, remove, commit } = this.#prepared;
    const { disk, repository } = like.pathSets;
    const now = Date.now();
    begin.run();
    const token = Number(count.get()!.value);
    insert.run(
      token,
      like.path,
      like.session,
      like.type,
      new Date(now).toISOString(),
      "",
      like.kind,
      disk,
      disk,
      repository ?? null,
      repository ?? null,
      0,
      like.worktree ?? null,
      like.project ?? null,
      now + 600_000,
      null,
      null,
    );
    commit.run();
    begin.run();
    remove.run(token);
    commit.run();
  }

  [Symbol.dispose](): void {
    this.#db.close();
  }
}

function prepare(db: DatabaseSync) {
  return {
    begin: db.prepare("BEGIN IMMEDIATE"),
    count: db.prepare(
      `UPDATE counters SET value = value + 1 WHERE name = 'fencing'
       RETURNING value`,
    ),
    insert: db.prepare(INSERT),
    remove: db.prepare("DELETE FROM file_locks WHERE token = ?"),
    commit: db.prepare("COMMIT"),
  };
}
