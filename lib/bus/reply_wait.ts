/**
 * Waiting for the answer to a question, for as long as somebody may give it.
 *
 * Any message wakes it: the answer, and also the news that the session which
 * was asked has ended. As one that was killed tells nobody, its process is
 * looked at now and then.
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
import type { Session } from "../model/session.ts";
import type { Watch } from "../store/store.ts";
import type { Appended, Message } from "../model/message.ts";

/** How often to look whether the session that was asked still lives. */
const LOOK_MS = 250;

/** The answer to one question. */
export class Answer {
  readonly #operations: Operations;
  readonly #self: SessionSelf;
  readonly #changes: Changes;
  #watch: Watch | undefined;

  /** Made before the question is put. */
  constructor(operations: Operations, self: SessionSelf, signal?: AbortSignal) {
    this.#operations = operations;
    this.#self = self;
    this.#changes = new Changes(self.closing, signal);
  }

  /** Begins to watch: no answer that is given later is missed. */
  async watch(): Promise<void> {
    this.#watch = await this.#operations.watch(
      { channels: null, project: null, session: this.#self.id },
      this.#changes.wake,
    );
  }

  /**
   * The answer to a question that was put at `startedAt`.
   *
   * @throws {AskTimeoutError} If none comes within `timeoutMs` of that.
   * @throws {AskUnansweredError} If the session ends before.
   */
  async to(
    question: Pick<Appended, "id" | "to">,
    startedAt: number,
    timeoutMs: number,
  ): Promise<Message> {
    const { id } = question;
    const to = question.to!;
    let asked = await this.#operations.session(to);
    const look = setInterval(() => {
      if (asked !== undefined && isDead(asked)) this.#changes.wake();
    }, LOOK_MS);
    const timer = setTimeout(
      this.#changes.wake,
      Math.max(0, startedAt + timeoutMs - performance.now()),
    );
    try {
      for (;;) {
        // In this order: its last words may be the answer.
        const ended = asked === undefined || asked.status === "terminated" ||
          isDead(asked);
        // Whoever reads the inbox meanwhile may have acknowledged it already.
        const answer = await this.#operations.answerTo(this.#self.id, id);
        if (answer !== undefined) {
          await this.#operations.moveDeliveries(
            this.#self.id,
            [answer.id],
            "acked",
          );
          return answer;
        }
        if (ended) throw new AskUnansweredError(to, id);
        const waitedMs = performance.now() - startedAt;
        if (waitedMs >= timeoutMs) throw await this.#timeout(to, id, waitedMs);
        if (!await this.#changes.next()) throw new ClosedError(`ask "${to}"`);
        asked = await this.#operations.session(to);
      }
    } finally {
      clearInterval(look);
      clearTimeout(timer);
    }
  }

  /** Ends the watch. */
  close(): void {
    this.#watch?.close();
    this.#changes.close();
  }

  async #timeout(
    to: string,
    id: string,
    waitedMs: number,
  ): Promise<AskTimeoutError> {
    const delivery = await this.#operations.delivery(id);
    return new AskTimeoutError(to, id, waitedMs, delivery?.state ?? "gone");
  }
}

function isDead(session: Session): boolean {
  return lifeOf(session) === "dead";
}
