import assert from "node:assert/strict";
import { Home, numbers, until } from "./fixture.ts";
import type { Peer } from "./peer.ts";
import { canTrace, checkTrace, lockedBy, tracing } from "./posix_trace.ts";

const isLinux = Deno.build.os === "linux";

/** Starts a process that reads, writes and watches for external writes. */
async function startBusy(
  home: Home,
  prefix?: readonly string[],
): Promise<Peer> {
  const busy = await home.start({ pollIntervalMs: 20 }, { prefix });
  await busy.call("subscribe", { name: "all", channels: null });
  await busy.call("subscribe", {
    name: "durable",
    channels: "a",
    durable: "d",
    ack: true,
  });
  const leases = home.foreign().prepare("SELECT count(*) AS n FROM duties");
  await until("the leader lease", () => leases.get()!.n === 1);
  return busy;
}

/** Makes traffic of every kind, while other processes open and close the file. */
async function makeTraffic(
  home: Home,
  busy: Peer,
  afterRound: () => void = () => {},
): Promise<void> {
  const others = await Promise.all(numbers(0, 2).map(() => home.start()));
  const insert = `INSERT INTO inter_session_messages
    (sender_id, channel, payload) VALUES ('x', 'a', '1')`;
  for (let round = 0; round < 12; round++) {
    await Promise.all([
      busy.call("flood", { channel: "a", first: 0, count: 40, apart: true }),
      ...others.map((other) =>
        other.call("flood", { channel: "a", first: 0, count: 40 })
      ),
      others[0].call("comeAndGo", { path: home.database, times: 10 }),
      others[1].call("sql", { path: home.database, sql: insert }),
    ]);
    await others[1].call("closeSql", "sql");
    afterRound();
  }
  await busy.call("purge");
  const count = 12 * (40 * 3 + 1);
  await busy.wait("durable", count);
  for (const other of others) await other.end();
}

Deno.test({
  name: `a process with all kinds of watches keeps SQLite's locks${
    isLinux ? "" : " (ignored: needs /proc)"
  }`,
  ignore: !isLinux,
  async fn() {
    await using home = new Home();
    const busy = await startBusy(home);
    const held = ["messaging.db", "messaging.db-shm"];
    assert.deepEqual(lockedBy(home.database, busy.pid), held);
    await makeTraffic(home, busy, () => {
      assert.deepEqual(lockedBy(home.database, busy.pid), held);
    });
    const check = home.foreign().prepare("PRAGMA integrity_check").get()!;
    assert.equal(check.integrity_check, "ok");
  },
});

Deno.test({
  name: `only SQLite opens the database, and no file watch includes it${
    canTrace ? "" : " (ignored: needs strace)"
  }`,
  ignore: !canTrace,
  async fn() {
    await using home = new Home();
    // Making the database opens it once before SQLite does, so that is not traced.
    await (await home.open()).close();
    const trace = `${home.root}/trace`;
    const busy = await startBusy(home, tracing(trace));
    await makeTraffic(home, busy);
    await busy.end();
    const watched = checkTrace(Deno.readTextFileSync(trace), home.path);
    assert.ok(watched.some((path) => path.startsWith("bells/")));
    assert.ok(watched.includes("db/messaging.db-wal"));
  },
});
