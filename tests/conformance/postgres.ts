/**
 * The store in PostgreSQL, as the suite tests it.
 *
 * @module
 */

import { PostgresStore } from "../../lib/postgres/store.ts";
import type { StoreUnderTest, TestStorage } from "../../testing.ts";
import { Database, type DatabaseMaker } from "../postgres/database.ts";

/** Returns the store on databases of a server, or of a pooler. */
export function postgresStore(
  name: string,
  maker: DatabaseMaker,
  ignore: string | undefined,
): StoreUnderTest {
  return {
    name,
    capabilities: {
      pushesWakeUps: true,
      atomicBatches: true,
      exactLossCounts: true,
      acceptsForeignRows: true,
    },
    ...(ignore !== undefined && { ignore }),
    storage: () => storage(maker),
  };
}

async function storage(maker: DatabaseMaker): Promise<TestStorage> {
  const database = await Database.create(maker);
  const foreign = database.foreign();
  let shiftMs = 0;
  const now = () => Date.now() + shiftMs;
  const options = {
    url: database.url,
    notify: "watch",
    pollIntervalMs: 60_000,
    busyTimeoutMs: 20_000,
    now,
    warn: (message: string) => {
      throw new Error(message);
    },
  } as const;
  return {
    now,
    advance: (ms) => void (shiftMs += ms),
    open: () => PostgresStore.open(options),
    async insert({ sender, channel, payloadText }) {
      await foreign`INSERT INTO message_bus.inter_session_messages
        (sender_id, channel, payload) VALUES (${sender}, ${channel}, ${payloadText})`;
    },
    [Symbol.asyncDispose]: () => database[Symbol.asyncDispose](),
  };
}
