/**
 * One session of the delivery benchmark, over bare bells; run by delivery.ts.
 *
 * Each session watches one file and touches those of all others: nothing is
 * stored, looked up or read. It is the floor of whatever is pushed by the file
 * system: no bus that is can be sooner on the same machine.
 *
 * A touch carries nothing, so a message has come when its reader is woken for
 * the first time after it was said.
 *
 * @module
 */

import { argumentOfChild, say, words } from "./children.ts";
import { sharedNowMs } from "./clock.ts";
import {
  saySomeWhile,
  type SessionAccount,
  type SessionTask,
} from "./workload.ts";

const task = argumentOfChild<SessionTask>();
const orders = words();
const wokenAt: number[] = [];

await Deno.writeTextFile(bellOf(task.session), "");
const watch = Deno.watchFs(bellOf(task.session), { recursive: false });
const listening = listen();
say("standing");
await orders.next();
say("joined");
await orders.next();
const said = await saySomeWhile(task, () => {
  const beganAt = sharedNowMs();
  const now = Date.now() / 1_000;
  for (let session = 0; session < task.sessions; session++) {
    if (session === task.session) continue;
    Deno.utimeSync(bellOf(session), now, now);
  }
  return Promise.resolve(beganAt);
});
watch.close();
await listening;
const account: SessionAccount = { said, heard: [], wokenAt };
say(account);

function bellOf(session: number): string {
  return `${task.folder}/${session}.bell`;
}

async function listen(): Promise<void> {
  for await (const _ of watch) wokenAt.push(sharedNowMs());
}
