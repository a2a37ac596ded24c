/**
 * Batch: several operations in one transaction, all or none.
 *
 * The builder only records operations, and the store runs them in one call. No code
 * of the caller runs inside the transaction, because it would hold the machine's
 * only write lock while it waits.
 *
 * @module
 */

import type { Json } from "../model/json.ts";
import type { Lock } from "./locks.ts";
import type { Operation } from "../model/batch.ts";
import type { Appended, NewMessage } from "../model/message.ts";
import type { SessionSelf } from "./sessions.ts";
import type { SessionChange } from "../model/session.ts";
import { assertSessionChange } from "./sessions.ts";
import { endOf, toPosting } from "./tasks.ts";
import type { Claim, NewTask, Task } from "../model/task.ts";
import { PUBLISH_KEYS, type PublishOptions } from "../model/publication.ts";
import { assertKnownKeys } from "../model/known_keys.ts";

/** Result of a batch. */
export interface BatchResult {
  /** Published messages, in order. */
  readonly published: readonly Appended[];
  /** Posted and ended tasks, in order, as after the batch. */
  readonly tasks: readonly Task[];
}

/** Recorder of the operations of a batch. */
export class Batch {
  /** Recorded operations, in order. */
  readonly operations: Operation[] = [];
  /** Locks that the batch releases. */
  readonly released: Lock[] = [];
  readonly #self: SessionSelf;
  readonly #toMessage: (
    channel: string,
    payload: Json,
    options: PublishOptions,
  ) => NewMessage;

  /** Called by {@linkcode MessageBus.batch}. */
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

  /** Returns the recorded operations as acts of a registered session. */
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
    assertKnownKeys(`publish on "${channel}"`, options, PUBLISH_KEYS);
    const message = this.#toMessage(channel, payload, options);
    this.operations.push({ kind: "append", message });
  }

  /** Releases a lock. */
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

  /** Releases a claimed task undone. */
  giveBack(claim: Claim): void {
    this.operations.push({ kind: "end-claim", claim, end: { status: "open" } });
  }

  /** Changes facts of the bus's own session. */
  update(change: SessionChange): void {
    assertSessionChange(this.#self.id, change);
    this.operations.push({ kind: "update-session", id: this.#self.id, change });
  }
}
