/**
 * A subscriber in a separate process, which reports its number of messages; run
 * by publish.ts.
 *
 * @module
 */

import { openBus } from "../mod.ts";
import { argumentOfChild, print, words } from "./children.ts";
import { pause } from "./clock.ts";

const QUIET_MS = 300;

const { home, channels } = argumentOfChild<
  { readonly home: string; readonly channels: readonly string[] }
>();

await using bus = await openBus({ home, session: "subscriber" });
const messages = bus.subscribe(channels);
await messages.ready;
let received = 0;
const receiving = receive();
print("ready");
for await (const _ of words()) {
  // The last messages may arrive later.
  for (let before = -1; before < received; await pause(QUIET_MS)) {
    before = received;
  }
  print(received);
}
await messages.close();
await receiving;

async function receive(): Promise<void> {
  for await (const _ of messages) received++;
}
