/**
 * Another process on the bus, controlled by JSON lines.
 *
 * @module
 */

import { TextLineStream } from "./text_lines.ts";
import { within } from "./waiting.ts";

/** Options of a peer. */
export interface PeerOptions {
  /** The prefix of the command, such as `["strace", "-f"]`. */
  readonly prefix?: readonly string[];
  /** Additional environment variables. */
  readonly env?: Record<string, string>;
  /** The working folder. */
  readonly cwd?: string;
  /**
   * The program, which may be in a copy of the library.
   * @default {`peers/bus_peer.ts`}
   */
  readonly script?: string;
}

/** An error of a peer's call. */
export class PeerError extends Error {
  override name = "PeerError";
  /** The name of the original error, such as `BusyError`. */
  readonly type: string;
  /** The fields of the original error. */
  readonly fields: Record<string, unknown>;

  /** Creates an error from a peer's response. */
  constructor(type: string, message: string, fields: Record<string, unknown>) {
    super(message);
    this.type = type;
    this.fields = fields;
  }
}

interface Line {
  readonly id?: number;
  readonly result?: unknown;
  readonly error?: {
    readonly type: string;
    readonly message: string;
    readonly fields: Record<string, unknown>;
  };
  readonly event?: string;
  readonly value?: unknown;
}

const SCRIPT = new URL("./peers/bus_peer.ts", import.meta.url).pathname;

/** A process that runs `peers/bus_peer.ts`. */
export class Peer {
  readonly #child: Deno.ChildProcess;
  readonly #input: WritableStreamDefaultWriter<Uint8Array>;
  readonly #answers = new Map<number, PromiseWithResolvers<unknown>>();
  readonly #events = new Map<string, unknown[]>();
  readonly #waiting = new Map<string, PromiseWithResolvers<void>>();
  readonly #reading: Promise<void>;
  #nextId = 1;
  #ended = false;

  /** Starts a peer. */
  constructor(options: PeerOptions = {}) {
    const [program, ...args] = [
      ...(options.prefix ?? []),
      Deno.execPath(),
      "run",
      "-A",
      options.script ?? SCRIPT,
    ];
    this.#child = new Deno.Command(program, {
      args,
      cwd: options.cwd,
      env: { NO_COLOR: "1", ...options.env },
      stdin: "piped",
      stdout: "piped",
      stderr: "inherit",
    }).spawn();
    this.#input = this.#child.stdin.getWriter();
    this.#reading = this.#read();
  }

  /** The process id. */
  get pid(): number {
    return this.#child.pid;
  }

  /** Resolves at its end, with the exit code. */
  get ended(): Promise<number> {
    return this.#child.status.then(({ code }) => code);
  }

  /**
   * Makes a call, and returns its result.
   *
   * @throws {PeerError} If the call throws.
   */
  async call<T = unknown>(act: string, args: unknown = {}): Promise<T> {
    const id = this.#nextId++;
    const answer = Promise.withResolvers<unknown>();
    answer.promise.catch(() => {});
    this.#answers.set(id, answer);
    await this.#input.write(
      new TextEncoder().encode(`${JSON.stringify({ id, act, args })}\n`),
    );
    return await within(`the answer to ${act}`, answer.promise) as T;
  }

  /** Returns the values of an event so far. */
  seen<T = unknown>(event: string): readonly T[] {
    return (this.#events.get(event) ?? []) as T[];
  }

  /** Waits for `count` occurrences of an event. Returns all values. */
  async wait<T = unknown>(event: string, count: number): Promise<T[]> {
    while (this.seen(event).length < count) {
      if (this.#ended) throw new Error(`The peer ended before "${event}".`);
      const waiting = this.#waiting.get(event) ??
        Promise.withResolvers<void>();
      this.#waiting.set(event, waiting);
      await within(`${event} ${count}`, waiting.promise);
    }
    return [...this.seen<T>(event)];
  }

  /** Sends a signal. */
  signal(signal: Deno.Signal): void {
    this.#child.kill(signal);
  }

  /** Kills the peer by SIGKILL, and waits for its end. */
  async kill(): Promise<void> {
    if (!this.#ended) this.#child.kill("SIGKILL");
    await this.end();
  }

  /** Lets the peer close its bus and end. Throws if it does not end. */
  async end(): Promise<void> {
    try {
      await this.#input.close();
    } catch {
      // The peer has ended already.
    }
    try {
      await within("the peer's end", this.#reading);
    } finally {
      if (!this.#ended) this.#child.kill("SIGKILL");
      await this.#reading;
      await this.#child.status;
    }
  }

  async #read(): Promise<void> {
    const lines = this.#child.stdout
      .pipeThrough(new TextDecoderStream())
      .pipeThrough(new TextLineStream());
    for await (const line of lines) this.#take(JSON.parse(line) as Line);
    this.#ended = true;
    for (const answer of this.#answers.values()) {
      answer.reject(new Error("The peer ended before its response."));
    }
    for (const waiting of this.#waiting.values()) waiting.resolve();
  }

  #take(line: Line): void {
    if (line.id !== undefined) {
      const answer = this.#answers.get(line.id)!;
      this.#answers.delete(line.id);
      if (line.error === undefined) answer.resolve(line.result);
      else {
        const { type, message, fields } = line.error;
        answer.reject(new PeerError(type, message, fields));
      }
      return;
    }
    const event = line.event!;
    const seen = this.#events.get(event) ?? [];
    seen.push(line.value);
    this.#events.set(event, seen);
    this.#waiting.get(event)?.resolve();
    this.#waiting.delete(event);
  }
}
