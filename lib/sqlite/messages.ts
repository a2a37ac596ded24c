/**
 * Messages in SQLite: appending them and reading them by cursor.
 *
 * The id is the cursor: SQLite serializes writers, so ids are given in the
 * order of commits and a reader that asks for `id > cursor` skips nothing.
 * (Not so in PostgreSQL, where ids are taken before the commit.)
 *
 * A reader of several channels merges one index range for each, so its cost
 * follows what it reads, not what is kept beside it. One that is close to the
 * end, as a subscription nearly always is, looks at what came since instead.
 *
 * @module
 */

import {
  refuseBeyond,
  START_CURSOR,
  toMessage,
} from "../coordination/message_rows.ts";
import type { Incarnation } from "../sessions.ts";
import type { Interest, NewMessage, Page } from "../store.ts";
import { type Connection, WHILE_COMPATIBLE } from "./connection.ts";
import type { SqlValue } from "./driver.ts";

const insertOf = (sender: string) =>
  `INSERT INTO inter_session_messages
  (sender_id, channel, payload, created_at, ttl_seconds, expires_at,
   project_id, recipient_id, reply_to, rung)
  VALUES (${sender}, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, 1)`;

// Inside a write, which has looked at the schema's version.
const INSERT = insertOf("?1");

// Alone. Where the schema's version does not fit there is no sender, and NOT
// NULL refuses the row. (The same by INSERT … SELECT … WHERE would go through a
// temporary table.) Nor is there one whose session is over, or another
// process's by now (a pid that none can have is what anybody wrote there).
const INSERT_ALONE = insertOf(`(SELECT ?1 WHERE ${WHILE_COMPATIBLE}
  AND CASE WHEN ?10 THEN
    EXISTS (SELECT 1 FROM session_registry WHERE session_id = ?1
      AND status IS NOT 'terminated'
      AND (ifnull(pid BETWEEN 1 AND 4294967295, 0) = 0
        OR pid IS ?11 AND nullif(process_start, '') IS ?12))
  ELSE NOT EXISTS (SELECT 1 FROM session_registry WHERE session_id = ?1
    AND status = 'terminated') END)`);

/**
 * Inserts one message as a transaction of its own; returns its id. `sender` is
 * the process that its sender was registered with, if that is to be looked at.
 */
export async function insertAlone(
  connection: Connection,
  message: NewMessage,
  nowMs: number,
  sender: Incarnation | undefined,
): Promise<string> {
  const { rowId } = await connection.writeOne(
    "publish",
    () =>
      connection.sql(INSERT_ALONE).run(
        ...insertValues(message, nowMs),
        sender === undefined ? 0 : 1,
        sender?.pid ?? null,
        sender?.processStart ?? null,
      ),
  );
  return String(rowId);
}

/** Inserts one message inside a write; returns its id. */
export function insert(
  connection: Connection,
  message: NewMessage,
  nowMs: number,
): string {
  const { rowId } = connection.sql(INSERT).run(...insertValues(message, nowMs));
  return String(rowId);
}

function insertValues(message: NewMessage, nowMs: number): SqlValue[] {
  return [
    message.sender,
    message.channel,
    message.payloadText,
    isoOf(nowMs),
    message.ttlSeconds,
    nowMs + Math.round(message.ttlSeconds * 1000),
    message.project,
    message.to ?? null,
    message.replyTo === undefined ? null : Number(message.replyTo),
  ];
}

let lastIso = { nowMs: NaN, text: "" };

/** The time as text; that of a transaction is spelled once. */
function isoOf(nowMs: number): string {
  if (lastIso.nowMs !== nowMs) {
    lastIso = { nowMs, text: new Date(nowMs).toISOString() };
  }
  return lastIso.text;
}

/** The cursor after everything that is committed. */
export function endCursor(connection: Connection): string {
  // Not max(id): what was purged was there, and its id is never given again.
  const row = connection.sql(
    "SELECT seq FROM sqlite_sequence WHERE name = 'inter_session_messages'",
  ).get();
  return String(row?.seq ?? START_CURSOR);
}

/** What a message is read from. */
export const COLUMNS = `id, sender_id, channel, payload, created_at, expires_at,
  project_id, recipient_id, reply_to`;

/** The living messages after `cursor`, in order, at most `limit`. */
export function read(
  connection: Connection,
  interest: Interest,
  cursor: string,
  limit: number,
  nowMs: number,
): Page {
  const { channels, project, session } = interest;
  // What is committed while the rows are read comes with the next page: the
  // end is fixed first, so that a page can move past what is not wanted.
  const end = endCursor(connection);
  refuseBeyond(end, cursor);
  const behind = Number(end) - Number(cursor);
  if (behind === 0) return { messages: [], cursor };
  const rows = connection.sql(readSql(channels?.length, behind)).all(
    Number(cursor),
    nowMs,
    project,
    session,
    limit,
    ...(channels ?? []),
  );
  const messages = rows.map(toMessage);
  return {
    messages,
    cursor: messages.length < limit
      ? String(Math.max(Number(end), Number(messages.at(-1)?.id ?? cursor)))
      : messages[messages.length - 1].id,
  };
}

const WANTED = `id > ?1 AND expires_at > ?2
  AND (?3 IS NULL OR project_id IS NULL OR project_id = ?3)
  AND (recipient_id IS NULL OR recipient_id = ?4)`;

const READ_ALL = `SELECT ${COLUMNS} FROM inter_session_messages
  WHERE ${WANTED} ORDER BY id LIMIT 0 + ?5`;

// A reader that is this close to the end looks at all that came: that is less
// work than to begin a range for each channel.
const CLOSE_MESSAGES = 64;

const readSqls = new Map<string, string>();

/** The statement for so many channels, or all, at so many ids from the end. */
function readSql(channels: number | undefined, behind: number): string {
  if (channels === undefined) return READ_ALL;
  const close = behind <= CLOSE_MESSAGES;
  const key = `${close} ${channels}`;
  let sql = readSqls.get(key);
  if (sql === undefined) {
    sql = close ? readClose(channels) : readRanges(channels);
    readSqls.set(key, sql);
  }
  return sql;
}

function readClose(count: number): string {
  const names = Array.from({ length: count }, (_, i) => `?${i + 6}`);
  // The + keeps the planner off the channel's index.
  return `SELECT ${COLUMNS} FROM inter_session_messages
    WHERE +channel IN (${names.join()}) AND ${WANTED}
    ORDER BY id LIMIT 0 + ?5`;
}

function readRanges(count: number): string {
  const ranges = Array.from(
    { length: count },
    (_, i) =>
      `SELECT * FROM (SELECT ${COLUMNS} FROM inter_session_messages
        WHERE channel = ?${i + 6} AND ${WANTED} ORDER BY id LIMIT 0 + ?5)`,
  );
  return `${ranges.join(" UNION ALL ")} ORDER BY id LIMIT 0 + ?5`;
}
