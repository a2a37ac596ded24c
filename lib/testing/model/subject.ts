/**
 * Store under a history: runs the same commands as the model, and shows its state
 * in the same words.
 *
 * Each session has a store of its own, so they see each other through the storage
 * only. While time passes, waiters and the durable reader renew their leases, as
 * their programs do.
 *
 * @module
 */

import assert from "node:assert/strict";
import { NOTICE_CHANNEL } from "../../model/channels.ts";
import { MessageBusError } from "../../model/errors.ts";
import type { Hold, LockOutcome } from "../../model/lock.ts";
import type { DurableReader } from "../../model/durable.ts";
import type { Claim } from "../../model/task.ts";
import { ON_CHANNEL, type Peer, targetOf } from "../peer.ts";
import type { Scene } from "../scene.ts";
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
import type { View } from "./view.ts";

// Shorter than every lease that must be renewed.
const RENEWED_PER_STEP = 5;

/** Store under a history. */
export class Subject {
  readonly #scene: Scene;
  readonly #peers: readonly Peer[];
  readonly #holds: Hold[] = [];
  readonly #waiters: { readonly by: Peer; readonly waiter: string }[] = [];
  readonly #claims: Claim[] = [];
  readonly #posts: string[] = [];
  #reader: { readonly by: Peer; readonly taken: DurableReader } | undefined;
  readonly #tokens = new Set<number>();
  #published = 0;
  #views = 0;
  #lastToken = 0;

  private constructor(scene: Scene, peers: readonly Peer[]) {
    this.#scene = scene;
    this.#peers = peers;
  }

  /** Makes one in which every session has just registered. */
  static async on(scene: Scene): Promise<Subject> {
    const peers: Peer[] = [];
    for (const id of SESSIONS) peers.push(await scene.peer(id));
    return new Subject(scene, peers);
  }

  /** Runs a command; returns its result as a word. */
  async do(command: Command): Promise<string> {
    try {
      return await this.#do(command);
    } catch (error) {
      if (error instanceof MessageBusError) return error.name;
      throw error;
    }
  }

  async #do(command: Command): Promise<string> {
    const by = "by" in command ? this.#peers[command.by] : this.#peers[0];
    const { store } = by;
    const hasEnded = async ({ id }: Peer) =>
      (await store.session(id))?.status === "terminated";
    switch (command.act) {
      case "publish": {
        if (await hasEnded(by)) return "skipped";
        const [sent] = await by.appendAll([
          by.message(`${this.#published++}`, {
            channel: CHANNELS[command.channel],
            ttlSeconds: LASTING_MS[command.lasts] / 1000,
            to: command.to === null ? undefined : SESSIONS[command.to],
          }),
        ]);
        this.#posts.push(sent.id);
        return sent.to === undefined
          ? "published"
          : `published for ${sent.to}, running: ${!sent.notRunning}`;
      }
      case "publish to no session": {
        if (await hasEnded(by)) return "skipped";
        const ttlSeconds = LASTING_MS[1] / 1000;
        const results = await store.append([
          by.message("before", { ttlSeconds }),
          by.message("unsent", { to: "nobody" }),
          by.message("after", { ttlSeconds }),
        ], { atomic: command.atomic });
        return `published ${results.filter((each) => "id" in each).length}`;
      }
      case "pass":
        for (let i = 0; i < command.steps; i++) await this.#step();
        return "passed";
      case "purge":
        await store.purge();
        return "purged";
      case "register":
        await by.register();
        return "registered";
      case "end":
        await store.endSession(by.id);
        return "ended";
      case "update": {
        const { status } = command;
        return (await store.updateSession(by.id, { status })).status;
      }
      case "take name": {
        const end = await store.endCursor();
        const taken = await store.takeDurable("d", ON_CHANNEL, end);
        this.#reader = { by, taken };
        return "taken";
      }
      case "release name": {
        if (this.#reader === undefined) return "skipped";
        await this.#reader.by.store.releaseDurable(this.#reader.taken);
        this.#reader = undefined;
        return "released";
      }
      case "acknowledge": {
        const id = latest(this.#posts, command.which);
        if (this.#reader === undefined || id === undefined) return "skipped";
        const reader = this.#reader.by;
        const taken = await reader.store.advanceDurable(
          this.#reader.taken,
          id,
        );
        this.#reader = { by: reader, taken };
        return "acknowledged";
      }
      case "lock":
        return this.#outcome(
          by,
          await by.ask(PATHS[command.path], {
            kind: PATHS[command.path] === "/d" ? "folder" : "file",
            type: command.type,
            leaseMs: LASTING_MS[command.lasts],
            wait: command.else === "wait",
            takeOver: command.else === "take over",
          }),
        );
      case "unlock": {
        const hold = latest(this.#holds, command.which);
        if (hold === undefined) return "skipped";
        await store.releaseLock(hold, { entirely: command.entirely });
        return "released";
      }
      case "renew lock": {
        const hold = latest(this.#holds, command.which);
        if (hold === undefined) return "skipped";
        await store.renewLock(hold, LASTING_MS[command.lasts]);
        return "renewed";
      }
      case "check": {
        const waiting = latest(this.#waiters, command.which);
        if (waiting === undefined) return "skipped";
        const { waiter } = waiting;
        const outcome = await waiting.by.check(waiter);
        return this.#outcome(waiting.by, outcome, false);
      }
      case "leave": {
        const waiting = latest(this.#waiters, command.which);
        if (waiting === undefined) return "skipped";
        await waiting.by.store.leaveQueue(waiting.waiter);
        return "left";
      }
      case "post": {
        if (await hasEnded(by)) return "skipped";
        await by.post(TASKS[command.task], {
          priority: command.priority,
          dependsOn: command.needs === null ? [] : [TASKS[command.needs]],
        });
        return "posted";
      }
      case "claim": {
        const claimer = by.claimer({ leaseMs: LASTING_MS[command.lasts] });
        const claim = command.task === null
          ? await store.claimNextTask({}, claimer)
          : await store.claimTask(TASKS[command.task], claimer);
        if (claim === undefined) return "none";
        this.#claims.push(claim);
        this.#grows(claim.token);
        return `claimed ${claim.id}`;
      }
      case "end claim": {
        const claim = latest(this.#claims, command.which);
        if (claim === undefined) return "skipped";
        const { status } = command;
        await store.endClaim(
          claim,
          status === "open" ? { status } : { status, resultText: "null" },
        );
        return status;
      }
      case "renew claim": {
        const claim = latest(this.#claims, command.which);
        if (claim === undefined) return "skipped";
        await store.renewTask(claim, LASTING_MS[command.lasts]);
        return "renewed";
      }
      case "move": {
        const id = latest(this.#posts, command.which);
        const delivery = id === undefined
          ? undefined
          : await store.delivery(id);
        if (delivery === undefined) return "skipped";
        const { to } = delivery;
        const addressee = this.#peers.find((peer) => peer.id === to)!;
        await addressee.store.moveDeliveries(
          to,
          [delivery.id],
          command.state,
        );
        return "moved";
      }
      case "batch": {
        const hold = latest(this.#holds, command.lock);
        const claim = latest(this.#claims, command.claim);
        if (
          hold === undefined || claim === undefined || await hasEnded(by)
        ) return "skipped";
        const ttlSeconds = LASTING_MS[1] / 1000;
        const end = { status: "done", resultText: "null" } as const;
        await store.batch([
          { kind: "append", message: by.message("batch", { ttlSeconds }) },
          { kind: "release-lock", hold },
          { kind: "end-claim", claim, end },
        ]);
        return "done";
      }
    }
  }

  /** Returns the visible state, by each store in turn. */
  async view(): Promise<View> {
    const { store } = this.#peers[this.#views++ % this.#peers.length];
    // First the looks that may reap or requeue.
    const tasks = await store.tasks({ project: null, exactProject: true });
    const locks = await store.locks({ project: null });
    const waiters = await store.lockWaiters(targetOf("/", "folder"));
    const sessions = await store.sessions({ project: null, ended: true });
    for (const { token } of locks) this.#grows(token);
    const read = async (channels: string[], session: string | null) => {
      const { messages } = await store.read(
        { channels, project: null, session },
        store.startCursor,
        10_000,
      );
      return messages.map(({ channel, sender, payload }) => {
        const { event, task } = Object(payload);
        const text = [event ?? payload, task].filter((word) =>
          word !== undefined
        );
        return `${channel}: ${sender}: ${text.join(" ")}`;
        // Any look may announce a silent session, and any purge an unread message.
      }).filter((line) => !line.endsWith(": stale"));
    };
    return {
      messages: await forEach((id) => read([...CHANNELS, "heartbeat"], id)),
      broadcasts: (await read(["task_broadcast"], null)).toSorted(),
      sessions: sessions.map(({ id, status }) => `${id} ${status}`),
      locks: locks.map((hold) =>
        `${hold.session} ${hold.path} ${hold.type} ${hold.count}` +
        (hold.overdue ? " overdue" : "")
      ),
      waiters: waiters.map(({ session, path, type }) =>
        `${session} ${path} ${type}`
      ),
      tasks: tasks.map((task) =>
        `${task.id} ${task.status} ${task.attempts} ${task.session ?? "-"} ` +
        `waits for ${task.waitsFor}`
      ),
      pending: await forEach(async (id) =>
        (await store.pendingFor(id, store.startCursor, 1_000))
          .filter(({ channel }) => channel !== NOTICE_CHANNEL)
          .map(({ payload }) => String(payload))
      ),
      deliveries: await Promise.all(this.#posts.map(async (id) => {
        const state = (await store.delivery(id))?.state ?? "none";
        // One of the two, depending on the time of the look.
        return state === "expired" || state === "undeliverable"
          ? "over"
          : state;
      })),
      name: await this.#viewName(),
    };
  }

  async #viewName(): Promise<View["name"]> {
    if (this.#reader === undefined) return undefined;
    const { by, taken } = this.#reader;
    const page = await by.store.readDurable(
      taken,
      ON_CHANNEL,
      taken.cursor,
      10_000,
    );
    const messages = page.messages.map(({ payload }) => String(payload));
    return { messages, lost: page.lost };
  }

  async #step(): Promise<void> {
    for (let i = 0; i < RENEWED_PER_STEP; i++) {
      await this.#scene.advance(STEP_MS / RENEWED_PER_STEP);
      for (const { store } of this.#peers) {
        await store.lockWaiters(targetOf("/", "folder"));
      }
      if (this.#reader !== undefined) {
        const { by, taken } = this.#reader;
        await by.store.advanceDurable(taken);
      }
    }
  }

  #outcome(by: Peer, outcome: LockOutcome, isNew = true): string {
    if (outcome.state === "held") this.#holds.push(outcome.hold);
    if (outcome.state === "waiting" && isNew) {
      this.#waiters.push({ by, waiter: outcome.waiter });
    }
    return outcome.state;
  }

  /** Asserts that a new token is greater than all earlier ones. */
  #grows(token: number): void {
    const isKnown = this.#tokens.has(token);
    assert.ok(
      isKnown || token > this.#lastToken,
      `A token ${token} was given after ${this.#lastToken}`,
    );
    this.#tokens.add(token);
    this.#lastToken = Math.max(this.#lastToken, token);
  }
}

async function forEach<T>(
  of: (session: string) => Promise<T>,
): Promise<Record<string, T>> {
  const entries: [string, T][] = [];
  for (const session of SESSIONS) entries.push([session, await of(session)]);
  return Object.fromEntries(entries);
}
