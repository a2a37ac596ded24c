import assert from "node:assert/strict";
import { Home, payloadsOf, within } from "./fixture.ts";
import { locateBus } from "../lib/sqlite/location.ts";
import { WriteTurn } from "../lib/sqlite/write_turn.ts";

Deno.test("a write waits for its turn", async () => {
  await using home = new Home();
  const bus = await home.open({ busyTimeoutMs: 60_000 });
  await bus.sessions.register();
  const other = new WriteTurn(locateBus(home.path).turnPath);
  assert.equal(other.take(), true);
  let published = false;
  const publishing = bus.publish("a", 1).then(() => published = true);
  // It has tried by now: all up to its first pause takes no timer.
  for (let step = 0; step < 20; step++) await Promise.resolve();
  assert.equal(published, false);
  // Reading has no turns.
  assert.equal((await bus.poll("a")).messages.length, 0);
  other.giveBack();
  await within("the publish", publishing);
  other.close();
});

Deno.test("whoever keeps the turn is not waited for to the end", async () => {
  await using home = new Home();
  const bus = await home.open({ busyTimeoutMs: 60_000 });
  await bus.sessions.register();
  const stuck = new WriteTurn(locateBus(home.path).turnPath);
  assert.equal(stuck.take(), true);
  await within("the publish", bus.publish("a", 1));
  // One that may not wait at all does not.
  const hasty = await home.open({ busyTimeoutMs: 0 });
  await hasty.publish("a", 2);
  assert.deepEqual(payloadsOf((await bus.poll("a")).messages), [1, 2]);
  stuck.close();
});

Deno.test("a process that dies gives its turn back", async () => {
  await using home = new Home();
  const bus = await home.open({ busyTimeoutMs: 60_000 });
  await bus.sessions.register();
  const path = locateBus(home.path).turnPath;
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
  const turn = new WriteTurn(path);
  assert.equal(turn.take(), false);
  child.kill("SIGKILL");
  await child.status;
  await reader.cancel();
  assert.equal(turn.take(), true);
  turn.close();
});

Deno.test("where no turn can be had one writes without", {
  ignore: Deno.build.os === "windows",
}, async () => {
  await using home = new Home();
  const bus = await home.open();
  await bus.sessions.register();
  const other = await home.open();
  Deno.removeSync(locateBus(home.path).turnPath);
  Deno.mkdirSync(locateBus(home.path).turnPath);
  await other.publish("a", 1);
  assert.deepEqual(payloadsOf((await bus.poll("a")).messages), [1]);
});
