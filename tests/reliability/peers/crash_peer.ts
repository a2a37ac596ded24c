/**
 * A process that publishes, reads, locks, claims, purges, and opens and closes
 * buses until it is killed. It records each step (history.ts), and its choices
 * follow from its seed.
 *
 * @module
 */

import type { Message, MessageBus } from "../../../mod.ts";
import {
  CHANNELS,
  type CrashPeerStart,
  errorText,
  NAMES,
  PATHS,
} from "../crash_workload.ts";
import { type HoldMark, Recorder } from "../history.ts";
import { Chance } from "../seed.ts";

const start: CrashPeerStart = JSON.parse(Deno.args[0]);

/** The loaded library, with the types of this checkout. */
type Library = typeof import("../../../mod.ts");

class CrashPeer {
  readonly #library: Library;
  readonly #recorder: Recorder;
  readonly #chance: Chance;
  #bus!: MessageBus;
  #published = 0;
  #subscriptions = 0;

  constructor(library: Library, recorder: Recorder, chance: Chance) {
    this.#library = library;
    this.#recorder = recorder;
    this.#chance = chance;
  }

  async live(): Promise<void> {
    this.#bus = await this.#open(start.session);
    // Reading continues in the background.
    for (const name of Object.keys(NAMES)) this.#consume(name);
    this.#follow();
    const acts = [
      () => this.#publishOne(this.#bus),
      () => this.#publishOne(this.#bus),
      () => this.#publishTogether(),
      () => this.#publishMany(),
      () => this.#publishBrief(),
      () => this.#lock(),
      () => this.#lock(),
      () => this.#claim(),
      () => this.#claim(),
      () => this.#comeAndGo(),
      () => this.#bus.purge(),
      () => pause(this.#chance.whole(1, 10)),
    ];
    for (;;) {
      const act = this.#chance.of(acts);
      await this.#try(act.toString(), act);
    }
  }

  /** Runs an action, and records its failure. */
  async #try(act: string, work: () => Promise<unknown>): Promise<void> {
    try {
      await work();
    } catch (error) {
      this.#recorder.record({ action: "failed", act, error: errorText(error) });
    }
  }

  async #open(session: string): Promise<MessageBus> {
    return await this.#library.openBus({
      home: start.home,
      project: null,
      session,
      publishesPerSecondMax: 1e6,
      // Longer than any holder lives, so a timeout means a lock that is never
      // released.
      busyTimeoutMs: 60_000,
      channelMessagesMax: 1e6,
      warn: (error) =>
        this.#recorder.record({ action: "failed", act: "go on", error }),
    });
  }

  #key(): string {
    return `${start.peer}/${this.#published++}`;
  }

  async #publishOne(bus: MessageBus): Promise<void> {
    const key = this.#key();
    const channel = CHANNELS.kept;
    this.#recorder.record({ action: "publishing", channel, keys: [key] });
    const { id } = await bus.publish(channel, key, KEPT);
    this.#recorder.record({
      action: "published",
      channel,
      keys: [key],
      ids: [id],
    });
  }

  /** Publishes several messages in one tick: one transaction, no group. */
  async #publishTogether(): Promise<void> {
    const channel = CHANNELS.kept;
    const keys = Array.from({ length: 5 }, () => this.#key());
    this.#recorder.record({ action: "publishing", channel, keys });
    const published = await Promise.all(
      keys.map((key) => this.#bus.publish(channel, key, KEPT)),
    );
    const ids = published.map(({ id }) => id);
    this.#recorder.record({ action: "published", channel, keys, ids });
  }

  /** Publishes several messages in one call: all or none. */
  async #publishMany(): Promise<void> {
    const channel = CHANNELS.kept;
    const keys = Array.from({ length: 4 }, () => this.#key());
    this.#recorder.record({ action: "publishing", channel, keys, group: true });
    const published = this.#chance.happens(0.5)
      ? await this.#bus.publishMany(
        keys.map((payload) => ({ channel, payload, ...KEPT })),
      )
      : (await this.#bus.batch((b) => {
        for (const key of keys) b.publish(channel, key, KEPT);
      })).published;
    const ids = published.map(({ id }) => id);
    this.#recorder.record({ action: "published", channel, keys, ids });
  }

  async #publishBrief(): Promise<void> {
    const channel = CHANNELS.brief;
    const keys = Array.from({ length: 3 }, () => this.#key());
    this.#recorder.record({ action: "publishing", channel, keys });
    const published = await Promise.all(
      keys.map((key) => this.#bus.publish(channel, key, { ttlSeconds: 0.03 })),
    );
    const ids = published.map(({ id }) => id);
    this.#recorder.record({ action: "published", channel, keys, ids });
  }

  /** Opens another bus in this process, and closes it. */
  async #comeAndGo(): Promise<void> {
    const bus = await this.#open(`${start.session}-guest`);
    try {
      await this.#publishOne(bus);
    } finally {
      await bus.close();
    }
  }

  async #lock(): Promise<void> {
    const resource = `${start.home}/file-${this.#chance.whole(0, PATHS)}`;
    const exclusive = this.#chance.happens(0.7);
    let lock;
    try {
      lock = await this.#bus.locks.acquire(resource, {
        type: exclusive ? "exclusive" : "advisory",
        waitMs: this.#chance.whole(0, 100),
      });
    } catch (error) {
      if (error instanceof this.#library.LockHeldError) return;
      throw error;
    }
    const mark: HoldMark = { kind: "lock", resource, token: lock.token };
    this.#recorder.record({ action: "acquired", exclusive, ...mark });
    try {
      await pause(this.#chance.whole(0, 6));
      if (this.#chance.happens(0.3)) await lock.renew();
      this.#recorder.record({ action: "releasing", ...mark });
      await lock.release();
    } catch (error) {
      this.#lostOr(error, mark);
    }
  }

  async #claim(): Promise<void> {
    if (this.#chance.happens(0.4)) {
      const task = this.#key();
      await this.#bus.tasks.post({ id: task, title: "do it" });
      this.#recorder.record({ action: "posted", task });
    }
    const claim = await this.#bus.tasks.claimNext();
    if (claim === undefined) return;
    const mark: HoldMark = {
      kind: "claim",
      resource: claim.id,
      token: claim.token,
    };
    this.#recorder.record({ action: "acquired", exclusive: true, ...mark });
    try {
      await pause(this.#chance.whole(0, 4));
      if (this.#chance.happens(0.3)) await this.#bus.tasks.renew(claim);
      this.#recorder.record({ action: "releasing", ...mark });
      if (this.#chance.happens(0.3)) await this.#bus.tasks.release(claim);
      else {
        await this.#bus.tasks.complete(claim);
        this.#recorder.record({ action: "completed", ...mark });
      }
    } catch (error) {
      this.#lostOr(error, mark);
    }
  }

  #lostOr(error: unknown, mark: HoldMark): void {
    if (!(error instanceof this.#library.NotHeldError)) throw error;
    this.#recorder.record({ action: "lost-hold", ...mark });
  }

  /** Reads under a durable name while no other process does. */
  async #consume(durable: string): Promise<void> {
    const channel = NAMES[durable];
    for (;;) {
      const subscription = `${start.peer}/${this.#subscriptions++}`;
      try {
        const reader = this.#bus.subscribe(channel, {
          durable,
          from: "start",
        });
        await reader.ready;
        const { cursor } = reader;
        this.#recorder.record({
          action: "subscribed",
          subscription,
          channel,
          cursor,
          durable,
        });
        const max = this.#chance.whole(1, 200);
        let taken = 0;
        for await (const message of reader) {
          this.#delivered(subscription, message);
          if (this.#chance.happens(0.3)) {
            await reader.ack(message);
            const { id } = message;
            this.#recorder.record({ action: "acked", subscription, id });
          }
          if (++taken === max) break;
        }
      } catch (error) {
        if (error instanceof this.#library.DurableNameInUseError) {
          await pause(this.#chance.whole(5, 50));
          continue;
        }
        this.#recorder.record({
          action: "failed",
          act: `read as ${durable}`,
          error: errorText(error),
        });
      }
    }
  }

  /** Reads from now on, or from the start. */
  async #follow(): Promise<void> {
    const subscription = `${start.peer}/${this.#subscriptions++}`;
    const channel = CHANNELS.kept;
    await this.#try("follow", async () => {
      const reader = this.#bus.subscribe(channel, {
        from: this.#chance.of(["now", "start"]),
      });
      await reader.ready;
      const { cursor } = reader;
      this.#recorder.record({
        action: "subscribed",
        subscription,
        channel,
        cursor,
      });
      for await (const message of reader) {
        this.#delivered(subscription, message);
      }
    });
  }

  #delivered(subscription: string, { id, payload }: Message): void {
    this.#recorder.record({
      action: "delivered",
      subscription,
      id,
      key: String(payload),
    });
  }
}

const KEPT = { ttlSeconds: 24 * 60 * 60 };

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

const recorder = new Recorder(`${start.histories}/${start.peer}.jsonl`);
recorder.record({ action: "started", pid: Deno.pid, session: start.session });
try {
  const library: Library = await import(start.library);
  await new CrashPeer(library, recorder, new Chance(start.seed)).live();
} catch (error) {
  recorder.record({ action: "failed", act: "live", error: errorText(error) });
}
