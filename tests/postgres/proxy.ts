/**
 * A proxy between a bus and its server, which cuts connections at a point that a
 * test chooses.
 *
 * @module
 */

/** The treatment of the data that a client sends. */
export type Course =
  /** The data and the answer pass. */
  | "through"
  /** The data passes, and the connection is cut once the answer arrives. */
  | "cut-answer"
  /** The connection is cut before the data passes. */
  | "cut-request"
  /** The data is dropped without a cut. */
  | "silence";

/** A TCP proxy on a free port of 127.0.0.1. */
export class Proxy implements AsyncDisposable {
  /** The treatment of further data; a cut happens once. */
  course: Course = "through";
  /** The number of chunks from clients that pass before. */
  sparing = 0;
  /** The number of connections that the proxy has cut. */
  cuts = 0;
  readonly #listener: Deno.TcpListener;
  readonly #port: number;
  readonly #connections = new Set<Deno.TcpConn>();
  readonly #running: Promise<void>[] = [];

  /** Creates a proxy to a port. */
  constructor(port: number) {
    this.#port = port;
    this.#listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    this.#running.push(this.#accept());
  }

  /** The port of the proxy. */
  get port(): number {
    return this.#listener.addr.port;
  }

  /** Cuts every connection. */
  cutAll(): void {
    for (const connection of this.#connections) close(connection);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener.close();
    this.cutAll();
    await Promise.all(this.#running);
  }

  async #accept(): Promise<void> {
    try {
      for await (const client of this.#listener) {
        this.#running.push(this.#serve(client));
      }
    } catch (error) {
      if (!(error instanceof Deno.errors.BadResource)) throw error;
    }
  }

  async #serve(client: Deno.TcpConn): Promise<void> {
    let server: Deno.TcpConn;
    try {
      server = await Deno.connect({ hostname: "127.0.0.1", port: this.#port });
    } catch {
      // The server is down, so the client's connection is cut.
      return close(client);
    }
    const pair = [client, server];
    pair.forEach((each) => this.#connections.add(each));
    // Data sent while answers are cut.
    let isCut = false;
    const cut = () => {
      this.cuts++;
      this.course = "through";
      pair.forEach(close);
    };
    await Promise.all([
      pass(client, server, () => {
        if (this.course !== "through" && this.sparing-- > 0) return true;
        if (this.course === "cut-request") cut();
        if (this.course === "cut-answer") isCut = true;
        return this.course !== "silence";
      }),
      pass(server, client, () => {
        if (isCut) cut();
        return !isCut;
      }),
    ]);
    pair.forEach((each) => {
      close(each);
      this.#connections.delete(each);
    });
  }
}

/** Forwards the data that `goesOn` accepts, until one side ends. */
async function pass(
  from: Deno.TcpConn,
  to: Deno.TcpConn,
  goesOn: () => boolean,
): Promise<void> {
  const buffer = new Uint8Array(65_536);
  try {
    for (;;) {
      const count = await from.read(buffer);
      if (count === null) break;
      if (!goesOn()) continue;
      for (let sent = 0; sent < count;) {
        sent += await to.write(buffer.subarray(sent, count));
      }
    }
  } catch {
    // One of the two is closed.
  }
  close(to);
}

function close(connection: Deno.TcpConn): void {
  try {
    connection.close();
  } catch (error) {
    if (!(error instanceof Deno.errors.BadResource)) throw error;
  }
}
