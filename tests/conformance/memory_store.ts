/**
 * Store in memory: the smallest store that passes the conformance suite.
 *
 * It is an example for a store of a third party, and serves one process. It loads
 * only the records of a query, or all records: a store may do either.
 *
 * @module
 */

import { parseCursor } from "../../lib/sql/message_rows.ts";
import { hostId, processAlive, processStart } from "../../lib/process/host.ts";
import { entryKindOf } from "../../lib/path/paths.ts";
import { publish } from "../../lib/rules/messages.ts";
import { Records } from "../../lib/rules/records.ts";
import type { Decide, Moment } from "../../lib/rules/rule.ts";
import type { Incarnation } from "../../lib/model/session.ts";
import {
  ClosedError,
  InvalidInputError,
  MessageBusError,
} from "../../lib/model/errors.ts";
import type {
  RecordTopic,
  Rule,
  Seen,
  Stats,
  Store,
  StoreCapabilities,
  Watch,
} from "../../lib/store/store.ts";
import type {
  AppendResult,
  Interest,
  Message,
  MessageFilter,
  NewMessage,
  Page,
} from "../../lib/model/message.ts";
import { type Extent, Memory } from "./memory.ts";

/** State that the stores of one storage share. */
export class Shared extends Memory {
  readonly watches = new Set<
    (said: Message[], topics: RecordTopic[]) => void
  >();
}

/** Store over a {@linkcode Shared}. */
export class MemoryStore implements Store {
  readonly capabilities: StoreCapabilities = {
    pushesWakeUps: true,
    atomicBatches: true,
    exactLossCounts: true,
    acceptsForeignRows: false,
  };
  readonly location = "memory";
  readonly now: () => number;
  readonly #memory: Shared;
  readonly #extent: Extent;
  readonly #incarnations = new Map<string, Incarnation>();
  readonly #watches = new Set<Watch>();
  #isClosed = false;

  /** Makes a store over state that other stores may share. */
  constructor(memory: Shared, now: () => number, extent: Extent = "all") {
    this.#memory = memory;
    this.#extent = extent;
    this.now = now;
  }

  append(
    messages: readonly NewMessage[],
    { atomic }: { readonly atomic: boolean },
  ): Promise<readonly AppendResult[]> {
    return this.#do("publish", () => {
      if (atomic) return this.#commit(publishing(messages));
      return messages.flatMap((message): readonly AppendResult[] => {
        try {
          return this.#commit(publishing([message]));
        } catch (error) {
          if (error instanceof MessageBusError) return [{ error }];
          throw error;
        }
      });
    });
  }

  read(
    filter: MessageFilter,
    cursor: string,
    limit: number,
  ): Promise<Page> {
    return this.#do("read messages", () => {
      if (Number(cursor) > this.#memory.lastId) {
        throw new InvalidInputError("cursor", "Cannot read beyond the end.");
      }
      const after = this.#memory.messages
        .filter(({ id }) => Number(id) > Number(cursor));
      const living = after.filter(({ expiresAt }) =>
        Date.parse(expiresAt) > this.now()
      );
      const { delivery } = this.#memory.records;
      const messages = living.filter((message) => this.#wants(filter, message))
        .slice(0, limit)
        .map((message) =>
          filter.pending === undefined
            ? message
            : { ...message, to: delivery.get(message.id)!.to }
        );
      return {
        messages,
        cursor: messages.length === limit
          ? messages.at(-1)!.id
          : String(this.#memory.lastId),
        passedExpired: living.length < after.length,
      };
    });
  }

  endCursor(): Promise<string> {
    return this.#do("read messages", () => String(this.#memory.lastId));
  }

  parseCursor(text: string): string {
    return text === "start" ? "0" : parseCursor(text);
  }

  look<T>({ act, decide }: Rule<T>): Promise<Seen<T> | undefined> {
    return this.#do(act, () => {
      const { result, records } = this.#run(decide);
      return records.isChanged ? undefined : { result };
    });
  }

  update<T>({ act, decide }: Rule<T>): Promise<T> {
    return this.#do(act, () => this.#commit(decide));
  }

  watch(topic: Interest | RecordTopic, wake: () => void): Promise<Watch> {
    return this.#do("watch", () => {
      const listener = (said: Message[], topics: RecordTopic[]) => {
        const isConcerned = "topic" in topic
          ? topics.some(({ topic: changed, session }) =>
            changed === topic.topic &&
            (session === null || topic.session === null ||
              session === topic.session)
          )
          : said.some((message) =>
            this.#wants(topic, message) ||
            topic.session === null && message.to !== undefined
          );
        if (isConcerned) wake();
      };
      this.#memory.watches.add(listener);
      const close = () => {
        this.#memory.watches.delete(listener);
        this.#watches.delete(watch);
      };
      const watch: Watch = { mode: "push", close, [Symbol.dispose]: close };
      this.#watches.add(watch);
      return watch;
    });
  }

  maintain(): Promise<{ readonly more: boolean }> {
    return this.#do("maintain", () => ({ more: false }));
  }

  stats(): Promise<Stats> {
    return this.#do("read statistics", () => {
      const { records, messages } = this.#memory;
      const living = messages.filter(({ expiresAt }) =>
        Date.parse(expiresAt) > this.now()
      );
      const channels = Map.groupBy(living, ({ channel }) => channel);
      return {
        location: this.location,
        messages: living.length,
        channels: [...channels]
          .map(([channel, { length }]) => ({ channel, messages: length }))
          .sort((a, b) =>
            b.messages - a.messages || (a.channel < b.channel ? -1 : 1)
          ),
        sessions: [...records.session.values()]
          .filter(({ status }) => status !== "terminated").length,
        durableNames: records.durable.size,
        storeBytes: JSON.stringify([...records.session, messages]).length,
        walBytes: 0,
      };
    });
  }

  close(): Promise<void> {
    this.#isClosed = true;
    for (const watch of this.#watches) watch.close();
    return Promise.resolve();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /** Runs an operation alone, because all are synchronous. */
  async #do<T>(act: string, operation: () => T): Promise<T> {
    if (this.#isClosed) throw new ClosedError(act);
    await Promise.resolve();
    return operation();
  }

  #wants(filter: MessageFilter, message: Message): boolean {
    const { channels, project, session, pending, replyTo, sentBy } = filter;
    if (sentBy !== undefined) {
      return message.sender === sentBy && message.to !== undefined;
    }
    const delivery = this.#memory.records.delivery.get(message.id);
    const state = delivery?.state;
    const to = pending === undefined ? message.to : delivery?.to;
    return (channels === null || channels.includes(message.channel)) &&
      (project === null || message.project === undefined ||
        message.project === project) &&
      (to === undefined ? pending === undefined : to === session) &&
      (replyTo === undefined ||
        message.replyTo === replyTo && message.to === session) &&
      (pending === undefined ||
        state === "queued" || state === "noticed" ||
        state === "injected" && pending === "unacknowledged");
  }

  #run<T>(decide: Decide<T>): { result: T; records: Records } {
    const records = new Records(entryKindOf);
    const plan = decide(records, this.#moment());
    for (;;) {
      const step = plan.next();
      if (step.done) return { result: step.value, records };
      for (const query of step.value) {
        this.#memory.load(records, query, this.now(), this.#extent);
      }
    }
  }

  #moment(): Moment {
    return {
      nowMs: this.now(),
      self: {
        pid: Deno.pid,
        startTime: processStart(Deno.pid) ?? "",
        host: hostId(),
      },
      life: (process) => processAlive(process, process.host),
      nextToken: () => ++this.#memory.lastToken,
      incarnations: this.#incarnations,
    };
  }

  #commit<T>(decide: Decide<T>): T {
    const { result, records } = this.#run(decide);
    const said = this.#memory.commit(records, this.now());
    for (const session of records.registered) {
      this.#incarnations.set(session.id, session);
    }
    for (const wake of this.#memory.watches) wake(said, [...records.wakes]);
    return result;
  }
}

function publishing(
  messages: readonly NewMessage[],
): Decide<readonly AppendResult[]> {
  return function* (records, at) {
    const appended: AppendResult[] = [];
    for (const message of messages) {
      appended.push(yield* publish(records, at, message));
    }
    return appended;
  };
}
