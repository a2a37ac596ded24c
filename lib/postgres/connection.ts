/**
 * One open bus in PostgreSQL: how everything reads and writes.
 *
 * ```text
 *  reads, appends ──▶ one link, statement behind statement
 *  transactions   ──▶ a link each while they last, at most three
 * ```
 *
 * **Trying again.** A server restarts, a connection is cut, a lock is not to be
 * had: an operation is tried again, after a short random pause, until its
 * deadline (`busyTimeoutMs`, at least a second) is over; then it throws a typed
 * error. Nothing waits longer, whatever the network does: a connection that has
 * not answered by then is ended.
 *
 * **Once.** A cut may come after the server did what was asked and before it
 * said so. Reading again harms nobody. What writes carries a key of its own,
 * committed with it in `idempotency_keys`: trying again first looks whether it
 * is done, and does nothing then. What it gave back the first time is still
 * known here. An old attempt that the server only finds later, in some buffer,
 * fails by the same key.
 *
 * **A transaction** is `BEGIN`, the coordination lock, the work, and in one
 * message its messages, its key and `COMMIT`: the append lock (schema.ts) is
 * held for that last step alone. The server ends one whose client falls silent
 * in the middle, so that nobody waits for a host that is gone.
 *
 * @module
 */

import { BusyError, ClosedError, StoreError } from "../model/errors.ts";
import {
  codeOf,
  isKeyTaken,
  isRefusal,
  passing,
  storeError,
} from "./faults.ts";
import { type Answer, Link, type Row, type SqlValue } from "./link.ts";
import { prepareSchema, type Query } from "./migration.ts";
import { SCHEMA, type Schema } from "./schema.ts";
import { ServerClock } from "./server_clock.ts";
import type { ServerAddress } from "./url.ts";

export type { Row, SqlValue } from "./link.ts";

/** Where statements can be run. */
export interface Queryable {
  /** Whether nothing may be written. */
  readonly readOnly: boolean;
  /** By how much a test has shifted the clock, in milliseconds. */
  readonly clockShiftMs: number;
  /** The server's time, as far as it is known here. */
  readonly clock: ServerClock;
  /** All rows of a statement. */
  all(sql: string, values?: readonly SqlValue[]): Promise<readonly Row[]>;
  /** The first row of a statement. */
  get(sql: string, values?: readonly SqlValue[]): Promise<Row | undefined>;
  /** Runs a statement; returns how many rows it changed. */
  run(sql: string, values?: readonly SqlValue[]): Promise<number>;
}

/** How to open a bus's database. */
export interface ConnectionOptions {
  /** Whether nothing may be written, although it could. */
  readonly readOnly?: boolean;
  /** How long an operation is tried, in milliseconds. */
  readonly busyTimeoutMs: number;
  /**
   * How long an operation is tried at the most, in milliseconds.
   * @default {Infinity}
   */
  readonly busyTotalMs?: number;
  /** The clock; one that is not the system's shifts the server's. */
  readonly now: () => number;
  /**
   * Whether a schema that is missing or old is made what it should be.
   * @default {true}
   */
  readonly migrates?: boolean;
  /**
   * The schema to make or migrate to.
   * @default {the one of this program}
   */
  readonly schema?: Schema;
}

/** A statement with its values. */
export interface Statement {
  /** Its text. */
  readonly sql: string;
  /** The values of its parameters. */
  readonly values: readonly SqlValue[];
}

/** What a statement gave back that commits something, and then goes on. */
export interface Committed {
  /** Its first row. */
  readonly row: Row | undefined;
  /** Whether what follows the commit was done, too. */
  readonly isWhole: boolean;
}

/** What a transaction is ended with: it appends and writes down its key. */
export interface Ending extends Statement {
  /** What was sent before it, and not waited for. */
  readonly before: readonly Promise<unknown>[];
  /** Is given what the statement gave back, once it is committed. */
  readonly committed: (row: Row | undefined) => void;
}

const TRANSACTIONS_MAX = 3;
const ATTEMPT_MS_MIN = 1_000;
const PAUSE_MS_FIRST = 5;
const PAUSE_MS_MAX = 200;
const CLOSE_MS_MAX = 2_000;

// All that is asked is found by an index, a few rows at a time. Planned once for
// a connection (planning takes longer than doing), and so that it does not
// depend on what the server knows of tables that change all the time.
const PLANNING = {
  plan_cache_mode: "force_generic_plan",
  enable_bitmapscan: "off",
  enable_seqscan: "off",
  jit: "off",
};

// A client that falls silent inside a transaction holds up the others.
const SILENCE_MS_MAX = 10_000;

// What has come of the key of what appends.
const DONE = `SELECT message_ids::text AS ids FROM idempotency_keys
  WHERE key = $1::uuid`;

/** An array of texts as PostgreSQL writes it, for a parameter `$n::text[]`. */
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

/** One open bus's database. */
export class Connection implements Queryable {
  /** The server. */
  readonly address: ServerAddress;
  /** Whether nothing may be written. */
  readonly readOnly: boolean;
  readonly clock: ServerClock;
  readonly #options: ConnectionOptions;
  readonly #main: Link;
  readonly #idle: Link[] = [];
  readonly #waiting: ((link: Link) => void)[] = [];
  #transactionLinks: Link[] = [];
  #closed = false;

  private constructor(address: ServerAddress, options: ConnectionOptions) {
    this.address = address;
    this.readOnly = options.readOnly ?? false;
    this.clock = new ServerClock(options.now);
    this.#options = options;
    this.#main = this.link({ kept: true });
  }

  /**
   * Opens the bus, making it if it is new.
   *
   * @throws {StoreError} If it cannot be used; the `fault` says why.
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

  /** Whether it was closed. */
  get closed(): boolean {
    return this.#closed;
  }

  /** The schema that the bus lives in. */
  get schema(): string {
    return this.address.schema;
  }

  /** The version of the schema that this program knows. */
  get schemaVersion(): number {
    return (this.#options.schema ?? SCHEMA).version;
  }

  get clockShiftMs(): number {
    return this.clock.shiftMs;
  }

  /** How long an operation is tried, in milliseconds. */
  get deadlineMs(): number {
    const { busyTimeoutMs, busyTotalMs = Infinity } = this.#options;
    return Math.min(Math.max(busyTimeoutMs, ATTEMPT_MS_MIN), busyTotalMs);
  }

  /** Another link to the same server, for who needs one for itself. */
  link(
    options: {
      readonly kept: boolean;
      /** What it is called in the server's list of activities. */
      readonly name?: string;
      readonly onClose?: () => void;
      readonly onNotify?: (channel: string) => void;
    },
  ): Link {
    const { busyTimeoutMs } = this.#options;
    return new Link(this.address, {
      ...options,
      connectTimeoutMs: this.deadlineMs,
      settings: {
        application_name: options.name ?? "message-bus",
        search_path: `${this.schema}, pg_temp`,
        // 0 would be without end.
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
    return await this.#trying(
      "write",
      async (ms) => (await this.#main.query(sql, values, ms)).count,
    );
  }

  /**
   * Reads, by statements that stand for themselves; it may be done again.
   *
   * @throws {StoreError} If the server does not answer in time.
   */
  async read<T>(act: string, work: (at: Queryable) => Promise<T>): Promise<T> {
    return await this.#trying(act, async (ms) => {
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
   * Runs one statement that appends messages once by its key, however often it
   * is sent: `statement` is told whether it is sent again. It commits them
   * itself, and may fail in what it does after that.
   */
  async once(
    act: string,
    statement: (key: string, again: boolean) => Statement,
  ): Promise<Committed> {
    const key = crypto.randomUUID();
    let sent = false;
    return await this.#trying(act, async (ms) => {
      const { sql, values } = statement(key, sent);
      sent = true;
      const sentAt = performance.now();
      try {
        const { rows } = await this.#main.query(sql, values, ms);
        return { row: rows[0], isWhole: true };
      } catch (error) {
        // What is refused is not done, and what was cut is sent again.
        if (isRefusal(error) || passing(error) !== undefined) throw error;
        const leftMs = ms - (performance.now() - sentAt);
        const { rows } = await this.#main.query(DONE, [key], leftMs);
        if (rows.length === 0) throw error;
        return { row: rows[0], isWhole: false };
      }
    });
  }

  /** Runs one statement that nothing depends on, with no second try. */
  async tell({ sql, values }: Statement): Promise<void> {
    await this.#main.query(sql, values, this.deadlineMs);
  }

  /**
   * Runs one transaction, under the coordination lock unless it `coordinates`
   * nothing. `work` is done again if the connection is cut before the commit,
   * so it changes nothing but the database; `end` makes the statement that it
   * is ended with.
   */
  async write<T>(
    act: string,
    work: (at: Queryable, nowMs: number) => Promise<T>,
    end: (key: string) => Ending,
    { coordinates = true }: { readonly coordinates?: boolean } = {},
  ): Promise<T> {
    const once = new Once(work, end);
    const locking = coordinates ? "wait" : "none";
    return await this.#trying(act, (ms) => this.#attempt(once, locking, ms));
  }

  /**
   * The same, but only if nobody holds the lock just now, and tried only once:
   * for what anybody may do some other time. Undefined if it was not done.
   */
  async writeIfFree<T>(
    work: (at: Queryable, nowMs: number) => Promise<T>,
    end: (key: string) => Ending,
  ): Promise<T | undefined> {
    try {
      return await this.#attempt(new Once(work, end), "try", this.deadlineMs);
    } catch (error) {
      if (error instanceof LockBusyError || passing(error)) return undefined;
      throw error;
    }
  }

  /** Does it once, if it is not done yet. */
  async #attempt<T>(
    once: Once<T>,
    locking: "wait" | "try" | "none",
    ms: number,
  ): Promise<T> {
    const deadline = performance.now() + ms;
    const link = await this.#take(ms);
    const { epoch } = link;
    let isOver = false;
    const query = async (sql: string, values: readonly SqlValue[]) => {
      // What still runs of work that failed must not run outside of it.
      if (isOver) throw new Error("the transaction is over");
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
          once.keyInDoubt,
        ]),
      ]);
      const { now_ms, done } = started.rows[0];
      if (now_ms === null) throw new LockBusyError();
      if (done !== null) {
        isOver = true;
        await link.execute("ROLLBACK", deadline - performance.now());
        return once.wasDone({ ids: done });
      }
      this.clock.learn(now_ms, clockShiftMs);
      const ending = await once.run(
        new Statements(this, query),
        Number(now_ms),
      );
      const ended = query(ending.sql, ending.values);
      isOver = true;
      once.isInDoubt = true;
      const commit = link.execute(
        "COMMIT",
        deadline - performance.now(),
        epoch,
      );
      const [answer, { command }] = await settle(
        [ended, commit],
        // If one of these failed, it says why.
        ending.before,
      );
      if (command !== "COMMIT") {
        throw new Error("the server did not commit");
      }
      return once.wasDone(answer.rows[0]);
    } catch (error) {
      isOver = true;
      if (link.epoch === epoch) await rollBack(link);
      // The attempt before was still under way, and has come through.
      if (once.isInDoubt && isKeyTaken(error)) return once.wasDone(undefined);
      // What the server has refused is not done.
      if (passing(error) !== "cut") once.isInDoubt = false;
      throw error;
    } finally {
      this.#giveBack(link);
    }
  }

  /** Ends everything; closing twice is fine. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await Promise.all(
      [this.#main, ...this.#transactionLinks].map((link) =>
        link.close(CLOSE_MS_MAX)
      ),
    );
  }

  /** Tries something until its deadline is over. */
  async #trying<T>(
    act: string,
    attempt: (leftMs: number) => Promise<T>,
    isWorthwhile: (error: unknown) => boolean = (error) =>
      passing(error) !== undefined,
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
        if (this.#closed && passing(error)) throw new ClosedError(act);
        const pauseMs = Math.min(
          PAUSE_MS_FIRST * 2 ** attempts,
          PAUSE_MS_MAX,
        ) * (0.5 + Math.random() / 2);
        if (!isWorthwhile(error) || waitedMs + pauseMs >= deadlineMs) {
          throw storeError(act, this.address, error, waitedMs);
        }
        await new Promise((resolve) => setTimeout(resolve, pauseMs));
      }
    }
  }

  async #prepare(): Promise<void> {
    const { readOnly, migrates = true, schema = SCHEMA } = this.#options;
    const { nowMs } = await this.exclusively(
      "open the bus",
      (query) =>
        prepareSchema(query, this.address, schema, migrates && !readOnly),
    );
    this.clock.learn(nowMs, 0);
  }

  /** Runs statements on one connection; what starts up is waited for. */
  async exclusively<T>(
    act: string,
    work: (query: Query) => Promise<T>,
  ): Promise<T> {
    return await this.#trying(
      act,
      async (ms) => {
        const deadline = performance.now() + ms;
        const { epoch } = this.#main;
        return await work(async (sql, values = []) => {
          this.#main.within(epoch);
          const leftMs = deadline - performance.now();
          return (await this.#main.query(sql, values, leftMs)).rows;
        });
      },
      // A wrong address is told at once.
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

/** That somebody else holds the coordination lock. */
class LockBusyError extends Error {}

/** A transaction that is done once, however often it is tried. */
class Once<T> {
  readonly #key = crypto.randomUUID();
  readonly #work: (at: Queryable, nowMs: number) => Promise<T>;
  readonly #end: (key: string) => Ending;
  #result: T | undefined;
  #ending: Ending | undefined;
  /** Whether it may be committed, as the connection was cut before the answer. */
  isInDoubt = false;

  constructor(
    work: (at: Queryable, nowMs: number) => Promise<T>,
    end: (key: string) => Ending,
  ) {
    this.#work = work;
    this.#end = end;
  }

  /** The key to look for, if it may be done already. */
  get keyInDoubt(): string | null {
    return this.isInDoubt ? this.#key : null;
  }

  /** Does the work; returns what it is to be ended with. */
  async run(at: Queryable, nowMs: number): Promise<Ending> {
    this.#result = await this.#work(at, nowMs);
    this.#ending = this.#end(this.#key);
    return this.#ending;
  }

  /** It is committed; returns its result. */
  wasDone(row: Row | undefined): T {
    this.#ending!.committed(row);
    return this.#result as T;
  }
}

/** Statements that are run one way or another. */
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

/** Ends a transaction that failed; if even that fails, its connection. */
async function rollBack(link: Link): Promise<void> {
  try {
    await link.execute("ROLLBACK", CLOSE_MS_MAX);
  } catch {
    link.kill();
  }
}

/** All answers, or the first error once all have come. */
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

/** The error for a write to a bus that may only be read. */
export function readOnlyError(act: string, address: ServerAddress): StoreError {
  return new StoreError(
    "read-only",
    address.shown,
    `Cannot ${act}: the bus at ${address.shown} was opened for reading only; ` +
      `open it without readOnly.`,
  );
}
