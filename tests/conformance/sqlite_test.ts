/**
 * SQLite passes the suite, with the driver that the environment asks for.
 */

import { DatabaseSync } from "node:sqlite";
import { messagingDbPath, SqliteStore } from "../../lib/sqlite/store.ts";
import { requestedDriver } from "../../lib/sqlite/driver.ts";
import { conformance, type TestStorage } from "../../testing.ts";
import { Clock } from "../fixture.ts";

conformance(Deno.test, {
  name: `sqlite (${requestedDriver()})`,
  capabilities: {
    pushesWakeUps: true,
    atomicBatches: true,
    exactLossCounts: true,
    acceptsForeignRows: true,
  },
  storage,
});

async function storage(): Promise<TestStorage> {
  const root = await Deno.makeTempDir({ prefix: "mbus-conformance-" });
  const home = `${root}/bus`;
  const clock = new Clock();
  return {
    now: clock.now,
    advance: (ms) => clock.advance(ms),
    open: (options) =>
      SqliteStore.open({
        home,
        notify: "watch",
        pollIntervalMs: 60_000,
        busyTimeoutMs: 20_000,
        channelMessagesMax: 10_000,
        locksMax: 1_000,
        now: clock.now,
        warn: (message) => {
          throw new Error(message);
        },
        ...options,
      }),
    insert: ({ sender, channel, payloadText }) => {
      using database = new DatabaseSync(messagingDbPath(home), {
        enableForeignKeyConstraints: false,
        timeout: 5_000,
      });
      database.prepare(
        `INSERT INTO inter_session_messages(sender_id, channel, payload)
         VALUES (?, ?, ?)`,
      ).run(sender, channel, payloadText);
    },
    [Symbol.asyncDispose]: () => Deno.remove(root, { recursive: true }),
  };
}
