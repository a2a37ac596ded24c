/**
 * One write transaction, in which rules run.
 *
 * Messages are collected and appended as the last step (schema.ts), so they have
 * no id before. Bells are collected, too, and rung after the commit.
 *
 * @module
 */

import { type Addressed, topicChannel } from "../model/topics.ts";
import type { Incarnation } from "../model/session.ts";
import type { ChangeTopic, NewMessage } from "../model/message.ts";
import {
  arrayText,
  type FinalStatement,
  type Queryable,
  type SqlValue,
  type Statement,
} from "./connection.ts";

/** The progress of this process's purge. */
export interface PurgeRound {
  /** The last channel that was purged. */
  channel: string;
}

/** A running write transaction. */
export class Transaction {
  /** Runs its statements. */
  readonly connection: Queryable;
  /** The time of the transaction, in milliseconds since 1970. */
  readonly nowMs: number;
  /** The sessions that its store has registered, each with its process. */
  readonly incarnations: ReadonlyMap<string, Incarnation>;
  /** The appended messages and changed topics, whose bells are rung. */
  readonly rings: Addressed[] = [];
  /** The progress of this process's purge. */
  readonly round: PurgeRound;
  readonly #later: Promise<unknown>[] = [];
  readonly #messages: NewMessage[] = [];
  readonly #appended: { id: string }[] = [];

  /** Creates a transaction; the store does so for each attempt. */
  constructor(
    connection: Queryable,
    nowMs: number,
    incarnations: ReadonlyMap<string, Incarnation> = new Map(),
    round: PurgeRound = { channel: "" },
  ) {
    this.connection = connection;
    this.nowMs = nowMs;
    this.incarnations = incarnations;
    this.round = round;
  }

  /** Appends a message with the commit, which sets the id of `appended`. */
  insert(message: NewMessage, appended: { id: string }): void {
    this.#messages.push(message);
    this.#appended.push(appended);
    this.rings.push(message);
  }

  /** Runs a statement without awaiting its answer; its failure fails the commit. */
  send(sql: string, values: readonly SqlValue[]): void {
    const sent = this.connection.run(sql, values);
    // The commit throws the error, unless the transaction has failed before.
    sent.catch(() => {});
    this.#later.push(sent);
  }

  /** Wakes the watches of a topic after the commit; with `session`, only its own. */
  ring(topic: ChangeTopic, session: string | null): void {
    this.rings.push({
      channel: topicChannel(topic),
      project: null,
      to: session ?? undefined,
    });
  }

  /** Returns the final statement, which appends the messages and stores the key. */
  end(schemaVersion: number, key: string): FinalStatement {
    if (this.#messages.length === 0) {
      return {
        sql: "SELECT end_write($1::uuid)",
        values: [key],
        before: this.#later,
        committed: () => {},
      };
    }
    return {
      ...appendStatement(
        this.#messages,
        schemaVersion,
        this.connection.clockShiftMs,
        key,
        false,
      ),
      before: this.#later,
      committed: (row) => {
        idsOf(row).forEach((id, i) => this.#appended[i].id = id);
      },
    };
  }
}

const APPEND_ONE = `SELECT append_one($1, $2, $3::uuid, $4, $5, $6, $7,
  $8::float8, $9, $10, $11::bigint, $12, $13::bigint, $14)::text AS ids`;

const PUBLISH_ONE = `CALL publish_one($1, $2, $3::uuid, $4, $5, $6, $7,
  $8::float8, $9, $10, $11::bigint, $12, $13::bigint, $14, $15::text[], NULL)`;

const APPEND = `SELECT append($1, $2, $3::uuid, $4, $5::text[], $6::text[],
  $7::text[], $8::float8[], $9::text[], $10::text[], $11::bigint[], $12::text[],
  $13::bigint[], $14::text[])::text AS ids`;

const PUBLISH = `CALL publish($1, $2, $3::uuid, $4, $5::text[], $6::text[],
  $7::text[], $8::float8[], $9::text[], $10::text[], $11::bigint[], $12::text[],
  $13::bigint[], $14::text[], $15::text[], NULL)`;

/**
 * Returns the statement that appends messages, commits them and then rings bells.
 *
 * @param again Whether an earlier attempt may have committed.
 * @param incarnations The own sessions: the statement fails if such a sender has
 * ended or belongs to another process.
 */
export function publishStatement(
  messages: readonly NewMessage[],
  schemaVersion: number,
  clockShiftMs: number,
  key: string,
  again: boolean,
  incarnations: ReadonlyMap<string, Incarnation>,
  bells: ReadonlySet<string>,
): Statement {
  const { values } = appendStatement(
    messages,
    schemaVersion,
    clockShiftMs,
    key,
    again,
    incarnations,
  );
  return {
    sql: messages.length === 1 ? PUBLISH_ONE : PUBLISH,
    values: [...values, arrayText([...bells])],
  };
}

/**
 * Returns the statement that appends messages.
 *
 * @param again Whether an earlier attempt may have committed.
 * @param incarnations The own sessions, as in {@linkcode publishStatement}; if
 * absent, senders are not checked.
 */
export function appendStatement(
  messages: readonly NewMessage[],
  schemaVersion: number,
  clockShiftMs: number,
  key: string,
  again: boolean,
  incarnations?: ReadonlyMap<string, Incarnation>,
): Statement {
  const columns = messages.map((message) => [
    message.sender,
    message.channel,
    message.payloadText,
    message.ttlSeconds,
    message.project,
    message.to ?? null,
    message.replyTo === undefined ? null : Number(message.replyTo),
  ]);
  const begin = [schemaVersion, clockShiftMs, key, again];
  if (columns.length === 1) {
    const own = incarnations?.get(messages[0].sender);
    return {
      sql: APPEND_ONE,
      values: [
        ...begin,
        ...columns[0],
        incarnations === undefined ? null : own !== undefined,
        own?.pid ?? null,
        own?.processStart ?? null,
      ],
    };
  }
  const arrays = columns[0].map((_, i) =>
    arrayText(columns.map((values) => values[i]))
  );
  return {
    sql: APPEND,
    values: [...begin, ...arrays, ...ownSenders(messages, incarnations)],
  };
}

/** Returns the senders that this store registered, with their processes. */
function ownSenders(
  messages: readonly NewMessage[],
  incarnations: ReadonlyMap<string, Incarnation> | undefined,
): (string | null)[] {
  if (incarnations === undefined) return [null, null, null];
  const senders = [...new Set(messages.map(({ sender }) => sender))]
    .filter((sender) => incarnations.has(sender));
  const processes = senders.map((sender) => incarnations.get(sender)!);
  return [
    arrayText(senders),
    arrayText(processes.map(({ pid }) => pid ?? null)),
    arrayText(processes.map(({ processStart }) => processStart ?? null)),
  ];
}

/** Returns the ids from the row of an append. */
export function idsOf(row: { readonly ids?: unknown } | undefined): string[] {
  // One id, or an array literal `{…}`.
  return String(row?.ids ?? "").match(/\d+/g) ?? [];
}
