/**
 * A mesh of Unix sockets between sessions: each listens on one of its own and
 * is connected to all others.
 *
 * @module
 */

import type { Recipient, Seat } from "./contestant.ts";

/** One session's part of a mesh. */
export class SocketMesh {
  readonly #seat: Seat;
  readonly #hear: (line: string) => void;
  readonly #server: Deno.UnixListener;
  readonly #others = new Map<number, Deno.UnixConn>();
  readonly #accepting: Promise<void>;
  readonly #utf8 = new TextEncoder();

  /** Begins to listen; each line that comes is handed to `hear`. */
  constructor(seat: Seat, hear: (line: string) => void) {
    this.#seat = seat;
    this.#hear = hear;
    const path = this.#pathOf(seat.session);
    removeLeftOver(path);
    this.#server = Deno.listen({ transport: "unix", path });
    this.#accepting = this.#accept();
  }

  /** Connects to all others, once all of them listen. */
  async join(): Promise<void> {
    for (let session = 0; session < this.#seat.sessions; session++) {
      if (session === this.#seat.session) continue;
      const path = this.#pathOf(session);
      this.#others.set(
        session,
        await Deno.connect({ transport: "unix", path }),
      );
    }
  }

  /** Writes some lines to one, or all others. */
  async write(lines: string, to: Recipient): Promise<void> {
    const bytes = this.#utf8.encode(lines);
    const readers = to === "all"
      ? [...this.#others.values()]
      : [this.#others.get(to)!];
    await Promise.all(readers.map((reader) => writeAll(reader, bytes)));
  }

  /** Hangs up, and waits for the others to do so. */
  async close(): Promise<void> {
    for (const other of this.#others.values()) other.close();
    this.#server.close();
    await this.#accepting;
  }

  #pathOf(session: number): string {
    return `${this.#seat.folder}/${session}.sock`;
  }

  async #accept(): Promise<void> {
    const hearing: Promise<void>[] = [];
    for await (const connection of this.#server) {
      hearing.push(this.#listenTo(connection));
    }
    await Promise.all(hearing);
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
      for (const line of lines) this.#hear(line);
    }
    connection.close();
  }
}

/** Removes what one that was killed has left. */
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
