/**
 * The wake-ups of one process: the bells it listens to, the doorbell it rings,
 * and the safety poll beneath.
 *
 * ```text
 *  writer   COMMIT ─▶ NOTIFY ‹bell› (a transaction of its own, waiting for no disk)
 *  reader   LISTEN ‹bell›, read by cursor, wait ◀── notification ── read by cursor
 *
 *           ┌─ first watch ─▶ an ear: a hub's, else one's own ─┐
 *  silent ──┤                                                  ├─▶ push ◀──▶ poll
 *           └─ none is to be had ──────────────────────────────┘   cut, mended
 * ```
 *
 * Why so (figures in docs/postgres.md):
 *
 * - **A notification carries nothing.** It is a hint to read by cursor, so it
 *   may come twice, late or never, and one stands for many.
 * - **It is rung outside of the write's transaction**, as a commit with NOTIFY
 *   holds a lock on all of the database's notifiers until the disk has it. It
 *   waits for no disk itself.
 * - **A publish rings in its own statement**, right after its commit (schema.ts
 *   has it): sent behind it, the ring came half a millisecond later, as the
 *   answer to the commit woke the publisher first, on the processor that the
 *   server was about to ring on. For what else is committed one ring is under
 *   way at a time: what comes meanwhile is rung for together, after it.
 * - **The server wakes the backend of every listener for every notification**,
 *   whatever it listens to: so a process has one listening connection, however
 *   many watches there are. But only those that want it hear of it: a bell's
 *   name is made of the channel and the session that a message is for, so that
 *   who waits for a lock is not woken by messages.
 * - **After every (re)connection all watches are woken**, as what was rung in
 *   between is lost.
 * - **The safety poll** asks, on the listening connection, for the last id,
 *   and so finds what a crash between commit and ring left, and a connection
 *   that is dead without knowing it.
 *
 * @module
 */

import type { Addressed } from "../model/topics.ts";
import { createHash } from "node:crypto";
import { openWatch } from "../store/open_watch.ts";
import { StoreError } from "../model/errors.ts";
import type { Watch, WatchMode } from "../store/store.ts";
import type { Interest } from "../model/message.ts";
import { arrayText, type Connection, type Statement } from "./connection.ts";
import type { Ear, Hearing } from "./ear.ts";
import { HubEar } from "./hub_ear.ts";
import { HubFolder } from "./hub_folder.ts";
import { OwnEar } from "./own_ear.ts";

/** How a process wants to be woken. */
export type Notify = "auto" | "watch" | "poll";

/** What {@linkcode WakeUps} needs of its store. */
export interface WakeUpsOptions {
  /** `watch` throws where nothing can be listened to, `auto` polls then. */
  readonly notify: Notify;
  /** How often to look for what did not ring, in milliseconds. */
  readonly pollIntervalMs: number;
  /** Is told once of whatever does not stop them. */
  readonly warn: (message: string) => void;
}

const EVERY_CHANNEL = "*";
const EVERYBODY = "*";
const ANYBODY = "";

const names = new Map<string, string>();
const NAMES_MAX = 1_000;

/** A bell's name, as the schema's function `bell` makes it, too. */
function bell(schema: string, channel: string, session: string): string {
  const key = `${schema}\n${channel}\n${session}`;
  let name = names.get(key);
  if (name === undefined) {
    const hash = createHash("md5").update(`${channel}\n${session}`);
    name = `${schema}_${hash.digest("hex").slice(0, 12)}`;
    if (names.size === NAMES_MAX) names.clear();
    names.set(key, name);
  }
  return name;
}

/** The bells that are rung for what was committed. */
export function bellsFor(
  schema: string,
  rings: readonly Addressed[],
): Set<string> {
  const bells = new Set<string>();
  for (const { channel, to } of rings) {
    if (!channel.startsWith("@")) bells.add(bell(schema, EVERY_CHANNEL, ""));
    bells.add(bell(schema, channel, to ?? EVERYBODY));
    // A watch of no session is rung for every session's: by the time it reads
    // it may have become that one.
    if (to !== undefined) bells.add(bell(schema, channel, ANYBODY));
  }
  return bells;
}

/** The bells that an interest listens to. */
export function bellsOf(schema: string, interest: Interest): string[] {
  if (interest.channels === null) return [bell(schema, EVERY_CHANNEL, "")];
  const { session } = interest;
  return interest.channels.flatMap((channel) => [
    bell(schema, channel, EVERYBODY),
    bell(schema, channel, session ?? ANYBODY),
  ]);
}

interface Watcher {
  readonly bells: readonly string[];
  readonly isOfTopic: boolean;
  readonly wake: () => void;
}

/** The wake-ups of one process on one bus. */
export class WakeUps {
  readonly #connection: Connection;
  readonly #options: WakeUpsOptions;
  readonly #hubFolder: HubFolder;
  readonly #watchers = new Set<Watcher>();
  #ear: Ear | undefined;
  // Told by the ears before, nothing is done any more.
  #generation = 0;
  #mode: WatchMode = "poll";
  #poll: ReturnType<typeof setInterval> | undefined;
  #polling = false;
  #lastId: unknown;
  #warned = false;
  // Changes of what is listened to, one after the other.
  #listening: Promise<void> = Promise.resolve();
  // What ears that are being closed still do.
  #closing: Promise<void> = Promise.resolve();
  #ringing = false;
  #unrung = new Set<string>();
  #rung: Promise<unknown> = Promise.resolve();

  /** Makes them silent: the first watch starts them. */
  constructor(connection: Connection, options: WakeUpsOptions) {
    this.#connection = connection;
    this.#options = options;
    this.#hubFolder = new HubFolder(connection.address);
  }

  /** Calls `wake` whenever there may be something new of `interest`. */
  async watch(interest: Interest, wake: () => void): Promise<Watch> {
    const watcher: Watcher = {
      bells: bellsOf(this.#connection.schema, interest),
      isOfTopic: interest.channels?.some((name) => name.startsWith("@")) ??
        false,
      wake,
    };
    this.#watchers.add(watcher);
    try {
      if (this.#watchers.size === 1) this.#start();
      await this.#listen();
    } catch (error) {
      this.#close(watcher);
      throw error;
    }
    return openWatch(() => this.#mode, () => this.#close(watcher));
  }

  /** The bells of what is to be committed. */
  bellsFor(rings: readonly Addressed[]): ReadonlySet<string> {
    return bellsFor(this.#connection.schema, rings);
  }

  /**
   * Wakes who wants what was just committed and has these bells, and rings
   * them, unless it was `rung` already.
   */
  committed(
    bells: ReadonlySet<string>,
    { rung = false }: { readonly rung?: boolean } = {},
  ): void {
    if (bells.size === 0) return;
    for (const watcher of this.#watchers) {
      if (watcher.bells.some((name) => bells.has(name))) watcher.wake();
    }
    if (rung) return;
    for (const name of bells) this.#unrung.add(name);
    if (!this.#ringing) this.#ring();
  }

  /** Ends all watches, and rings for what is not rung for yet. */
  async close(): Promise<void> {
    this.#watchers.clear();
    this.#stop();
    // Each is followed by what came meanwhile.
    while (this.#ringing) await this.#rung;
    await this.#closing;
  }

  #ring(): void {
    const bells = this.#unrung;
    this.#unrung = new Set();
    this.#ringing = true;
    this.#rung = this.#connection.tell(ringStatement(bells)).catch((error) => {
      // It is committed, and found by the safety poll of who was not rung.
      if (!this.#connection.closed) {
        this.#warnOnce(`a bell cannot be rung (${error.message})`);
      }
    }).then(() => {
      this.#ringing = false;
      if (this.#unrung.size > 0) this.#ring();
    });
  }

  #start(): void {
    const { notify, pollIntervalMs } = this.#options;
    this.#lastId = undefined;
    this.#poll = setInterval(() => this.#look(), pollIntervalMs);
    if (notify !== "poll") this.#ear = this.#findEar();
  }

  /** A hub's ear if there is a hub, else one's own. */
  #findEar(): Ear {
    const hearing = this.#hearing(++this.#generation);
    return HubEar.find(this.#hubFolder, hearing) ??
      new OwnEar(this.#connection, hearing);
  }

  /** What is done by what the ear of a generation tells. */
  #hearing(generation: number): Hearing {
    const whileInUse = (act: () => void) => () => {
      if (generation === this.#generation) act();
    };
    return {
      heard: (bell) => {
        if (generation !== this.#generation) return;
        for (const watcher of this.#watchers) {
          if (bell === undefined || watcher.bells.includes(bell)) {
            watcher.wake();
          }
        }
      },
      interrupted: whileInUse(() => this.#mode = "poll"),
      resumed: whileInUse(() => {
        this.#mode = "push";
        this.#wakeAll();
      }),
      lost: whileInUse(() => this.#changeEar()),
    };
  }

  /** Takes another ear: what was rung in between is lost. */
  #changeEar(): void {
    this.#closeEar();
    this.#ear = this.#findEar();
    this.#listen().then(() => this.#wakeAll(), (error) => {
      this.#warnOnce(error.message);
    });
  }

  /** Hears what all watchers want, after all changes before. */
  #listen(): Promise<void> {
    const change = this.#listening.then(() => this.#listenNow());
    this.#listening = change.catch(() => {});
    return change;
  }

  async #listenNow(): Promise<void> {
    const ear = this.#ear;
    if (ear === undefined) return;
    const bells = new Set<string>();
    for (const watcher of this.#watchers) {
      for (const bell of watcher.bells) bells.add(bell);
    }
    try {
      await ear.listen([...bells]);
      if (this.#ear === ear) this.#mode = "push";
    } catch (error) {
      if (this.#ear !== ear) return await this.#listenNow();
      if (ear.isShared) {
        // A hub that hangs: one listens for oneself.
        this.#closeEar();
        this.#ear = new OwnEar(
          this.#connection,
          this.#hearing(++this.#generation),
        );
        return await this.#listenNow();
      }
      this.#mode = "poll";
      if (this.#options.notify === "watch") throw this.#noListening(error);
      this.#warnOnce(
        `nothing can be listened to (${(error as Error).message}); polling ` +
          `every ${this.#options.pollIntervalMs} ms until it can`,
      );
    }
  }

  #look(): void {
    if (this.#polling) return;
    this.#polling = true;
    this.#lookForLast()
      .catch(() => {
        // Who reads next gets the error, in its own words.
        this.#wakeAll();
      })
      .finally(() => this.#polling = false);
  }

  async #lookForLast(): Promise<void> {
    // A hub that came later is joined.
    if (this.#ear?.isShared === false && this.#hubFolder.hub() !== undefined) {
      this.#changeEar();
    }
    const row = await this.#ear?.check(LAST) ??
      await this.#connection.get(LAST);
    const moved = row?.id !== this.#lastId;
    this.#lastId = row?.id;
    for (const watcher of this.#watchers) {
      if (moved || watcher.isOfTopic) watcher.wake();
    }
  }

  #wakeAll(): void {
    for (const watcher of this.#watchers) watcher.wake();
  }

  #noListening(error: unknown): StoreError {
    const { shown } = this.#connection.address;
    return new StoreError(
      "unreachable",
      shown,
      `Cannot watch for messages: ${shown} does not let one listen ` +
        `(${
          (error as Error).message
        }); connect to the server itself, or open ` +
        `the bus with notify "auto" to poll instead.`,
      { cause: error },
    );
  }

  #warnOnce(state: string): void {
    if (this.#warned) return;
    this.#warned = true;
    this.#options.warn(`mbus: ${state}.`);
  }

  #close(watcher: Watcher): void {
    if (!this.#watchers.delete(watcher)) return;
    if (this.#watchers.size === 0) this.#stop();
    // What is heard for nobody wakes nobody: nothing is to be waited for.
    else this.#listen().catch(() => {});
  }

  #stop(): void {
    if (this.#poll !== undefined) clearInterval(this.#poll);
    this.#poll = undefined;
    this.#closeEar();
  }

  #closeEar(): void {
    this.#generation++;
    this.#mode = "poll";
    const ear = this.#ear;
    this.#ear = undefined;
    if (ear === undefined) return;
    const before = this.#closing;
    this.#closing = Promise.all([before, ear.close()]).then(() => {});
  }
}

// What the safety poll asks.
const LAST = "SELECT max(id) AS id FROM inter_session_messages";

// Who listens need not wait until the disk knows that it was rung.
const RING = `SELECT set_config('synchronous_commit', 'off', true),
  count(pg_notify(bell, '')) FROM unnest($1::text[]) AS bell`;

// The same for one bell, two, …: one change has no more.
const RING_FEW = [1, 2, 3].map((count) => {
  const rings = Array.from(
    { length: count },
    (_, i) => `pg_notify($${i + 1}, '')`,
  );
  return `SELECT set_config('synchronous_commit', 'off', true), ${rings}`;
});

/** Rings bells. */
function ringStatement(bells: ReadonlySet<string>): Statement {
  const sql = RING_FEW[bells.size - 1];
  return sql === undefined
    ? { sql: RING, values: [arrayText([...bells])] }
    : { sql, values: [...bells] };
}
