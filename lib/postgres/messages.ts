/**
 * Reads messages by cursor.
 *
 * The id is the cursor. Ids follow the order of commits (schema.ts), and a
 * message is visible before the next one takes its id. So a statement sees every
 * message up to the last id that it sees, and a page skips unwanted ones.
 *
 * A page is one statement, with the last id in each row. A reader near the end,
 * such as a subscription, scans all later messages. A reader further behind reads
 * again and merges one index range for each channel. So its cost depends on the
 * messages that it reads, not on those of other channels.
 *
 * @module
 */

import {
  assertCursorInRange,
  START_CURSOR,
  toMessage,
} from "../sql/message_rows.ts";
import type { Interest, Page } from "../model/message.ts";
import {
  arrayText,
  type Queryable,
  type Row,
  type SqlValue,
} from "./connection.ts";

/**
 * Returns the cursor after all committed messages. The sequence may be ahead of
 * it, because its last message may not be committed yet.
 */
export async function endCursor(connection: Queryable): Promise<string> {
  const row = await connection.get(
    `SELECT greatest(
       (SELECT max(id) FROM inter_session_messages),
       (SELECT value FROM counters WHERE name = 'purged_to'))::text AS id`,
  );
  return String(row!.id);
}

/** SQL of the last id taken, also by an uncommitted message: no cursor is greater. */
export const LAST_MESSAGE_ID: string =
  `(SELECT CASE WHEN is_called THEN last_value ELSE 0 END
  FROM message_ids)`;

const COLUMN_NAMES = [
  "id",
  "sender_id",
  "channel",
  "payload",
  "created_at",
  "expires_at",
  "project_id",
  "recipient_id",
  "reply_to",
];

/** Returns the columns of a message, under an alias. */
export function messageColumns(alias: string): string {
  return COLUMN_NAMES.map((name) => `${alias}.${name}`).join(", ");
}

const WANTED = `id > $1::bigint AND expires_at > (SELECT now_ms($2))
  AND ($3::text IS NULL OR project_id IS NULL OR project_id = $3)
  AND (recipient_id IS NULL OR recipient_id = $4::text)`;

const withEnd = (page: string) =>
  `SELECT e.id AS end_id, ${LAST_MESSAGE_ID} AS last_id, now_ms($2) AS now_ms, ${
    messageColumns("m")
  }
   FROM (SELECT max(id) AS id FROM inter_session_messages) AS e
   LEFT JOIN LATERAL (${page}) AS m ON true
   ORDER BY m.id`;

const READ_ALL = withEnd(
  `SELECT * FROM inter_session_messages
   WHERE ${WANTED} ORDER BY id LIMIT $5`,
);

// A reader of channels this close to the end scans all messages, because a range
// for each channel would cost more.
const CLOSE_MESSAGES = 64;

// The expression keeps the planner from the index of the channel.
const READ_CLOSE = withEnd(
  `SELECT * FROM inter_session_messages
   WHERE ${WANTED} AND id <= $1::bigint + ${CLOSE_MESSAGES}
     AND channel || '' = ANY($6::text[]) ORDER BY id LIMIT $5`,
);

const READ_CHANNELS = withEnd(
  `SELECT r.* FROM unnest($6::text[]) AS c(name) CROSS JOIN LATERAL (
     SELECT * FROM inter_session_messages
     WHERE channel = c.name COLLATE "C" AND ${WANTED} ORDER BY id LIMIT $5
   ) AS r ORDER BY r.id LIMIT $5`,
);

/** Returns the unexpired messages after `cursor`, in order, at most `limit`. */
export async function read(
  connection: Queryable,
  interest: Interest,
  cursor: string,
  limit: number,
): Promise<Page> {
  const { channels, project, session } = interest;
  const { clockShiftMs } = connection;
  const values = [cursor, clockShiftMs, project, session, limit];
  const rows = channels === null
    ? await connection.all(READ_ALL, values)
    : await readChannels(connection, cursor, [...values, arrayText(channels)]);
  const messages = rows.filter(({ id }) => id !== null).map(toMessage);
  connection.clock.update(rows[0].now_ms, clockShiftMs);
  assertCursorInRange(String(rows[0].last_id), cursor);
  const last = messages.at(-1)?.id ?? cursor;
  const end = rows[0].end_id ?? START_CURSOR;
  return {
    messages,
    cursor: messages.length === limit
      ? last
      : String(Math.max(Number(end), Number(last))),
  };
}

async function readChannels(
  connection: Queryable,
  cursor: string,
  values: readonly SqlValue[],
): Promise<readonly Row[]> {
  if (cursor !== START_CURSOR) {
    const rows = await connection.all(READ_CLOSE, values);
    const behind = Number(rows[0].end_id ?? START_CURSOR) - Number(cursor);
    if (behind <= CLOSE_MESSAGES) return rows;
  }
  return await connection.all(READ_CHANNELS, values);
}

/** Returns whether an expired message after a cursor is still stored. */
export async function hasExpiredAfter(
  connection: Queryable,
  cursor: string,
): Promise<boolean> {
  return await connection.get(
    `SELECT 1 FROM inter_session_messages
     WHERE expires_at <= now_ms($1) AND id > $2::bigint LIMIT 1`,
    [connection.clockShiftMs, cursor],
  ) !== undefined;
}
