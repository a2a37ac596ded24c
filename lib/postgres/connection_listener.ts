/**
 * A listener with a connection of its own.
 *
 * After a cut it reconnects until the server is back. Notifications in between
 * are lost, so `onReconnect` is called.
 *
 * @module
 */

import type { Connection, Row } from "./connection.ts";
import type { Link } from "./link.ts";
import type { Listener, ListenerEvents } from "./listener.ts";

/** The `application_name` of listening connections. */
export const LISTENER_NAME = "message-bus listener";

const RELISTEN_MS = 200;
const CLOSE_MS_MAX = 1_000;

/** A listening connection. */
export class ConnectionListener implements Listener {
  readonly isRelayed = false;
  readonly #connection: Connection;
  readonly #events: ListenerEvents;
  readonly #link: Link;
  #bells: ReadonlySet<string> = new Set();
  #isCut = false;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #closed = false;

  /** Creates a listener without bells; the first `listen()` connects it. */
  constructor(connection: Connection, events: ListenerEvents) {
    this.#connection = connection;
    this.#events = events;
    this.#link = connection.link({
      kept: true,
      name: LISTENER_NAME,
      onNotify: (name) => events.onNotify(name),
      onClose: () => this.#onCut(),
    });
  }

  async listen(bells: readonly string[]): Promise<void> {
    const before = this.#bells;
    this.#bells = new Set(bells);
    const fresh = bells.filter((name) => !before.has(name));
    const gone = [...before].filter((name) => !this.#bells.has(name));
    if (fresh.length + gone.length === 0) return;
    await this.#execute([
      ...fresh.map((name) => `LISTEN ${name}`),
      ...gone.map((name) => `UNLISTEN ${name}`),
    ]);
  }

  async check(sql: string): Promise<Row | undefined> {
    if (this.#isCut) return undefined;
    const { deadlineMs } = this.#connection;
    return (await this.#link.query(sql, [], deadlineMs)).rows[0];
  }

  async close(): Promise<void> {
    this.#closed = true;
    if (this.#timer !== undefined) clearTimeout(this.#timer);
    await this.#link.close(CLOSE_MS_MAX);
  }

  #onCut(): void {
    if (this.#closed) return;
    if (!this.#isCut) this.#events.onDisconnect();
    this.#isCut = true;
    this.#timer ??= setTimeout(() => this.#listenAgain(), RELISTEN_MS);
  }

  async #listenAgain(): Promise<void> {
    this.#timer = undefined;
    try {
      await this.#execute([...this.#bells].map((name) => `LISTEN ${name}`));
      if (this.#closed) return;
      this.#isCut = false;
      this.#events.onReconnect();
    } catch {
      this.#onCut();
    }
  }

  async #execute(statements: readonly string[]): Promise<void> {
    // An empty SELECT still shows that the server answers.
    const text = statements.join(";") || "SELECT";
    await this.#link.execute(text, this.#connection.deadlineMs);
  }
}
