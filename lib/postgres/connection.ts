/**
 * The database of one open bus: reads, writes and retries.
 *
 * ```text
 *  reads, appends ──▶ one link, statements pipelined
 *  transactions   ──▶ a link each while they run, at most three
 * ```
 *
 * **Retries.** An operation that meets a restart, a cut or a lock is retried
 * after a short random pause. Once its deadline (`busyTimeoutMs`, at least a
 * second) has passed it throws a typed error. A connection that has not answered
 * by then is ended, so no operation takes longer.
 *
 * **Idempotency.** A cut may come between a commit and its answer. A read is
 * simply repeated. A write carries an idempotency key, which it commits to
 * `idempotency_keys`. A retry looks for the key first and does nothing if it is
 * there; the result of the first attempt is kept here. A delayed first attempt
 * fails on the same key.
 *
 * **A transaction** is `BEGIN`, the coordination lock, the work, and in one
 * round trip its messages, its key and `COMMIT`. The append lock (schema.ts) is
 * held for that last step only. The server ends a transaction whose client falls
 * silent, so that a dead host blocks no session.
 *
 * @module
 */

import { BusyError, ClosedError, StoreError } from "../model/errors.ts";
import {
  codeOf,
  isDataError,
  isKeyTaken,
  storeError,
  transience,
} from "./faults.ts";
import {
  type Answer,
  Link,
  type LinkOptions,
  type Row,
  type SqlValue,
} from "./link.ts";
import { prepareSchema, type Query } from "./migration.ts";
import { assertNotifies } from "./pooler.ts";
import { SCHEMA, type Schema } from "./schema.ts";
import { ServerClock } from "./server_clock.ts";
import type { ServerAddress } from "./url.ts";

export type { Row, SqlValue } from "./link.ts";

/** A connection or transaction that runs statements. */
export interface Queryable {
  /** Whether writes are rejected. */
  readonly readOnly: boolean;
  /** The shift of a test's clock, in milliseconds. */
  readonly clockShiftMs: number;
  /** The estimate of the server's time. */
  readonly clock: ServerClock;
  /** Returns all rows of a statement. */
  all(sql: string, values?: readonly SqlValue[]): Promise<readonly Row[]>;
  /** Returns the first row of a statement. */
  get(sql: string, values?: readonly SqlValue[]): Promise<Row | undefined>;
  /** Runs a statement; returns the number of changed rows. */
  run(sql: string, values?: readonly SqlValue[]): Promise<number>;
}

/** Options of a {@linkcode Connection}. */
export interface ConnectionOptions {
  /** Whether writes are rejected. */
  readonly readOnly?: boolean;
  /** The time limit of an operation, in milliseconds. */
  readonly busyTimeoutMs: number;
  /**
   * The time limit of all operations together, opening and closing included, in
   * milliseconds from the creation of the connection.
   * @default {Infinity}
   */
  readonly busyTotalMs?: number;
  /** The clock; a test's clock shifts the server's. */
  readonly now: () => number;
  /**
   * Whether a missing or old schema is migrated.
   * @default {true}
   */
  readonly migrates?: boolean;
  /**
   * The schema to create or to migrate to.
   * @default {the schema of this program}
   */
  readonly schema?: Schema;
}

/** A statement with its values. */
export interface Statement {
  /** The text of the statement. */
  readonly sql: string;
  /** The values of its parameters. */
  readonly values: readonly SqlValue[];
}

/** The result of a statement that commits, and then continues. */
export interface Committed {
  /** The first row. */
  readonly row: Row | undefined;
  /** Whether the part after the commit succeeded, too. */
  readonly isComplete: boolean;
}

/** The last statement of a transaction, which appends and stores the key. */
export interface FinalStatement extends Statement {
  /** The results of earlier statements that were not awaited. */
  readonly before: readonly Promise<unknown>[];
  /** Called with the statement's first row after the commit. */
  readonly committed: (row: Row | undefined) => void;
}

const TRANSACTIONS_MAX = 3;
const ATTEMPT_MS_MIN = 1_000;
const PAUSE_MS_FIRST = 5;
const PAUSE_MS_MAX = 200;
const CLOSE_MS_MAX = 2_000;

// Every query finds a few rows by an index. A generic plan is made once for a
// connection, because planning takes longer than execution. The settings force
// index scans, because the statistics of fast-changing tables mislead the planner.
const PLANNING = {
  plan_cache_mode: "force_generic_plan",
  enable_bitmapscan: "off",
  enable_seqscan: "off",
  jit: "off",
};

// A client that falls silent inside a transaction blocks the others.
const SILENCE_MS_MAX = 10_000;

const MESSAGE_IDS_OF_KEY =
  `SELECT message_ids::text AS ids FROM idempotency_keys
  WHERE key = $1::uuid`;

/** Returns an array literal of PostgreSQL, for a parameter `$n::text[]`. */
export function arrayText(
  values: readonly (string | number | null)[],
): string {
  let text = "{";
  for (const value of values) {
    if (text.length > 1) text += ",";
    text += value === null
      ? "NULL"
      : typeof value === "number"
      ? String(value)
      : `"${value.replace(/[\\"]/g, "\\$&")}"`;
  }
  return text + "}";
}

/** The database of one open bus. */
export class Connection implements Queryable {
  /** The address of the server. */
  readonly address: ServerAddress;
  readonly readOnly: boolean;
  readonly clock: ServerClock;
  readonly #options: ConnectionOptions;
  readonly #main: Link;
  readonly #idle: Link[] = [];
  readonly #waiting: ((link: Link) => void)[] = [];
  #transactionLinks: Link[] = [];
  readonly #endsAt: number;
  #closed = false;

  private constructor(address: ServerAddress, options: ConnectionOptions) {
    this.#endsAt = performance.now() + (options.busyTotalMs ?? Infinity);
    this.address = address;
    this.readOnly = options.readOnly ?? false;
    this.clock = new ServerClock(options.now);
    this.#options = options;
    this.#main = this.link({
      kept: true,
      onPooler: (pooled) => assertNotifies(address, pooled, this.deadlineMs),
    });
  }

  /**
   * Opens the bus, and creates it if it is missing.
   *
   * @throws {StoreError} If it cannot be used; `fault` has the reason.
   */
  static async open(
    address: ServerAddress,
    options: ConnectionOptions,
  ): Promise<Connection> {
    const connection = new Connection(address, options);
    try {
      await connection.#prepare();
      return connection;
    } catch (error) {
      await connection.close();
      throw error;
    }
  }

  /** Returns a connection without a check of the schema, for administration. */
  static openWithoutMigration(
    address: ServerAddress,
    options: ConnectionOptions,
  ): Connection {
    return new Connection(address, options);
  }

  /** Whether the connection is closed. */
  get closed(): boolean {
    return this.#closed;
  }

  /** The name of the bus's schema. */
  get schema(): string {
    return this.address.schema;
  }

  /** The schema version of this program. */
  get schemaVersion(): number {
    return (this.#options.schema ?? SCHEMA).version;
  }

  get clockShiftMs(): number {
    return this.clock.shiftMs;
  }

  /** The time limit of an operation, in milliseconds. */
  get deadlineMs(): number {
    const { busyTimeoutMs } = this.#options;
    return this.#atMost(Math.max(busyTimeoutMs, ATTEMPT_MS_MIN));
  }

  /** Returns a time limit that does not exceed the limit of all operations. */
  #atMost(ms: number): number {
    return Math.max(0, Math.min(ms, this.#endsAt - performance.now()));
  }

  /** Returns a further link to the server. */
  link(
    options: {
      readonly kept: boolean;
      /** The `application_name` of its connections. */
      readonly name?: string;
      readonly onPooler?: LinkOptions["onPooler"];
      readonly onClose?: () => void;
      readonly onNotify?: (channel: string) => void;
    },
  ): Link {
    const { busyTimeoutMs } = this.#options;
    return new Link(this.address, {
      name: "message-bus",
      ...options,
      connectTimeoutMs: this.deadlineMs,
      settings: {
        search_path: `${this.schema}, pg_temp`,
        // 0 would disable the timeout.
        lock_timeout: Math.max(1, Math.floor(busyTimeoutMs * 0.9)),
        ...PLANNING,
        idle_in_transaction_session_timeout: SILENCE_MS_MAX,
        tcp_keepalives_idle: 10,
        tcp_keepalives_interval: 5,
        tcp_keepalives_count: 3,
        ...(this.readOnly && { default_transaction_read_only: "on" }),
      },
    });
  }

  async all(
    sql: string,
    values: readonly SqlValue[] = [],
  ): Promise<readonly Row[]> {
    return await this.read(
      "read",
      async (at) => await at.all(sql, values),
    );
  }

  async get(
    sql: string,
    values: readonly SqlValue[] = [],
  ): Promise<Row | undefined> {
    return (await this.all(sql, values))[0];
  }

  async run(sql: string, values: readonly SqlValue[] = []): Promise<number> {
    return await this.#retry(
      "write",
      async (ms) => (await this.#main.query(sql, values, ms)).count,
    );
  }

  /**
   * Runs reading statements outside of a transaction; `work` may run again.
   *
   * @throws {StoreError} If the server does not answer in time.
   */
  async read<T>(act: string, work: (at: Queryable) => Promise<T>): Promise<T> {
    return await this.#retry(act, async (ms) => {
      const deadline = performance.now() + ms;
      return await work(
        new Statements(
          this,
          async (sql, values) =>
            await this.#main.query(sql, values, deadline - performance.now()),
        ),
      );
    });
  }

  /**
   * Runs one statement that appends messages, commits them itself, and may fail
   * after the commit. The idempotency key makes it take effect once.
   *
   * @param statement Makes the statement; `again` on every retry.
   */
  async commitOnce(
    act: string,
    statement: (key: string, again: boolean) => Statement,
  ): Promise<Committed> {
    const key = crypto.randomUUID();
    let sent = false;
    return await this.#retry(act, async (ms) => {
      const { sql, values } = statement(key, sent);
      sent = true;
      const sentAt = performance.now();
      try {
        const { rows } = await this.#main.query(sql, values, ms);
        return { row: rows[0], isComplete: true };
      } catch (error) {
        // Rejected data is not committed, and a transient error is retried.
        if (isDataError(error) || transience(error) !== undefined) throw error;
        const leftMs = ms - (performance.now() - sentAt);
        const { rows } = await this.#main.query(
          MESSAGE_IDS_OF_KEY,
          [key],
          leftMs,
        );
        if (rows.length === 0) throw error;
        return { row: rows[0], isComplete: false };
      }
    });
  }

  /** Runs one optional statement without a retry. */
  async runOptional({ sql, values }: Statement): Promise<void> {
    await this.#main.query(sql, values, this.deadlineMs);
  }

  /**
   * Runs one transaction, under the coordination lock unless `coordinates` is
   * false. `work` runs again if the connection is cut before the commit, so it
   * must change the database only. `end` makes the final statement.
   */
  async write<T>(
    act: string,
    work: (at: Queryable, nowMs: number) => Promise<T>,
    end: (key: string) => FinalStatement,
    { coordinates = true }: { readonly coordinates?: boolean } = {},
  ): Promise<T> {
    const write = new IdempotentWrite(work, end);
    const locking = coordinates ? "wait" : "none";
    return await this.#retry(act, (ms) => this.#attempt(write, locking, ms));
  }

  /** Runs a transaction, unless an earlier attempt has committed. */
  async #attempt<T>(
    write: IdempotentWrite<T>,
    locking: "wait" | "none",
    ms: number,
  ): Promise<T> {
    const deadline = performance.now() + ms;
    const link = await this.#take(ms);
    const { epoch } = link;
    let isOver = false;
    const query = async (sql: string, values: readonly SqlValue[]) => {
      // Statements of failed work must not run outside of the transaction.
      if (isOver) throw new Error("the transaction has ended");
      return await link.query(sql, values, deadline - performance.now(), epoch);
    };
    const { clockShiftMs } = this;
    try {
      const [, started] = await settle([
        link.execute("BEGIN", ms, epoch),
        query("SELECT * FROM begin_write($1, $2, $3, $4)", [
          this.schemaVersion,
          clockShiftMs,
          locking,
          write.idempotencyKey,
        ]),
      ]);
      const { now_ms, done } = started.rows[0];
      if (done !== null) {
        isOver = true;
        await link.execute("ROLLBACK", deadline - performance.now());
        return write.complete({ ids: done });
      }
      this.clock.update(now_ms, clockShiftMs);
      const final = await write.run(
        new Statements(this, query),
        Number(now_ms),
      );
      const ended = query(final.sql, final.values);
      isOver = true;
      write.outcomeUnknown = true;
      const commit = link.execute(
        "COMMIT",
        deadline - performance.now(),
        epoch,
      );
      const [answer, { command }] = await settle(
        [ended, commit],
        // An earlier failure is the cause, so its error is thrown.
        final.before,
      );
      if (command !== "COMMIT") {
        throw new Error("the server did not commit");
      }
      return write.complete(answer.rows[0]);
    } catch (error) {
      isOver = true;
      if (link.epoch === epoch) {
        await rollBack(link, this.#atMost(CLOSE_MS_MAX));
      }
      // A delayed earlier attempt has committed meanwhile.
      if (write.outcomeUnknown && isKeyTaken(error)) {
        return write.complete(undefined);
      }
      // Only a cut leaves the outcome open.
      if (transience(error) !== "cut") write.outcomeUnknown = false;
      throw error;
    } finally {
      this.#giveBack(link);
    }
  }

  /** Closes all links; a second call does nothing. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await Promise.all(
      [this.#main, ...this.#transactionLinks].map((link) =>
        link.close(this.#atMost(CLOSE_MS_MAX))
      ),
    );
  }

  /** Retries an operation until its deadline. */
  async #retry<T>(
    act: string,
    attempt: (leftMs: number) => Promise<T>,
    isRetryable: (error: unknown) => boolean = (error) =>
      transience(error) !== undefined,
  ): Promise<T> {
    const startedAt = performance.now();
    const { deadlineMs } = this;
    for (let attempts = 0;; attempts++) {
      if (this.#closed) throw new ClosedError(act);
      const waitedMs = performance.now() - startedAt;
      try {
        return await attempt(deadlineMs - waitedMs);
      } catch (error) {
        const waitedMs = performance.now() - startedAt;
        if (this.#closed && transience(error)) throw new ClosedError(act);
        const pauseMs = Math.min(
          PAUSE_MS_FIRST * 2 ** attempts,
          PAUSE_MS_MAX,
        ) * (0.5 + Math.random() / 2);
        if (!isRetryable(error) || waitedMs + pauseMs >= deadlineMs) {
          throw storeError(act, this.address, error, waitedMs);
        }
        await new Promise((resolve) => setTimeout(resolve, pauseMs));
      }
    }
  }

  async #prepare(): Promise<void> {
    const { readOnly, migrates = true, schema = SCHEMA } = this.#options;
    const { nowMs } = await this.onOneConnection(
      "open the bus",
      (query) =>
        prepareSchema(query, this.address, schema, migrates && !readOnly),
    );
    this.clock.update(nowMs, 0);
  }

  /** Runs statements on one connection; waits for a server that starts up. */
  async onOneConnection<T>(
    act: string,
    work: (query: Query, at: Queryable) => Promise<T>,
  ): Promise<T> {
    return await this.#retry(
      act,
      async (ms) => {
        const deadline = performance.now() + ms;
        const { epoch } = this.#main;
        const at = new Statements(this, async (sql, values) => {
          this.#main.assertEpoch(epoch);
          const leftMs = deadline - performance.now();
          return await this.#main.query(sql, values, leftMs);
        });
        return await work((sql, values) => at.all(sql, values), at);
      },
      // A wrong address fails at once.
      (error) => ["57P03", "53300"].includes(codeOf(error)),
    );
  }

  #take(ms: number): Promise<Link> {
    const link = this.#idle.pop();
    if (link !== undefined) return Promise.resolve(link);
    if (this.#transactionLinks.length < TRANSACTIONS_MAX) {
      const link = this.link({ kept: false });
      this.#transactionLinks.push(link);
      return Promise.resolve(link);
    }
    return new Promise((resolve, reject) => {
      const take = (link: Link) => {
        clearTimeout(timer);
        resolve(link);
      };
      const timer = setTimeout(() => {
        this.#waiting.splice(this.#waiting.indexOf(take), 1);
        reject(new BusyError("write", ms));
      }, ms);
      this.#waiting.push(take);
    });
  }

  #giveBack(link: Link): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#idle.push(link);
    else next(link);
  }
}

/** A transaction that commits once, in any number of attempts. */
class IdempotentWrite<T> {
  readonly #key = crypto.randomUUID();
  readonly #work: (at: Queryable, nowMs: number) => Promise<T>;
  readonly #end: (key: string) => FinalStatement;
  #result: T | undefined;
  #final: FinalStatement | undefined;
  /** Whether an attempt may have committed before its connection was cut. */
  outcomeUnknown = false;

  constructor(
    work: (at: Queryable, nowMs: number) => Promise<T>,
    end: (key: string) => FinalStatement,
  ) {
    this.#work = work;
    this.#end = end;
  }

  /** The key to look up first; null while no attempt may have committed. */
  get idempotencyKey(): string | null {
    return this.outcomeUnknown ? this.#key : null;
  }

  /** Runs the work; returns the final statement. */
  async run(at: Queryable, nowMs: number): Promise<FinalStatement> {
    this.#result = await this.#work(at, nowMs);
    this.#final = this.#end(this.#key);
    return this.#final;
  }

  /** Reports the commit; returns the result. */
  complete(row: Row | undefined): T {
    this.#final!.committed(row);
    return this.#result as T;
  }
}

/** A {@linkcode Queryable} on a connection, by a given `query` function. */
class Statements implements Queryable {
  readonly #connection: Connection;
  readonly #query: (
    sql: string,
    values: readonly SqlValue[],
  ) => Promise<Answer>;

  constructor(
    connection: Connection,
    query: (sql: string, values: readonly SqlValue[]) => Promise<Answer>,
  ) {
    this.#connection = connection;
    this.#query = query;
  }

  get readOnly(): boolean {
    return this.#connection.readOnly;
  }

  get clockShiftMs(): number {
    return this.#connection.clockShiftMs;
  }

  get clock(): ServerClock {
    return this.#connection.clock;
  }

  async all(
    sql: string,
    values: readonly SqlValue[] = [],
  ): Promise<readonly Row[]> {
    return (await this.#query(sql, values)).rows;
  }

  async get(
    sql: string,
    values: readonly SqlValue[] = [],
  ): Promise<Row | undefined> {
    return (await this.#query(sql, values)).rows[0];
  }

  async run(sql: string, values: readonly SqlValue[] = []): Promise<number> {
    return (await this.#query(sql, values)).count;
  }
}

/** Rolls a failed transaction back; ends the connection if that fails. */
async function rollBack(link: Link, timeoutMs: number): Promise<void> {
  try {
    await link.execute("ROLLBACK", timeoutMs);
  } catch {
    link.kill();
  }
}

/** Returns all answers; throws the first error once all are settled. */
async function settle<const T extends readonly Promise<Answer>[]>(
  answers: T,
  before: readonly Promise<unknown>[] = [],
): Promise<{ [K in keyof T]: Answer }> {
  const [first, settled] = await Promise.all([
    Promise.allSettled(before),
    Promise.allSettled(answers),
  ]);
  for (const result of [...first, ...settled]) {
    if (result.status === "rejected") throw result.reason;
  }
  return settled.map((result) =>
    (result as PromiseFulfilledResult<Answer>).value
  ) as { [K in keyof T]: Answer };
}

/** Returns the error for a write to a read-only bus. */
export function readOnlyError(act: string, address: ServerAddress): StoreError {
  return new StoreError(
    "read-only",
    address.shown,
    `Cannot ${act}: the bus at ${address.shown} is open for reading only. ` +
      `Open it without readOnly.`,
  );
}
