import assert from "node:assert/strict";
import { Home, payloadsOf, within } from "./fixture.ts";
import { locateBus } from "../lib/sqlite/location.ts";
import { WriterLock } from "../lib/sqlite/writer_lock.ts";

Deno.test("a write waits for the writer lock", async () => {
  await using home = new Home();
  const bus = await home.open({ busyTimeoutMs: 60_000 });
  await bus.sessions.register();
  const other = new WriterLock(locateBus(home.path).writerLockPath);
  assert.equal(other.tryAcquire(), true);
  let published = false;
  const publishing = bus.publish("a", 1).then(() => published = true);
  // The write has tried by now, because it uses no timer before its first pause.
  for (let step = 0; step < 20; step++) await Promise.resolve();
  assert.equal(published, false);
  // A read takes no lock.
  assert.equal((await bus.poll("a")).messages.length, 0);
  other.release();
  await within("the publish", publishing);
  other.close();
});

Deno.test("a write goes on without the writer lock after a holder keeps it too long", async () => {
  await using home = new Home();
  const bus = await home.open({ busyTimeoutMs: 60_000 });
  await bus.sessions.register();
  const stuck = new WriterLock(locateBus(home.path).writerLockPath);
  assert.equal(stuck.tryAcquire(), true);
  await within("the publish", bus.publish("a", 1));
  // A write with a timeout of 0 does not wait.
  const hasty = await home.open({ busyTimeoutMs: 0 });
  await hasty.publish("a", 2);
  assert.deepEqual(payloadsOf((await bus.poll("a")).messages), [1, 2]);
  stuck.close();
});

Deno.test("the writer lock of a process is released when it dies", async () => {
  await using home = new Home();
  const bus = await home.open({ busyTimeoutMs: 60_000 });
  await bus.sessions.register();
  const path = locateBus(home.path).writerLockPath;
  const script = `Deno.openSync(${JSON.stringify(path)}, { write: true })
    .lockSync(true);
    console.log("taken");
    setInterval(() => {}, 1_000);`;
  const child = new Deno.Command(Deno.execPath(), {
    args: ["eval", script],
    stdout: "piped",
  }).spawn();
  const reader = child.stdout.getReader();
  await reader.read();
  const lock = new WriterLock(path);
  assert.equal(lock.tryAcquire(), false);
  child.kill("SIGKILL");
  await child.status;
  await reader.cancel();
  assert.equal(lock.tryAcquire(), true);
  lock.close();
});

Deno.test("a bus writes without a writer lock if its file cannot be opened", {
  ignore: Deno.build.os === "windows",
}, async () => {
  await using home = new Home();
  const bus = await home.open();
  await bus.sessions.register();
  const other = await home.open();
  Deno.removeSync(locateBus(home.path).writerLockPath);
  Deno.mkdirSync(locateBus(home.path).writerLockPath);
  await other.publish("a", 1);
  assert.deepEqual(payloadsOf((await bus.poll("a")).messages), [1]);
});
