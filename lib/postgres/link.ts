/**
 * One connection to a PostgreSQL server, and the only file that knows the
 * client library.
 *
 * The library (npm `postgres`) is loaded when the first link is opened, so who
 * uses another store never pays for it. A link is one connection of it, which
 * reconnects by itself with the next statement:
 *
 * ```text
 *  closed ── statement ──▶ connecting ──▶ open ── cut, kill() ──▶ closed
 * ```
 *
 * - **Statements of a link are answered in order**, one behind the other on the
 *   wire, without waiting for each other's answers.
 * - **A transaction never goes on over a reconnect**: whoever begins one notes
 *   the {@linkcode Link.epoch}, which changes with every connection that ends,
 *   and passes it with each statement, which is refused on another connection.
 *   The library keeps statements back while it prepares one, or has sent much,
 *   and sends them on its next connection if that one ends. So it is only given
 *   what it sends at once; the rest waits here.
 * - **Every statement has a deadline.** A connection that has not answered by
 *   then is ended, at once and without asking the server: what was under way
 *   on it is rejected. One timer for a link sees to it, as one for each
 *   statement would cost as much as a statement.
 *
 * @module
 */

import type { Sql } from "postgres";
import { Socket } from "node:net";
import postgres from "postgres";
import { passing } from "./faults.ts";
import type { ServerAddress } from "./url.ts";

/** One row, by column. */
export type Row = Readonly<Record<string, unknown>>;

/** A value that a statement is given. */
export type SqlValue = string | number | bigint | boolean | null;

/** What a statement gave back. */
export interface Answer {
  /** Its rows; empty if it gives none. */
  readonly rows: readonly Row[];
  /** How many rows it changed, or gave back. */
  readonly count: number;
  /** What it was, such as `COMMIT`. */
  readonly command: string;
}

/** How a link behaves. */
export interface LinkOptions {
  /** Settings of the session, such as `search_path`. */
  readonly settings: Readonly<Record<string, string | number>>;
  /** How long connecting may take, in milliseconds. */
  readonly connectTimeoutMs: number;
  /** Whether it may stand unused for as long as it likes; else 10 s. */
  readonly kept: boolean;
  /** Is told when the connection ended, for whatever reason. */
  readonly onClose?: () => void;
  /** Is told of notifications. */
  readonly onNotify?: (channel: string) => void;
}

const IDLE_SECONDS = 10;

/** A statement that is not answered yet. */
interface Pending {
  readonly deadline: number;
  readonly reject: (error: Error) => void;
  /** The only connection on which it may run. */
  readonly epoch: number | undefined;
  /** What the library prepares once for a connection; absent if it does not. */
  readonly signature: string | undefined;
  /** The length of its values. */
  readonly length: number;
  readonly send: () => void;
}

// The library keeps back what is more than 100 statements or about 16 KiB.
const SENT_MAX = 50;
const SENT_LENGTH_MAX = 4096;

/** A connection that was cut while a transaction was on it. */
export class LinkCutError extends Error {
  /** For sorting beside the client's own errors. */
  readonly code = "CONNECTION_CLOSED";

  /** Makes the error. */
  constructor() {
    super("the connection was cut");
    this.name = "LinkCutError";
  }
}

/** A server that did not answer in time. */
export class NoAnswerError extends Error {
  /** For sorting beside the client's own errors. */
  readonly code = "ETIMEDOUT";

  /** Makes the error. */
  constructor() {
    super("no answer in time");
    this.name = "NoAnswerError";
  }
}

/** One connection to a server. */
export class Link {
  readonly #sql: Sql;
  readonly #sockets = new Set<Socket>();
  readonly #pending = new Set<Pending>();
  readonly #sent = new Set<Pending>();
  #waiting: Pending[] = [];
  readonly #prepared = new Set<string>();
  #isOpen = false;
  #watchdog: ReturnType<typeof setTimeout> | undefined;
  #epoch = 0;
  #isEnding = false;

  /** Makes a link; the first statement connects it. */
  constructor(address: ServerAddress, options: LinkOptions) {
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
        connection: { ...options.settings },
        connect_timeout: Math.max(
          1,
          Math.ceil(options.connectTimeoutMs / 1000),
        ),
        idle_timeout: options.kept ? undefined : IDLE_SECONDS,
        // A link that ended by age in the middle of nothing would look like a cut.
        max_lifetime: null,
        // Known at once, and again soon after a restart.
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

  /** Changes with every connection that ended. */
  get epoch(): number {
    return this.#epoch;
  }

  /**
   * Runs one statement; it is prepared once for a connection.
   *
   * @param epoch The only connection on which it may run; by default any.
   * @throws {LinkCutError} If that has ended.
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

  /** Runs statements without parameters, in one message; as {@linkcode query}. */
  execute(text: string, timeoutMs: number, epoch?: number): Promise<Answer> {
    return this.#answer(
      this.#sql.unsafe(text).simple(),
      { timeoutMs, epoch, signature: undefined, length: text.length },
    );
  }

  /** The answer to a statement, which is sent by asking for it. */
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
          if (this.#epoch === epoch) {
            this.#isOpen = true;
            if (pending.signature !== undefined) {
              this.#prepared.add(pending.signature);
            }
          }
          resolve(toAnswer(rows as ArrayLike<Row>));
          this.#sendWaiting();
        }, (error) => {
          settle();
          if (passing(error) === "cut" && this.#epoch === epoch) this.#end();
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

  /** Gives the library what it sends at once, in order. */
  #sendWaiting(): void {
    // It would lose what it is given while a connection ends.
    while (!this.#isEnding && this.#waiting.length > 0) {
      const pending = this.#waiting[0];
      const { epoch = this.#epoch, reject, send } = pending;
      if (epoch === this.#epoch && !this.#hasRoom(pending)) return;
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
    if (!this.#isOpen || this.#sent.size >= SENT_MAX) return false;
    let sentLength = length;
    for (const { signature, length } of this.#sent) {
      if (signature !== undefined && !this.#prepared.has(signature)) {
        return false;
      }
      sentLength += length;
    }
    return sentLength <= SENT_LENGTH_MAX;
  }

  /**
   * The connection has failed, but is not gone yet. The library would lose what
   * it is given in between: that waits for the end.
   */
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
    // It outlasts what it watches over.
    Deno.unrefTimer(timer as unknown as number);
    return timer;
  }

  /** Refuses if the connection of that epoch has ended. */
  within(epoch: number): void {
    if (this.#epoch !== epoch) throw new LinkCutError();
  }

  /** Ends a connection that does not answer; the link can be used further. */
  kill(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  /** Ends the link, after what is under way if that ends in time. */
  async close(timeoutMs: number): Promise<void> {
    await this.#sql.end({ timeout: timeoutMs / 1000 });
    if (this.#watchdog !== undefined) clearTimeout(this.#watchdog);
    this.#watchdog = undefined;
    for (const socket of this.#sockets) socket.destroy();
  }

  // The library would make its own socket, but not let go of one that is stuck.
  #connect(address: ServerAddress): Socket {
    const socket = new Socket();
    this.#sockets.add(socket);
    socket.once("close", () => this.#sockets.delete(socket));
    if (address.path === undefined) {
      socket.connect(address.port, address.host);
      // Where the library looks for the name that a certificate must have.
      Object.assign(socket, { host: address.host, port: address.port });
    } else {
      socket.connect(address.path);
    }
    socket.setNoDelay(true);
    return socket;
  }
}

/** The library prepares a text once for each combination of value types. */
function signatureOf(text: string, values: readonly SqlValue[]): string {
  const types = values.map((value) =>
    typeof value === "bigint" ? "i" : typeof value === "boolean" ? "b" : "-"
  );
  return `${types.join("")} ${text}`;
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
