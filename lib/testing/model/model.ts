/**
 * Plain model of a store: lists in memory, one command after the other, without
 * regard to speed. A real store must show the same.
 *
 * @module
 */

import { ttlOf } from "../../model/channels.ts";
import type { DeliveryState } from "../../model/delivery.ts";
import {
  CHANNELS,
  type Command,
  LASTING_MS,
  latest,
  PATHS,
  SESSIONS,
  STEP_MS,
  TASKS,
} from "./command.ts";
import {
  type ModelHold,
  ModelLocks,
  type ModelOutcome,
  type ModelWaiter,
} from "./locks.ts";
import { type ModelClaim, ModelTasks } from "./tasks.ts";
import type { View } from "./view.ts";

const STATES: readonly DeliveryState[] = [
  "queued",
  "noticed",
  "injected",
  "acked",
];

interface ModelMessage {
  readonly sender: string;
  readonly channel: string;
  readonly text: string;
  readonly to?: string;
  readonly expiresMs: number;
  state: DeliveryState;
  lost: boolean;
}

/** Plain model of a store. */
export class Model {
  #nowMs = 0;
  #published = 0;
  // A message's index is its place in the order.
  readonly #messages: ModelMessage[] = [];
  readonly #sessions = new Map<string, "active" | "idle" | "terminated">();
  readonly #locks = new ModelLocks();
  readonly #tasks = new ModelTasks((sender, event, task) =>
    this.#append(sender, "task_broadcast", `${event} ${task}`)
  );
  // All ever made, held or not, because commands count them.
  readonly #holds: ModelHold[] = [];
  readonly #waiters: ModelWaiter[] = [];
  readonly #claims: ModelClaim[] = [];
  readonly #posts: number[] = [];
  #name: { acked: number; lost: number; reader: boolean } | undefined;

  /** Makes a model in which every session has just registered. */
  constructor() {
    for (const session of SESSIONS) this.#register(session);
  }

  /** Runs a command; returns its result as a word. */
  do(command: Command): string {
    const by = "by" in command ? SESSIONS[command.by] : "";
    switch (command.act) {
      case "publish": {
        if (this.#hasEnded(by)) return "skipped";
        const to = command.to === null ? undefined : SESSIONS[command.to];
        const ttlMs = LASTING_MS[command.lasts];
        this.#posts.push(this.#messages.length);
        this.#append(
          by,
          CHANNELS[command.channel],
          `${this.#published++}`,
          { to, ttlMs },
        );
        return to === undefined
          ? "published"
          : `published for ${to}, running: ${!this.#hasEnded(to)}`;
      }
      case "publish to no session":
        if (this.#hasEnded(by)) return "skipped";
        if (command.atomic) return "UnknownSessionError";
        for (const text of ["before", "after"]) {
          this.#append(by, CHANNELS[0], text, { ttlMs: LASTING_MS[1] });
        }
        return "published 2";
      case "pass":
        this.#nowMs += command.steps * STEP_MS;
        return "passed";
      case "purge":
        return "purged";
      case "register":
        this.#register(by);
        return "registered";
      case "end":
        return this.#end(by);
      case "update": {
        if (this.#hasEnded(by)) return "SessionEndedError";
        if (this.#sessions.get(by) !== command.status) {
          this.#sessions.set(by, command.status);
          this.#append(by, "heartbeat", command.status);
        }
        return command.status;
      }
      case "take name":
        return this.#takeName();
      case "release name":
        if (!this.#name?.reader) return "skipped";
        this.#name.reader = false;
        return "released";
      case "acknowledge": {
        const place = latest(this.#posts, command.which);
        if (!this.#name?.reader || place === undefined) return "skipped";
        this.#name.acked = Math.max(this.#name.acked, place + 1);
        return "acknowledged";
      }
      case "lock": {
        if (this.#hasEnded(by)) return "SessionEndedError";
        return this.#outcome(this.#locks.ask({
          session: by,
          path: PATHS[command.path],
          type: command.type,
          lastsMs: LASTING_MS[command.lasts],
          else: command.else,
        }, this.#nowMs));
      }
      case "unlock": {
        const hold = latest(this.#holds, command.which);
        if (hold === undefined) return "skipped";
        const { entirely } = command;
        return this.#locks.release(hold, entirely, this.#nowMs)
          ? "released"
          : "NotHeldError";
      }
      case "renew lock": {
        const hold = latest(this.#holds, command.which);
        if (hold === undefined) return "skipped";
        if (!this.#locks.holds.includes(hold)) return "NotHeldError";
        hold.expiresMs = this.#nowMs + LASTING_MS[command.lasts];
        return "renewed";
      }
      case "check": {
        const waiter = latest(this.#waiters, command.which);
        if (waiter === undefined) return "skipped";
        const isGone = !this.#locks.waiters.includes(waiter);
        if (isGone && this.#hasEnded(waiter.session)) {
          return "SessionEndedError";
        }
        return this.#outcome(this.#locks.check(waiter), false);
      }
      case "leave": {
        const waiter = latest(this.#waiters, command.which);
        if (waiter === undefined) return "skipped";
        this.#locks.leave(waiter, this.#nowMs);
        return "left";
      }
      case "post": {
        if (this.#hasEnded(by)) return "skipped";
        const { task, priority, needs } = command;
        return this.#tasks.post(
          by,
          TASKS[task],
          priority,
          needs === null ? [] : [TASKS[needs]],
        );
      }
      case "claim": {
        if (this.#hasEnded(by)) return "SessionEndedError";
        const id = command.task === null ? null : TASKS[command.task];
        const lastsMs = LASTING_MS[command.lasts];
        const claim = this.#tasks.claim(by, id, lastsMs, this.#nowMs);
        if (typeof claim === "string") return claim;
        this.#claims.push(claim);
        return `claimed ${claim.task.id}`;
      }
      case "end claim": {
        const claim = latest(this.#claims, command.which);
        if (claim === undefined) return "skipped";
        if (!this.#tasks.isHeld(claim, this.#nowMs)) return "NotHeldError";
        this.#tasks.end(claim, command.status);
        return command.status;
      }
      case "renew claim": {
        const claim = latest(this.#claims, command.which);
        if (claim === undefined) return "skipped";
        if (!this.#tasks.isHeld(claim, this.#nowMs)) return "NotHeldError";
        claim.task.expiresMs = this.#nowMs + LASTING_MS[command.lasts];
        return "renewed";
      }
      case "move": {
        const place = latest(this.#posts, command.which);
        if (place === undefined) return "skipped";
        const message = this.#messages[place];
        if (message.to === undefined) return "skipped";
        if (this.#hasEnded(message.to)) return "SessionEndedError";
        const isOver = message.expiresMs <= this.#nowMs &&
          message.state !== "injected";
        const { state } = command;
        if (
          !isOver && STATES.indexOf(state) > STATES.indexOf(message.state)
        ) message.state = state;
        return "moved";
      }
      case "batch": {
        const hold = latest(this.#holds, command.lock);
        const claim = latest(this.#claims, command.claim);
        if (this.#hasEnded(by) || hold === undefined || claim === undefined) {
          return "skipped";
        }
        const isWhole = this.#locks.holds.includes(hold) &&
          this.#tasks.isHeld(claim, this.#nowMs);
        if (!isWhole) return "NotHeldError";
        this.#append(by, CHANNELS[0], "batch", { ttlMs: LASTING_MS[1] });
        this.#locks.release(hold, false, this.#nowMs);
        this.#tasks.end(claim, "done");
        return "done";
      }
    }
  }

  /** Returns the visible state. */
  view(): View {
    this.#tasks.look(this.#nowMs);
    const living = this.#messages.filter(({ expiresMs }) =>
      expiresMs > this.#nowMs
    );
    const inShort = ({ sender, channel, text }: ModelMessage) =>
      `${channel}: ${sender}: ${text}`;
    return {
      messages: Object.fromEntries(SESSIONS.map((session) => [
        session,
        living.filter(({ channel, to }) =>
          channel !== "task_broadcast" && (to === undefined || to === session)
        ).map(inShort),
      ])),
      broadcasts: living.filter(({ channel }) => channel === "task_broadcast")
        .map(inShort).toSorted(),
      sessions: [...this.#sessions].map(([id, status]) => `${id} ${status}`),
      locks: this.#locks.holds.map((hold) =>
        `${hold.session} ${hold.path} ${hold.type} ${hold.count}` +
        (hold.expiresMs <= this.#nowMs ? " overdue" : "")
      ),
      waiters: this.#locks.waiters.filter(({ granted }) =>
        granted === undefined
      ).map(({ session, path, type }) => `${session} ${path} ${type}`),
      tasks: this.#tasks.all.map((task) =>
        `${task.id} ${task.status} ${task.attempts} ${task.session ?? "-"} ` +
        `waits for ${this.#tasks.waitsFor(task)}`
      ),
      pending: Object.fromEntries(SESSIONS.map((session) => [
        session,
        living.filter(({ to, state }) => to === session && state !== "acked")
          .map(({ text }) => text),
      ])),
      deliveries: this.#posts.map((place) => {
        const { to, state, expiresMs } = this.#messages[place];
        if (to === undefined) return "none";
        const hasArrived = state === "injected" || state === "acked";
        return expiresMs > this.#nowMs || hasArrived ? state : "over";
      }),
      name: this.#viewName(living),
    };
  }

  #viewName(living: readonly ModelMessage[]): View["name"] {
    const name = this.#name;
    if (!name?.reader) return undefined;
    const unread = this.#messages.slice(name.acked).filter((message) =>
      message.channel === CHANNELS[0] && message.to === undefined
    );
    for (const message of unread) {
      if (message.lost || living.includes(message)) continue;
      message.lost = true;
      name.lost++;
    }
    return {
      messages: unread.filter((message) => living.includes(message))
        .map(({ text }) => text),
      lost: name.lost,
    };
  }

  #append(
    sender: string,
    channel: string,
    text: string,
    options: { to?: string; ttlMs?: number } = {},
  ): void {
    const { to, ttlMs = ttlOf(channel) * 1000 } = options;
    this.#messages.push({
      sender,
      channel,
      text,
      to,
      expiresMs: this.#nowMs + ttlMs,
      state: "queued",
      lost: false,
    });
  }

  #hasEnded(session: string): boolean {
    return this.#sessions.get(session) === "terminated";
  }

  #register(session: string): void {
    const before = this.#sessions.get(session);
    this.#sessions.set(session, "active");
    if (before === undefined || before === "terminated") {
      this.#append(session, "heartbeat", "came");
    }
  }

  #end(session: string): string {
    if (!this.#hasEnded(session)) {
      this.#sessions.set(session, "terminated");
      this.#append(session, "heartbeat", "ended");
    }
    this.#locks.end(session, this.#nowMs);
    this.#tasks.endSession(session);
    return "ended";
  }

  #takeName(): string {
    if (this.#name?.reader) return "DurableNameInUseError";
    this.#name ??= { acked: this.#messages.length, lost: 0, reader: false };
    this.#name.reader = true;
    return "taken";
  }

  #outcome(outcome: ModelOutcome, isNew = true): string {
    if (outcome.state === "held") this.#holds.push(outcome.hold);
    if (outcome.state === "waiting" && isNew) {
      this.#waiters.push(outcome.waiter);
    }
    return outcome.state;
  }
}
