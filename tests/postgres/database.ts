/**
 * A fresh database for one test, with buses, processes and foreign programs,
 * all disposed at the end.
 *
 * @module
 */

import postgres from "postgres";
import type { Sql } from "postgres";
import { Operations } from "../../lib/bus/operations.ts";
import { PostgresStore } from "../../lib/postgres/store.ts";
import { type MessageBus, openBus, type OpenBusOptions } from "../../mod.ts";
import { Peer, type PeerOptions } from "../peer.ts";

/** A server, or a pooler before one. */
export interface DatabaseMaker {
  /** Creates a database and returns its URL. */
  newDatabase(): Promise<string>;
}

/** A fresh database, and its users. */
export class Database implements AsyncDisposable {
  /** The URL of the database. */
  readonly url: string;
  /** The warnings of buses in this process. */
  readonly warnings: string[] = [];
  readonly #opened: AsyncDisposable[] = [];

  private constructor(url: string) {
    this.url = url;
  }

  /** Creates a database. */
  static async create(maker: DatabaseMaker): Promise<Database> {
    return new Database(await maker.newDatabase());
  }

  /** Opens a bus in this process. */
  async open(options: OpenBusOptions = {}): Promise<MessageBus> {
    const bus = await openBus({
      url: this.url,
      project: null,
      warn: (message) => this.warnings.push(message),
      ...options,
    });
    this.#opened.push(bus);
    return bus;
  }

  /** Opens the store's operations, without a session. */
  async openOperations(): Promise<Operations> {
    const warn = (message: string) => void this.warnings.push(message);
    const store = await PostgresStore.open({
      url: this.url,
      notify: "auto",
      busyTimeoutMs: 20_000,
      now: Date.now,
      warn,
    });
    const limits = { channelMessagesMax: 10_000, locksMax: 1_000 };
    const operations = new Operations(store, limits, warn);
    this.#opened.push(operations);
    return operations;
  }

  /** Starts a process that opens a bus on the database. */
  async start(
    options: OpenBusOptions = {},
    peerOptions: PeerOptions = {},
  ): Promise<Peer> {
    const peer = new Peer(peerOptions);
    this.#opened.push({ [Symbol.asyncDispose]: () => peer.end() });
    await peer.call("open", { url: this.url, project: null, ...options });
    return peer;
  }

  /** Opens a connection of another program. */
  foreign(): Sql {
    const sql = postgres(this.url, { max: 1, onnotice: () => {} });
    this.#opened.push({
      [Symbol.asyncDispose]: () => sql.end({ timeout: 1 }),
    });
    return sql;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const each of this.#opened.toReversed()) {
      await each[Symbol.asyncDispose]();
    }
  }
}
