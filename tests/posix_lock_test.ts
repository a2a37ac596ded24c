import assert from "node:assert/strict";
import { hasProgram, Home, numbers, until } from "./fixture.ts";
import type { Peer } from "./peer.ts";

const isLinux = Deno.build.os === "linux";
const canTrace = isLinux && Deno.build.arch === "x86_64" &&
  hasProgram("strace");

/** The files on which a process holds a POSIX lock, of the database's. */
function lockedBy(home: Home, pid: number): string[] {
  const locked = new Set<string>();
  for (const { name } of Deno.readDirSync(`/proc/${pid}/fd`)) {
    let path: string;
    let told: string;
    try {
      path = Deno.readLinkSync(`/proc/${pid}/fd/${name}`);
      // Not /proc/locks: its lines come and go with everybody's while it is
      // read, so that some are passed over.
      told = Deno.readTextFileSync(`/proc/${pid}/fdinfo/${name}`);
    } catch {
      continue;
    }
    const isOurs = path.startsWith(home.database);
    // lock: 1: POSIX  ADVISORY  READ 4711 08:01:123456 1073741826 1073742335
    if (isOurs && new RegExp(`^lock:.*POSIX .* ${pid} `, "m").test(told)) {
      locked.add(path.slice(home.database.length - "messaging.db".length));
    }
  }
  return [...locked].sort();
}

/** Reads, writes and watches for foreign rows, all in one process. */
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
  const duties = home.foreign().prepare("SELECT count(*) AS n FROM duties");
  await until("the duty", () => duties.get()!.n === 1);
  return busy;
}

/** Traffic of every kind, with others that come and go meanwhile. */
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
  name: `busy with every watch, a process keeps SQLite's locks${
    isLinux ? "" : " (ignored: needs /proc)"
  }`,
  ignore: !isLinux,
  async fn() {
    await using home = new Home();
    const busy = await startBusy(home);
    const held = ["messaging.db", "messaging.db-shm"];
    assert.deepEqual(lockedBy(home, busy.pid), held);
    await makeTraffic(home, busy, () => {
      assert.deepEqual(lockedBy(home, busy.pid), held);
    });
    const check = home.foreign().prepare("PRAGMA integrity_check").get()!;
    assert.equal(check.integrity_check, "ok");
  },
});

// What SQLite opens it opens so; nothing else does.
const BY_SQLITE = /O_RDWR\|O_CREAT\|O_NOFOLLOW\|O_CLOEXEC/;

Deno.test({
  name: `nothing but SQLite opens the database, and nothing watches it${
    canTrace ? "" : " (ignored: needs strace)"
  }`,
  ignore: !canTrace,
  async fn() {
    await using home = new Home();
    // Made before, as making it opens it once, before SQLite does.
    await (await home.open()).close();
    const trace = `${home.root}/trace`;
    const busy = await startBusy(home, [
      "strace",
      "-f",
      "-qq",
      "-s",
      "512",
      "-e",
      "trace=open,openat,openat2,creat,inotify_add_watch",
      "-o",
      trace,
    ]);
    await makeTraffic(home, busy);
    await busy.end();
    const calls = Deno.readTextFileSync(trace).split("\n")
      .filter((line) => line.includes(`${home.path}/`));
    const watched = calls.filter((call) => call.includes("inotify_add_watch"))
      .map((call) => /"([^"]*)"/.exec(call)![1].slice(home.path.length + 1));
    const inDatabase = watched.filter((path) => !path.startsWith("bells/"));
    assert.deepEqual([...new Set(inDatabase)], ["db/messaging.db-wal"]);
    assert.ok(watched.some((path) => path.startsWith("bells/")));

    const opened = calls.filter((call) =>
      !call.includes("inotify_add_watch") && call.includes(`${home.path}/db`)
    );
    assert.ok(opened.some((call) => BY_SQLITE.test(call)));
    const byOthers = opened.filter((call) => !BY_SQLITE.test(call));
    for (const call of byOthers) {
      const allowed =
        // The watcher's look at the one file that holds no locks.
        /messaging\.db-wal", O_RDONLY\|/.test(call) ||
        // SQLite's own, to make what it created last.
        /\/db", O_RDONLY\|O_CLOEXEC/.test(call) ||
        // Refused, as the file is there: nothing is opened, or closed.
        /O_WRONLY\|O_CREAT\|O_EXCL.* = -1 EEXIST/.test(call);
      assert.ok(allowed, call);
    }
  },
});
