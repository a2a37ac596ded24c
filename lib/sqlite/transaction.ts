/**
 * What the operations of the domain work with inside one write transaction.
 *
 * Who is to be rung can only be rung after the commit, so the transaction
 * keeps note of what it appended; the store rings when it is through.
 *
 * @module
 */

import type { NewMessage } from "../store.ts";
import type { Connection } from "./connection.ts";
import { insert } from "./messages.ts";

/** A write transaction that is under way. */
export class Transaction {
  /** The database it runs on. */
  readonly connection: Connection;
  /** The time at which it happens, in milliseconds since 1970. */
  readonly nowMs: number;
  /** What it has appended, for ringing. */
  readonly appended: NewMessage[] = [];

  /** Made by the store for each attempt at a write. */
  constructor(connection: Connection, nowMs: number) {
    this.connection = connection;
    this.nowMs = nowMs;
  }

  /** Appends a message; returns its id. */
  append(message: NewMessage): string {
    const id = insert(this.connection, message, this.nowMs);
    this.appended.push(message);
    return id;
  }

  /** Runs `work` so that nothing of it stays if it throws. */
  savepoint<T>(work: () => T): T {
    const appended = this.appended.length;
    try {
      return this.connection.savepoint(work);
    } catch (error) {
      this.appended.length = appended;
      throw error;
    }
  }

  /** The next number of the counter that only grows. */
  nextFencingToken(): number {
    const row = this.connection.sql(
      "UPDATE counters SET value = value + 1 WHERE name = 'fencing' RETURNING value",
    ).get();
    return Number(row!.value);
  }
}
