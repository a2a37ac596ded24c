/**
 * PostgreSQL passes the suite.
 */

import { PostgresStore } from "../../lib/postgres/store.ts";
import {
  conformance,
  type StoreUnderTest,
  type TestStorage,
} from "../../testing.ts";
import { Database } from "../postgres/database.ts";
import { availability, serverOfFile } from "../postgres/server.ts";

const server = await serverOfFile();

const POSTGRES: StoreUnderTest = {
  name: "postgres",
  capabilities: {
    pushesWakeUps: true,
    atomicBatches: true,
    exactLossCounts: true,
    acceptsForeignRows: true,
  },
  ...(availability.ignore && { ignore: availability.reason }),
  storage,
};

async function storage(): Promise<TestStorage> {
  const database = await Database.create(server);
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

conformance(Deno.test, POSTGRES);
