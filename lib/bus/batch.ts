/**
 * A batch: several things that happen together or not at all.
 *
 * The builder only records, and the store runs what was recorded in one call.
 * So no code of the caller runs inside a transaction, which would hold the
 * machine's only write lock for as long as that code cares to wait.
 *
 * @module
 */

import type { Json } from "../model/json.ts";
import type { Lock } from "./locks.ts";
import type { Operation } from "../model/batch.ts";
import type { Appended, NewMessage } from "../model/message.ts";
import type { SessionSelf } from "./sessions.ts";
import type { SessionChange } from "../model/session.ts";
import { endOf, toPosting } from "./tasks.ts";
import type { Claim, NewTask, Task } from "../model/task.ts";
import type { PublishOptions } from "../model/publication.ts";

/** What came of a batch. */
export interface BatchResult {
  /** What became of its messages, in order. */
  readonly published: readonly Appended[];
  /** The tasks that it posted or ended, in order, as they were after it. */
  readonly tasks: readonly Task[];
}

/** Records what is to happen together. */
export class Batch {
  /** What was recorded, in order. */
  readonly operations: Operation[] = [];
  /** The locks that it gives back. */
  readonly released: Lock[] = [];
  readonly #self: SessionSelf;
  readonly #toMessage: (
    channel: string,
    payload: Json,
    options: PublishOptions,
  ) => NewMessage;

  /** Made by the bus: call {@linkcode MessageBus.batch}. */
  constructor(
    self: SessionSelf,
    toMessage: (
      channel: string,
      payload: Json,
      options: PublishOptions,
    ) => NewMessage,
  ) {
    this.#self = self;
    this.#toMessage = toMessage;
  }

  /** What was recorded, done by a session: the bus's own, by now registered. */
  operationsOf(session: string): readonly Operation[] {
    return this.operations.map((operation) => {
      switch (operation.kind) {
        case "append":
          return {
            ...operation,
            message: { ...operation.message, sender: session },
          };
        case "post-task":
          return { ...operation, posting: { ...operation.posting, session } };
        case "update-session":
          return { ...operation, id: session };
        default:
          return operation;
      }
    });
  }

  /** Publishes a message. */
  publish(channel: string, payload: Json, options: PublishOptions = {}): void {
    const message = this.#toMessage(channel, payload, options);
    this.operations.push({ kind: "append", message });
  }

  /** Gives a lock back. */
  release(lock: Lock): void {
    this.operations.push({ kind: "release-lock", hold: lock.hold });
    this.released.push(lock);
  }

  /** Posts a task. */
  post(task: NewTask): void {
    const posting = toPosting(task, this.#self);
    this.operations.push({ kind: "post-task", posting });
  }

  /** Ends a claimed task as done. */
  complete(claim: Claim, result: Json = null): void {
    const end = endOf("done", result);
    this.operations.push({ kind: "end-claim", claim, end });
  }

  /** Ends a claimed task as failed. */
  fail(claim: Claim, reason: Json = null): void {
    const end = endOf("failed", reason);
    this.operations.push({ kind: "end-claim", claim, end });
  }

  /** Gives a claimed task back undone. */
  giveBack(claim: Claim): void {
    this.operations.push({ kind: "end-claim", claim, end: { status: "open" } });
  }

  /** Changes what the session says of itself. */
  update(change: SessionChange): void {
    this.operations.push({ kind: "update-session", id: this.#self.id, change });
  }
}
