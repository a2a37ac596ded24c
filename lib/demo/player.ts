/**
 * A session's process, as the demo's director has it: it takes orders, and what
 * happens to it is kept until somebody asks.
 *
 * @module
 */

import type { Happening, Order } from "./script.ts";

// Far longer than anything in the demo takes, even on a busy machine.
const HAPPENS_WITHIN_MS = 10_000;

/** A session's process, as its director has it. */
export class Player {
  /** The vendor of its agent, and its session's id. */
  readonly vendor: string;
  readonly #process: Deno.ChildProcess;
  readonly #orders: WritableStreamDefaultWriter<Uint8Array>;
  readonly #happened: Happening[] = [];
  readonly #reading: Promise<void>;
  #arrived: () => void = () => {};

  /** Starts the process of a session that is called like its vendor. */
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

  /** Tells it what to do. */
  async order(order: Order): Promise<void> {
    await this.#orders.write(
      new TextEncoder().encode(`${JSON.stringify(order)}\n`),
    );
  }

  /** Waits for the next happening that fits, and takes it out. */
  async next<W extends Happening["what"]>(
    what: W,
    fits: (happening: Extract<Happening, { what: W }>) => boolean = () => true,
  ): Promise<Extract<Happening, { what: W }>> {
    const deadline = AbortSignal.timeout(HAPPENS_WITHIN_MS);
    for (;;) {
      const at = this.#happened.findIndex((happening) =>
        happening.what === what &&
        fits(happening as Extract<Happening, { what: W }>)
      );
      if (at >= 0) {
        const [happening] = this.#happened.splice(at, 1);
        return happening as Extract<Happening, { what: W }>;
      }
      await new Promise<void>((resolve, reject) => {
        this.#arrived = resolve;
        deadline.addEventListener("abort", () =>
          reject(
            new Error(
              `Cannot go on: ${this.vendor} did not report "${what}" in 10 s.`,
            ),
          ));
      });
    }
  }

  /** How long the next `count` states took to come, in milliseconds. */
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

  /** Ends it in order. */
  async end(): Promise<void> {
    await this.#orders.close();
    await this.#reading;
    await this.#process.status;
  }

  /** Ends it as a crash would. */
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
      for (const line of lines) this.#happened.push(JSON.parse(line));
      this.#arrived();
    }
  }
}
