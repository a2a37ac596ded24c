/**
 * Bells: files whose touch wakes the process that reads.
 *
 * A process that watches has one bell, a small file in the folder beside the
 * database's, and a row for each interest. A writer looks up the bells of the
 * interested processes and touches them. The file system reports the touch to
 * the process that watches the file.
 *
 * ```text
 * writer   COMMIT ──▶ interests? ──▶ touch ‹bells/…›
 * reader   row, watch ──▶ read by cursor ──▶ wait ◀── event ──▶ read by cursor
 * ```
 *
 * - **A ring is a hint.** A woken reader reads by cursor. So a ring may come twice,
 *   late or without a message, and several rings coalesce.
 * - **No message is missed.** The row and the watch exist before the first read.
 *   So that read finds a message, or its writer finds the row. The safety poll
 *   finds a message whose writer crashed between its commit and its ring.
 * - **One ring covers every earlier commit.** So a publisher skips a reader that
 *   another publisher has just woken.
 * - **A watched bell is neither renamed nor removed** while its process is known
 *   to live. A purge removes the bell of a dead process. Liveness on another host
 *   is unknown, so such a bell is removed when it is an hour old. A process that
 *   still watches it makes it again at its next poll.
 * - **Nothing in the database's folder is watched**, for the reason in
 *   location.ts.
 *
 * bell_files.ts touches the files.
 *
 * @module
 */

import { type Addressed, isTopic } from "../model/topics.ts";
import { removeBellFile } from "../store/bell_files.ts";
import { hostId, processAlive, processStart } from "../process/host.ts";
import type { ProcessIdentity } from "../model/process.ts";
import type { Interest } from "../model/message.ts";
import type { Connection } from "./connection.ts";
import { nodeLibrary, type Row } from "./driver.ts";
import { storeError } from "./faults.ts";
import type { BusLocation } from "./location.ts";
import type { Transaction } from "./transaction.ts";

/** The channel of an interest in every channel. */
const EVERY_CHANNEL = "*";

// Each check may read /proc, while other writers wait for this one.
const BELLS_CHECKED_MAX = 8;

/** Age at which a bell of unknown liveness is removed, in milliseconds. */
const UNKNOWN_OWNER_TTL_MS = 60 * 60 * 1000;

// Other programs may write any name into the rows, so only such files are removed.
const BELL_NAME = /^\d+-[0-9a-f]{8}$/;

// An interest in every channel does not include the topics of record changes.
const watchersSql = (channel: string, project: string, to: string) =>
  `SELECT bell FROM bell_interests WHERE channel = ${channel}
     AND (${project} IS NULL OR project_id IS NULL OR project_id = ${project})
     AND (${to} IS NULL OR session_id IS NULL OR session_id = ${to})`;

/**
 * Returns the query for the bells of a message's readers. The arguments are SQL
 * expressions for its channel, project and addressee. A bell with two matching
 * interests is returned twice.
 */
export function readersSql(
  channel: string,
  project: string,
  to: string,
): string {
  // Two lookups of one channel are half the work of one lookup of two.
  return `${watchersSql(channel, project, to)} UNION ALL ${
    watchersSql(`'${EVERY_CHANNEL}'`, project, to)
  }`;
}

const WATCHERS = watchersSql("?1", "?2", "?3");
const READERS = readersSql("?1", "?2", "?3");

/**
 * Returns the bells of all processes that are interested in one of the messages.
 * An interest without a session matches every addressee, because its process may
 * have registered as that session when it reads.
 */
export function bellsFor(
  connection: Pick<Connection, "sql">,
  messages: readonly Addressed[],
): Set<string> {
  const bells = new Set<string>();
  const seen = new Set<string>();
  for (const { channel, project, to } of messages) {
    const key = `${channel}\0${project ?? ""}\0${to ?? ""}`;
    if (seen.has(key)) continue;
    seen.add(key);
    const rows = connection.sql(
      isTopic(channel) ? WATCHERS : READERS,
    ).all(channel, project, to ?? null);
    for (const row of rows) bells.add(String(row.bell));
  }
  return bells;
}

/** Returns whether an interest includes messages, not only record changes. */
export function includesMessages({ channels }: Interest): boolean {
  return channels === null || !channels.every(isTopic);
}

/** Returns whether an interest includes one of the messages. */
export function includesAny(
  interest: Interest,
  messages: readonly Addressed[],
): boolean {
  return messages.some(({ channel, project, to }) =>
    (interest.channels === null
      ? !isTopic(channel)
      : interest.channels.includes(channel)) &&
    (interest.project === null || project === null ||
      interest.project === project) &&
    (to === undefined || interest.session === null || interest.session === to)
  );
}

/** Registers the bell of this process. */
export function addBell(tx: Transaction, bell: string): void {
  tx.connection.sql(
    `INSERT INTO bells(bell, host, pid, process_start) VALUES (?, ?, ?, ?)
     ON CONFLICT (bell) DO NOTHING`,
  ).run(bell, hostId(), Deno.pid, processStart(Deno.pid) ?? null);
}

/** Adds the interest of one watch. */
export function addInterest(
  tx: Transaction,
  bell: string,
  watch: number,
  interest: Interest,
): void {
  const insert = tx.connection.sql(
    `INSERT INTO bell_interests(channel, bell, watch, project_id, session_id)
     VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`,
  );
  for (const channel of interest.channels ?? [EVERY_CHANNEL]) {
    insert.run(channel, bell, watch, interest.project, interest.session);
  }
}

/** Removes the interest of one watch. */
export function removeInterest(
  tx: Transaction,
  bell: string,
  watch: number,
): void {
  tx.connection.sql("DELETE FROM bell_interests WHERE bell = ? AND watch = ?")
    .run(bell, watch);
}

/** Removes a bell and its interests from the registry. */
export function removeBell(tx: Transaction, bell: string): void {
  tx.connection.sql("DELETE FROM bells WHERE bell = ?").run(bell);
}

/**
 * Removes bells of dead processes, old bells of unknown liveness, and files
 * without a row. A step checks a few bells after `after`.
 *
 * @returns The bell after which the next step begins.
 */
export function deleteDeadBells(tx: Transaction, after: string): string {
  const rows = tx.connection.sql(
    `SELECT bell, host, pid, process_start FROM bells WHERE bell > ?
     ORDER BY bell LIMIT 0 + ?`,
  ).all(after, BELLS_CHECKED_MAX);
  for (const row of rows) {
    if (!isAbandoned(tx, row)) continue;
    const bell = String(row.bell);
    removeBell(tx, bell);
    if (BELL_NAME.test(bell)) removeBellFile(pathOf(tx, bell));
  }
  if (rows.length === BELLS_CHECKED_MAX) return String(rows.at(-1)!.bell);
  deleteLostFiles(tx);
  return "";
}

/**
 * Returns the pids of processes that wait for messages or changes, and live or may
 * live. A process that only polls has no bell.
 *
 * @throws {StoreError} If the database cannot be read.
 */
export function waitingProcesses({ databasePath }: BusLocation): number[] {
  try {
    const db = nodeLibrary.open(databasePath, {
      readOnly: true,
      timeoutMs: READ_TIMEOUT_MS,
    });
    try {
      const rows = db.prepare("SELECT host, pid, process_start FROM bells")
        .all();
      const living = rows.filter((row) =>
        processAlive(processOf(row), String(row.host)) !== "dead"
      );
      return living.map((row) => Number(row.pid));
    } finally {
      db.close();
    }
  } catch (error) {
    throw storeError("list the waiting processes", databasePath, error);
  }
}

const READ_TIMEOUT_MS = 1_000;

function processOf(row: Row): ProcessIdentity {
  return {
    pid: Number(row.pid),
    startTime: String(row.process_start ?? ""),
  };
}

function isAbandoned(tx: Transaction, row: Row): boolean {
  const life = tx.life(processOf(row), String(row.host));
  return life === "dead" || life === "unknown" && isOld(tx, String(row.bell));
}

/** Removes some old files that no row names. */
function deleteLostFiles(tx: Transaction): void {
  const row = tx.connection.sql("SELECT 1 FROM bells WHERE bell = ?");
  let checked = 0;
  for (const name of bellFiles(tx.connection.location.bellsFolder)) {
    if (!BELL_NAME.test(name) || row.get(name) !== undefined) continue;
    if (isOld(tx, name)) removeBellFile(pathOf(tx, name));
    if (++checked === BELLS_CHECKED_MAX) return;
  }
}

function bellFiles(folder: string): string[] {
  try {
    return [...Deno.readDirSync(folder)].map(({ name }) => name);
  } catch {
    // A later purge tries again.
    return [];
  }
}

function isOld(tx: Transaction, bell: string): boolean {
  // Another program wrote this row: no process watches such a file.
  if (!BELL_NAME.test(bell)) return true;
  try {
    const { birthtime, mtime } = Deno.statSync(pathOf(tx, bell));
    const since = birthtime ?? mtime;
    return since !== null && tx.nowMs - since.getTime() > UNKNOWN_OWNER_TTL_MS;
  } catch (error) {
    // A missing file wakes no process. After any other error a later purge decides.
    return error instanceof Deno.errors.NotFound;
  }
}

function pathOf(tx: Transaction, bell: string): string {
  return `${tx.connection.location.bellsFolder}/${bell}`;
}
