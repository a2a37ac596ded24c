import assert from "node:assert/strict";
import { StoreError } from "../mod.ts";
import { createHash } from "node:crypto";
import { DatabaseSync } from "node:sqlite";
import { Home, numbers } from "./fixture.ts";

/** Returns a check of the error of a refused open. */
function refusal(fault: string, words: RegExp) {
  return (error: unknown): true => {
    assert.ok(error instanceof StoreError, String(error));
    assert.equal(error.fault, fault);
    assert.equal(error.kind, "store");
    assert.match(error.message, /^Cannot [^\n]+\. [A-Z][^\n]+\.$/);
    assert.match(error.message, words);
    return true;
  };
}

/** Writes a file at the database's path. */
function place(home: Home, bytes: Uint8Array): void {
  Deno.mkdirSync(`${home.path}/db`, { recursive: true, mode: 0o700 });
  Deno.chmodSync(home.path, 0o700);
  Deno.writeFileSync(home.database, bytes);
}

/** Returns the hashes of the files in the database's folder, without the shared index. */
function contents(home: Home): Record<string, string> {
  const files: Record<string, string> = {};
  for (const { name } of Deno.readDirSync(`${home.path}/db`)) {
    if (name.endsWith("-shm")) continue;
    const bytes = Deno.readFileSync(`${home.path}/db/${name}`);
    if (bytes.length > 0) {
      files[name] = createHash("sha256").update(bytes).digest("hex");
    }
  }
  return files;
}

Deno.test("ten processes open a fresh folder at once", async () => {
  await using home = new Home();
  const peers = numbers(0, 10).map(() => home.spawn());
  await Promise.all(peers.map((peer) => peer.call("ping")));
  const opening = { home: home.path, project: null };
  await Promise.all(peers.map((peer) => peer.call("open", opening)));
  await Promise.all(
    peers.map((peer, payload) =>
      peer.call("publish", { channel: "a", payload })
    ),
  );
  const bus = await home.open();
  const { messages } = await bus.poll("a");
  assert.deepEqual(
    messages.map(({ payload }) => Number(payload)).sort(),
    numbers(0, 10),
  );
  const database = home.foreign();
  const read = (pragma: string) =>
    Object.values(database.prepare(`PRAGMA ${pragma}`).get()!)[0];
  assert.equal(read("integrity_check"), "ok");
  assert.equal(read("journal_mode"), "wal");
  assert.equal(read("auto_vacuum"), 2);
  assert.equal(read("application_id"), 0x6d627573);
});

Deno.test("an empty file becomes a bus", async () => {
  await using home = new Home();
  place(home, new Uint8Array());
  const bus = await home.open();
  await bus.publish("a", 1);
  assert.equal((await bus.poll("a")).messages.length, 1);
});

Deno.test("open() refuses a file that is not a database, and leaves it unchanged", async () => {
  await using home = new Home();
  place(home, new TextEncoder().encode("my only copy\n".repeat(1_000)));
  const before = contents(home);
  for (const readOnly of [false, true]) {
    await assert.rejects(
      home.open({ readOnly }),
      refusal("not-a-database", /Move that file away/),
    );
  }
  assert.deepEqual(contents(home), before);
});

for (const journal of ["delete", "wal", "wal with commits"]) {
  Deno.test(`open() refuses another program's database (${journal}), and leaves it unchanged`, async () => {
    await using home = new Home();
    const path = `${home.root}/other.db`;
    const other = new DatabaseSync(path);
    other.exec(`PRAGMA journal_mode=${journal.split(" ")[0]};
      CREATE TABLE cookies(a); INSERT INTO cookies VALUES (1)`);
    if (journal !== "wal with commits") other.close();
    // As after a crash, with commits that are not checkpointed.
    place(home, Deno.readFileSync(path));
    if (other.isOpen) {
      Deno.copyFileSync(`${path}-wal`, `${home.database}-wal`);
      other.close();
    }
    const before = contents(home);
    for (const readOnly of [false, true]) {
      await assert.rejects(
        home.open({ readOnly }),
        refusal("foreign", /another program's database/),
      );
      assert.deepEqual(contents(home), before);
    }
  });
}

Deno.test("open() refuses a damaged file, and leaves it unchanged", async () => {
  await using home = new Home();
  const first = await home.open();
  await first.publishMany(
    numbers(0, 200).map((payload) => ({ channel: "a", payload })),
  );
  await first.close();
  const bytes = Deno.readFileSync(home.database);
  bytes.fill(0xa5, 4096);
  Deno.writeFileSync(home.database, bytes);
  const before = contents(home);
  await assert.rejects(home.open(), refusal("corrupt", /is damaged/));
  assert.deepEqual(contents(home), before);
});

Deno.test("poll() and a subscription reject when they read damaged pages", async () => {
  await using home = new Home();
  const bus = await home.open({ pollIntervalMs: 10 });
  await bus.publishMany(
    numbers(0, 2_000).map((payload) => ({ channel: "a", payload })),
  );
  await bus.close();
  const pages = Deno.statSync(home.database).size / 4096;
  const bytes = Deno.readFileSync(home.database);
  // The messages are damaged, but not the schema.
  bytes.fill(0xa5, 4096 * (pages - 20));
  Deno.writeFileSync(home.database, bytes);
  const again = await home.open();
  await assert.rejects(
    again.poll("a", { limit: 10_000 }),
    refusal("corrupt", /is damaged/),
  );
  const reader = again.subscribe("a", { from: "start" });
  await assert.rejects(
    (async () => {
      for await (const _ of reader);
    })(),
    refusal("corrupt", /is damaged/),
  );
});

Deno.test("open() and the writes of an open bus refuse a newer schema", async () => {
  await using home = new Home();
  const bus = await home.open();
  await bus.publish("a", 1);
  const database = home.foreign();
  const newer = refusal("newer", /version 99 .* Upgrade mbus/);
  database.exec(
    "UPDATE _schema_version SET compatible_from = 99, version = 99",
  );
  await assert.rejects(home.open(), newer);
  await assert.rejects(home.open({ readOnly: true }), newer);
  await assert.rejects(bus.publish("a", 2), newer);
  await assert.rejects(
    Promise.all([bus.publish("a", 2), bus.publish("a", 3)]),
    newer,
  );
  await assert.rejects(bus.publishMany([{ channel: "a", payload: 2 }]), newer);
  await assert.rejects(bus.sessions.update({ status: "idle" }), newer);
  await assert.rejects(bus.subscribe("a", { durable: "d" }).ready, newer);
  await assert.rejects(bus.purge(), newer);
  const count = database.prepare(
    "SELECT count(*) AS n FROM inter_session_messages WHERE channel = 'a'",
  );
  assert.equal(count.get()!.n, 1);

  // A newer schema that is compatible is not refused.
  database.exec("UPDATE _schema_version SET compatible_from = 1");
  await bus.publish("a", 2);
  const again = await home.open();
  assert.equal((await again.poll("a")).messages.length, 2);
});

Deno.test("writes reject while the schema's version is missing", async () => {
  await using home = new Home();
  const bus = await home.open();
  await bus.publish("a", 1);
  home.foreign().exec("DELETE FROM _schema_version");
  const lacking = refusal("corrupt", /version/);
  await assert.rejects(bus.publish("a", 2), lacking);
  await assert.rejects(
    bus.publishMany([{ channel: "a", payload: 2 }]),
    lacking,
  );
  await assert.rejects(home.open(), lacking);
  home.foreign().exec(
    "INSERT INTO _schema_version(version, compatible_from) VALUES (1, 1)",
  );
});

Deno.test("open() refuses a second SQLite library in a process", async () => {
  await using home = new Home();
  await home.open();
  await assert.rejects(
    home.open({ driver: "ffi" }),
    refusal("driver", /two SQLite libraries in one process/),
  );
});

Deno.test("two buses in one process see each other", async () => {
  await using home = new Home();
  const [one, two] = [await home.open(), await home.open()];
  const reader = two.subscribe("a");
  await reader.ready;
  await one.publish("a", 1);
  assert.equal((await reader.next()).value!.payload, 1);
  await one.close();
  await two.publish("a", 2);
  assert.equal((await reader.next()).value!.payload, 2);
});

Deno.test("an aborted signal closes the bus, or keeps it from opening", async () => {
  await using home = new Home();
  const reason = new Error("no");
  await assert.rejects(
    home.open({ signal: AbortSignal.abort(reason) }),
    (error) => error === reason,
  );
  const late = new AbortController();
  const opening = home.open({ signal: late.signal });
  late.abort(reason);
  await assert.rejects(opening, (error) => error === reason);
  const controller = new AbortController();
  const bus = await home.open({ signal: controller.signal });
  const reader = bus.subscribe("a");
  await reader.ready;
  const next = reader.next();
  controller.abort();
  assert.equal((await next).done, true);
  await assert.rejects(bus.publish("a", 1), { name: "ClosedError" });
});
