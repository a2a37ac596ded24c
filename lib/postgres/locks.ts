/**
 * Holds and waiters in PostgreSQL: reading what a decision needs at once, and
 * writing what came of it at once. The decisions stand in
 * coordination/lock_board.ts.
 *
 * What may overlap is found by its literal prefix in the index
 * (coordination/precedence.ts); whether it really does is decided exactly by
 * the client (glob.ts), so that no row waits for that.
 *
 * Waiters are few, as each is a process that waits now: all are read.
 *
 * @module
 */

import {
  type BoardChange,
  type BoardHold,
  type BoardWaiter,
  LockBoard,
} from "../coordination/lock_board.ts";
import { WANTED_AGAIN_MS } from "../coordination/conflicts.ts";
import {
  foreignTarget,
  isListed,
  targetValues,
  toHold,
  toRequest,
} from "../coordination/lock_rows.ts";
import {
  prefixesAbove,
  rangeBelow,
  WAIT_LEASE_MS,
} from "../coordination/precedence.ts";
import type { Extent, LockTarget } from "../lock_target.ts";
import type { Blocker, Hold, LockOutcome } from "../locks.ts";
import type { LockQuery, NewMessage } from "../store.ts";
import { arrayText, type Queryable, type Row } from "./connection.ts";
import { endSession, processOf } from "./liveness.ts";
import { storable } from "./text.ts";
import { isoTime, nowOf } from "./times.ts";
import type { Transaction } from "./transaction.ts";

const FROM_HOLDS = `SELECT l.token, l.file_path, l.session_id, l.lock_type,
    ${isoTime("l.locked_at")} AS locked_at, l.agent_id, l.kind, l.extent,
    l.repo_extent, l.folds_case, l.worktree, l.project_id, l.expires_at, l.holds,
    l.why, l.waiter, s.llm_vendor, s.task_id, s.pid, s.host, s.process_start,
    s.keeper, s.status
  FROM file_locks AS l JOIN session_registry AS s ON s.session_id = l.session_id`;

const FROM_WAITERS = `SELECT w.waiter, w.session_id, w.agent_id, w.file_path,
    w.lock_type, w.kind, w.extent, w.prefix, w.repo_extent, w.repo_prefix,
    w.folds_case, w.worktree, w.project_id, w.lease_ms, w.why, w.waits_since,
    w.wait_expires_at, w.host, w.pid, w.process_start, w.token, w.alongside,
    w.upgrades, s.llm_vendor, s.task_id, s.pid AS session_pid,
    s.host AS session_host, s.process_start AS session_start,
    s.keeper AS session_keeper, s.status AS session_status
  FROM lock_waiters AS w JOIN session_registry AS s ON s.session_id = w.session_id`;

// The tokens at or below the prefixes $1, and between $2 and $3, on disk; the
// same in repositories; those in $7; and whatever was granted and is yet to be
// picked up, as it goes back with its waiter.
const NEAR = `SELECT token FROM file_locks WHERE prefix = ANY($1::text[])
  UNION SELECT f.token FROM unnest($2::text[], $3::text[]) AS r(low, high)
    JOIN file_locks AS f
      ON f.prefix > r.low COLLATE "C" AND f.prefix < r.high COLLATE "C"
  UNION SELECT token FROM file_locks WHERE repo_prefix = ANY($4::text[])
  UNION SELECT f.token FROM unnest($5::text[], $6::text[]) AS r(low, high)
    JOIN file_locks AS f
      ON f.repo_prefix > r.low COLLATE "C" AND f.repo_prefix < r.high COLLATE "C"
  UNION SELECT unnest($7::bigint[])
  UNION SELECT token FROM lock_waiters WHERE token IS NOT NULL`;

/** What is to be on a board. */
export interface Around {
  /** What may overlap these. */
  readonly targets?: readonly LockTarget[];
  /** What has these tokens. */
  readonly tokens?: readonly number[];
  /** How many numbers of the counter are needed, apart from granting. */
  readonly numbers?: number;
}

/**
 * Reads a board: all who wait, and the holds around some paths. Whoever is
 * dead there is buried, and what stands no more is off it.
 */
export async function openBoard(
  tx: Transaction,
  around: Around,
): Promise<LockBoard> {
  const [foreign, holds, waiters, numbers] = await Promise.all([
    foreignHolds(tx.connection),
    holdRowsAround(tx.connection, around),
    tx.connection.all(FROM_WAITERS),
    tx.connection.all(
      `SELECT nextval('fencing_tokens') AS number FROM generate_series(1,
         $1 + (SELECT count(*) FROM lock_waiters WHERE token IS NULL))`,
      [around.numbers ?? 0],
    ),
  ]);
  if (foreign.length > 0) {
    await adopt(tx, foreign);
    return await openBoard(tx, around);
  }
  const left = numbers.values();
  const board = new LockBoard(tx.nowMs, () => {
    const next = left.next();
    if (!next.done) return Number(next.value.number);
    throw new Error("more was taken or waited for than was asked for");
  });
  board.add(toBoardHolds(holds, tx.nowMs), waiters.map(toWaiter));
  await settle(tx, board);
  return board;
}

/**
 * Grants what waits for what a board has freed, and writes down what was
 * decided on it.
 */
export async function closeBoard(
  tx: Transaction,
  board: LockBoard,
): Promise<void> {
  if (board.released && board.waiting.length > 0) {
    await addAroundWaiting(tx, board);
    board.grantWaiters();
  }
  tx.released = false;
  // One after the other, as some are looked for first.
  for (const change of board.changes) {
    if (change.kind !== "say") continue;
    const { message, sparingly } = change;
    if (!sparingly || !await saidLately(tx, message)) await tx.append(message);
  }
  for (const change of board.changes) write(tx, change);
  if (board.changed) tx.ring("locks", null);
  for (const session of board.rung) tx.ring("grants", session);
}

/** Adds the holds around all that is waited for, and around some more. */
export async function addAroundWaiting(
  tx: Transaction,
  board: LockBoard,
  alsoAround: readonly LockTarget[] = [],
): Promise<void> {
  const { waiting } = board;
  const rows = await holdRowsAround(tx.connection, {
    targets: [
      ...alsoAround,
      ...waiting.map(({ request }) => request.target),
    ],
    tokens: waiting.flatMap(({ request }) => request.upgrades ?? []),
  });
  board.add(toBoardHolds(rows, tx.nowMs));
  await settle(tx, board);
}

/** Gives what was freed to who waits for it. */
export async function grantWaiters(tx: Transaction): Promise<void> {
  const board = await openBoard(tx, {});
  board.released = true;
  await closeBoard(tx, board);
}

/** Buries the dead that a board shows, and takes off what stands no more. */
async function settle(tx: Transaction, board: LockBoard): Promise<void> {
  for (const session of board.deadSessions()) {
    await endSession(tx, session, "died");
    board.removeSession(session);
  }
  board.tidy();
}

/** What was seen by looking at what looking at may change. */
export interface Look<T> {
  /** What stands. */
  readonly found: T;
  /** Whether there is something that stands no more, and is to be removed. */
  readonly stale: boolean;
}

/** The holds that stand, oldest first. */
export async function listHolds(
  connection: Queryable,
  filter: LockQuery,
): Promise<Look<readonly Hold[]>> {
  const { overlapping } = filter;
  const [nowMs, foreign, rows, waiters] = await Promise.all([
    nowOf(connection),
    foreignHolds(connection),
    overlapping !== undefined
      ? holdRowsAround(connection, { targets: [overlapping] })
      : filteredHoldRows(connection, filter),
    // Some holds may wait to be picked up by a process that is dead.
    connection.all(FROM_WAITERS),
  ]);
  const board = lookingBoard(nowMs, rows, waiters);
  const stale = leaveOutGone(board) || foreign.length > 0;
  const standing = overlapping === undefined
    ? board.holds()
    : board.near(overlapping).map(({ hold }) => hold);
  return {
    found: standing.filter((hold) => isListed(filter, hold))
      .sort((a, b) => a.token - b.token),
    stale,
  };
}

/** Who waits for what overlaps a target, those that came first first. */
export async function waitersFor(
  connection: Queryable,
  target: LockTarget,
): Promise<Look<readonly Blocker[]>> {
  const [nowMs, waiters] = await Promise.all([
    nowOf(connection),
    connection.all(FROM_WAITERS),
  ]);
  const board = lookingBoard(nowMs, [], waiters);
  const stale = leaveOutGone(board);
  return { found: board.waitersFor(target), stale };
}

/**
 * Whom a waiter waits for by now, by a mere look; undefined if there is more to
 * do: it waits no more, may have its hold, or its place is to be renewed.
 */
export async function stillWaiting(
  connection: Queryable,
  waiter: string,
): Promise<LockOutcome | undefined> {
  const [nowMs, waiters] = await Promise.all([
    nowOf(connection),
    connection.all(FROM_WAITERS),
  ]);
  const found = waiters.map(toWaiter)
    .find(({ number }) => number === Number(waiter));
  if (
    found === undefined || found.token !== undefined ||
    found.expiresMs - nowMs < WAIT_LEASE_MS * 2 / 3
  ) return undefined;
  const { request, number } = found;
  const rows = await holdRowsAround(connection, { targets: [request.target] });
  const board = lookingBoard(nowMs, rows, waiters);
  if (leaveOutGone(board)) return undefined;
  const blockers = board.blockersOf(request, number);
  return blockers.length === 0
    ? undefined
    : { state: "waiting", waiter, blockers };
}

/** A board that is only looked at. */
function lookingBoard(
  nowMs: number,
  holds: readonly Row[],
  waiters: readonly Row[],
): LockBoard {
  const board = new LockBoard(nowMs, () => {
    throw new Error("nothing is taken by looking");
  });
  board.add(toBoardHolds(holds, nowMs), waiters.map(toWaiter));
  return board;
}

/** Takes off what stands no more; returns whether there was something. */
function leaveOutGone(board: LockBoard): boolean {
  const dead = board.deadSessions();
  for (const session of dead) board.removeSession(session);
  board.tidy();
  return dead.length > 0 || board.changes.length > 0;
}

/** Removes what stands no more of what a list would show. */
export async function removeStale(
  tx: Transaction,
  filter: LockQuery,
): Promise<void> {
  const { overlapping } = filter;
  const board = await openBoard(tx, {
    targets: overlapping === undefined ? [] : [overlapping],
  });
  if (overlapping === undefined) {
    const rows = await filteredHoldRows(tx.connection, filter);
    board.add(toBoardHolds(rows, tx.nowMs));
    await settle(tx, board);
  }
  await closeBoard(tx, board);
}

function filteredHoldRows(
  connection: Queryable,
  filter: LockQuery,
): Promise<readonly Row[]> {
  return connection.all(
    `${FROM_HOLDS} WHERE ($1::text IS NULL OR l.session_id = $1)
       AND ($2::text IS NULL OR l.file_path = $2)
       AND ($3::bigint IS NULL OR l.token = $3)`,
    [filter.session ?? null, storable(filter.path), filter.token ?? null],
  );
}

async function holdRowsAround(
  connection: Queryable,
  { targets = [], tokens = [] }: Around,
): Promise<readonly Row[]> {
  return await connection.all(
    `${FROM_HOLDS} WHERE l.token IN (${NEAR})`,
    [
      ...nearValues(targets, ({ disk }) => disk),
      ...nearValues(targets, ({ repository }) => repository),
      arrayText(tokens),
    ],
  );
}

/** The prefixes at which something may overlap, and the ranges of them. */
function nearValues(
  targets: readonly LockTarget[],
  extentOf: (target: LockTarget) => Extent | undefined,
): [string, string, string] {
  const at = new Set<string>();
  const ranges = new Map<string, string>();
  for (const target of targets) {
    const prefix = extentOf(target)?.prefix;
    if (prefix === undefined) continue;
    for (const above of [prefix, ...prefixesAbove(prefix)]) at.add(above);
    // A folder or glob also meets what lies below.
    if (target.kind !== "file") ranges.set(...rangeBelow(prefix));
  }
  return [
    arrayText([...at]),
    arrayText([...ranges.keys()]),
    arrayText([...ranges.values()]),
  ];
}

function toBoardHolds(rows: readonly Row[], nowMs: number): BoardHold[] {
  return rows.map((row) => ({
    hold: toHold(row, nowMs),
    process: processOf(row),
    host: row.host === null ? null : String(row.host),
    ...(row.waiter !== null && { waiter: Number(row.waiter) }),
  }));
}

function toWaiter(row: Row): BoardWaiter {
  const request = toRequest(row);
  return {
    number: Number(row.waiter),
    request: {
      ...request,
      target: { ...request.target, host: String(row.host) },
    },
    asker: {
      vendor: String(row.llm_vendor),
      task: row.task_id === null ? undefined : String(row.task_id),
      process: processOf({
        pid: row.session_pid,
        host: row.session_host,
        process_start: row.session_start,
        keeper: row.session_keeper,
        status: row.session_status,
      }),
    },
    sinceMs: Number(row.waits_since),
    expiresMs: Number(row.wait_expires_at),
    process: processOf(row)!,
    ...(row.token !== null && { token: Number(row.token) }),
  };
}

/** Writes down one change; what is said is said elsewhere. */
function write(
  tx: Transaction,
  change: BoardChange,
): void {
  switch (change.kind) {
    case "hold":
      return insertHold(tx, change.to, change.on);
    case "change": {
      const { hold, waiter } = change.to;
      return tx.send(
        `UPDATE file_locks SET lock_type = $1, expires_at = $2, holds = $3,
           why = $4, waiter = $5 WHERE token = $6`,
        [
          hold.type,
          Date.parse(hold.expiresAt),
          hold.holds,
          storable(hold.why),
          waiter ?? null,
          hold.token,
        ],
      );
    }
    case "free":
      return tx.send("DELETE FROM file_locks WHERE token = $1", [
        change.token,
      ]);
    case "wait":
      return insertWaiter(tx, change.to);
    case "stay": {
      const { number, expiresMs, token } = change.to;
      return tx.send(
        `UPDATE lock_waiters SET wait_expires_at = $1, token = $2
         WHERE waiter = $3`,
        [expiresMs, token ?? null, number],
      );
    }
    case "leave":
      return tx.send("DELETE FROM lock_waiters WHERE waiter = $1", [
        change.waiter,
      ]);
    case "say":
      return;
  }
}

function insertHold(
  tx: Transaction,
  { hold, waiter }: BoardHold,
  target: LockTarget,
): void {
  tx.send(
    `INSERT INTO file_locks
       (token, file_path, session_id, lock_type, locked_at, agent_id, kind,
        extent, prefix, repo_extent, repo_prefix, folds_case, worktree,
        project_id, expires_at, why, waiter)
     VALUES ($1, $2, $3, $4, to_timestamp($5::bigint / 1000.0), $6, $7, $8, $9,
       $10, $11, $12, $13, $14, $15, $16, $17)`,
    [
      hold.token,
      target.path,
      hold.session,
      hold.type,
      Date.parse(hold.since),
      storable(hold.agent) ?? "",
      ...targetValues(target),
      Date.parse(hold.expiresAt),
      storable(hold.why),
      waiter ?? null,
    ],
  );
}

function insertWaiter(
  tx: Transaction,
  { number, request, sinceMs, expiresMs, process }: BoardWaiter,
): void {
  tx.send(
    `INSERT INTO lock_waiters
       (waiter, session_id, agent_id, file_path, lock_type, kind, extent, prefix,
        repo_extent, repo_prefix, folds_case, worktree, project_id, lease_ms,
        why, waits_since, wait_expires_at, host, pid, process_start, alongside,
        upgrades)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15,
       $16, $17, $18, $19, $20, $21, $22)`,
    [
      number,
      request.session,
      storable(request.agent),
      request.target.path,
      request.type,
      ...targetValues(request.target),
      request.leaseMs,
      storable(request.why),
      sinceMs,
      expiresMs,
      process.host,
      process.pid,
      process.startTime === "" ? null : process.startTime,
      JSON.stringify(request.alongside),
      request.upgrades ?? null,
    ],
  );
}

async function saidLately(
  tx: Transaction,
  message: NewMessage,
): Promise<boolean> {
  const row = await tx.connection.get(
    `SELECT 1 AS one FROM inter_session_messages
     WHERE channel = $1 AND sender_id = $2 AND payload = $3
       AND created_at > to_timestamp($4::bigint / 1000.0) AND id > 0 LIMIT 1`,
    [
      message.channel,
      message.sender,
      message.payloadText,
      tx.nowMs - WANTED_AGAIN_MS,
    ],
  );
  return row !== undefined;
}

/** Rows that other programs wrote, and that are not complete yet. */
function foreignHolds(connection: Queryable): Promise<readonly Row[]> {
  return connection.all(
    "SELECT token, file_path FROM file_locks WHERE prefix IS NULL",
  );
}

/** Completes rows that other programs wrote, so that they are found. */
async function adopt(tx: Transaction, rows: readonly Row[]): Promise<void> {
  for (const row of rows) {
    await tx.connection.run(
      `UPDATE file_locks SET kind = $1, extent = $2, prefix = $3,
         repo_extent = $4, repo_prefix = $5, folds_case = $6, worktree = $7,
         project_id = $8
       WHERE token = $9`,
      [
        ...targetValues(foreignTarget(String(row.file_path))),
        Number(row.token),
      ],
    );
  }
}
