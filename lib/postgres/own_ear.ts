/**
 * A process's own ear: one listening connection.
 *
 * When it is cut, it listens again as soon as there is a server, and says so:
 * what was rung in between is lost.
 *
 * @module
 */

import type { Connection, Row } from "./connection.ts";
import type { Ear, Hearing } from "./ear.ts";
import type { Link } from "./link.ts";

/** What listening connections are called in the server's list of activities. */
export const LISTENER_NAME = "message-bus listener";

const RELISTEN_MS = 200;
const CLOSE_MS_MAX = 1_000;

/** A listening connection. */
export class OwnEar implements Ear {
  readonly isShared = false;
  readonly #connection: Connection;
  readonly #hearing: Hearing;
  readonly #link: Link;
  #bells: ReadonlySet<string> = new Set();
  #isCut = false;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #closed = false;

  /** Makes one that hears nothing yet. */
  constructor(connection: Connection, hearing: Hearing) {
    this.#connection = connection;
    this.#hearing = hearing;
    this.#link = connection.link({
      kept: true,
      name: LISTENER_NAME,
      onNotify: (name) => hearing.heard(name),
      onClose: () => this.#cut(),
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

  #cut(): void {
    if (this.#closed) return;
    if (!this.#isCut) this.#hearing.interrupted();
    this.#isCut = true;
    this.#timer ??= setTimeout(() => this.#listenAgain(), RELISTEN_MS);
  }

  async #listenAgain(): Promise<void> {
    this.#timer = undefined;
    try {
      await this.#execute([...this.#bells].map((name) => `LISTEN ${name}`));
      if (this.#closed) return;
      this.#isCut = false;
      this.#hearing.resumed();
    } catch {
      // Until there is a server again.
      this.#cut();
    }
  }

  async #execute(statements: readonly string[]): Promise<void> {
    // One that says nothing still shows that the server is there.
    const text = statements.join(";") || "SELECT";
    await this.#link.execute(text, this.#connection.deadlineMs);
  }
}
