import assert from "node:assert/strict";
import type { Hold, MessageBus } from "../../mod.ts";
import { Home } from "../fixture.ts";
import type { Peer, PeerError } from "../peer.ts";
import { works } from "../probe.ts";
import { Database } from "./database.ts";
import { Proxy } from "./proxy.ts";
import { availability, serverOfFile } from "./server.ts";

const server = await serverOfFile();
const { ignore } = availability;

// A process in its own pid namespace has its own host.
const HOSTS = Deno.build.os === "linux" &&
  works("unshare", "--pid", "--fork", "--mount-proc", "true");
const unlessHosts = HOSTS ? "" : " (ignored: needs unshare and root)";
const OTHER_HOST = {
  prefix: ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"],
};
// With its own boot id, too, it is on its own machine.
const BOOT_ID = "/proc/sys/kernel/random/boot_id";
const MACHINES = HOSTS && works(
  ...["unshare", "--pid", "--fork", "--mount-proc"],
  ...["mount", "--bind", "/proc/self/comm", BOOT_ID],
);
const unlessMachines = MACHINES
  ? ""
  : " (ignored: needs unshare and root, and to mount)";

/** Returns the wrapper for another machine, whose boot id is kept in a folder. */
async function otherMachine(folder: string): Promise<{ prefix: string[] }> {
  const bootId = `${folder}/boot_id`;
  await Deno.writeTextFile(bootId, crypto.randomUUID());
  return {
    prefix: [
      ...OTHER_HOST.prefix,
      ...["sh", "-c", `mount --bind "$0" ${BOOT_ID} && exec "$@"`, bootId],
    ],
  };
}

const EXCLUSIVE = { type: "exclusive" } as const;
const LEASE_MS = 60_000;

/** A clock that runs ahead of the server's. */
class Shift {
  ms = 0;
  readonly now = (): number => Date.now() + this.ms;
}

/** Starts a peer that holds a path exclusively and claims a task, for a minute. */
async function busy(peer: Peer): Promise<void> {
  await peer.call("acquire", {
    name: "l",
    path: "/shared/a",
    leaseMs: LEASE_MS,
    ...EXCLUSIVE,
  });
  await peer.call("post", { id: "T", title: "t" });
  await peer.call("claim", { id: "T", leaseMs: LEASE_MS });
}

const sessionsOf = (holds: readonly Hold[]) =>
  holds.map(({ session }) => session);

async function statusOf(bus: MessageBus, id: string): Promise<unknown> {
  const all = await bus.sessions.list({ allProjects: true, ended: true });
  return all.find((session) => session.id === id)?.status;
}

Deno.test({
  name:
    `a host does not reap sessions of another host, and leases end them${unlessHosts}`,
  ignore: ignore || !HOSTS,
  async fn() {
    await using database = await Database.create(server);
    const shift = new Shift();
    const bus = await database.open({ session: "here", now: shift.now });
    const there = await database.start({ session: "there" }, OTHER_HOST);
    await busy(there);
    await bus.locks.acquire("/shared/b", { ...EXCLUSIVE, leaseMs: LEASE_MS });
    const both = ["there", "here"];
    assert.deepEqual(sessionsOf(await there.call("locks")), both);
    await there.call("purge");
    // A killed process rings no bell, and its liveness is unknown here.
    there.signal("SIGKILL");
    await there.ended;
    await there.end();
    await bus.purge();
    assert.deepEqual(sessionsOf(await bus.locks.list()), both);
    assert.equal(await statusOf(bus, "there"), "active");
    assert.equal(await bus.locks.tryAcquire("/shared/a", EXCLUSIVE), undefined);
    assert.equal(await bus.tasks.claimNext(), undefined);

    shift.ms = LEASE_MS;
    const lock = await bus.locks.acquire("/shared/a", EXCLUSIVE);
    assert.ok(lock.token > 0);
    const claim = await bus.tasks.claimNext();
    assert.deepEqual([claim?.id, claim?.attempts], ["T", 2]);
    // A hold of a live process of this host is only overdue.
    const [mine] = await bus.locks.list({ path: "/shared/b" });
    assert.deepEqual([mine.session, mine.overdue], ["here", true]);
  },
});

Deno.test({
  name:
    `a host without a network loses its holds at their expiry, and its late writes are rejected${unlessHosts}`,
  ignore: ignore || !HOSTS,
  async fn() {
    await using proxy = new Proxy(server.port);
    await using database = await Database.create(server);
    const url = new URL(database.url);
    url.port = String(proxy.port);
    const shift = new Shift();
    const bus = await database.open({ session: "here", now: shift.now });
    const there = await database.start({
      session: "there",
      url: url.href,
      busyTimeoutMs: 1_000,
    }, OTHER_HOST);
    await busy(there);
    const [held] = await bus.locks.list();

    // Its packets no longer arrive, and it gets no answer.
    proxy.course = "silence";
    await assert.rejects(
      there.call("release", "l"),
      (error: Error & { type?: string }) => error.type === "StoreError",
    );
    assert.equal(await bus.locks.tryAcquire("/shared/a", EXCLUSIVE), undefined);
    shift.ms = LEASE_MS;
    const lock = await bus.locks.acquire("/shared/a", EXCLUSIVE);
    assert.ok(lock.token > held.token);
    const claim = await bus.tasks.claim("T");

    // Its network is back, and it continues.
    proxy.course = "through";
    const lost = (error: Error & { type?: string }) =>
      error.type === "NotHeldError";
    await assert.rejects(there.call("release", "l"), lost);
    await assert.rejects(
      there.call("complete", { id: "T", result: "late" }),
      lost,
    );
    assert.deepEqual(
      (await bus.locks.list()).map(({ token }) => token),
      [lock.token],
    );
    const [task] = await bus.tasks.list();
    assert.deepEqual([task.status, task.token], ["claimed", claim.token]);
  },
});

Deno.test({
  name:
    `the same path on two machines is a merge risk, not a conflict${unlessMachines}`,
  ignore: ignore || !MACHINES,
  async fn() {
    await using database = await Database.create(server);
    await using home = new Home();
    const bus = await database.open({ session: "here" });
    const machine = await otherMachine(home.root);
    const there = await database.start({ session: "there" }, machine);
    const beside = await database.start({ session: "beside" }, {
      prefix: OTHER_HOST.prefix,
    });
    await Deno.mkdir(`${home.root}/.git/objects`, { recursive: true });
    await Deno.mkdir(`${home.root}/.git/refs`);
    await Deno.writeTextFile(`${home.root}/.git/HEAD`, "ref: refs/heads/main");

    // Outside of a repository, paths on two machines are unrelated.
    await there.call("acquire", { name: "l", path: "/shared/a", ...EXCLUSIVE });
    const lock = await bus.locks.acquire("/shared/a", EXCLUSIVE);
    assert.deepEqual(lock.overlaps, []);
    assert.deepEqual(sessionsOf(await bus.locks.list()), ["there", "here"]);
    assert.deepEqual(
      sessionsOf(await bus.locks.list({ path: "/shared/a" })),
      ["here"],
    );
    // Two hosts of one machine share a disk.
    await assert.rejects(
      beside.call("acquire", { name: "l", path: "/shared/a", ...EXCLUSIVE }),
      (error: PeerError) => error.type === "LockHeldError",
    );

    // A command here may overwrite only files of this disk.
    const opened = await database.openOperations();
    const files = async () =>
      (await opened.othersFiles("here", { project: null, folders: [] }, 10))
        .files.map(({ session }) => session);
    await beside.call("acquire", { name: "b", path: "/b", ...EXCLUSIVE });
    assert.deepEqual(await files(), ["beside"]);
    for (const [session, path] of [["there", "/c"], ["beside", "/d"]]) {
      await opened.updateSession(session, { activeFiles: [path] });
    }
    assert.deepEqual(await files(), ["beside", "beside"]);

    const path = `${home.root}/a.ts`;
    await there.call("acquire", { name: "r", path, ...EXCLUSIVE });
    const risky = await bus.locks.acquire(path, EXCLUSIVE);
    assert.deepEqual(
      risky.overlaps.map(({ risk, hold }) => [risk, hold.session]),
      [["merge-risk", "there"]],
    );
  },
});

Deno.test({
  name:
    `a waiter on another machine waits for locks of that machine${unlessMachines}`,
  ignore: ignore || !MACHINES,
  async fn() {
    await using database = await Database.create(server);
    await using home = new Home();
    const bus = await database.open({ session: "here" });
    const machine = await otherMachine(home.root);
    const holder = await database.start({ session: "holder" }, machine);
    const waiter = await database.start({ session: "waiter" }, machine);
    await holder.call("acquire", { name: "l", path: "/a", ...EXCLUSIVE });
    const waiting = waiter.call("acquire", {
      name: "l",
      path: "/a",
      waitMs: LEASE_MS,
      ...EXCLUSIVE,
    });
    let isGranted = false;
    waiting.then(() => isGranted = true, () => {});
    await waiter.wait("l.waits", 1);
    // A release on this machine grants nothing there.
    const lock = await bus.locks.acquire("/a", EXCLUSIVE);
    await lock.release();
    assert.deepEqual(sessionsOf(await bus.locks.list()), ["holder"]);
    assert.equal(isGranted, false);
    await holder.call("release", "l");
    await waiting;
    assert.deepEqual(sessionsOf(await bus.locks.list()), ["waiter"]);
  },
});

Deno.test({
  name: "leases expire by the server's clock, not by a client's",
  ignore,
  async fn() {
    await using database = await Database.create(server);
    const HOUR_MS = 60 * 60 * 1000;
    const rightly = Date.now;
    const wrongly = () => rightly() + HOUR_MS;
    try {
      Date.now = wrongly;
      const wrong = await database.open({ session: "wrong" });
      await wrong.locks.acquire("/shared/a", {
        ...EXCLUSIVE,
        leaseMs: LEASE_MS,
      });
      await wrong.tasks.post({ id: "T", title: "t" });
      await wrong.tasks.claim("T", { leaseMs: LEASE_MS });
      // The first read of a store uses the server's clock, too.
      const looking = await database.openOperations();
      const [seen] = await looking.locks({ project: null });
      assert.equal(seen.overdue, false);
    } finally {
      Date.now = rightly;
    }
    const right = await database.open({ session: "right" });
    const [{ now }] = await database.foreign()`SELECT clock_timestamp() AS now`;
    const [hold] = await right.locks.list();
    const [task] = await right.tasks.list();
    for (const end of [hold.expiresAt, task.leaseExpiresAt!]) {
      const leftMs = Date.parse(end) - now.getTime();
      assert.ok(leftMs > 0 && leftMs <= LEASE_MS, `${leftMs} ms are left`);
    }
    assert.equal(hold.overdue, false);
  },
});
