/**
 * The director's side of a session's process: sends orders and queues events.
 *
 * @module
 */

import type { Order, SessionEvent } from "./script.ts";

// Far longer than anything in the demo takes, even on a busy machine.
const EVENT_TIMEOUT_MS = 10_000;

/** A session's process, controlled by the director. */
export class Player {
  /** Vendor of the agent, and id of the session. */
  readonly vendor: string;
  readonly #process: Deno.ChildProcess;
  readonly #orders: WritableStreamDefaultWriter<Uint8Array>;
  readonly #events: SessionEvent[] = [];
  readonly #reading: Promise<void>;
  #arrived: () => void = () => {};

  /** Starts the process of a session with its vendor's name. */
  constructor(vendor: string) {
    this.vendor = vendor;
    const script = new URL("./session.ts", import.meta.url).href;
    this.#process = new Deno.Command(Deno.execPath(), {
      args: ["run", "--allow-all", "--quiet", script, vendor, vendor],
      stdin: "piped",
      stdout: "piped",
    }).spawn();
    this.#orders = this.#process.stdin.getWriter();
    this.#reading = this.#read();
  }

  /** Sends an order. */
  async order(order: Order): Promise<void> {
    await this.#orders.write(
      new TextEncoder().encode(`${JSON.stringify(order)}\n`),
    );
  }

  /** Waits for the next matching event, and removes it from the queue. */
  async next<W extends SessionEvent["what"]>(
    what: W,
    fits: (event: Extract<SessionEvent, { what: W }>) => boolean = () => true,
  ): Promise<Extract<SessionEvent, { what: W }>> {
    const deadline = AbortSignal.timeout(EVENT_TIMEOUT_MS);
    for (;;) {
      const at = this.#events.findIndex((event) =>
        event.what === what &&
        fits(event as Extract<SessionEvent, { what: W }>)
      );
      if (at >= 0) {
        const [event] = this.#events.splice(at, 1);
        return event as Extract<SessionEvent, { what: W }>;
      }
      await new Promise<void>((resolve, reject) => {
        this.#arrived = resolve;
        deadline.addEventListener("abort", () =>
          reject(
            new Error(
              `Cannot run the demo: ${this.vendor} did not report "${what}" in 10 s.`,
            ),
          ));
      });
    }
  }

  /** Returns the latencies of the next `count` states, in milliseconds. */
  async nextLatencies(count: number): Promise<number[]> {
    const latencies: number[] = [];
    while (latencies.length < count) {
      const { ms } = await this.next(
        "received",
        (it) => it.channel === "state",
      );
      latencies.push(ms!);
    }
    return latencies;
  }

  /** Ends the session and its process. */
  async end(): Promise<void> {
    await this.#orders.close();
    await this.#reading;
    await this.#process.status;
  }

  /** Kills the process, as a crash would. */
  async kill(): Promise<void> {
    this.#process.kill("SIGKILL");
    await this.#orders.abort().catch(() => {});
    await this.#reading;
    await this.#process.status;
  }

  async #read(): Promise<void> {
    let text = "";
    const chunks = this.#process.stdout.pipeThrough(new TextDecoderStream());
    for await (const chunk of chunks) {
      text += chunk;
      const lines = text.split("\n");
      text = lines.pop()!;
      for (const line of lines) this.#events.push(JSON.parse(line));
      this.#arrived();
    }
  }
}
