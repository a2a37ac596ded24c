/**
 * A message through a subscription of the same process, against publishing it
 * and polling for it.
 *
 * @module
 */

import { benchBus, benchFolder } from "./bench_bus.ts";

const folder = benchFolder();
const bus = await benchBus(`${folder}/bus`);
const messages = bus.subscribe("state");
await messages.ready;
const other = await benchBus(`${folder}/other`);
let after = "0";

Deno.bench("publish, then poll", { group: "one", baseline: true }, async () => {
  await other.publish("state", { status: "working" });
  after = (await other.poll("state", { after })).cursor;
});
Deno.bench("publish, then next", { group: "one" }, async () => {
  await bus.publish("state", { status: "working" });
  await messages.next();
});

Deno.bench("publishMany, then poll", {
  group: "a hundred",
  baseline: true,
}, async () => {
  await other.publishMany(hundred());
  after = (await other.poll("state", { after })).cursor;
});
Deno.bench("publishMany, then next", { group: "a hundred" }, async () => {
  await bus.publishMany(hundred());
  for (let i = 0; i < 100; i++) await messages.next();
});

function hundred(): { channel: string; payload: string }[] {
  return Array.from(
    { length: 100 },
    () => ({ channel: "state", payload: "working" }),
  );
}
