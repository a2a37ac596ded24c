import assert from "node:assert/strict";
import { type Message, StoreError } from "../mod.ts";
import { canMount, Home, until, within } from "./fixture.ts";
import { works } from "./probe.ts";

const isRoot = Deno.build.os !== "windows" && Deno.uid() === 0;
const unlessMounts = canMount ? "" : " (ignored: needs unshare and root)";

/** Returns a wrapper that runs `command` on `folder` in a mount namespace first. */
function withMount(command: string, folder: string): readonly string[] {
  const script = `folder=$1; shift; ${command} && exec "$@"`;
  return ["unshare", "-m", "sh", "-c", script, "sh", folder];
}

function modeOf(path: string): string {
  return (Deno.statSync(path).mode! & 0o777).toString(8);
}

for (const umask of ["000", "022", "077"]) {
  Deno.test({
    name: `only the user may read the bus's files under umask ${umask}`,
    ignore: Deno.build.os === "windows",
    async fn() {
      await using home = new Home("deep/in/folders");
      const peer = await home.start({}, {
        prefix: ["sh", "-c", `umask ${umask}; exec "$@"`, "sh"],
      });
      await peer.call("subscribe", { name: "s", channels: "a" });
      await peer.call("publish", { channel: "a", payload: 1 });
      await peer.wait("s", 1);
      for (const folder of ["", "/db", "/bells", "/.."]) {
        assert.equal(modeOf(`${home.path}${folder}`), "700", folder);
      }
      for (const file of ["", "-wal", "-shm"]) {
        assert.equal(modeOf(`${home.database}${file}`), "600", file);
      }
      for (const { name } of Deno.readDirSync(`${home.path}/bells`)) {
        assert.equal(modeOf(`${home.path}/bells/${name}`), "600");
      }
    },
  });
}

for (const folder of ["", "/db", "/bells"]) {
  Deno.test({
    name: `opening fails if others may write to the bus's folder${folder}`,
    ignore: Deno.build.os === "windows",
    async fn() {
      await using home = new Home();
      const bus = await home.open();
      await bus.close();
      for (const mode of [0o770, 0o702, 0o777]) {
        Deno.chmodSync(`${home.path}${folder}`, mode);
        for (const readOnly of [false, true]) {
          await assert.rejects(home.open({ readOnly }), (error) => {
            assert.ok(error instanceof StoreError);
            assert.match(error.message, /other users may write .* "chmod go-w/);
            return true;
          });
        }
      }
      Deno.chmodSync(`${home.path}${folder}`, 0o700);
      await home.open();
    },
  });
}

Deno.test({
  name: `opening another user's bus fails${
    isRoot ? "" : " (ignored: needs root)"
  }`,
  ignore: !isRoot,
  async fn() {
    await using home = new Home();
    const bus = await home.open();
    await bus.publish("a", 1);
    await bus.close();
    for (const folder of ["", "/db"]) {
      Deno.chownSync(`${home.path}${folder}`, 65_534, 65_534);
      for (const readOnly of [false, true]) {
        await assert.rejects(home.open({ readOnly }), {
          fault: "ownership",
          message: /belongs to another user \(uid 65534, you are 0\)/,
        });
      }
      // Opening leaves no file in it.
      assert.deepEqual(
        [...Deno.readDirSync(`${home.path}/db`)].map(({ name }) => name),
        ["messaging.db"],
      );
      Deno.chownSync(`${home.path}${folder}`, 0, 0);
    }
  },
});

Deno.test("publish() fails once the file is replaced, beside a reader", async () => {
  await using home = new Home();
  await (await home.open()).close();
  const copy = `${home.root}/copy`;
  Deno.copyFileSync(home.database, copy);
  // The session is idle, so it does not check the file.
  const bus = await home.open({ notify: "poll", pollIntervalMs: 60_000 });
  await bus.publish("b", 1);
  const own = bus.subscribe("a");
  await own.ready;
  const refused = [assert.rejects(own.next(), { fault: "moved" })];
  // A woken reader checks the file, too.
  await new Promise((resolve) => setTimeout(resolve, 1_100));
  for (const name of ["-wal", "-shm"]) Deno.removeSync(home.database + name);
  Deno.renameSync(copy, home.database);
  for (let i = 0; i < 2; i++) {
    refused.push(assert.rejects(bus.publish("a", i), { fault: "moved" }));
  }
  await Promise.all(refused);
});

Deno.test("opening fails if the bus folder is a file", async () => {
  await using home = new Home();
  Deno.writeTextFileSync(home.path, "mine");
  await assert.rejects(home.open(), {
    fault: "permission",
    message: /it is not a folder/,
  });
  await assert.rejects(home.open({ home: `${home.path}/below` }), {
    name: "StoreError",
    message: /Cannot make/,
  });
  assert.equal(Deno.readTextFileSync(home.path), "mine");
});

Deno.test("a read-only bus reads, and rejects writes with the remedy", async () => {
  await using home = new Home();
  await assert.rejects(home.open({ readOnly: true }), {
    name: "StoreError",
  });
  assert.deepEqual([...Deno.readDirSync(home.root)], []);
  const writer = await home.open();
  await writer.publish("a", 1);
  const reader = await home.open({ readOnly: true, pollIntervalMs: 10 });
  assert.equal((await reader.poll("a")).messages.length, 1);
  const refused = {
    fault: "read-only",
    message: /writable_roots/,
  };
  await assert.rejects(reader.publish("a", 2), refused);
  await assert.rejects(
    reader.publishMany([{ channel: "a", payload: 2 }]),
    refused,
  );
  await assert.rejects(reader.purge(), refused);
  await assert.rejects(reader.sessions.register(), refused);
  await assert.rejects(reader.subscribe("a", { durable: "d" }).ready, refused);
  const subscription = reader.subscribe("a");
  await subscription.ready;
  assert.equal(subscription.mode, "poll");
  await writer.publish("a", 3);
  const { value } = await within("the message", subscription.next());
  assert.equal(value!.payload, 3);
  assert.equal((await reader.sessions.list()).length, 1);
});

Deno.test({
  name: `a bus on a read-only file system is read${unlessMounts}`,
  ignore: !canMount,
  async fn() {
    await using home = new Home();
    const first = await home.open();
    await first.publish("a", "before");
    await first.close();
    // As in an agent's sandbox: no other process has the file open yet.
    const prefix = withMount(
      'mount --bind "$folder" "$folder" && mount -o remount,ro,bind "$folder"',
      home.path,
    );
    const inside = await home.start({ pollIntervalMs: 10 }, { prefix });
    const payloads = async () =>
      (await inside.call<Message[]>("poll", { channels: ["a"] }))
        .map(({ payload }) => payload);
    assert.deepEqual(await payloads(), ["before"]);
    await assert.rejects(
      inside.call("publish", { channel: "a", payload: 1 }),
      { type: "StoreError", message: /writable_roots/ },
    );
    await inside.call("subscribe", { name: "s", channels: "a" });
    // Then a process outside continues.
    const outside = await home.open();
    await outside.publish("a", "during");
    await within("the message", inside.wait("s", 1));
    assert.deepEqual(await payloads(), ["before", "during"]);
    for (let i = 0; i < 300; i++) await outside.publish("a", i);
    await within("the messages", inside.wait("s", 301));
    await outside.close();
    assert.equal((await payloads()).length, 100);
    const again = await home.open();
    await again.publish("a", "after");
    const seen = await within("the last", inside.wait<Message>("s", 302));
    assert.equal(seen[301].payload, "after");
  },
});

Deno.test({
  name: `publish() fails on a full disk, and no message is lost${unlessMounts}`,
  ignore: !canMount,
  async fn() {
    await using home = new Home();
    Deno.mkdirSync(home.path, { mode: 0o700 });
    const peer = await home.start({ pollIntervalMs: 10 }, {
      prefix: withMount(
        'mount -t tmpfs -o size=1500k,mode=700 none "$folder"',
        home.path,
      ),
    });
    await peer.call("subscribe", { name: "s", channels: "a" });
    const { count, error } = await peer.call<{
      count: number;
      error: { type: string; message: string; fields: { fault: string } };
    }>("fill", { channel: "a", payload: "x".repeat(5_000), max: 5_000 });
    assert.equal(error.fields.fault, "full", error.message);
    assert.match(error.message, /no space is left .*\. Free some/);
    const kept = await peer.call<Message[]>("poll", {
      channels: ["a"],
      limit: 10_000,
    });
    assert.equal(kept.length, count);
    assert.equal((await peer.wait("s", count)).length, count);
    // It recovers once there is room.
    await peer.call("remount", { folder: home.path, options: "size=10m" });
    await peer.call("publish", { channel: "a", payload: "again" });
    await peer.wait("s", count + 1);
  },
});

Deno.test({
  name: `opening fails on a full disk${unlessMounts}`,
  ignore: !canMount,
  async fn() {
    for (const size of [4, 8, 16, 40, 64, 100]) {
      await using home = new Home();
      Deno.mkdirSync(home.path, { mode: 0o700 });
      const peer = home.spawn({
        prefix: withMount(
          `mount -t tmpfs -o size=${size}k,mode=700 none "$folder"`,
          home.path,
        ),
      });
      await assert.rejects(
        peer.call("open", { home: home.path }),
        (error: Error & { fields: { fault: string } }) => {
          assert.equal(error.fields.fault, "full", `${size}: ${error.message}`);
          return true;
        },
      );
      // Opening succeeds once there is room.
      await peer.call("remount", { folder: home.path, options: "size=10m" });
      await peer.call("open", { home: home.path });
      await peer.call("publish", { channel: "a", payload: 1 });
    }
  },
});

Deno.test({
  name: `opening fails without free inodes, and says so${unlessMounts}`,
  ignore: !canMount,
  async fn() {
    for (const state of ["a new", "an existing"]) {
      // The root, home, db, bells, the file, its WAL and its index.
      for (let inodes = 1; inodes <= 6; inodes++) {
        if (state === "an existing" && inodes < 5) continue;
        await using home = new Home();
        await (await home.open()).close();
        Deno.renameSync(home.path, `${home.root}/made`);
        Deno.mkdirSync(home.path, { mode: 0o700 });
        const copy = state === "a new"
          ? ""
          : ' && cp -a "$folder/../made" "$folder/bus"';
        const options = `nr_inodes=${inodes},mode=700`;
        const peer = home.spawn({
          prefix: withMount(
            `mount -t tmpfs -o ${options} none "$folder"${copy}`,
            home.path,
          ),
        });
        await assert.rejects(
          peer.call("open", { home: `${home.path}/bus` }),
          (error: Error & { fields: { fault: string } }) => {
            assert.equal(error.fields.fault, "full", error.message);
            assert.match(error.message, /no free inode.+\. Delete files there/);
            return true;
          },
          `${state} bus, ${inodes}`,
        );
        await peer.call("remount", {
          folder: home.path,
          options: "nr_inodes=50",
        });
        await peer.call("open", { home: `${home.path}/bus` });
        await peer.call("publish", { channel: "a", payload: 1 });
      }
    }
  },
});

for (const target of ["a bus", "no file"]) {
  Deno.test({
    name: `opening a database that is a link to ${target} fails`,
    ignore: Deno.build.os === "windows",
    async fn() {
      await using home = new Home();
      await (await home.open()).close();
      const file = `${home.root}/elsewhere.db`;
      if (target === "a bus") Deno.renameSync(home.database, file);
      else Deno.removeSync(home.database);
      Deno.symlinkSync(file, home.database);
      for (const readOnly of [false, true]) {
        await assert.rejects(home.open({ readOnly }), {
          fault: "permission",
          message:
            /messaging\.db for the bus: it is a symbolic link\. Put the file itself/,
        });
      }
      const names = [...Deno.readDirSync(home.root)].map(({ name }) => name);
      const kept = target === "a bus" ? ["bus", "elsewhere.db"] : ["bus"];
      assert.deepEqual(names.sort(), kept);
      for (const name of kept.slice(1)) {
        assert.equal(modeOf(`${home.root}/${name}`), "600");
      }
    },
  });
}

Deno.test({
  name: "opening a database that is a pipe or a folder fails",
  ignore: Deno.build.os === "windows",
  async fn() {
    for (const kind of ["pipe", "folder"]) {
      await using home = new Home();
      await (await home.open()).close();
      Deno.removeSync(home.database);
      if (kind === "folder") Deno.mkdirSync(home.database);
      else assert.ok(works("mkfifo", home.database));
      await assert.rejects(home.open(), {
        fault: "permission",
        message: /it is not a regular file\. Move it away/,
      });
    }
  },
});

Deno.test("the next open creates an unlinked bus folder again", async () => {
  await using home = new Home();
  const bus = await home.open();
  await bus.publish("a", 1);
  await bus.close();
  Deno.removeSync(home.path, { recursive: true });
  const again = await home.open();
  await again.publish("a", 2);
  await until("it", async () => (await again.poll("a")).messages.length === 1);
});
