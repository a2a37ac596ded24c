/**
 * One session of the delivery benchmark, over this bus in PostgreSQL; run by
 * postgres.ts.
 *
 * @module
 */

import { type Message, openBus } from "../mod.ts";
import { argumentOfChild, say, words } from "./children.ts";
import { sharedNowMs } from "./clock.ts";
import {
  channelsOf,
  type Said,
  saySomeWhile,
  type SessionAccount,
  type SessionTask,
} from "./workload.ts";

const task = argumentOfChild<SessionTask>();
const orders = words();
const heard: [number, number, number][] = [];

await using bus = await openBus({
  url: task.folder,
  session: `session-${task.session}`,
  vendor: "bench",
});
await bus.sessions.register();
const messages = bus.subscribe(channelsOf(task));
await messages.ready;
const hearing = hear(messages);
say("standing");
await orders.next();
say("joined");
await orders.next();
const said = await saySomeWhile(task, async (channel, said) => {
  await bus.publish(channel, { ...said });
  return sharedNowMs();
});
await messages.close();
await hearing;
const account: SessionAccount = { said, heard };
say(account);

async function hear(messages: AsyncIterable<Message>): Promise<void> {
  for await (const message of messages) {
    const at = sharedNowMs();
    const { session, number } = message.payload as unknown as Said;
    // One's own needed no delivery between processes.
    if (session !== task.session) heard.push([session, number, at]);
  }
}
