import assert from "node:assert/strict";
import { WAL_TRUNCATE_BYTES } from "../lib/sqlite/checkpoint.ts";
import { Home, until, within } from "./fixture.ts";

const MIB = 1024 * 1024;

/** Publishes 64 MiB in a thousand messages. Returns the largest size of the WAL. */
async function publishMuch(home: Home): Promise<number> {
  const bus = await home.open({ channelMessagesMax: 20 });
  const filling = "x".repeat(60_000);
  let largest = 0;
  for (let message = 0; message < 1_000; message++) {
    await bus.publish("a", filling);
    const { size } = Deno.statSync(`${home.database}-wal`);
    largest = Math.max(largest, size);
  }
  return largest;
}

Deno.test("the WAL stays small while a reader is always active", async () => {
  await using home = new Home();
  await (await home.open()).publish("a", 1);
  const script = new URL("./peers/reader_turns.ts", import.meta.url).pathname;
  const reader = new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "--allow-all", script, home.database],
    stdin: "piped",
    stdout: "piped",
  }).spawn();
  const lines = reader.stdout.getReader();
  await within("the reader", lines.read());
  const largest = await publishMuch(home);
  await reader.stdin.close();
  await lines.cancel();
  assert.ok((await reader.status).success);
  // Messages published before the next size check come on top.
  assert.ok(largest < WAL_TRUNCATE_BYTES + 16 * MIB, `${largest / MIB} MiB`);
});

Deno.test("the WAL is checkpointed in the background, not within a commit", async () => {
  await using home = new Home();
  const bus = await home.open();
  const other = home.foreign();
  // Returns the pages of the WAL, without a checkpoint.
  const status = other.prepare("PRAGMA wal_checkpoint(NOOP)");
  let pages = 0;
  for (let i = 0; pages < 880; i++) {
    await bus.publish("a", i);
    const { log, checkpointed } = status.get()!;
    // No commit has run a checkpoint.
    assert.equal(checkpointed, 0);
    pages = Number(log);
  }
  // The background checkpoint also resets the WAL, so no other commit does.
  await until("the reset", () => Number(status.get()!.log) < 100);
});

Deno.test("a stopped reader delays no writer, and the WAL is truncated after it goes on", async () => {
  await using home = new Home();
  await (await home.open()).publish("a", 1);
  const reader = await home.start();
  const path = home.database;
  const begin = "BEGIN; SELECT count(*) FROM inter_session_messages";
  await reader.call("sql", { path, sql: begin });
  assert.ok(await publishMuch(home) > WAL_TRUNCATE_BYTES);
  await reader.call("sql", { path, sql: "COMMIT" });
  const bus = await home.open({
    channelMessagesMax: 20,
    // After the backoff.
    now: () => Date.now() + 60_000,
  });
  await bus.purge();
  assert.ok(Deno.statSync(`${path}-wal`).size < MIB);
  assert.equal((await bus.poll("a")).messages.length, 20);
});
