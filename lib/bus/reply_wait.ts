/**
 * Waiting for the reply to a question.
 *
 * Any message wakes the wait: the reply, or the announcement that the asked session
 * has ended. A killed session announces nothing, so its process is checked
 * periodically.
 *
 * @module
 */

import type { Operations } from "./operations.ts";
import { Changes } from "./changes.ts";
import {
  AskTimeoutError,
  AskUnansweredError,
  ClosedError,
} from "../model/errors.ts";
import { lifeOf } from "../sql/session_rows.ts";
import type { SessionSelf } from "./sessions.ts";
import { nameOf, type Session } from "../model/session.ts";
import type { Watch } from "../store/store.ts";
import type { Appended, Message } from "../model/message.ts";

/** Interval of checks whether the asked session lives, in milliseconds. */
const CHECK_MS = 250;

// Longest delay of a timer; a longer one fires at once.
const TIMER_MS_MAX = 2 ** 31 - 1;

/** Wait for the reply to one question. */
export class ReplyWait {
  readonly #operations: Operations;
  readonly #self: SessionSelf;
  readonly #changes: Changes;
  #watch: Watch | undefined;

  /** Makes a wait, before the question is published. */
  constructor(operations: Operations, self: SessionSelf, signal?: AbortSignal) {
    this.#operations = operations;
    this.#self = self;
    this.#changes = new Changes(self.closing, signal);
  }

  /** Starts watching; no reply after this is missed. */
  async watch(): Promise<void> {
    this.#watch = await this.#operations.watch(
      { channels: null, project: null, session: this.#self.id },
      this.#changes.wake,
    );
  }

  /**
   * Returns the reply to a question that was published at `startedAt`.
   *
   * @throws {AskTimeoutError} If no reply comes within `timeoutMs` of `startedAt`.
   * @throws {AskUnansweredError} If the session ends without a reply.
   */
  async replyTo(
    question: Pick<Appended, "id" | "to" | "toName">,
    startedAt: number,
    timeoutMs: number,
  ): Promise<Message> {
    const { id, toName } = question;
    const to = question.to!;
    const name = toName ?? to;
    let asked = await this.#operations.session(to);
    const check = setInterval(() => {
      if (asked !== undefined && isDead(asked)) this.#changes.wake();
    }, CHECK_MS);
    let timer: ReturnType<typeof setTimeout> | undefined;
    try {
      for (;;) {
        // Checked before reading, because a session may reply and then end.
        const ended = asked === undefined || asked.status === "terminated" ||
          isDead(asked);
        // Also finds a reply that a reader of the inbox has acknowledged.
        const answer = await this.#operations.answerTo(this.#self.id, id);
        if (answer !== undefined) return answer;
        if (ended) throw new AskUnansweredError(to, id, name);
        const waitedMs = performance.now() - startedAt;
        if (waitedMs >= timeoutMs) {
          throw await this.#timeout(asked!, id, waitedMs);
        }
        // Set at each round, because a timer may fire up to 1 ms early.
        clearTimeout(timer);
        timer = setTimeout(
          this.#changes.wake,
          Math.min(Math.ceil(timeoutMs - waitedMs), TIMER_MS_MAX),
        );
        if (!await this.#changes.next()) throw new ClosedError(`ask "${name}"`);
        asked = await this.#operations.session(to);
      }
    } finally {
      clearInterval(check);
      clearTimeout(timer);
    }
  }

  /** Ends the watch. */
  close(): void {
    this.#watch?.close();
    this.#changes.close();
  }

  async #timeout(
    asked: Session,
    id: string,
    waitedMs: number,
  ): Promise<AskTimeoutError> {
    const delivery = await this.#operations.delivery(id);
    return new AskTimeoutError(asked.id, id, waitedMs, {
      delivery: delivery?.state ?? "gone",
      name: nameOf(asked),
      isActive: asked.status === "active",
    });
  }
}

function isDead(session: Session): boolean {
  return lifeOf(session) === "dead";
}
