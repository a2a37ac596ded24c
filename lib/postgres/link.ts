/**
 * Links: connections to a PostgreSQL server. Only this file imports the client
 * library, npm `postgres`.
 *
 * A link is one connection, which reconnects with the next statement:
 *
 * ```text
 *  closed ── statement ──▶ connecting ──▶ open ── cut, kill() ──▶ closed
 * ```
 *
 * - **Statements of a link are pipelined** and answered in order.
 * - **A transaction never spans a reconnect.** The {@linkcode Link.epoch} changes
 *   with every connection that ends. A transaction passes its epoch with each
 *   statement, which is rejected in another epoch. The library queues statements
 *   while it prepares one or has sent many, and would send them on its next
 *   connection. So it receives only statements that it sends at once; the others
 *   wait here.
 * - **Settings come first.** Each connection begins with one statement that sets
 *   them, because poolers reject start-up parameters. Other statements wait for
 *   its answer.
 * - **Every statement has a deadline.** A connection that has not answered by
 *   then is destroyed, and its pending statements are rejected. A link has one
 *   timer for that, because a timer for each statement would be costly.
 *
 * @module
 */

import type { Sql } from "postgres";
import { Socket } from "node:net";
import postgres from "postgres";
import { transience } from "./faults.ts";
import type { ServerAddress } from "./url.ts";

/** One row, by column. */
export type Row = Readonly<Record<string, unknown>>;

/** A value of a parameter. */
export type SqlValue = string | number | bigint | boolean | null;

/** The result of a statement. */
export interface Answer {
  /** The rows; empty for a statement without rows. */
  readonly rows: readonly Row[];
  /** The number of changed or returned rows. */
  readonly count: number;
  /** The command tag, such as `COMMIT`. */
  readonly command: string;
}

/** A new connection through a pooler, without settings yet. */
export interface PooledConnection {
  /** The pid of the server's process that ran its first statement. */
  readonly pid: number;
  /** Runs a statement, outside of the link's queue. */
  readonly execute: (text: string) => Promise<Answer>;
}

/** Options of a {@linkcode Link}. */
export interface LinkOptions {
  /** The `application_name` of its connections. */
  readonly name: string;
  /** The settings of the session, such as `search_path`. */
  readonly settings: Readonly<Record<string, string | number>>;
  /** The time limit for connecting, in milliseconds. */
  readonly connectTimeoutMs: number;
  /** Whether an idle connection stays open; otherwise it closes after 10 s. */
  readonly kept: boolean;
  /**
   * Called for each connection through a pooler, before the settings; an error
   * fails the connection. If absent, poolers are not looked for.
   */
  readonly onPooler?: (pooled: PooledConnection) => Promise<void>;
  /** Called when the connection has ended. */
  readonly onClose?: () => void;
  /** Called with the channel of each notification. */
  readonly onNotify?: (channel: string) => void;
}

const IDLE_SECONDS = 10;

/** A statement without an answer yet. */
interface Pending {
  readonly deadline: number;
  readonly reject: (error: Error) => void;
  /** The only epoch in which it may run. */
  readonly epoch: number | undefined;
  /** The key of its prepared statement; absent if it is not prepared. */
  readonly signature: string | undefined;
  /** The length of its values. */
  readonly length: number;
  readonly send: () => void;
}

// The library queues more than 100 statements or about 16 KiB.
const SENT_MAX = 50;
const SENT_LENGTH_MAX = 4096;

/** Thrown if the connection of a transaction was cut. */
export class LinkCutError extends Error {
  /** A code like those of the client's errors. */
  readonly code = "CONNECTION_CLOSED";

  /** Creates the error. */
  constructor() {
    super("the connection was cut");
    this.name = "LinkCutError";
  }
}

/** Thrown if the server does not answer in time. */
export class NoAnswerError extends Error {
  /** A code like those of the client's errors. */
  readonly code = "ETIMEDOUT";

  /** Creates the error. */
  constructor() {
    super("no answer in time");
    this.name = "NoAnswerError";
  }
}

/** One connection to a server. */
export class Link {
  readonly #sql: Sql;
  readonly #options: LinkOptions;
  readonly #sockets = new Set<Socket>();
  readonly #pending = new Set<Pending>();
  readonly #sent = new Set<Pending>();
  #waiting: Pending[] = [];
  readonly #prepared = new Set<string>();
  #isOpen = false;
  #isOpening = false;
  #watchdog: ReturnType<typeof setTimeout> | undefined;
  #epoch = 0;
  #isEnding = false;
  #isClosed = false;

  /** Creates a link; the first statement connects it. */
  constructor(address: ServerAddress, options: LinkOptions) {
    this.#options = options;
    this.#sql = postgres(
      {
        ...(address.path === undefined
          ? { host: address.host, port: address.port }
          : { path: address.path }),
        user: address.user,
        pass: address.password,
        database: address.database,
        ssl: address.tls,
        max: 1,
        connection: { application_name: options.name },
        connect_timeout: Math.max(
          1,
          Math.ceil(options.connectTimeoutMs / 1000),
        ),
        idle_timeout: options.kept ? undefined : IDLE_SECONDS,
        // The end of an aged connection would look like a cut.
        max_lifetime: null,
        // Reconnects soon after a restart.
        backoff: () => 0.1,
        fetch_types: false,
        onnotice: () => {},
        onnotify: options.onNotify,
        onclose: () => {
          this.#epoch++;
          this.#isOpen = false;
          this.#isEnding = false;
          this.#prepared.clear();
          options.onClose?.();
          this.#sendWaiting();
        },
        socket: () => this.#connect(address),
      } as unknown as Parameters<typeof postgres>[0],
    );
  }

  /** The number of connections that have ended. */
  get epoch(): number {
    return this.#epoch;
  }

  /**
   * Runs one statement, which is prepared once for a connection.
   *
   * @param epoch The only epoch in which it may run; by default any.
   * @throws {LinkCutError} If that epoch has ended.
   */
  query(
    text: string,
    values: readonly SqlValue[],
    timeoutMs: number,
    epoch?: number,
  ): Promise<Answer> {
    return this.#answer(
      this.#sql.unsafe(text, values as SqlValue[] as never[], {
        prepare: true,
        simple: false,
      } as never),
      {
        timeoutMs,
        epoch,
        signature: values.length === 0 ? undefined : signatureOf(text, values),
        length: values.reduce<number>(
          (sum, value) => sum + String(value).length,
          0,
        ),
      },
    );
  }

  /** Runs statements without parameters in one message, like {@linkcode query}. */
  execute(text: string, timeoutMs: number, epoch?: number): Promise<Answer> {
    return this.#answer(
      this.#sql.unsafe(text).simple(),
      { timeoutMs, epoch, signature: undefined, length: text.length },
    );
  }

  /** Queues a statement and returns its answer; the library sends it on `then`. */
  #answer(
    statement: PromiseLike<ArrayLike<unknown>>,
    { timeoutMs, ...sending }:
      & Pick<Pending, "epoch" | "signature" | "length">
      & {
        readonly timeoutMs: number;
      },
  ): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const send = () => {
        const epoch = this.#epoch;
        const settle = () => {
          this.#pending.delete(pending);
          this.#sent.delete(pending);
        };
        statement.then((rows) => {
          settle();
          if (this.#epoch === epoch && pending.signature !== undefined) {
            this.#prepared.add(pending.signature);
          }
          resolve(toAnswer(rows as ArrayLike<Row>));
          this.#sendWaiting();
        }, (error) => {
          settle();
          if (transience(error) === "cut" && this.#epoch === epoch) this.#end();
          reject(error);
          this.#sendWaiting();
        });
      };
      const deadline = performance.now() + timeoutMs;
      const pending: Pending = { ...sending, deadline, reject, send };
      this.#pending.add(pending);
      this.#watchdog ??= this.#watch(timeoutMs);
      this.#waiting.push(pending);
      this.#sendWaiting();
    });
  }

  /** Passes statements to the library, in order, while it sends them at once. */
  #sendWaiting(): void {
    // The library loses statements that it gets while a connection ends.
    while (!this.#isEnding && this.#waiting.length > 0) {
      const pending = this.#waiting[0];
      const { epoch = this.#epoch, reject, send } = pending;
      if (epoch === this.#epoch) {
        if (!this.#isOpen) return this.#open();
        if (!this.#hasRoom(pending)) return;
      }
      this.#waiting.shift();
      if (epoch === this.#epoch) {
        this.#sent.add(pending);
        send();
      } else {
        this.#pending.delete(pending);
        reject(new LinkCutError());
      }
    }
  }

  #hasRoom({ length }: Pending): boolean {
    if (this.#sent.size === 0) return true;
    if (this.#sent.size >= SENT_MAX) return false;
    let sentLength = length;
    for (const { signature, length } of this.#sent) {
      if (signature !== undefined && !this.#prepared.has(signature)) {
        return false;
      }
      sentLength += length;
    }
    return sentLength <= SENT_LENGTH_MAX;
  }

  /** Opens a connection; if that fails, the first waiting statement fails. */
  #open(): void {
    if (this.#isOpening) return;
    this.#isOpening = true;
    const epoch = this.#epoch;
    this.#begin().then(() => {
      this.#isOpen = this.#epoch === epoch;
    }, (error) => {
      if (transience(error) === "cut" && this.#epoch === epoch) this.#end();
      const first = this.#waiting.shift();
      if (first === undefined) return;
      this.#pending.delete(first);
      first.reject(error);
    }).finally(() => {
      this.#isOpening = false;
      this.#sendWaiting();
    });
  }

  async #begin(): Promise<void> {
    const { settings, onPooler } = this.#options;
    const run = async (text: string) => await this.#sql.unsafe(text).simple();
    if (onPooler !== undefined) {
      const answer = await run("SELECT pg_backend_pid() AS pid");
      const pid = Number(answer[0].pid);
      // A pooler passes its own pid when a client logs in.
      if (pid !== (answer.state as { pid: number }).pid) {
        const execute = async (text: string) => toAnswer(await run(text));
        await onPooler({ pid, execute });
      }
    }
    await run(settingsStatement(settings));
  }

  /** Ends a failed connection; later statements wait until it is closed. */
  #end(): void {
    this.#isEnding = true;
    this.kill();
  }

  #watch(ms: number): ReturnType<typeof setTimeout> {
    const timer = setTimeout(() => {
      this.#watchdog = undefined;
      const now = performance.now();
      let [isLate, next] = [false, Infinity];
      for (const pending of this.#pending) {
        if (pending.deadline > now) next = Math.min(next, pending.deadline);
        else {
          isLate = true;
          this.#pending.delete(pending);
          this.#waiting = this.#waiting.filter((each) => each !== pending);
          pending.reject(new NoAnswerError());
        }
      }
      if (next < Infinity) this.#watchdog = this.#watch(next - now);
      if (isLate) this.kill();
    }, Math.max(1, ms));
    // The timer alone must not keep the process alive.
    Deno.unrefTimer(timer as unknown as number);
    return timer;
  }

  /** Throws {@linkcode LinkCutError} if the epoch has ended. */
  assertEpoch(epoch: number): void {
    if (this.#epoch !== epoch) throw new LinkCutError();
  }

  /** Destroys the connection; the link reconnects with the next statement. */
  kill(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  /** Closes the link, after pending statements if they end in time. */
  async close(timeoutMs: number): Promise<void> {
    await this.#sql.end({ timeout: timeoutMs / 1000 });
    this.#isClosed = true;
    if (this.#watchdog !== undefined) clearTimeout(this.#watchdog);
    this.#watchdog = undefined;
    for (const socket of this.#sockets) socket.destroy();
  }

  // The library does not destroy its own sockets when they hang.
  #connect(address: ServerAddress): Socket {
    // The library's timer for a reconnect outlives the link.
    if (this.#isClosed) throw new LinkCutError();
    const socket = new Socket();
    this.#sockets.add(socket);
    socket.once("close", () => this.#sockets.delete(socket));
    if (address.path === undefined) {
      socket.connect(address.port, address.host);
      // The library checks the certificate's name against these.
      Object.assign(socket, { host: address.host, port: address.port });
    } else {
      socket.connect(address.path);
    }
    socket.setNoDelay(true);
    return socket;
  }
}

/** Returns the key by which the library prepares a text: its value types, too. */
function signatureOf(text: string, values: readonly SqlValue[]): string {
  const types = values.map((value) =>
    typeof value === "bigint" ? "i" : typeof value === "boolean" ? "b" : "-"
  );
  return `${types.join("")} ${text}`;
}

/** Returns the statement that sets settings for the session. */
function settingsStatement(settings: LinkOptions["settings"]): string {
  const calls = Object.entries(settings).map(([name, value]) =>
    `set_config('${name}', '${String(value).replaceAll("'", "''")}', false)`
  );
  return `SELECT ${calls.join(", ")}`;
}

function toAnswer(
  result: ArrayLike<Row> & { count?: number | null; command?: string },
): Answer {
  return {
    rows: result as unknown as readonly Row[],
    count: result.count ?? 0,
    command: result.command ?? "",
  };
}
