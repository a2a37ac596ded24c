/**
 * SQLite under the suite, with the driver that the environment selects.
 *
 * @module
 */

import { loadLibrary, requestedDriver } from "../../lib/sqlite/driver.ts";
import { locateBus } from "../../lib/sqlite/location.ts";
import {
  messagingDbPath,
  SqliteStore,
  type SqliteStoreOptions,
} from "../../lib/sqlite/store.ts";
import type { StoreUnderTest, TestStorage } from "../../testing.ts";
import { Clock } from "../fixture.ts";

// Loaded before the tests, because a native library is never unloaded and would count
// as a leak of the first test.
const library = await loadLibrary(requestedDriver());

/** SQLite under the suite. */
export const SQLITE: StoreUnderTest = storeUnderTest(
  requestedDriver(),
  (options) => SqliteStore.open(options),
);

/** SQLite under the suite, with stores that are opened for one operation. */
export const ONE_SHOT: StoreUnderTest = storeUnderTest(
  "one-shot",
  (options) =>
    Promise.resolve(SqliteStore.openOneShot({
      ...options,
      location: locateBus(options.home),
      busyTotalMs: options.busyTimeoutMs,
    })),
);

type Open = (options: SqliteStoreOptions) => Promise<SqliteStore>;

function storeUnderTest(variant: string, open: Open): StoreUnderTest {
  return {
    name: `sqlite (${variant})`,
    capabilities: {
      pushesWakeUps: true,
      atomicBatches: true,
      exactLossCounts: true,
      acceptsForeignRows: true,
    },
    storage: () => storage(open),
  };
}

async function storage(open: Open): Promise<TestStorage> {
  const root = await Deno.makeTempDir({ prefix: "mbus-conformance-" });
  const home = `${root}/bus`;
  const clock = new Clock();
  const options = {
    home,
    notify: "watch",
    // Rows of other programs are pushed on Linux only.
    pollIntervalMs: Deno.build.os === "linux" ? 60_000 : 100,
    busyTimeoutMs: 20_000,
    now: clock.now,
    warn: assertExpectedWarning,
  } as const;
  return {
    now: clock.now,
    advance: (ms) => clock.advance(ms),
    open: () => open(options),
    insert: ({ sender, channel, payloadText }) => {
      // With the same library, because two in one process drop each other's locks.
      const path = messagingDbPath(home);
      const database = library.open(path, { timeoutMs: 20_000 });
      database.prepare(
        `INSERT INTO inter_session_messages(sender_id, channel, payload)
         VALUES (?, ?, ?)`,
      ).run(sender, channel, payloadText);
      database.close();
      return Promise.resolve();
    },
    [Symbol.asyncDispose]: () => Deno.remove(root, { recursive: true }),
  };
}

function assertExpectedWarning(message: string): void {
  // Every FFI library that is older than the runtime's warns of this.
  if (!message.includes("WAL-reset bug")) throw new Error(message);
}
