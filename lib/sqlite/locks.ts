/**
 * Holds in SQLite: what is held, what overlaps, taking and giving back.
 *
 * A hold is a row; its token is the row's id. What may overlap a target is
 * found by its literal prefix (coordination/precedence.ts); whether it really
 * does is then decided exactly (glob.ts).
 *
 * Whoever looks at a hold judges it first: if its session's process is dead,
 * the session is buried and its holds are gone (liveness.ts); if the process
 * can't be judged and the lease is over, the hold is gone; if it lives, an
 * expired hold is overdue and stays.
 *
 * @module
 */

import {
  foreignTarget,
  isListed,
  reachOfRow,
  targetValues,
  toHold,
} from "../coordination/lock_rows.ts";
import {
  blockerOf,
  isSame,
  prefixesAbove,
  rangeBelow,
} from "../coordination/precedence.ts";
import { processOfRow } from "../coordination/registry.ts";
import { NotHeldError } from "../errors.ts";
import {
  meetInRepository,
  meetOnDisk,
  type OverlapBudget,
  type Reach,
  reachOfTarget,
} from "../lock_overlap.ts";
import type { Extent, LockTarget } from "../lock_target.ts";
import type { Blocker, Hold, LockRequest } from "../locks.ts";
import type { LockQuery } from "../store.ts";
import type { Connection } from "./connection.ts";
import type { Row, SqlValue } from "./driver.ts";
import { buryIfDead, isJudgeable, lifeOfRow } from "./liveness.ts";
import type { Transaction } from "./transaction.ts";

/** A hold as it stands in its row, with what is known of its session. */
export interface HoldRow {
  readonly row: Row;
  readonly hold: Hold;
}

const FROM_HOLDS =
  `SELECT l.token, l.prefix, l.repo_prefix, l.file_path, l.session_id, l.lock_type,
    l.locked_at, l.agent_id, l.kind, l.extent, l.repo_extent, l.folds_case,
    l.worktree, l.project_id, l.expires_at, l.holds, l.why, l.waiter,
    s.llm_vendor, s.task_id, s.pid, s.host, s.process_start, s.keeper,
    s.status,
    w.pid AS waiter_pid, w.host AS waiter_host,
    w.process_start AS waiter_start, w.upgrades AS waiter_upgrades
  FROM file_locks AS l JOIN session_registry AS s ON s.session_id = l.session_id
    LEFT JOIN lock_waiters AS w ON w.waiter = l.waiter`;

/** The holds that overlap a target on disk, or in its repository. */
export function overlappingHolds(
  connection: Connection,
  target: LockTarget,
  nowMs: number,
  where: "disk" | "repository",
): HoldRow[] {
  const extent = where === "disk" ? target.disk : target.repository;
  if (extent === undefined) return [];
  const near = where === "disk" ? HOLDS_ON_DISK : HOLDS_IN_REPOSITORY;
  const rows = nearPrefix(connection, near, target, extent);
  if (rows.length === 0) return [];
  const wanted = reachOfTarget(target);
  const meet = where === "disk" ? meetOnDisk : meetInRepository;
  return rows.filter((row) => {
    const covered = reachOfRow(row);
    return covered !== undefined && meet(wanted, covered);
  }).map((row) => ({ row, hold: toHold(row, nowMs) }));
}

/** The holds around the targets of one edit, read at once. */
export class HoldsAround {
  readonly #byPrefix = new Map<string, AroundRow[]>();
  readonly #where: "disk" | "repository";
  readonly #budget: OverlapBudget;

  /** Reads what may overlap the targets on disk, or in their repositories. */
  constructor(
    connection: Connection,
    targets: readonly LockTarget[],
    nowMs: number,
    where: "disk" | "repository",
    budget: OverlapBudget,
  ) {
    this.#budget = budget;
    this.#where = where;
    const near = where === "disk" ? HOLDS_ON_DISK : HOLDS_IN_REPOSITORY;
    const at = new Set<string>();
    const rows: Row[] = [];
    for (const target of targets) {
      const prefix = target[where]?.prefix;
      if (prefix === undefined) continue;
      at.add(prefix);
      prefixesAbove(prefix).forEach((above) => at.add(above));
      if (target.kind === "file") continue;
      rows.push(...connection.sql(near.below).all(...rangeBelow(prefix)));
    }
    rows.push(...connection.sql(near.among).all(JSON.stringify([...at])));
    const seen = new Set<SqlValue>();
    for (const row of rows) {
      if (seen.has(row.token)) continue;
      seen.add(row.token);
      const prefix = String(where === "disk" ? row.prefix : row.repo_prefix);
      const there = this.#byPrefix.get(prefix) ?? [];
      this.#byPrefix.set(prefix, there);
      let reach: Reach | undefined | null = null;
      const parsed = () => {
        if (reach !== null) return reach;
        if (row.kind === "glob") this.#budget.parse(String(row.extent).length);
        return reach = reachOfRow(row);
      };
      there.push({ row, hold: toHold(row, nowMs), reach: parsed });
    }
  }

  /** The holds that overlap one of the targets. */
  overlapping(target: LockTarget): HoldRow[] {
    const prefix = target[this.#where]?.prefix;
    if (this.#byPrefix.size === 0 || prefix === undefined) return [];
    const near = [prefix, ...prefixesAbove(prefix)]
      .flatMap((at) => this.#byPrefix.get(at) ?? []);
    if (target.kind !== "file") {
      const [from, to] = rangeBelow(prefix);
      for (const [at, rows] of this.#byPrefix) {
        if (at > from && at < to) near.push(...rows);
      }
    }
    if (near.length === 0) return [];
    const wanted = reachOfTarget(target);
    const meet = this.#where === "disk" ? meetOnDisk : meetInRepository;
    return near.filter(({ reach }) => this.#budget.meet(wanted, reach, meet));
  }
}

interface AroundRow extends HoldRow {
  /** Parsed when it is asked for. */
  readonly reach: () => Reach | undefined;
}

/** The statements that find rows by their prefix. */
export class NearStatements {
  /** Those below a prefix, between two texts. */
  readonly below: string;
  /** Those at one of many prefixes, given as JSON. */
  readonly among: string;
  readonly #from: string;
  readonly #at: string[] = [];

  /** Reads `from`, whose rows have their prefix in `column`. */
  constructor(from: string, column: string) {
    this.#from = `${from} WHERE ${column}`;
    this.below = `${this.#from} > ? AND ${column} < ?`;
    this.among = `${this.#from} IN (SELECT value FROM json_each(?))`;
  }

  /** Those at one of so many prefixes; made once, as is what it prepares. */
  at(count: number): string {
    return this.#at[count] ??= `${this.#from} IN (${
      new Array(count).fill("?").join(", ")
    })`;
  }
}

const HOLDS_ON_DISK = new NearStatements(FROM_HOLDS, "l.prefix");
const HOLDS_IN_REPOSITORY = new NearStatements(FROM_HOLDS, "l.repo_prefix");

/** The rows whose prefix meets the target's. */
export function nearPrefix(
  connection: Connection,
  statements: NearStatements,
  target: LockTarget,
  extent: Extent,
): Row[] {
  const { prefix } = extent;
  const near = [...prefixesAbove(prefix), prefix];
  const rows = connection.sql(statements.at(near.length)).all(...near);
  if (target.kind === "file" || target.kind === "name") return rows;
  // A folder or glob also meets what lies below.
  const below = connection.sql(statements.below).all(...rangeBelow(prefix));
  return [...rows, ...below.filter((row) => !rows.some((r) => same(r, row)))];
}

function same(a: Row, b: Row): boolean {
  return a.token === b.token && a.waiter === b.waiter;
}

/** A hold, as what stands in somebody's way. */
export function toBlocker({ row, hold }: HoldRow): Blocker {
  const process = isJudgeable(row)
    ? { ...processOfRow(row), host: String(row.host) }
    : undefined;
  return blockerOf(hold, waiterOf(row) ?? process);
}

/** The process that has yet to pick up what it was granted. */
function waiterOf(row: Row): Blocker["process"] {
  return row.waiter_pid === null ? undefined : {
    pid: Number(row.waiter_pid),
    startTime: String(row.waiter_start ?? ""),
    host: String(row.waiter_host),
  };
}

/** Takes back what was granted to a process that died before it picked it up. */
function ungrantIfDead(tx: Transaction, row: Row): boolean {
  const waiter = waiterOf(row);
  if (waiter === undefined || tx.life(waiter, waiter.host) !== "dead") {
    return false;
  }
  if (tx.readOnly) return true;
  removeWaiter(tx, row.waiter);
  return ungrant(tx, row, row.waiter_upgrades !== null);
}

/** Deletes a waiter, whether or not it was granted anything. */
export function removeWaiter(tx: Transaction, waiter: SqlValue): void {
  tx.connection.sql("DELETE FROM lock_waiters WHERE waiter = ?").run(waiter);
}

/** Takes a grant back; returns whether the hold is gone by it. */
export function ungrant(
  tx: Transaction,
  row: Row,
  upgraded: boolean,
): boolean {
  if (!upgraded && Number(row.holds) === 1) {
    removeHold(tx, { token: Number(row.token) });
    return true;
  }
  tx.connection.sql(
    upgraded
      ? "UPDATE file_locks SET lock_type = 'advisory', waiter = NULL WHERE token = ?"
      : "UPDATE file_locks SET holds = holds - 1, waiter = NULL WHERE token = ?",
  ).run(row.token);
  tx.freed.push(row);
  tx.ring("locks", null);
  return false;
}

/**
 * Removes what holds no more: holds of dead sessions, and expired ones whose
 * process can't be judged. Returns those that stand.
 */
export function standing(
  tx: Transaction,
  holds: readonly HoldRow[],
): HoldRow[] {
  return holds.filter(({ row }) => stands(tx, row));
}

function stands(tx: Transaction, row: Row): boolean {
  if (buryIfDead(tx, row) || ungrantIfDead(tx, row)) return false;
  if (Number(row.expires_at) > tx.nowMs) return true;
  if (isJudgeable(row) && lifeOfRow(tx, row) !== "unknown") return true;
  if (!tx.readOnly) removeHold(tx, { token: Number(row.token) });
  return false;
}

/**
 * What the session's agent holds there already: what is upgraded, or would be
 * taken once more. `near` is what overlaps it.
 */
export function ownHold(
  tx: Transaction,
  request: LockRequest,
  near: readonly HoldRow[],
): Hold | undefined {
  const { session, agent, upgrades } = request;
  if (upgrades === undefined) {
    return near.find(({ hold }) => isSame(request, hold))?.hold;
  }
  const row = tx.connection.sql(
    `${FROM_HOLDS} WHERE l.token = ? AND l.session_id = ? AND l.agent_id = ?`,
  ).get(upgrades, session, agent);
  return row === undefined ? undefined : toHold(row, tx.nowMs);
}

/** What a hold says of the session that has it. */
export interface Holder {
  /** Who makes the agent of that session. */
  readonly vendor: string;
  /** The task that the session is on. */
  readonly task?: string;
}

/** Writes a hold, or takes the session's `own` there once more. */
export function hold(
  tx: Transaction,
  request: LockRequest,
  holder: Holder,
  own: Hold | undefined,
  waiter?: number,
): Hold {
  tx.ring("locks", null);
  if (own === undefined) return insertHold(tx, request, holder, waiter);
  const token = again(tx, own.token, request, waiter);
  return toHold(holdRow(tx.connection, token)!, tx.nowMs);
}

function insertHold(
  tx: Transaction,
  request: LockRequest,
  holder: Holder,
  waiter?: number,
): Hold {
  const { target, session, agent, type, why } = request;
  const token = tx.nextFencingToken();
  const since = new Date(tx.nowMs).toISOString();
  const expiresMs = tx.nowMs + request.leaseMs;
  tx.connection.sql(
    `INSERT INTO file_locks
       (token, file_path, session_id, lock_type, locked_at, agent_id, kind,
        extent, prefix, repo_extent, repo_prefix, folds_case, worktree,
        project_id, expires_at, why, waiter)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
  ).run(
    token,
    target.path,
    session,
    type,
    since,
    agent,
    ...targetValues(target),
    expiresMs,
    why ?? null,
    waiter ?? null,
  );
  // What a look at the row would say.
  return {
    token,
    kind: target.kind,
    path: target.path,
    type,
    session,
    ...(agent !== "" && { agent }),
    vendor: holder.vendor,
    ...(holder.task !== undefined && { task: holder.task }),
    ...(why !== undefined && { why }),
    since,
    expiresAt: new Date(expiresMs).toISOString(),
    overdue: false,
    holds: 1,
    ...(target.project !== undefined && { project: target.project }),
    ...(target.worktree !== undefined && { worktree: target.worktree }),
    covers: {
      disk: target.disk.text,
      ...(target.repository !== undefined &&
        { repository: target.repository.text }),
      foldsCase: target.foldsCase,
    },
  };
}

function again(
  tx: Transaction,
  token: number,
  request: LockRequest,
  waiter?: number,
): number {
  tx.connection.sql(
    `UPDATE file_locks SET
       holds = holds + ?,
       lock_type = CASE WHEN ? = 'exclusive' THEN 'exclusive' ELSE lock_type END,
       expires_at = max(expires_at, ?), why = coalesce(?, why),
       waiter = coalesce(?, waiter)
     WHERE token = ?`,
  ).run(
    request.upgrades === undefined ? 1 : 0,
    request.type,
    tx.nowMs + request.leaseMs,
    request.why ?? null,
    waiter ?? null,
    token,
  );
  return token;
}

const HOLD_BY_TOKEN = `${FROM_HOLDS} WHERE l.token = ?`;

/** The row of a hold, by its token. */
export function holdRow(
  connection: Connection,
  token: number,
): Row | undefined {
  return connection.sql(HOLD_BY_TOKEN).get(token);
}

/** Holds it for longer. */
export function renewHold(tx: Transaction, held: Hold, leaseMs: number): Hold {
  requireHold(tx, "renew", held);
  tx.connection.sql("UPDATE file_locks SET expires_at = ? WHERE token = ?")
    .run(tx.nowMs + leaseMs, held.token);
  return toHold(holdRow(tx.connection, held.token)!, tx.nowMs);
}

/** The row of a hold that stands: its token is good and its time is not over. */
function requireHold(tx: Transaction, act: string, held: Hold): Row {
  const row = holdRow(tx.connection, held.token);
  if (
    row !== undefined && row.session_id === held.session && stands(tx, row)
  ) return row;
  throw new NotHeldError(act, held.path, held.token);
}

/** Gives it back once, or entirely. */
export function giveBack(
  tx: Transaction,
  held: Hold,
  options: { readonly entirely?: boolean; readonly before?: Hold } = {},
): void {
  const row = requireHold(tx, "release", held);
  if (options.entirely || Number(row.holds) === 1) {
    removeHold(tx, held);
    return;
  }
  tx.connection.sql("UPDATE file_locks SET holds = holds - 1 WHERE token = ?")
    .run(held.token);
  const { before } = options;
  if (before === undefined || before.token !== held.token) return;
  tx.connection.sql(
    "UPDATE file_locks SET lock_type = ?, expires_at = ?, why = ? WHERE token = ?",
  ).run(
    before.type,
    Date.parse(before.expiresAt),
    before.why ?? null,
    held.token,
  );
  // Advisory again, it may let somebody in who waits.
  tx.freed.push(row);
  tx.ring("locks", null);
}

/** Deletes a hold. */
export function removeHold(tx: Transaction, held: Pick<Hold, "token">): void {
  const freed = tx.connection.sql(
    `DELETE FROM file_locks WHERE token = ?
     RETURNING file_path, kind, extent, repo_extent, folds_case, worktree,
       project_id, waiter`,
  ).get(held.token);
  if (freed !== undefined) {
    tx.freed.push(freed);
    // Nobody will pick it up, or note that it was.
    if (freed.waiter !== null) removeWaiter(tx, freed.waiter);
  }
  tx.ring("locks", null);
}

/** The holds that stand, oldest first. */
export function listHolds(tx: Transaction, filter: LockQuery): Hold[] {
  adoptForeignHolds(tx);
  const rows: HoldRow[] = filter.overlapping !== undefined
    ? overlappingHolds(tx.connection, filter.overlapping, tx.nowMs, "disk")
    : tx.connection.sql(`${FROM_HOLDS}
        WHERE (?1 IS NULL OR l.session_id = ?1) AND (?2 IS NULL OR l.file_path = ?2)
          AND (?3 IS NULL OR l.token = ?3)`)
      .all(filter.session ?? null, filter.path ?? null, filter.token ?? null)
      .map((row) => ({ row, hold: toHold(row, tx.nowMs) }));
  return standing(tx, rows).map(({ hold }) => hold)
    .filter((hold) => isListed(filter, hold))
    .sort((a, b) => a.token - b.token);
}

/** Completes rows that other programs wrote, so that they are found. */
export function adoptForeignHolds(tx: Transaction): void {
  if (tx.readOnly) return;
  const rows = tx.connection.sql(
    "SELECT token, file_path FROM file_locks WHERE prefix IS NULL",
  ).all();
  for (const row of rows) {
    const target = foreignTarget(String(row.file_path));
    tx.connection.sql(
      `UPDATE file_locks SET kind = ?, extent = ?, prefix = ?, repo_extent = ?,
         repo_prefix = ?, folds_case = ?, worktree = ?, project_id = ?
       WHERE token = ?`,
    ).run(...targetValues(target), row.token);
  }
}
