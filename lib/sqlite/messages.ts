/**
 * Messages in SQLite: appends, and reads by cursor.
 *
 * The id is the cursor. SQLite serializes writers, so ids are in the order of
 * commits, and a reader of `id > cursor` skips no message. (In PostgreSQL an id is
 * taken before the commit.)
 *
 * A reader far from the end merges one index range per channel, so its cost depends
 * on what it reads, not on the other channels. A reader close to the end, as a
 * subscription nearly always is, scans all later messages with one statement.
 *
 * @module
 */

import {
  assertCursorInRange,
  messageOf,
  START_CURSOR,
} from "../sql/message_rows.ts";
import { isoOf } from "../model/iso_time.ts";
import type { Incarnation } from "../model/session.ts";
import type { Interest, Message, NewMessage, Page } from "../model/message.ts";
import { readersSql } from "./bells.ts";
import { type Connection, WHILE_COMPATIBLE } from "./connection.ts";
import type { SqlValue } from "./driver.ts";

const insertOf = (...rows: string[]) =>
  `INSERT INTO inter_session_messages
  (sender_id, channel, payload, created_at, ttl_seconds, expires_at,
   project_id, recipient_id, reply_to, rung)
  VALUES ${rows.join()}`;

// For use in a transaction, which has checked the schema's version.
const ROW = "(?, ?, ?, ?, ?, ?, ?, ?, ?, 1)";
const INSERT = insertOf(ROW);

// For use without a transaction. The sender is NULL, which violates NOT NULL, if the
// schema is incompatible, or the session has ended or has another process. (INSERT … SELECT … WHERE would use a temporary table.) Another program may have
// written an impossible pid, which is not compared.
const INSERT_ALONE = insertOf(`((SELECT ?1 WHERE ${WHILE_COMPATIBLE}
  AND CASE WHEN ?10 THEN
    EXISTS (SELECT 1 FROM session_registry WHERE session_id = ?1
      AND status IS NOT 'terminated'
      AND (ifnull(pid BETWEEN 1 AND 4294967295, 0) = 0
        OR pid IS ?11 AND nullif(process_start, '') IS ?12))
  ELSE NOT EXISTS (SELECT 1 FROM session_registry WHERE session_id = ?1
    AND status = 'terminated') END), ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, 1)`) +
  // Also returns the bells, for a third of the cost of a second statement. The name of a
  // bell cannot contain the separator, because the name of a file cannot.
  ` RETURNING id,
    (SELECT group_concat(bell, '/') FROM (${
    readersSql("?2", "?7", "?8")
  })) AS bells`;

/** The result of {@linkcode insertAlone}. */
export interface InsertedAlone {
  /** The id of the message. */
  readonly id: string;
  /** The bells of its readers. */
  readonly bells: ReadonlySet<string>;
}

/**
 * Inserts one message as a transaction of its own.
 *
 * @param sender The process for which the sender must be registered; undefined to
 * check only that the sender has not ended.
 * @param committed Called right after the commit.
 */
export function insertAlone(
  connection: Connection,
  message: NewMessage,
  nowMs: number,
  sender: Incarnation | undefined,
  committed: (inserted: InsertedAlone) => void,
): InsertedAlone | Promise<InsertedAlone> {
  return connection.writeOne("publish", () => {
    // Reads all rows, because the statement commits after the last one.
    const [[id, bells]] = connection.sql(INSERT_ALONE).values(
      ...insertValues(message, nowMs),
      sender === undefined ? 0 : 1,
      sender?.pid ?? null,
      sender?.processStart ?? null,
    );
    return {
      id: String(id),
      bells: new Set(bells === null ? [] : String(bells).split("/")),
    };
  }, committed);
}

/** Inserts one message in a transaction. Returns its id. */
export function insert(
  connection: Connection,
  message: NewMessage,
  nowMs: number,
): string {
  const { rowId } = connection.sql(INSERT).run(...insertValues(message, nowMs));
  return String(rowId);
}

// Several rows share the fixed cost of a statement, such as the counter of ids. More
// rows gain nothing.
const ROWS_PER_INSERT = 10;
const INSERT_ROWS = insertOf(...Array(ROWS_PER_INSERT).fill(ROW));

/** Inserts messages in a transaction. Returns their ids, in order. */
export function insertAll(
  connection: Connection,
  messages: readonly NewMessage[],
  nowMs: number,
): string[] {
  const ids: string[] = [];
  const whole = messages.length - messages.length % ROWS_PER_INSERT;
  for (let at = 0; at < whole; at += ROWS_PER_INSERT) {
    const rows = messages.slice(at, at + ROWS_PER_INSERT);
    const { rowId: last } = connection.sql(INSERT_ROWS).run(
      ...rows.flatMap((message) => insertValues(message, nowMs)),
    );
    // No other process writes meanwhile, so the ids are consecutive.
    for (let id = last - ROWS_PER_INSERT + 1; id <= last; id++) {
      ids.push(String(id));
    }
  }
  for (const message of messages.slice(whole)) {
    ids.push(insert(connection, message, nowMs));
  }
  return ids;
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

// Not max(id), because the id of a purged message is not used again.
const END =
  "SELECT seq FROM sqlite_sequence WHERE name = 'inter_session_messages'";

/** Returns the cursor after all committed messages. */
export function endCursor(connection: Connection): string {
  return String(connection.sql(END).get()?.seq ?? START_CURSOR);
}

/** The columns of a message, in the order of {@linkcode messageOf}. */
export const COLUMNS = `id, sender_id, channel, payload, created_at, expires_at,
  project_id, recipient_id, reply_to`;

/** Reads messages, and adapts its batch to the messages it met last. */
export class MessageReader {
  readonly #connection: Connection;
  #batchRows = BATCH_ROWS;
  // Whether the last read was more than a batch behind the end.
  #wasBehind = false;

  /** Makes the reader of a connection. */
  constructor(connection: Connection) {
    this.#connection = connection;
  }

  /**
   * Returns up to `limit` unexpired messages after `cursor`, in order.
   *
   * @throws {InvalidInputError} If the cursor lies beyond the last message.
   */
  read(
    interest: Interest,
    cursor: string,
    limit: number,
    nowMs: number,
  ): Page {
    if (!this.#wasBehind) {
      const page = this.#readBatch(interest, cursor, limit, nowMs);
      if (page !== undefined) return page;
    }
    // The end is read first, so that the cursor can move past unwanted messages. Later
    // commits are in the next page.
    const end = endCursor(this.#connection);
    assertCursorInRange(end, cursor);
    const distance = Number(end) - Number(cursor);
    this.#wasBehind = distance >= this.#batchRows;
    if (distance === 0) return { messages: [], cursor };
    const { channels, project, session } = interest;
    const names = channels ?? [];
    const scansAll = channels === null || distance <= SCAN_MESSAGES_MAX;
    const rows = this.#connection.sql(
      scansAll ? scanSql(names.length) : rangesSql(names.length),
    ).values(Number(cursor), nowMs, project, session, limit, ...names);
    return pageOf(rows, Number(end), limit);
  }

  /**
   * Reads the next batch without a filter, and filters it here. Returns undefined if
   * there are no messages, or more than a batch or the limit.
   */
  #readBatch(
    { channels, project, session }: Interest,
    cursor: string,
    limit: number,
    nowMs: number,
  ): Page | undefined {
    const rows = this.#connection.sql(NEXT)
      .values(Number(cursor), this.#batchRows);
    if (rows.length === 0) return undefined;
    const isAll = rows.length < this.#batchRows;
    const messages: Message[] = [];
    let wastedBytes = 0;
    for (const row of rows) {
      // The same conditions as WANTED. By index, because each reader does this for each
      // message.
      if (
        isAll &&
        (channels === null || channels.includes(row[2] as string)) &&
        (row[5] as number) > nowMs &&
        (project === null || row[6] === null || row[6] === project) &&
        (row[7] === null || row[7] === session)
      ) {
        messages.push(messageOf(row));
      } else {
        wastedBytes += String(row[3]).length;
      }
    }
    this.#batchRows = wastedBytes < WASTED_BYTES_MAX
      ? BATCH_ROWS
      : BATCH_ROWS_LARGE;
    return isAll && messages.length <= limit
      ? { messages, cursor: String(rows[rows.length - 1][0]) }
      : undefined;
  }
}

// A woken reader nearly always finds one message, perhaps after a few unwanted ones. One
// statement without a filter is cheaper for that than the two of a filtered read. Large
// unwanted messages make it more expensive, so the batch is smaller after them.
const BATCH_ROWS = 32;
const BATCH_ROWS_LARGE = 3;
const WASTED_BYTES_MAX = 8 * 1024;

const NEXT = `SELECT ${COLUMNS} FROM inter_session_messages
  WHERE id > ?1 ORDER BY id LIMIT 0 + ?2`;

// Up to this distance from the end a scan of all messages is less work than one range
// per channel.
const SCAN_MESSAGES_MAX = 64;

/** Returns the page of rows. Its cursor is `end`, unless there may be more rows. */
function pageOf(
  rows: readonly SqlValue[][],
  end: number,
  limit: number,
): Page {
  const messages = rows.map(messageOf);
  const last = Number(rows.at(-1)?.[0] ?? end);
  return {
    messages,
    cursor: String(rows.length < limit ? Math.max(end, last) : last),
  };
}

const WANTED = `id > ?1 AND expires_at > ?2
  AND (?3 IS NULL OR project_id IS NULL OR project_id = ?3)
  AND (recipient_id IS NULL OR recipient_id = ?4)`;

// Statements by the number of channels; 0 is every channel.
const scanSqls: string[] = [];
const rangesSqls: string[] = [];

function scanSql(channels: number): string {
  return scanSqls[channels] ??= makeScanSql(channels);
}

function rangesSql(channels: number): string {
  return rangesSqls[channels] ??= makeRangesSql(channels);
}

function makeScanSql(channels: number): string {
  // The + keeps the planner from the channel's index. Comparisons instead of IN, because
  // SQLite builds an index for IN at each read.
  const names = namesOf(channels).map((name) => `+channel = ${name}`);
  // The channel is compared first. The other columns follow the payload in a row, so
  // SQLite would read past the payload of each unwanted message.
  const wanted = channels === 0
    ? WANTED
    : `(${names.join(" OR ")}) AND ${WANTED}`;
  return `SELECT ${COLUMNS} FROM inter_session_messages
    WHERE ${wanted} ORDER BY id LIMIT 0 + ?5`;
}

function makeRangesSql(channels: number): string {
  const ranges = namesOf(channels).map((name) =>
    `SELECT * FROM (SELECT ${COLUMNS} FROM inter_session_messages
        WHERE channel = ${name} AND ${WANTED} ORDER BY id LIMIT 0 + ?5)`
  );
  return `${ranges.join(" UNION ALL ")} ORDER BY id LIMIT 0 + ?5`;
}

function namesOf(channels: number): string[] {
  return Array.from({ length: channels }, (_, i) => `?${i + 6}`);
}

/** Returns whether an expired message after a cursor is still stored. */
export function hasExpiredAfter(
  connection: Connection,
  cursor: string,
  nowMs: number,
): boolean {
  return connection.sql(
    `SELECT 1 FROM inter_session_messages INDEXED BY idx_messages_ttl
     WHERE expires_at <= ? AND id > ? LIMIT 1`,
  ).get(nowMs, Number(cursor)) !== undefined;
}
