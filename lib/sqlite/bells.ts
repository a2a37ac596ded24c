/**
 * Bells: how a process learns at once that there may be something new.
 *
 * A process that watches has one bell, a small file in the folder beside the
 * database's, and a row for each thing it wants. Whoever commits looks up who
 * wants that and touches just those bells, which the file system reports to
 * the process that watches its own.
 *
 * ```text
 * writer   COMMIT ──▶ who wants it? ──▶ touch ‹bells/…›
 * reader   row, watch ──▶ read by cursor ──▶ wait ◀── event ──▶ read by cursor
 * ```
 *
 * - **A bell is a hint.** Its reader always reads by cursor, so rings may come
 *   twice, late or for nothing, and several become one.
 * - **None is missed**: the row and the watch stand before the first read, so
 *   a message is either found by that read or committed after the row was
 *   there to be looked up. What a crash between commit and ring leaves unrung
 *   is found by the safety poll.
 * - **One ring serves all that is committed before it**: who rings many leaves out
 *   whom another has rung meanwhile.
 * - **Bells are never renamed or removed while they are watched**, as far as can
 *   be told; the row and the file of a process that died are removed by whoever
 *   purges. Of another host's process that cannot be told: its bell goes when it
 *   is an hour old, and whoever still watches it makes it anew at its next poll.
 * - **Nothing in the database's folder is watched** (location.ts says why).
 *
 * How a file rings stands in bell_files.ts.
 *
 * @module
 */

import { type Addressed, isTopic } from "../model/topics.ts";
import { removeBellFile } from "../store/bell_files.ts";
import { hostId, processStart } from "../process/host.ts";
import type { Interest } from "../model/message.ts";
import type { Connection } from "./connection.ts";
import type { Row } from "./driver.ts";
import type { Transaction } from "./transaction.ts";

/** Stands for every channel in a bell's interests. */
const EVERY_CHANNEL = "*";

// Each may be a look into /proc, while everybody waits for who writes.
const BELLS_LOOKED_AT_MAX = 8;

/** How old a bell becomes whose process cannot be judged. */
const UNKNOWN_OWNER_TTL_MS = 60 * 60 * 1000;

// No other file is removed, whatever other programs write into the rows.
const BELL_NAME = /^\d+-[0-9a-f]{8}$/;

// Who reads every channel is not told of changes.
const watchersSql = (channel: string, project: string, to: string) =>
  `SELECT bell FROM bell_interests WHERE channel = ${channel}
     AND (${project} IS NULL OR project_id IS NULL OR project_id = ${project})
     AND (${to} IS NULL OR session_id IS NULL OR session_id = ${to})`;

/**
 * The query for the bells of those who want a message, whose channel, project and
 * addressee are these expressions; who wants it twice comes twice.
 */
export function readersSql(
  channel: string,
  project: string,
  to: string,
): string {
  // Half of the work of one look for two channels.
  return `${watchersSql(channel, project, to)} UNION ALL ${
    watchersSql(`'${EVERY_CHANNEL}'`, project, to)
  }`;
}

const WATCHERS = watchersSql("?1", "?2", "?3");
const READERS = readersSql("?1", "?2", "?3");

/**
 * The bells of those who want one of these messages. A watch of no session is
 * rung for every session's: by the time it reads it may have become that one.
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

/** Whether an interest is of messages, and not only of changes. */
export function isOfMessages({ channels }: Interest): boolean {
  return channels === null || !channels.every(isTopic);
}

/** Whether an interest wants one of these messages. */
export function wantsAny(
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

/** Puts a process's bell into the registry. */
export function addBell(tx: Transaction, bell: string): void {
  tx.connection.sql(
    `INSERT INTO bells(bell, host, pid, process_start) VALUES (?, ?, ?, ?)
     ON CONFLICT (bell) DO NOTHING`,
  ).run(bell, hostId(), Deno.pid, processStart(Deno.pid) ?? null);
}

/** Adds what one watch of a process wants. */
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

/** Removes what one watch of a process wants. */
export function removeInterest(
  tx: Transaction,
  bell: string,
  watch: number,
): void {
  tx.connection.sql("DELETE FROM bell_interests WHERE bell = ? AND watch = ?")
    .run(bell, watch);
}

/** Takes a process's bell out of the registry, with all it wants. */
export function removeBell(tx: Transaction, bell: string): void {
  tx.connection.sql("DELETE FROM bells WHERE bell = ?").run(bell);
}

/**
 * Removes bells of processes that died or can't be judged, looking at some
 * after `after`, and files without a row; returns where to go on.
 */
export function deleteDeadBells(tx: Transaction, after: string): string {
  const rows = tx.connection.sql(
    `SELECT bell, host, pid, process_start FROM bells WHERE bell > ?
     ORDER BY bell LIMIT 0 + ?`,
  ).all(after, BELLS_LOOKED_AT_MAX);
  for (const row of rows) {
    if (!isOver(tx, row)) continue;
    const bell = String(row.bell);
    removeBell(tx, bell);
    if (BELL_NAME.test(bell)) removeBellFile(pathOf(tx, bell));
  }
  if (rows.length === BELLS_LOOKED_AT_MAX) return String(rows.at(-1)!.bell);
  deleteLostFiles(tx);
  return "";
}

function isOver(tx: Transaction, row: Row): boolean {
  const process = {
    pid: Number(row.pid),
    startTime: String(row.process_start ?? ""),
  };
  const life = tx.life(process, String(row.host));
  return life === "dead" || life === "unknown" && isOld(tx, String(row.bell));
}

/** Removes some files that a process left before, or after, it had a row. */
function deleteLostFiles(tx: Transaction): void {
  const row = tx.connection.sql("SELECT 1 FROM bells WHERE bell = ?");
  let looked = 0;
  for (const name of bellFiles(tx.connection.location.bellsFolder)) {
    if (!BELL_NAME.test(name) || row.get(name) !== undefined) continue;
    if (isOld(tx, name)) removeBellFile(pathOf(tx, name));
    if (++looked === BELLS_LOOKED_AT_MAX) return;
  }
}

function bellFiles(folder: string): string[] {
  try {
    return [...Deno.readDirSync(folder)].map(({ name }) => name);
  } catch {
    // Cleared away, closed to us, one file too many: a later purge looks again.
    return [];
  }
}

function isOld(tx: Transaction, bell: string): boolean {
  // What can be no bell's name rings nobody.
  if (!BELL_NAME.test(bell)) return true;
  try {
    const { birthtime, mtime } = Deno.statSync(pathOf(tx, bell));
    const since = birthtime ?? mtime;
    return since !== null && tx.nowMs - since.getTime() > UNKNOWN_OWNER_TTL_MS;
  } catch (error) {
    // Nobody rings where there is nothing to touch. What cannot be looked at is
    // judged by a later purge.
    return error instanceof Deno.errors.NotFound;
  }
}

function pathOf(tx: Transaction, bell: string): string {
  return `${tx.connection.location.bellsFolder}/${bell}`;
}
