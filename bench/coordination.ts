/**
 * Coordination: the cost of a lock, the time of a handover and the rate of task
 * claims.
 *
 * - **Uncontended**: acquire and release of a file in a repository, against the
 *   same rows written by hand, in short turns on two databases of one kind. It
 *   repeats with 10 and with 10,000 locks held, by ten sessions or by one.
 * - **Handover**: two or all of ten processes take one lock in turns. The time
 *   is from the holder's call of `release` to the hold of the next waiter, if
 *   that waiter waited by then. The baseline is the same by hand, the floor of
 *   a lock that is stored in SQLite and handed over by the file system. A
 *   further row is the time from the SIGKILL of a holder to the waiter's hold.
 * - **Tasks**: fifty processes claim 5,000 tasks. The bench fails unless each
 *   is claimed exactly once.
 *
 * @module
 */

import { DatabaseSync } from "node:sqlite";
import { type Hold, type MessageBus, openBus } from "../mod.ts";
import { type Child, startChild } from "./children.ts";
import { pause, sharedNowMs } from "./clock.ts";
import type { LockTask } from "./lock_session.ts";
import type { RawLockTask } from "./lock_session_raw.ts";
import type { Turn } from "./lock_turns.ts";
import { type Distribution, distributionOf } from "./quantiles.ts";
import { RawLock } from "./raw_lock.ts";
import type { Finding, Row } from "./report.ts";
import type { WorkerAccount } from "./task_worker.ts";

const BENCH = "coordination";
const FILES = 64;

// Short turns, so that other load on the machine slows both alike.
const TURNS = 41;
const WARM_UP_TURNS = 4;
const TURN_LOCKS = 150;

const FEW = 10;
const MANY = 10_000;
const HOLDERS = 10;

const HANDOVER_ROUNDS = 3;
const HANDOVER_SESSIONS = 10;
// Sessions that take the lock. The others of ten are connected and idle.
const CONTENDERS = [2, HANDOVER_SESSIONS];
const HANDOVER_TURNS = 1_000;
// Unmeasured first turns of each process, in which V8 compiles the code.
const HANDOVER_WARM_UP_TURNS = 10;
const HOLD_MS = 3;
const KILLS = 5;

const WORKERS = 50;
const TASKS = 5_000;
const TASK_ROUNDS = 2;

/** Measures locks and tasks. */
export async function benchCoordination(folder: string): Promise<Finding> {
  return {
    rows: [
      ...await uncontended(folder),
      ...await handingOver(folder),
      await claiming(folder),
    ],
    contestants: [
      "by hand: node:sqlite, two transactions that write the rows of a lock: the " +
      "token counter and the hold, then its end; same schema and pragmas, " +
      "without a check for conflicts",
      "by hand, handover: node:sqlite, a row for the holder and one for each " +
      "waiter, and a touch of a file that the next waiter watches; without " +
      "checks for dead sessions or overlapping paths",
      "UPDATE … RETURNING: node:sqlite, a separate table with one index, " +
      "without lease, token or announcement",
    ],
  };
}

/** An operation that a turn repeats. */
type Act = (number: number) => void | Promise<void>;

async function uncontended(folder: string): Promise<Row[]> {
  const files = repository(`${folder}/repository`);
  await using few = await heldBus(`${folder}/few`, files.root, FEW, HOLDERS);
  await using many = await heldBus(
    `${folder}/many`,
    files.root,
    MANY,
    HOLDERS,
  );
  await using own = await heldBus(`${folder}/own`, files.root, MANY, 1);
  const samples = await sampleHolds(few.bus, files.paths);
  using raw = new RawLock(`${folder}/few`);
  const [hand, bus, busMany, busOwn] = await inTurns([
    (i) => raw.acquireAndRelease(samples[i % FILES]),
    lockAndRelease(few.bus, files.paths),
    lockAndRelease(many.bus, files.paths),
    lockAndRelease(own.bus, files.paths),
  ]);
  const row = (
    what: string,
    rounds: readonly number[],
    name: string,
    baseline: readonly number[],
    bar: Row["bar"],
  ): Row => ({
    bench: BENCH,
    what,
    unit: "µs",
    rounds,
    baseline: { name, rounds: baseline },
    bar,
  });
  return [
    {
      bench: BENCH,
      what: "acquire and release",
      unit: "/s",
      rounds: bus.map(perSecond),
      baseline: { name: "by hand", rounds: hand.map(perSecond) },
      bar: { of: "ratio", min: 0.5 },
    },
    row("with 10,000 locks held", busMany, "with 10", bus, {
      of: "ratio",
      max: 1.3,
    }),
    row("with 10,000 held by one session", busOwn, "with 10", bus, {
      of: "ratio",
      max: 1.3,
    }),
  ];
}

const perSecond = (us: number): number => 1e6 / us;

/** Makes a repository of unlocked files. */
function repository(root: string): { root: string; paths: string[] } {
  Deno.mkdirSync(`${root}/.git`, { recursive: true });
  Deno.writeTextFileSync(`${root}/.git/HEAD`, "ref: refs/heads/main\n");
  Deno.mkdirSync(`${root}/src/server`, { recursive: true });
  const paths = Array.from(
    { length: FILES },
    (_, i) => `${root}/src/server/file-${i}.ts`,
  );
  for (const path of paths) Deno.writeTextFileSync(path, "");
  return { root, paths };
}

/** Opens a bus on which `count` other files of the folder are held. */
async function heldBus(
  home: string,
  root: string,
  count: number,
  holders: number,
): Promise<AsyncDisposable & { readonly bus: MessageBus }> {
  const stack = new AsyncDisposableStack();
  const open = async (session: string) =>
    stack.use(
      await openBus({ home, session, project: null, locksMax: 2 * count + 10 }),
    );
  const bus = await open("bench");
  await bus.sessions.register();
  const all = holders === 1 ? [bus] : await Promise.all(
    Array.from({ length: holders }, (_, i) => open(`holder-${i}`)),
  );
  for (let i = 0; i < count; i++) {
    await all[i % all.length].locks.acquire(`${root}/src/server/held-${i}.ts`);
  }
  return { bus, [Symbol.asyncDispose]: () => stack.disposeAsync() };
}

/** Returns a hold of each file, as the bus stores it. */
async function sampleHolds(
  bus: MessageBus,
  paths: readonly string[],
): Promise<Hold[]> {
  const holds: Hold[] = [];
  for (const path of paths) {
    await using lock = await bus.locks.acquire(path, { type: "exclusive" });
    holds.push(lock.hold);
  }
  return holds;
}

function lockAndRelease(bus: MessageBus, paths: readonly string[]): Act {
  return async (i) => {
    const path = paths[i % paths.length];
    const lock = await bus.locks.acquire(path, { type: "exclusive" });
    await lock.release();
  };
}

/** Returns the time of each act, turn by turn, in µs. */
async function inTurns(acts: readonly Act[]): Promise<number[][]> {
  const times: number[][] = acts.map(() => []);
  for (let turn = 0; turn < WARM_UP_TURNS + TURNS; turn++) {
    for (let k = 0; k < acts.length; k++) {
      // The order rotates, so that no act always follows the same one.
      const which = (turn + k) % acts.length;
      const beganAt = performance.now();
      for (let i = 0; i < TURN_LOCKS; i++) await acts[which](i);
      const us = (performance.now() - beganAt) * 1000 / TURN_LOCKS;
      if (turn >= WARM_UP_TURNS) times[which].push(us);
    }
  }
  return times;
}

async function handingOver(folder: string): Promise<Row[]> {
  const rows: Row[] = [];
  for (const contenders of CONTENDERS) {
    const [bus, raw]: [Distribution[], Distribution[]] = [[], []];
    for (let round = 0; round < HANDOVER_ROUNDS; round++) {
      const home = `${folder}/turns-${contenders}-${round}`;
      bus.push(distributionOf(await handovers(busSessions(home, contenders))));
      raw.push(
        distributionOf(await handovers(rawSessions(`${home}-raw`, contenders))),
      );
    }
    const recipient = contenders === 2 ? "to one waiter" : "to one of nine";
    for (const quantile of ["p50", "p99"] as const) {
      rows.push({
        bench: BENCH,
        what: `a released lock, ${recipient}, ${quantile}`,
        unit: "ms",
        rounds: bus.map((each) => each[quantile]),
        baseline: {
          name: "by hand",
          rounds: raw.map((each) => each[quantile]),
        },
        ...(quantile === "p99" && { bar: { of: "figure", max: 2 } }),
      });
    }
  }
  const killed: number[] = [];
  for (let i = 0; i < HANDOVER_ROUNDS * KILLS; i++) {
    killed.push(await takeoverMs(`${folder}/killed-${i}`));
  }
  rows.push({
    bench: BENCH,
    what: `a killed holder's lock, worst of ${killed.length}`,
    unit: "ms",
    rounds: [Math.max(...killed)],
    bar: { of: "figure", max: 100 },
  });
  return rows;
}

/** Returns the time of each handover to a session that waited, in ms. */
async function handovers(children: readonly Child[]): Promise<number[]> {
  const accounts = await runTogether<Turn[]>(children);
  // From this token on, both sides of each handover are past their warm-up.
  const coldUntil = Math.max(
    ...accounts.map((turns) => turns[HANDOVER_WARM_UP_TURNS]?.[0] ?? 0),
  );
  const turns = accounts.flat().toSorted(([a], [b]) => a - b)
    .filter(([token]) => token >= coldUntil);
  const took: number[] = [];
  turns.slice(1).forEach(([, askedAt, heldAt], i) => {
    const releasedAt = turns[i][3];
    if (askedAt < releasedAt) took.push(heldAt - releasedAt);
  });
  return took;
}

function busSessions(home: string, contenders: number): Child[] {
  makeLockIn(home);
  return Array.from(
    { length: HANDOVER_SESSIONS },
    (_, i) =>
      lockSession(home, `session-${i}`, turnsOf(i, contenders), HOLD_MS),
  );
}

/** Returns how many times a session takes the lock; 0 for an idle one. */
function turnsOf(session: number, contenders: number): number {
  return session < contenders ? HANDOVER_TURNS / contenders : 0;
}

function rawSessions(folder: string, contenders: number): Child[] {
  Deno.mkdirSync(folder);
  return Array.from({ length: HANDOVER_SESSIONS }, (_, session) => {
    const task: RawLockTask = {
      folder,
      session,
      sessions: HANDOVER_SESSIONS,
      turns: turnsOf(session, contenders),
      holdMs: HOLD_MS,
    };
    return startChild("lock_session_raw.ts", task);
  });
}

/** Returns the time from a holder's SIGKILL to the waiter's hold, in ms. */
async function takeoverMs(home: string): Promise<number> {
  makeLockIn(home);
  await using holder = lockSession(home, "holder", 1, Infinity);
  await holder.next();
  await holder.write("go");
  await holder.next();
  await using bus = await openBus({ home, session: "waiter", project: null });
  const waiting = Promise.withResolvers<void>();
  const acquired = bus.locks.acquire(lockIn(home), {
    type: "exclusive",
    waitMs: 60_000,
    onWait: () => waiting.resolve(),
  });
  await Promise.race([waiting.promise, acquired]);
  await pause(20 + 50 * Math.random());
  const killedAt = sharedNowMs();
  Deno.kill(holder.pid, "SIGKILL");
  await acquired;
  return sharedNowMs() - killedAt;
}

const lockIn = (home: string): string => `${home}-files/a.ts`;

function makeLockIn(home: string): void {
  Deno.mkdirSync(`${home}-files`);
  Deno.writeTextFileSync(lockIn(home), "");
}

function lockSession(
  home: string,
  session: string,
  turns: number,
  holdMs: number,
): Child {
  const task: LockTask = { home, session, path: lockIn(home), turns, holdMs };
  return startChild("lock_session.ts", task);
}

async function claiming(folder: string): Promise<Row> {
  const [bus, raw]: [number[], number[]] = [[], []];
  for (let round = 0; round < TASK_ROUNDS; round++) {
    bus.push(
      await claimsPerSecond(await busWorkers(`${folder}/tasks-${round}`)),
    );
    raw.push(
      await claimsPerSecond(rawWorkers(`${folder}/tasks-${round}.db`)),
    );
  }
  return {
    bench: BENCH,
    what: `${WORKERS} processes claim ${TASKS.toLocaleString("en")} tasks`,
    unit: "/s",
    rounds: bus,
    baseline: { name: "UPDATE … RETURNING", rounds: raw },
  };
}

async function busWorkers(home: string): Promise<Child[]> {
  await using bus = await openBus({ home, session: "poster", project: null });
  for (let i = 0; i < TASKS; i++) {
    await bus.tasks.post({ id: `T-${i}`, title: "one of many" });
  }
  return workers("task_worker.ts", { home });
}

function rawWorkers(path: string): Child[] {
  using db = new DatabaseSync(path);
  db.exec(
    `PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;
     CREATE TABLE tasks(id INTEGER PRIMARY KEY, status TEXT NOT NULL, worker TEXT);
     CREATE INDEX idx_tasks_status ON tasks(status, id);
     WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT ${TASKS})
     INSERT INTO tasks(id, status) SELECT i, 'open' FROM n`,
  );
  return workers("task_worker_raw.ts", { path });
}

function workers(script: string, argument: object): Child[] {
  return Array.from(
    { length: WORKERS },
    (_, i) => startChild(script, { ...argument, session: `worker-${i}` }),
  );
}

async function claimsPerSecond(children: readonly Child[]): Promise<number> {
  const accounts = await runTogether<WorkerAccount>(children);
  const ids = accounts.flatMap((account) => account.ids);
  if (ids.length !== TASKS || new Set(ids).size !== TASKS) {
    throw new Error(
      `${ids.length} claims of ${
        new Set(ids).size
      } tasks, not one of each of ` +
        `${TASKS}`,
    );
  }
  const began = Math.min(...accounts.map(({ beganAt }) => beganAt));
  const ended = Math.max(...accounts.map(({ endedAt }) => endedAt));
  return TASKS * 1000 / (ended - began);
}

/** Starts children at the same time, and returns the final value of each. */
async function runTogether<T>(children: readonly Child[]): Promise<T[]> {
  await using stack = new AsyncDisposableStack();
  for (const child of children) stack.use(child);
  for (const child of children) await child.next();
  for (const child of children) await child.write("go");
  const values = await Promise.all(children.map((child) => child.next<T>()));
  await Promise.all(children.map((child) => child.end()));
  return values;
}
