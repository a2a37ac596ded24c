/**
 * A mesh of Unix sockets: each session listens on its socket and connects to
 * all others.
 *
 * @module
 */

import type { PeerConfig, Recipient } from "./contestant.ts";

/** One session's end of a mesh. */
export class SocketMesh {
  readonly #config: PeerConfig;
  readonly #receive: (line: string) => void;
  readonly #server: Deno.UnixListener;
  readonly #others = new Map<number, Deno.UnixConn>();
  readonly #accepting: Promise<void>;
  readonly #utf8 = new TextEncoder();

  /** Starts to listen. Passes each received line to `receive`. */
  constructor(config: PeerConfig, receive: (line: string) => void) {
    this.#config = config;
    this.#receive = receive;
    const path = this.#pathOf(config.session);
    removeLeftOver(path);
    this.#server = Deno.listen({ transport: "unix", path });
    this.#accepting = this.#accept();
  }

  /** Connects to the other sessions, once all of them listen. */
  async join(): Promise<void> {
    for (let session = 0; session < this.#config.sessions; session++) {
      if (session === this.#config.session) continue;
      const path = this.#pathOf(session);
      this.#others.set(
        session,
        await Deno.connect({ transport: "unix", path }),
      );
    }
  }

  /** Writes lines to one session, or all others. */
  async write(lines: string, to: Recipient): Promise<void> {
    const bytes = this.#utf8.encode(lines);
    const readers = to === "all"
      ? [...this.#others.values()]
      : [this.#others.get(to)!];
    await Promise.all(readers.map((reader) => writeAll(reader, bytes)));
  }

  /** Closes its connections, and waits until the others have closed theirs. */
  async close(): Promise<void> {
    for (const other of this.#others.values()) other.close();
    this.#server.close();
    await this.#accepting;
  }

  #pathOf(session: number): string {
    return `${this.#config.folder}/${session}.sock`;
  }

  async #accept(): Promise<void> {
    const receiving: Promise<void>[] = [];
    for await (const connection of this.#server) {
      receiving.push(this.#listenTo(connection));
    }
    await Promise.all(receiving);
  }

  async #listenTo(connection: Deno.Conn): Promise<void> {
    let rest = "";
    const utf8 = new TextDecoder();
    const buffer = new Uint8Array(64 * 1024);
    for (;;) {
      const length = await connection.read(buffer);
      if (length === null) break;
      rest += utf8.decode(buffer.subarray(0, length), { stream: true });
      const lines = rest.split("\n");
      rest = lines.pop()!;
      for (const line of lines) this.#receive(line);
    }
    connection.close();
  }
}

/** Removes the socket of a killed session. */
function removeLeftOver(path: string): void {
  try {
    Deno.removeSync(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

async function writeAll(
  reader: Deno.UnixConn,
  bytes: Uint8Array,
): Promise<void> {
  for (let sent = 0; sent < bytes.length;) {
    sent += await reader.write(bytes.subarray(sent));
  }
}
