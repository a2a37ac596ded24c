/**
 * A session that replies, in a separate process; run by growth.ts.
 *
 * @module
 */

import { openBus } from "../mod.ts";
import { argumentOfChild, print, words } from "./children.ts";

const home = argumentOfChild<string>();
const bus = await openBus({
  home,
  project: home,
  session: "echo",
  publishesPerSecondMax: 1e9,
});
const questions = bus.subscribe("question");
await questions.ready;
print("ready");
answerAll();
for await (const _ of words());
await bus.close();

async function answerAll(): Promise<void> {
  for await (const { payload } of questions) {
    await bus.publish("answer", payload);
  }
}
