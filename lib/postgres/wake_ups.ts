/**
 * The wake-ups of one process: LISTEN, NOTIFY and the safety poll.
 *
 * ```text
 *  writer   COMMIT ─▶ NOTIFY ‹bell› (its own transaction, synchronous_commit off)
 *  reader   LISTEN ‹bell›, read by cursor, wait ◀── notification ── read by cursor
 *
 *           ┌─ first watch ─▶ listener: relay or own connection ┐
 *  idle ────┤                                                   ├─▶ push ◀──▶ poll
 *           └─ LISTEN is not available ─────────────────────────┘   cut, reconnected
 * ```
 *
 * Figures are in docs/postgres.md.
 *
 * - **A notification has no payload.** It is a hint to read by cursor. So it may
 *   come twice, late or never, and one stands for many.
 * - **NOTIFY runs outside of the write's transaction.** A commit with NOTIFY locks
 *   out all other notifiers of the database until it is on disk.
 * - **A publish notifies in its own statement**, right after its commit
 *   (schema.ts). A later statement would first wait for the publisher to be
 *   scheduled. After other commits at most one NOTIFY statement is under way;
 *   bells in between are coalesced into the next.
 * - **The server wakes the backend of every listener for every notification.**
 *   So a process has one listening connection for all its watches. A bell's name
 *   is derived from the channel and the addressee. So only interested processes
 *   are notified, and a message does not wake a waiter for a lock.
 * - **After every (re)connection all watches are woken**, because notifications
 *   in between are lost.
 * - **The safety poll** reads the last id on the listening connection. It covers
 *   a crash between commit and NOTIFY, and a broken connection without an error.
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
import { ConnectionListener } from "./connection_listener.ts";
import type { Listener, ListenerEvents } from "./listener.ts";
import { RelayFolder } from "./relay_folder.ts";
import { RelayListener } from "./relay_listener.ts";

/** The way in which a process is woken. */
export type Notify = "auto" | "watch" | "poll";

/** Options of {@linkcode WakeUps}. */
export interface WakeUpsOptions {
  /** Without LISTEN, `watch` throws and `auto` polls. */
  readonly notify: Notify;
  /** The interval of the safety poll, in milliseconds. */
  readonly pollIntervalMs: number;
  /** Called once with a problem that does not stop the wake-ups. */
  readonly warn: (message: string) => void;
}

const EVERY_CHANNEL = "*";
const EVERY_SESSION = "*";
const UNREGISTERED_SESSION = "";

const names = new Map<string, string>();
const NAMES_MAX = 1_000;

/** Returns a bell's name, equal to that of the schema's function `bell`. */
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

/** Returns the bells to ring for committed messages and changes. */
export function bellsFor(
  schema: string,
  rings: readonly Addressed[],
): Set<string> {
  const bells = new Set<string>();
  for (const { channel, to } of rings) {
    if (!channel.startsWith("@")) bells.add(bell(schema, EVERY_CHANNEL, ""));
    bells.add(bell(schema, channel, to ?? EVERY_SESSION));
    // A watch without a session is rung for every addressee, because its process
    // may have registered as that session when it reads.
    if (to !== undefined) {
      bells.add(bell(schema, channel, UNREGISTERED_SESSION));
    }
  }
  return bells;
}

/** Returns the bells to which an interest listens. */
export function bellsOf(schema: string, interest: Interest): string[] {
  if (interest.channels === null) return [bell(schema, EVERY_CHANNEL, "")];
  const { session } = interest;
  return interest.channels.flatMap((channel) => [
    bell(schema, channel, EVERY_SESSION),
    bell(schema, channel, session ?? UNREGISTERED_SESSION),
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
  readonly #relayFolder: RelayFolder;
  readonly #watchers = new Set<Watcher>();
  #listener: Listener | undefined;
  // Events of earlier listeners are ignored.
  #generation = 0;
  #mode: WatchMode = "poll";
  #poll: ReturnType<typeof setInterval> | undefined;
  #polling = false;
  #lastId: unknown;
  #warned = false;
  // Changes of the bells run one after the other.
  #listening: Promise<void> = Promise.resolve();
  // Closing of earlier listeners.
  #closing: Promise<void> = Promise.resolve();
  #ringing = false;
  #unrung = new Set<string>();
  #rung: Promise<unknown> = Promise.resolve();

  /** Creates idle wake-ups; the first watch connects them. */
  constructor(connection: Connection, options: WakeUpsOptions) {
    this.#connection = connection;
    this.#options = options;
    this.#relayFolder = new RelayFolder(connection.address);
  }

  /** Calls `wake` whenever `interest` may have something new. */
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

  /** Returns the bells to ring after the commit of `rings`. */
  bellsFor(rings: readonly Addressed[]): ReadonlySet<string> {
    return bellsFor(this.#connection.schema, rings);
  }

  /**
   * Wakes this process's watches of the bells after a commit, and rings the
   * bells unless the statement has `rung` them already.
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

  /** Ends all watches, and rings the remaining bells. */
  async close(): Promise<void> {
    this.#watchers.clear();
    this.#stop();
    // Each ring is followed by one for the bells in between.
    while (this.#ringing) await this.#rung;
    await this.#closing;
  }

  #ring(): void {
    const bells = this.#unrung;
    this.#unrung = new Set();
    this.#ringing = true;
    this.#rung = this.#connection.runOptional(ringStatement(bells)).catch(
      (error) => {
        // The readers' safety polls find the commit.
        if (!this.#connection.closed) {
          this.#warnOnce(`a notification cannot be sent (${error.message})`);
        }
      },
    ).then(() => {
      this.#ringing = false;
      if (this.#unrung.size > 0) this.#ring();
    });
  }

  #start(): void {
    const { notify, pollIntervalMs } = this.#options;
    this.#lastId = undefined;
    this.#poll = setInterval(() => this.#runPoll(), pollIntervalMs);
    if (notify !== "poll") this.#listener = this.#openListener();
  }

  /** Opens a listener of the relay if one runs, else a connection. */
  #openListener(): Listener {
    const events = this.#eventsOf(++this.#generation);
    return RelayListener.find(this.#relayFolder, events) ??
      new ConnectionListener(this.#connection, events);
  }

  /** Returns the callbacks for the listener of a generation. */
  #eventsOf(generation: number): ListenerEvents {
    const whileInUse = (act: () => void) => () => {
      if (generation === this.#generation) act();
    };
    return {
      onNotify: (bell) => {
        if (generation !== this.#generation) return;
        for (const watcher of this.#watchers) {
          if (bell === undefined || watcher.bells.includes(bell)) {
            watcher.wake();
          }
        }
      },
      onDisconnect: whileInUse(() => this.#mode = "poll"),
      onReconnect: whileInUse(() => {
        this.#mode = "push";
        this.#wakeAll();
      }),
      onClosed: whileInUse(() => this.#replaceListener()),
    };
  }

  /** Opens another listener; wakes all, as notifications in between are lost. */
  #replaceListener(): void {
    this.#closeListener();
    this.#listener = this.#openListener();
    this.#listen().then(() => this.#wakeAll(), (error) => {
      this.#warnOnce(error.message);
    });
  }

  /** Listens to the bells of all watchers, after earlier changes. */
  #listen(): Promise<void> {
    const change = this.#listening.then(() => this.#listenNow());
    this.#listening = change.catch(() => {});
    return change;
  }

  async #listenNow(): Promise<void> {
    const listener = this.#listener;
    if (listener === undefined) return;
    const bells = new Set<string>();
    for (const watcher of this.#watchers) {
      for (const bell of watcher.bells) bells.add(bell);
    }
    try {
      await listener.listen([...bells]);
      if (this.#listener === listener) this.#mode = "push";
    } catch (error) {
      if (this.#listener !== listener) return await this.#listenNow();
      if (listener.isRelayed) {
        // The relay hangs: its process opens a connection of its own.
        this.#closeListener();
        this.#listener = new ConnectionListener(
          this.#connection,
          this.#eventsOf(++this.#generation),
        );
        return await this.#listenNow();
      }
      this.#mode = "poll";
      if (this.#options.notify === "watch") throw this.#noListenError(error);
      this.#warnOnce(
        `LISTEN is not available (${(error as Error).message}); polling ` +
          `every ${this.#options.pollIntervalMs} ms until it is`,
      );
    }
  }

  #runPoll(): void {
    if (this.#polling) return;
    this.#polling = true;
    this.#pollLastId()
      .catch(() => {
        // The next read throws the error.
        this.#wakeAll();
      })
      .finally(() => this.#polling = false);
  }

  async #pollLastId(): Promise<void> {
    // A relay that started later is joined.
    if (
      this.#listener?.isRelayed === false &&
      this.#relayFolder.relay() !== undefined
    ) {
      this.#replaceListener();
    }
    const row = await this.#listener?.check(LAST_ID) ??
      await this.#connection.get(LAST_ID);
    const moved = row?.id !== this.#lastId;
    this.#lastId = row?.id;
    for (const watcher of this.#watchers) {
      if (moved || watcher.isOfTopic) watcher.wake();
    }
  }

  #wakeAll(): void {
    for (const watcher of this.#watchers) watcher.wake();
  }

  #noListenError(error: unknown): StoreError {
    const { shown } = this.#connection.address;
    return new StoreError(
      "unreachable",
      shown,
      `Cannot watch for messages: LISTEN is not available on ${shown} ` +
        `(${
          (error as Error).message
        }). Connect to the server without a pooler, ` +
        `or open the bus with notify "auto" to poll instead.`,
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
    // Not awaited, because a notification for a closed watch wakes no watcher.
    else this.#listen().catch(() => {});
  }

  #stop(): void {
    if (this.#poll !== undefined) clearInterval(this.#poll);
    this.#poll = undefined;
    this.#closeListener();
  }

  #closeListener(): void {
    this.#generation++;
    this.#mode = "poll";
    const listener = this.#listener;
    this.#listener = undefined;
    if (listener === undefined) return;
    const before = this.#closing;
    this.#closing = Promise.all([before, listener.close()]).then(() => {});
  }
}

const LAST_ID = "SELECT max(id) AS id FROM inter_session_messages";

// Notifications need no durability, so their commit does not wait for the disk.
const RING = `SELECT set_config('synchronous_commit', 'off', true),
  count(pg_notify(bell, '')) FROM unnest($1::text[]) AS bell`;

// The same for one to three bells, the usual number of one change.
const RING_FEW = [1, 2, 3].map((count) => {
  const rings = Array.from(
    { length: count },
    (_, i) => `pg_notify($${i + 1}, '')`,
  );
  return `SELECT set_config('synchronous_commit', 'off', true), ${rings}`;
});

/** Returns the statement that rings bells. */
function ringStatement(bells: ReadonlySet<string>): Statement {
  const sql = RING_FEW[bells.size - 1];
  return sql === undefined
    ? { sql: RING, values: [arrayText([...bells])] }
    : { sql, values: [...bells] };
}
