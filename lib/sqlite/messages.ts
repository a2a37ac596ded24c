/**
 * Messages in SQLite: appending them and reading them by cursor.
 *
 * The id is the cursor: SQLite serializes writers, so ids are given in the
 * order of commits and a reader that asks for `id > cursor` skips nothing.
 * (Not so in PostgreSQL, where ids are taken before the commit.)
 *
 * A reader of several channels merges one index range for each, so its cost
 * follows what it reads, not what is kept beside it. One that is close to the
 * end, as a subscription nearly always is, looks at what came since instead:
 * whoever is woken finds it with one statement.
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

// Inside a write, which has looked at the schema's version.
const ROW = "(?, ?, ?, ?, ?, ?, ?, ?, ?, 1)";
const INSERT = insertOf(ROW);

// Alone. Where the schema's version does not fit there is no sender, and NOT
// NULL refuses the row. (The same by INSERT … SELECT … WHERE would go through a
// temporary table.) Nor is there one whose session is over, or another
// process's by now (a pid that none can have is what anybody wrote there).
const INSERT_ALONE = insertOf(`((SELECT ?1 WHERE ${WHILE_COMPATIBLE}
  AND CASE WHEN ?10 THEN
    EXISTS (SELECT 1 FROM session_registry WHERE session_id = ?1
      AND status IS NOT 'terminated'
      AND (ifnull(pid BETWEEN 1 AND 4294967295, 0) = 0
        OR pid IS ?11 AND nullif(process_start, '') IS ?12))
  ELSE NOT EXISTS (SELECT 1 FROM session_registry WHERE session_id = ?1
    AND status = 'terminated') END), ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, 1)`) +
  // The bells of who wants it come with it, for a third of what a look for them
  // takes after it. No bell holds the separator, as no file's name does.
  ` RETURNING id,
    (SELECT group_concat(bell, '/') FROM (${
    readersSql("?2", "?7", "?8")
  })) AS bells`;

/** A message that was inserted by itself. */
export interface InsertedAlone {
  /** Its id. */
  readonly id: string;
  /** The bells of those who want it. */
  readonly bells: ReadonlySet<string>;
}

/**
 * Inserts one message as a transaction of its own. `sender` is the process that
 * its sender was registered with, if that is to be looked at; `committed` is called
 * right after the commit.
 */
export function insertAlone(
  connection: Connection,
  message: NewMessage,
  nowMs: number,
  sender: Incarnation | undefined,
  committed: (inserted: InsertedAlone) => void,
): InsertedAlone | Promise<InsertedAlone> {
  return connection.writeOne("publish", () => {
    // All rows: the commit comes after the last.
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

/** Inserts one message inside a write; returns its id. */
export function insert(
  connection: Connection,
  message: NewMessage,
  nowMs: number,
): string {
  const { rowId } = connection.sql(INSERT).run(...insertValues(message, nowMs));
  return String(rowId);
}

// Rows of one statement: what SQLite does once for each, its counter of ids above
// all, costs as much as half of a row. More of them gain no more.
const ROWS_AT_ONCE = 10;
const INSERT_ROWS = insertOf(...Array(ROWS_AT_ONCE).fill(ROW));

/** Inserts messages inside a write; returns their ids, in order. */
export function insertAll(
  connection: Connection,
  messages: readonly NewMessage[],
  nowMs: number,
): string[] {
  const ids: string[] = [];
  const whole = messages.length - messages.length % ROWS_AT_ONCE;
  for (let at = 0; at < whole; at += ROWS_AT_ONCE) {
    const rows = messages.slice(at, at + ROWS_AT_ONCE);
    const { rowId: last } = connection.sql(INSERT_ROWS).run(
      ...rows.flatMap((message) => insertValues(message, nowMs)),
    );
    // Nobody else writes meanwhile, and each id follows the one before.
    for (let id = last - ROWS_AT_ONCE + 1; id <= last; id++) {
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

// Not max(id): what was purged was there, and its id is never given again.
const END =
  "SELECT seq FROM sqlite_sequence WHERE name = 'inter_session_messages'";

/** The cursor after everything that is committed. */
export function endCursor(connection: Connection): string {
  return String(connection.sql(END).get()?.seq ?? START_CURSOR);
}

/** What a message is read from, in this order. */
export const COLUMNS = `id, sender_id, channel, payload, created_at, expires_at,
  project_id, recipient_id, reply_to`;

/** Reads messages, and remembers what it met last. */
export class MessageReader {
  readonly #connection: Connection;
  #atOnce = NEXT_ROWS;
  // Whether more had come than is read at once.
  #wasFar = false;

  /** Reads by this connection. */
  constructor(connection: Connection) {
    this.#connection = connection;
  }

  /** The living messages after `cursor`, in order, at most `limit`. */
  read(
    interest: Interest,
    cursor: string,
    limit: number,
    nowMs: number,
  ): Page {
    if (!this.#wasFar) {
      const page = this.#readNext(interest, cursor, limit, nowMs);
      if (page !== undefined) return page;
    }
    // What is committed from here on comes with the next page: the end is fixed first,
    // so that it can move past what is not wanted.
    const end = endCursor(this.#connection);
    assertCursorInRange(end, cursor);
    const distance = Number(end) - Number(cursor);
    this.#wasFar = distance >= this.#atOnce;
    if (distance === 0) return { messages: [], cursor };
    const { channels, project, session } = interest;
    const names = channels ?? [];
    const looksAtAll = channels === null || distance <= CLOSE_MESSAGES;
    const rows = this.#connection.sql(
      looksAtAll ? closeSql(names.length) : rangesSql(names.length),
    ).values(Number(cursor), nowMs, project, session, limit, ...names);
    return pageOf(rows, Number(end), limit);
  }

  /** The page of all that came next; undefined where that is nothing, or a lot. */
  #readNext(
    { channels, project, session }: Interest,
    cursor: string,
    limit: number,
    nowMs: number,
  ): Page | undefined {
    const rows = this.#connection.sql(NEXT)
      .values(Number(cursor), this.#atOnce);
    if (rows.length === 0) return undefined;
    const isAll = rows.length < this.#atOnce;
    const messages: Message[] = [];
    let inVain = 0;
    for (const row of rows) {
      // As WANTED has it; by index, as in messageOf: each reader does this for each
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
        inVain += String(row[3]).length;
      }
    }
    this.#atOnce = inVain < IN_VAIN_MAX ? NEXT_ROWS : NEXT_ROWS_OF_LARGE;
    return isAll && messages.length <= limit
      ? { messages, cursor: String(rows[rows.length - 1][0]) }
      : undefined;
  }
}

// Whoever is woken finds one message, nearly always, or some for others before it. To ask
// for whatever came next, with nothing bound but the cursor and nothing compared, is one
// statement where a look for what is wanted takes two, and next to nothing of each is in
// the processor's caches. Large messages for others, read in vain, are no bargain.
const NEXT_ROWS = 32;
const NEXT_ROWS_OF_LARGE = 3;
const IN_VAIN_MAX = 8 * 1024;

const NEXT = `SELECT ${COLUMNS} FROM inter_session_messages
  WHERE id > ?1 ORDER BY id LIMIT 0 + ?2`;

// A reader that is this close to the end looks at all that came: that is less
// work than to begin a range for each channel.
const CLOSE_MESSAGES = 64;

/** The page of these rows: up to `end`, or to the last of them if there may be more. */
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

// By the number of channels; 0 is all.
const closeSqls: string[] = [];
const rangesSqls: string[] = [];

function closeSql(channels: number): string {
  return closeSqls[channels] ??= writeClose(channels);
}

function rangesSql(channels: number): string {
  return rangesSqls[channels] ??= writeRanges(channels);
}

function writeClose(channels: number): string {
  // The + keeps the planner off the channel's index, and makes this a comparison
  // with each name: for IN it would build an index of them at every read.
  const names = namesOf(channels).map((name) => `+channel = ${name}`);
  // They come first: the rest of a row lies behind its payload, which would be gone
  // through for each message of others.
  const wanted = channels === 0
    ? WANTED
    : `(${names.join(" OR ")}) AND ${WANTED}`;
  return `SELECT ${COLUMNS} FROM inter_session_messages
    WHERE ${wanted} ORDER BY id LIMIT 0 + ?5`;
}

function writeRanges(channels: number): string {
  const ranges = namesOf(channels).map((name) =>
    `SELECT * FROM (SELECT ${COLUMNS} FROM inter_session_messages
        WHERE channel = ${name} AND ${WANTED} ORDER BY id LIMIT 0 + ?5)`
  );
  return `${ranges.join(" UNION ALL ")} ORDER BY id LIMIT 0 + ?5`;
}

function namesOf(channels: number): string[] {
  return Array.from({ length: channels }, (_, i) => `?${i + 6}`);
}

/** Returns whether a message after a cursor is still stored, and has expired. */
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
