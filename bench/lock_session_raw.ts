/**
 * A session that takes a lock in turns with others, by `node:sqlite` and
 * touches of files alone, in a separate process; run by coordination.ts.
 *
 * It is the floor of a lock that is stored in SQLite and handed over by the
 * file system. It stores a row for the holder and one per waiter, and does not
 * check whether their processes are alive.
 *
 * @module
 */

import { DatabaseSync } from "node:sqlite";
import { argumentOfChild } from "./children.ts";
import { pause } from "./clock.ts";
import { FileMesh } from "./file_mesh.ts";
import { takeTurns } from "./lock_turns.ts";

/** The argument of the session. */
export interface RawLockTask {
  readonly folder: string;
  readonly session: number;
  readonly sessions: number;
  /** The number of times it takes the lock. */
  readonly turns: number;
  /** The duration of each hold, in ms. */
  readonly holdMs: number;
}

const task = argumentOfChild<RawLockTask>();
const { folder, session, sessions, turns, holdMs } = task;
using db = new DatabaseSync(`${folder}/lock.db`, { timeout: 5_000 });
db.exec(
  `PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;
   CREATE TABLE IF NOT EXISTS lock(id INTEGER PRIMARY KEY CHECK (id = 1),
     holder INTEGER, token INTEGER NOT NULL);
   CREATE TABLE IF NOT EXISTS waiters(waiter INTEGER PRIMARY KEY AUTOINCREMENT,
     session INTEGER NOT NULL);
   INSERT INTO lock VALUES (1, NULL, 0) ON CONFLICT DO NOTHING`,
);
const begin = db.prepare("BEGIN IMMEDIATE");
const commit = db.prepare("COMMIT");
const look = db.prepare("SELECT holder, token FROM lock");
const hold = db.prepare("UPDATE lock SET holder = ?, token = token + 1");
const leave = db.prepare("UPDATE lock SET holder = NULL");
const wait = db.prepare("INSERT INTO waiters(session) VALUES (?)");
const next = db.prepare(
  `DELETE FROM waiters WHERE waiter = (SELECT min(waiter) FROM waiters)
   RETURNING session`,
);

let woken = Promise.withResolvers<void>();
const mesh = new FileMesh(
  {
    session,
    sessions,
    folder,
    url: "",
    from: "now",
    receivesAll: false,
    options: {},
  },
  () => woken.resolve(),
);

async function acquire(): Promise<number> {
  woken = Promise.withResolvers<void>();
  begin.run();
  if (look.get()!.holder === null) hold.run(session);
  else wait.run(session);
  commit.run();
  for (;;) {
    const { holder, token } = look.get()!;
    if (holder === session) return Number(token);
    await woken.promise;
    woken = Promise.withResolvers<void>();
  }
}

function release(): void {
  begin.run();
  const follower = next.get();
  if (follower === undefined) leave.run();
  else hold.run(follower.session);
  commit.run();
  if (follower !== undefined) mesh.wake(Number(follower.session));
}

await takeTurns(
  turns,
  async () => ({ token: await acquire(), release }),
  () => pause(holdMs),
);
await mesh.close();
