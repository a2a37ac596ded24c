/**
 * Tasks in PostgreSQL: exactly one winner, as claims stand one behind the other
 * under the coordination lock.
 *
 * The next free task is one look-up in `idx_tasks_next`, whose order is that of
 * claiming; `waits_for` is kept up to date when a dependency is done, so that
 * readiness needs no join.
 *
 * What is claimed by the dead or past its lease is opened again by whoever
 * claims or lists next (liveness.ts judges).
 *
 * @module
 */

import {
  ENDED_TASK_KEPT_MS,
  refuseDependency,
  refusePosted,
  refuseUnlessFree,
  toTask,
} from "../coordination/task_rules.ts";
import { NotHeldError } from "../errors.ts";
import type { TaskQuery } from "../store.ts";
import type {
  Claim,
  ClaimEnd,
  Claimer,
  Task,
  TaskFilter,
  TaskPosting,
} from "../tasks.ts";
import { arrayText, type Queryable, type Row } from "./connection.ts";
import {
  buryDead,
  deadAmong,
  refuseEnded,
  refuseUnlessRuns,
} from "./liveness.ts";
import type { Look } from "./locks.ts";
import { findSession } from "./sessions.ts";
import {
  broadcast,
  changed,
  reopen,
  TASK_BY_ID,
  TASK_COLUMNS,
} from "./task_rows.ts";
import { storable } from "./text.ts";
import type { Transaction } from "./transaction.ts";

const STEP_TASKS_MAX = 20;

/** Posts a task. */
export async function postTask(
  tx: Transaction,
  posting: TaskPosting,
): Promise<Task> {
  const { id, dependsOn } = posting;
  const project = posting.project ?? "";
  const [, rows] = await Promise.all([
    refuseEnded(tx, `post task "${id}"`, posting.session),
    tx.connection.all(
      `SELECT seq, task_id, status FROM tasks
       WHERE project_id = $1 AND task_id = ANY($2::text[])`,
      [project, arrayText([id, ...dependsOn])],
    ),
  ]);
  if (rows.some((row) => row.task_id === id)) throw refusePosted(id);
  const needed = dependsOn.map((other) => {
    const row = rows.find((row) => row.task_id === other);
    if (row !== undefined) return row;
    throw refuseDependency(id, other);
  });
  const [, [row]] = await Promise.all([
    tx.connection.run(
      `WITH posted AS (INSERT INTO tasks
         (project_id, task_id, title, kind, payload, priority, status, waits_for,
          posted_by, posted_at, changed_at)
       VALUES ($1, $2, $3, $4, $5, $6, 'open', $7, $8, $9, $9) RETURNING seq)
       INSERT INTO task_dependencies(seq, depends_on)
       SELECT posted.seq, needed FROM posted, unnest($10::bigint[]) AS needed`,
      [
        project,
        id,
        storable(posting.title),
        storable(posting.kind),
        posting.payloadText,
        posting.priority,
        needed.filter((row) => row.status !== "done").length,
        posting.session,
        tx.nowMs,
        arrayText(needed.map((row) => Number(row.seq))),
      ],
    ),
    tx.connection.all(TASK_BY_ID, [project, id]),
  ]);
  const task = toTask(row);
  await broadcast(tx, "posted", task, posting.session);
  return task;
}

/** Claims a task by its id. */
export async function claimTask(
  tx: Transaction,
  id: string,
  claimer: Claimer,
): Promise<Claim> {
  const find = () => tx.connection.get(TASK_BY_ID, [claimer.project ?? "", id]);
  const [session, , found] = await Promise.all([
    findSession(tx.connection, claimer.session),
    returnExpired(tx),
    find(),
  ]);
  refuseUnlessRuns(tx, `claim task "${id}"`, claimer.session, session);
  let row = found;
  if (row?.status === "claimed") {
    await buryDead(tx, [String(row.session_id)]);
    row = await find();
  }
  refuseUnlessFree(id, row === undefined ? undefined : toTask(row));
  return await claim(tx, row!, claimer);
}

/** Claims the free task that comes first. */
export async function claimNextTask(
  tx: Transaction,
  filter: TaskFilter,
  claimer: Claimer,
): Promise<Claim | undefined> {
  const [session, , first] = await Promise.all([
    findSession(tx.connection, claimer.session),
    returnExpired(tx),
    nextFree(tx, filter, claimer),
  ]);
  refuseUnlessRuns(tx, "claim a task", claimer.session, session);
  let row = first;
  if (row === undefined) {
    // Only now is it worth looking at the processes of all holders.
    await buryDead(tx, await claimHolders(tx.connection));
    row = await nextFree(tx, filter, claimer);
  }
  return row === undefined ? undefined : await claim(tx, row, claimer);
}

function nextFree(
  tx: Transaction,
  filter: TaskFilter,
  claimer: Claimer,
): Promise<Row | undefined> {
  return tx.connection.get(
    `SELECT seq FROM tasks
     WHERE project_id = $1 AND status = 'open' AND waits_for = 0
       AND ($2::text IS NULL OR kind = $2)
       AND ($3::float8 IS NULL OR priority >= $3)
     ORDER BY priority DESC, seq LIMIT 1`,
    [claimer.project ?? "", storable(filter.kind), filter.priorityMin ?? null],
  );
}

async function claim(
  tx: Transaction,
  row: Row,
  claimer: Claimer,
): Promise<Claim> {
  const claimed = await tx.connection.get(
    changed(
      `UPDATE tasks SET status = 'claimed', session_id = $1, agent_id = $2,
         token = nextval('fencing_tokens'), lease_expires_at = $3,
         changed_at = $4, attempts = attempts + 1
       WHERE seq = $5 RETURNING *`,
    ),
    [
      claimer.session,
      storable(claimer.agent),
      tx.nowMs + claimer.leaseMs,
      tx.nowMs,
      Number(row.seq),
    ],
  );
  const task = toTask(claimed!) as Claim;
  await broadcast(tx, "claimed", task, claimer.session);
  return task;
}

/** Opens again what nobody has renewed. */
async function returnExpired(tx: Transaction): Promise<void> {
  await reopen(tx, "lease_expires_at <= $1", [], "returned");
}

/** The sessions that have claimed something. */
async function claimHolders(connection: Queryable): Promise<string[]> {
  const rows = await connection.all(
    "SELECT DISTINCT session_id FROM tasks WHERE status = 'claimed'",
  );
  return rows.map((row) => String(row.session_id));
}

/** Whether a claim is over by its time, or its holder dead. */
async function hasClaimsToReturn(connection: Queryable): Promise<boolean> {
  const [expired, holders] = await Promise.all([
    connection.get(
      `SELECT 1 AS one FROM tasks
       WHERE status = 'claimed' AND lease_expires_at <= now_ms($1) LIMIT 1`,
      [connection.clockShiftMs],
    ),
    claimHolders(connection),
  ]);
  return expired !== undefined ||
    (await deadAmong(connection, holders)).length > 0;
}

/** Opens again what is claimed past its lease, or by the dead. */
export async function returnClaims(tx: Transaction): Promise<void> {
  await returnExpired(tx);
  await buryDead(tx, await claimHolders(tx.connection));
}

// A claim that is given: its task, project, token and session, and the time.
const GIVEN_CLAIM = `project_id = $1 AND task_id = $2 AND status = 'claimed'
  AND token = $3 AND session_id = $4 AND lease_expires_at > $5`;

function givenClaim(tx: Transaction, held: Claim) {
  return [held.project ?? "", held.id, held.token, held.session, tx.nowMs];
}

/** Claims it for longer. */
export async function renewTask(
  tx: Transaction,
  held: Claim,
  leaseMs: number,
): Promise<Claim> {
  const row = await tx.connection.get(
    changed(
      `UPDATE tasks SET lease_expires_at = $5::bigint + $6::bigint
       WHERE ${GIVEN_CLAIM} RETURNING *`,
    ),
    [...givenClaim(tx, held), leaseMs],
  );
  if (row === undefined) throw new NotHeldError("renew", held.id, held.token);
  return toTask(row) as Claim;
}

/** Ends a claim: done, failed, or open again. */
export async function endClaim(
  tx: Transaction,
  held: Claim,
  end: ClaimEnd,
): Promise<Task> {
  if (end.status === "open") return await release(tx, held);
  const row = await tx.connection.get(
    changed(
      `UPDATE tasks SET status = $6, result = $7, token = NULL,
         lease_expires_at = NULL, changed_at = $5
       WHERE ${GIVEN_CLAIM} RETURNING *`,
    ),
    [...givenClaim(tx, held), end.status, end.resultText],
  );
  const isDone = end.status === "done";
  if (row === undefined) {
    throw new NotHeldError(isDone ? "complete" : "fail", held.id, held.token);
  }
  if (isDone) {
    await tx.connection.run(
      `UPDATE tasks SET waits_for = waits_for - 1 WHERE seq IN
         (SELECT seq FROM task_dependencies WHERE depends_on = $1)`,
      [Number(row.seq)],
    );
  }
  const task = toTask(row);
  await broadcast(tx, isDone ? "completed" : "failed", task, held.session);
  return task;
}

async function release(tx: Transaction, held: Claim): Promise<Task> {
  const [task] = await reopen(
    tx,
    `project_id = $2 AND task_id = $3 AND token = $4 AND session_id = $5
       AND lease_expires_at > $1`,
    [held.project ?? "", held.id, held.token, held.session],
    "released",
  );
  if (task !== undefined) return task;
  throw new NotHeldError("release", held.id, held.token);
}

/** The tasks, in the order in which they are claimed. */
export async function listTasks(
  connection: Queryable,
  query: TaskQuery,
): Promise<Look<readonly Task[]>> {
  const [stale, rows] = await Promise.all([
    hasClaimsToReturn(connection),
    connection.all(
      `SELECT ${TASK_COLUMNS} FROM tasks AS t
     WHERE (NOT $1 OR t.project_id = $2) AND ($3::text IS NULL OR t.status = $3)
       AND ($4::text IS NULL OR t.kind = $4)
       AND ($5::float8 IS NULL OR t.priority >= $5)
       AND ($6::text IS NULL OR t.task_id = $6)
     ORDER BY t.priority DESC, t.seq`,
      [
        query.exactProject,
        query.project ?? "",
        query.status ?? null,
        storable(query.kind),
        query.priorityMin ?? null,
        query.id ?? null,
      ],
    ),
  ]);
  return { found: rows.map((row) => toTask(row)), stale };
}

/** Deletes tasks that ended long ago and that nothing waits for. */
export async function purgeTasks(tx: Transaction): Promise<void> {
  await tx.connection.run(
    `DELETE FROM tasks WHERE seq IN (
       SELECT seq FROM tasks AS t
       WHERE status IN ('done', 'failed') AND changed_at < $1
         AND NOT EXISTS (
           SELECT 1 FROM task_dependencies AS x JOIN tasks AS d ON d.seq = x.seq
           WHERE x.depends_on = t.seq AND d.status IN ('open', 'claimed'))
       LIMIT ${STEP_TASKS_MAX})`,
    [tx.nowMs - ENDED_TASK_KEPT_MS],
  );
}
