/**
 * What the operations of the domain work with inside one write transaction.
 *
 * Messages are only noted, and appended as the transaction's last step (see
 * schema.ts): they have no id before. Who is to be rung can only be rung after
 * the commit, so that is noted, too.
 *
 * @module
 */

import { type Addressed, topicChannel } from "../model/topics.ts";
import type { Incarnation } from "../model/session.ts";
import type { ChangeTopic, NewMessage } from "../model/message.ts";
import {
  arrayText,
  type Ending,
  type Queryable,
  type SqlValue,
  type Statement,
} from "./connection.ts";

/** Where the purge of a process stands: each step looks at some more. */
export interface PurgeRound {
  /** The last channel that was looked at. */
  channel: string;
}

/** A write transaction that is under way. */
export class Transaction {
  /** Where its statements run. */
  readonly connection: Queryable;
  /** The time at which it happens, in milliseconds since 1970. */
  readonly nowMs: number;
  /** The sessions that its store has registered, and with which process. */
  readonly incarnations: ReadonlyMap<string, Incarnation>;
  /** What it will have appended and changed, for ringing. */
  readonly rings: Addressed[] = [];
  /** Where the purge of this process stands. */
  readonly round: PurgeRound;
  readonly #later: Promise<unknown>[] = [];
  readonly #messages: NewMessage[] = [];
  readonly #appended: { id: string }[] = [];

  /** Made by the store for each attempt at a write. */
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

  /**
   * Runs a statement whose answer nothing depends on: it is not waited for. If
   * it fails, so does the commit.
   */
  send(sql: string, values: readonly SqlValue[]): void {
    const sent = this.connection.run(sql, values);
    // It is heard of at the commit, or the transaction has failed before.
    sent.catch(() => {});
    this.#later.push(sent);
  }

  /** Notes that who watches a topic is to be woken; `session` narrows it to one. */
  ring(topic: ChangeTopic, session: string | null): void {
    this.rings.push({
      channel: topicChannel(topic),
      project: null,
      to: session ?? undefined,
    });
  }

  /** How it is ended: with what it appends, and the key that it is done by. */
  end(schemaVersion: number, key: string): Ending {
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
 * The statement that appends messages, commits them and then rings bells. Their
 * senders must run, in the process that `incarnations` tells, where it is given;
 * `again`: it may be done already.
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
 * The statement that appends messages; `again`: it may be done already. Their
 * senders must run, in the process that `incarnations` tells, where it is given.
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

/** Those of the senders that were registered here, and with which process. */
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

/** The ids that an append gave back. */
export function idsOf(row: { readonly ids?: unknown } | undefined): string[] {
  // One id, or `{…}`.
  return String(row?.ids ?? "").match(/\d+/g) ?? [];
}
