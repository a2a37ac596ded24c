/**
 * Scene: fresh storage for one case, and its sessions.
 *
 * @module
 */

import { MessageBus } from "../bus/bus.ts";
import { processStart } from "../process/host.ts";
import { type OpenBusOptions, resolveOptions } from "../bus/options.ts";
import type { SessionStart } from "../model/session.ts";
import { Operations } from "../bus/operations.ts";
import { Peer } from "./peer.ts";
import type {
  ForeignRow,
  StoreUnderTest,
  TestStorage,
  TestStoreOptions,
} from "./store_under_test.ts";

/** Options of opening a bus in a case. */
export type SceneBusOptions =
  & TestStoreOptions
  & Pick<OpenBusOptions, "project" | "payloadBytesMax" | "signal" | "vendor">;

/** Fresh storage for one case, and its sessions. */
export class Scene implements AsyncDisposable {
  readonly #storage: TestStorage;
  readonly #operations: NonNullable<StoreUnderTest["operations"]>;
  readonly #opened: (Operations | MessageBus)[] = [];

  /** Makes a scene for one case. */
  constructor(
    storage: TestStorage,
    operations: NonNullable<StoreUnderTest["operations"]> = (sound) => sound,
  ) {
    this.#storage = storage;
    this.#operations = operations;
  }

  /** Returns the time of the stores' clock, in milliseconds since 1970. */
  get nowMs(): number {
    return this.#storage.now();
  }

  /** Opens another store. */
  async store(options?: TestStoreOptions): Promise<Operations> {
    const operations = await this.#open(options);
    this.#opened.push(operations);
    return operations;
  }

  async #open(
    { locksMax = 1_000, channelMessagesMax = 10_000 }: TestStoreOptions = {},
  ): Promise<Operations> {
    const limits = { locksMax, channelMessagesMax };
    const store = await this.#storage.open();
    return this.#operations(new Operations(store, limits, console.error));
  }

  /** Registers a session with a store of its own. */
  async peer(
    id: string,
    options: TestStoreOptions & { readonly start?: Partial<SessionStart> } = {},
  ): Promise<Peer> {
    const store = await this.store(options);
    const peer = new Peer(store, id);
    await peer.register(options.start);
    return peer;
  }

  /** Registers two sessions, each with a store of its own. */
  async two(): Promise<[ann: Peer, bob: Peer]> {
    return [await this.peer("ann"), await this.peer("bob")];
  }

  /** Opens a session's bus on its own store; the first act registers it. */
  async bus(
    session: string,
    options: SceneBusOptions = {},
  ): Promise<MessageBus> {
    const { project = null, vendor = "script" } = options;
    const store = await this.#open(options);
    const start: SessionStart = {
      id: session,
      vendor,
      project,
      pid: Deno.pid,
      processStart: processStart(Deno.pid),
    };
    const resolved = resolveOptions({
      ...options,
      now: () => this.nowMs,
      publishesPerSecondMax: 1e9,
    });
    const bus = new MessageBus(store, start, resolved);
    this.#opened.push(bus);
    return bus;
  }

  /** Moves the clock of all stores without waiting. */
  async advance(ms: number): Promise<void> {
    if (this.#storage.advance === undefined) {
      throw new Error("This storage has no clock that can be moved");
    }
    await this.#storage.advance(ms);
  }

  /** Inserts a row as another program does. */
  async insert(row: ForeignRow): Promise<void> {
    if (this.#storage.insert === undefined) {
      throw new Error("This storage has no way in for other programs");
    }
    await this.#storage.insert(row);
  }

  /** Closes all stores, the last first, then the storage. */
  async [Symbol.asyncDispose](): Promise<void> {
    await using _storage = this.#storage;
    for (const each of this.#opened.toReversed()) await each.close();
  }
}
