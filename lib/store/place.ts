/**
 * The place of a store, and the operations there that need no open bus.
 *
 * A place is a folder or a server. Callers check whether it has a `server`, never
 * which store it is.
 *
 * @module
 */

import type { ResolvedOptions } from "../bus/options.ts";
import type { Relay, RelayOptions } from "../postgres/relay.ts";
import type { ServerAdmin } from "../postgres/admin.ts";
import { type BusLocation, locateBus } from "../sqlite/location.ts";
import { SCHEMA_VERSION } from "../sqlite/schema_version.ts";
import { SqliteStore } from "../sqlite/store.ts";
import type { Store } from "./store.ts";
import { storeAddress, type StoreLocator } from "./url.ts";

/** A folder or a server. */
export type StorePlace = FolderPlace | ServerPlace;

/** The operations of every place. */
interface Place {
  /** Opens the store, and makes it if there is none. */
  open(options: ResolvedOptions): Promise<Store>;

  /** Opens the store for a process that ends after one operation. */
  openOneShot(options: ResolvedOptions): Promise<OneShotStore>;

  /** Returns whether there is no bus yet. */
  isNew(): Promise<boolean>;

  /** Migrates the schema, or returns the pending steps. */
  migrate(options: ResolvedOptions, isDryRun: boolean): Promise<SchemaReport>;
}

/** A store that is open for one operation. Disposing of it may do nothing. */
export interface OneShotStore extends AsyncDisposable {
  /** The store. */
  readonly store: Store;

  /** Prepares for the exit of a process whose operation succeeded. */
  detach(): void;
}

/** The state of a schema. */
export interface SchemaReport {
  /** The store's location, without credentials. */
  readonly location: string;
  /** The version of the schema. */
  readonly version: number;
  /** The purpose of each step that is still to be done. */
  readonly pending: readonly string[];
  /** The purpose of each step that was done. */
  readonly applied: readonly string[];
}

/**
 * Returns the place that the options and the environment name.
 *
 * @throws {InvalidInputError} If there is no store for the URL.
 */
export function storePlace(options: StoreLocator): StorePlace {
  const address = storeAddress(options);
  return address.kind === "postgres"
    ? new ServerPlace(address.url)
    : new FolderPlace(address.home);
}

/** A bus folder, which holds an SQLite file. */
export class FolderPlace implements Place {
  /** A folder has no server. */
  readonly server = undefined;
  readonly #home: string | undefined;

  /** Makes the place of a bus folder; undefined is the default folder. */
  constructor(home: string | undefined) {
    this.#home = home;
  }

  /**
   * The paths of the bus.
   *
   * @throws {InvalidInputError} If there is no default folder.
   */
  get location(): BusLocation {
    return locateBus(this.#home);
  }

  async open(options: ResolvedOptions): Promise<Store> {
    return await SqliteStore.open({ ...options, home: this.#home });
  }

  // deno-lint-ignore require-await -- opening fails by rejecting.
  async openOneShot(options: ResolvedOptions): Promise<OneShotStore> {
    const store = SqliteStore.openOneShot({
      ...options,
      location: this.location,
      busyTotalMs: options.busyTimeoutMs,
    });
    return {
      store,
      detach: () => store.detach(),
      // Does not close the file, because closing it as the last connection waits for
      // the disk.
      async [Symbol.asyncDispose]() {},
    };
  }

  // deno-lint-ignore require-await -- locating fails by rejecting.
  async isNew(): Promise<boolean> {
    const { databasePath } = this.location;
    try {
      return Deno.statSync(databasePath).size === 0;
    } catch {
      // Opening the bus reports any other reason.
      return true;
    }
  }

  /** Opens and closes the file, because opening migrates it. */
  async migrate(options: ResolvedOptions): Promise<SchemaReport> {
    const store = await this.open(options);
    const { location } = store;
    await store.close();
    return { location, version: SCHEMA_VERSION, pending: [], applied: [] };
  }
}

/** The operations of a server. */
export interface Server {
  /** Starts the notification relay of this host. */
  startRelay(options: Omit<RelayOptions, "url">): Promise<Relay>;

  /** Opens the administration of the bus; `timeoutMs` limits each query. */
  admin(timeoutMs: number): Promise<ServerAdmin>;
}

const ANSWER_MS_MAX = 5_000;

/** A PostgreSQL server, whose client is loaded at its first use. */
export class ServerPlace implements Place {
  /** The server. */
  readonly server: Server;
  // It may hold a password.
  readonly #url: string;

  /** Makes the place of a server, without connecting to it. */
  constructor(url: string) {
    this.#url = url;
    this.server = {
      async startRelay(options) {
        const { Relay } = await import("../postgres/relay.ts");
        return await Relay.start({ ...options, url });
      },
      async admin(timeoutMs) {
        const { ServerAdmin } = await import("../postgres/admin.ts");
        return new ServerAdmin(url, timeoutMs);
      },
    };
  }

  async open(options: ResolvedOptions): Promise<Store> {
    const { PostgresStore } = await import("../postgres/store.ts");
    return await PostgresStore.open({ ...options, url: this.#url });
  }

  async openOneShot(options: ResolvedOptions): Promise<OneShotStore> {
    const store = await this.open(options);
    return {
      store,
      detach() {},
      [Symbol.asyncDispose]: () => store.close(),
    };
  }

  async isNew(): Promise<boolean> {
    const limits = { busyTimeoutMs: ANSWER_MS_MAX };
    const { version } = await this.migrate(limits, true);
    return version === 0;
  }

  async migrate(
    { busyTimeoutMs }: Pick<ResolvedOptions, "busyTimeoutMs">,
    isDryRun: boolean,
  ): Promise<SchemaReport> {
    await using admin = await this.server.admin(busyTimeoutMs);
    const applied = isDryRun ? [] : await admin.migrate();
    const { state, pending } = await admin.schema();
    return {
      location: admin.location,
      version: state.version,
      pending: pending.map(({ purpose }) => purpose),
      applied: applied.map(({ purpose }) => purpose),
    };
  }
}
