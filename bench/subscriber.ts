/**
 * A subscriber in a process of its own; run by publish.ts and idle.ts. Says
 * when it stands, and how many messages it got when it is asked.
 *
 * @module
 */

import { openBus } from "../mod.ts";
import { argumentOfChild, say, words } from "./children.ts";
import { pause } from "./clock.ts";

const QUIET_MS = 300;

const { home, channels } = argumentOfChild<
  { readonly home: string; readonly channels: readonly string[] }
>();

await using bus = await openBus({ home, session: "subscriber" });
const messages = bus.subscribe(channels);
await messages.ready;
let heard = 0;
const hearing = hear();
say("standing");
for await (const _ of words()) {
  // What was published last may still be under way.
  for (let before = -1; before < heard; await pause(QUIET_MS)) before = heard;
  say(heard);
}
await messages.close();
await hearing;

async function hear(): Promise<void> {
  for await (const _ of messages) heard++;
}
