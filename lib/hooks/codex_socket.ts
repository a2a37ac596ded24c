/**
 * Asks the shared daemon of Codex on its control socket.
 *
 * The protocol is JSON by WebSocket over a Unix socket: `initialize`,
 * `initialized`, then one request. It is written out here, because a library
 * takes longer to load than a hook may take. No request subscribes to a thread,
 * because a subscription would keep the thread loaded.
 *
 * A caller gets `undefined` after {@linkcode ANSWER_MS_MAX} at the latest, on
 * any failure of the socket or the daemon. Codex does not document the names,
 * and a sandbox refuses the connection.
 *
 * @module
 */

/** Maximum wait for an answer, in milliseconds. */
export const ANSWER_MS_MAX = 200;

const ANSWER_BYTES_MAX = 1_000_000;
const PATH_BYTES_MAX = 107;

/** The daemon's answer. */
export type DaemonAnswer =
  /** The request's result. */
  | { readonly result: unknown }
  /** The request was refused; the text is the daemon's. */
  | { readonly refusal: string };

/** Asks the daemon of the Codex in `home`; `undefined` without an answer. */
export async function askDaemon(
  home: string,
  method: string,
  params: Readonly<Record<string, unknown>>,
  waitMs: number = ANSWER_MS_MAX,
): Promise<DaemonAnswer | undefined> {
  const opening = open(home);
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<undefined>((resolve) => {
    timer = setTimeout(() => resolve(undefined), waitMs);
  });
  try {
    return await Promise.race([late, talk(opening, method, params)]);
  } catch {
    // Missing socket, EPERM, another user's socket, closed, or another protocol.
    return undefined;
  } finally {
    clearTimeout(timer);
    opening.then((connection) => connection.close(), () => {});
  }
}

async function open(home: string): Promise<Deno.UnixConn> {
  const name = `${home}/app-server-control/app-server-control.sock`;
  // Where the path is too long for a socket, it is a link to a shorter one.
  const path = new TextEncoder().encode(name).length > PATH_BYTES_MAX
    ? Deno.realPathSync(name)
    : name;
  return await Deno.connect({ transport: "unix", path });
}

async function talk(
  opening: Promise<Deno.UnixConn>,
  method: string,
  params: Readonly<Record<string, unknown>>,
): Promise<DaemonAnswer> {
  const socket = new Socket(await opening);
  await socket.upgrade();
  const clientInfo = { name: "message-bus", title: null, version: "0" };
  await socket.send([
    { id: 1, method: "initialize", params: { clientInfo, capabilities: null } },
    { method: "initialized" },
    { id: 2, method, params },
  ]);
  for (;;) {
    const message: unknown = JSON.parse(await socket.receive());
    if (typeof message !== "object" || message === null) continue;
    // Notifications and the answer to `initialize` come first.
    const { id, result, error } = message as Record<string, unknown>;
    if (id !== 2) continue;
    return error === undefined
      ? { result }
      : { refusal: JSON.stringify(error) };
  }
}

const TEXT = 1;
const CONTINUATION = 0;
const CLOSE = 8;

/** The client's end of a WebSocket. */
class Socket {
  readonly #connection: Deno.UnixConn;
  readonly #chunk = new Uint8Array(16 * 1024);
  #bytes = new Uint8Array(0);

  constructor(connection: Deno.UnixConn) {
    this.#connection = connection;
  }

  async upgrade(): Promise<void> {
    const key = btoa(
      String.fromCharCode(...crypto.getRandomValues(new Uint8Array(16))),
    );
    await this.#write(new TextEncoder().encode(
      "GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n" +
        "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n" +
        `Sec-WebSocket-Key: ${key}\r\n\r\n`,
    ));
    let head = "";
    while (!head.endsWith("\r\n\r\n")) {
      head += String.fromCharCode(...await this.#take(1));
    }
    if (!/^HTTP\/1\.1 101 /.test(head)) throw new Error("no WebSocket");
  }

  /** Sends messages in one write, each as one text frame. */
  async send(messages: readonly unknown[]): Promise<void> {
    const frames = messages.map((message) => frameOf(JSON.stringify(message)));
    await this.#write(joined(frames));
  }

  /** Receives one message, which may come in several frames. */
  async receive(): Promise<string> {
    const parts: Uint8Array[] = [];
    for (let size = 0;;) {
      const [first, second] = await this.#take(2);
      const length = await this.#length(second & 0x7f);
      size += length;
      if (size > ANSWER_BYTES_MAX) throw new Error("too long");
      const part = await this.#take(length);
      const code = first & 0x0f;
      if (code === CLOSE) throw new Error("closed");
      // A ping needs no pong: the connection closes before the daemon misses it.
      if (code !== TEXT && code !== CONTINUATION) continue;
      parts.push(part);
      if ((first & 0x80) !== 0) return new TextDecoder().decode(joined(parts));
    }
  }

  async #length(short: number): Promise<number> {
    if (short < 126) return short;
    const bytes = await this.#take(short === 126 ? 2 : 8);
    return bytes.reduce((sum, byte) => sum * 256 + byte, 0);
  }

  async #take(count: number): Promise<Uint8Array> {
    while (this.#bytes.length < count) {
      const read = await this.#connection.read(this.#chunk);
      if (read === null) throw new Error("closed");
      this.#bytes = joined([this.#bytes, this.#chunk.subarray(0, read)]);
    }
    const taken = this.#bytes.slice(0, count);
    this.#bytes = this.#bytes.subarray(count);
    return taken;
  }

  async #write(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length;) {
      at += await this.#connection.write(bytes.subarray(at));
    }
  }
}

/** Makes a masked text frame, as a client must send it. */
function frameOf(text: string): Uint8Array {
  const data = new TextEncoder().encode(text);
  const mask = crypto.getRandomValues(new Uint8Array(4));
  const { length } = data;
  const head = length < 126
    ? [0x80 | TEXT, 0x80 | length]
    : [0x80 | TEXT, 0x80 | 126, length >> 8, length & 0xff];
  data.forEach((byte, at) => data[at] = byte ^ mask[at % 4]);
  return joined([new Uint8Array(head), mask, data]);
}

function joined(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const all = new Uint8Array(
    parts.reduce((size, part) => size + part.length, 0),
  );
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}
