/**
 * The bus folder is moved, deleted, replaced, cleared or made inaccessible
 * under running sessions. A write to a file that other sessions no longer find
 * is never acknowledged.
 */

import assert from "node:assert/strict";
import type { Message } from "../../mod.ts";
import { canMount, hasProgram, Home, run, until } from "../fixture.ts";
import type { PeerError } from "../peer.ts";
import { works } from "../probe.ts";
import {
  assertKept,
  assertRefused,
  assertTyped,
  type Refusal,
  Worker,
} from "./faults_scenario.ts";

const OPTIONS = { pollIntervalMs: 20, busyTimeoutMs: 500 };

/** Starts two sessions that read and write. */
async function start(home: Home): Promise<readonly [Worker, Worker]> {
  const workers = [
    new Worker(await home.start(OPTIONS), "one"),
    new Worker(await home.start(OPTIONS), "two"),
  ] as const;
  for (const worker of workers) {
    await worker.read();
    await worker.recover();
  }
  return workers;
}

/** Closes the buses of processes, and opens the present one. */
async function reopen(home: Home, ...workers: readonly Worker[]) {
  for (const { peer } of workers) {
    await peer.call("close");
    await peer.call("open", { home: home.path, project: null, ...OPTIONS });
  }
}

Deno.test("sessions reject calls while the bus folder is moved, and recover once it is moved back", async () => {
  await using home = new Home();
  const workers = await start(home);
  Deno.renameSync(home.path, `${home.root}/elsewhere`);
  for (const worker of workers) {
    const refusals = await worker.work();
    assertRefused(refusals, "moved");
    // Reads are rejected as well as writes.
    assert.ok(refusals.some(({ act }) => act === "poll"));
    const [failure] = await worker.peer.wait<Refusal>("reader.error", 1);
    assertTyped(failure);
  }
  Deno.renameSync(`${home.root}/elsewhere`, home.path);
  for (const worker of workers) {
    await worker.recover();
    await worker.assertRead();
  }
  await assertKept(home, ...workers);
});

for (const part of ["", "/db", "/db/messaging.db"]) {
  Deno.test(`sessions reject calls after the bus folder${part} is deleted and recreated`, async () => {
    await using home = new Home();
    const workers = await start(home);
    await until("it to be deleted", () => {
      try {
        Deno.removeSync(`${home.path}${part}`, { recursive: true });
        return true;
      } catch (error) {
        // Not empty, because a session has just recreated its bell.
        return error instanceof Deno.errors.NotFound;
      }
    });
    for (const worker of workers) {
      assertRefused(await worker.work(), "moved");
      worker.acknowledged.length = 0;
    }
    // A left-over WAL opens only after every process has closed it.
    const other = home.spawn();
    await until("the new bus", async () => {
      try {
        await other.call("open", { home: home.path, project: null });
        return true;
      } catch {
        return false;
      }
    });
    const fresh = new Worker(other, "fresh");
    await fresh.recover();
    for (const worker of workers) {
      assertRefused(await worker.work(), "moved");
      await worker.peer.wait("reader.error", 1);
    }
    await reopen(home, ...workers);
    for (const worker of workers) {
      await worker.recover();
      await worker.assertRead();
    }
    await fresh.recover();
    await assertKept(home, fresh, ...workers);
  });
}

Deno.test("sessions reject calls after the database is replaced by an older copy", async () => {
  await using home = new Home();
  const before = await home.open();
  await before.publish("kept", "before", { ttlSeconds: 3_600 });
  await before.close();
  Deno.copyFileSync(home.database, `${home.root}/copy`);
  const workers = await start(home);
  for (const name of ["-wal", "-shm"]) Deno.removeSync(home.database + name);
  Deno.renameSync(`${home.root}/copy`, home.database);
  for (const worker of workers) {
    assertRefused(await worker.work(), "moved");
    worker.acknowledged.length = 0;
  }
  await reopen(home, ...workers);
  for (const worker of workers) await worker.recover();
  await assertKept(home, ...workers);
  const [first] = await workers[0].peer.call<Message[]>("poll", {
    channels: ["kept"],
    limit: 1,
  });
  assert.equal(first.payload, "before");
});

Deno.test("sessions go on after the bells and their folder are deleted", async () => {
  await using home = new Home();
  const workers = await start(home);
  Deno.removeSync(`${home.path}/bells`, { recursive: true });
  for (const worker of workers) assert.deepEqual(await worker.work(), []);
  for (const worker of workers) await worker.assertRead();
  await until("push", async () => {
    const modes = workers.map(({ peer }) => peer.call("mode", "reader"));
    return (await Promise.all(modes)).every((mode) => mode === "push");
  });
  const { mode } = Deno.statSync(`${home.path}/bells`);
  assert.equal((mode! & 0o777).toString(8), "700");
  await assertKept(home, ...workers);
});

// Root ignores file permissions, unless it drops these capabilities.
const isRoot = Deno.build.os === "linux" && Deno.uid() === 0;
const canObey = !isRoot || hasProgram("setpriv");
const OBEYING = isRoot
  ? ["setpriv", "--bounding-set=-dac_override,-dac_read_search"]
  : [];

for (const folder of ["", "/db", "/bells"]) {
  Deno.test({
    name: `a session recovers when access to the bus folder${folder} returns${
      canObey ? "" : " (ignored: needs setpriv)"
    }`,
    ignore: !canObey || Deno.build.os === "windows",
    async fn() {
      await using home = new Home();
      const peer = await home.start(OPTIONS, { prefix: OBEYING });
      const worker = new Worker(peer, "worker");
      await worker.read();
      await worker.recover();
      Deno.chmodSync(`${home.path}${folder}`, 0);
      const refusals = await worker.work();
      const late = home.spawn({ prefix: OBEYING });
      if (folder === "/bells") {
        // Without bells the session polls.
        assert.deepEqual(refusals, []);
        await worker.assertRead();
      } else {
        assertRefused(refusals, "permission");
        await assert.rejects(
          late.call("open", { home: home.path }),
          (error: PeerError) => {
            assert.equal(error.fields.fault, "permission");
            return true;
          },
        );
      }
      Deno.chmodSync(`${home.path}${folder}`, 0o700);
      await worker.recover();
      await worker.assertRead();
      await late.call("open", { home: home.path, project: null });
      await assertKept(home, worker);
    },
  });
}

const canLoop = canMount && works("mkfs.ext4", "-V") &&
  works("losetup", "--find") && works("test", "-w", "/sys/fs/ext4");

Deno.test({
  name:
    `a session rejects writes and goes on reading after its file system turns read-only${
      canLoop ? "" : " (ignored: needs root, loop devices and mkfs.ext4)"
    }`,
  ignore: !canLoop,
  async fn() {
    await using home = new Home();
    Deno.mkdirSync(home.path, { mode: 0o700 });
    const image = `${home.root}/image`;
    await run("truncate", ["-s", "16M", image]);
    await run("mkfs.ext4", ["-q", image]);
    const script = 'mount -o loop,errors=remount-ro "$1" "$2" && ' +
      'chmod 700 "$2" && basename "$(findmnt -no SOURCE "$2")" > "$1.device" ' +
      '&& shift 2 && exec "$@"';
    const peer = await home.start({ ...OPTIONS, home: `${home.path}/bus` }, {
      prefix: ["unshare", "-m", "sh", "-c", script, "sh", image, home.path],
    });
    const worker = new Worker(peer, "worker");
    await worker.read();
    await worker.recover();
    const device = Deno.readTextFileSync(`${image}.device`).trim();
    Deno.writeTextFileSync(`/sys/fs/ext4/${device}/trigger_fs_error`, "test");
    const refusals = await worker.work();
    assertRefused(refusals, "io", "read-only");
    // Reads succeed.
    assert.ok(!refusals.some(({ act }) => act === "poll"));
    const kept = await peer.call<Message[]>("poll", {
      channels: ["kept"],
      limit: 10_000,
    });
    assert.deepEqual(
      kept.map(({ payload }) => payload),
      worker.acknowledged,
    );
    // Killed, because it cannot release anything there.
    await peer.kill();
  },
});
