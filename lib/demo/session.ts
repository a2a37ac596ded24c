/**
 * One session of the demo: a process that reads orders from standard input and
 * prints its events, both as one JSON object per line.
 *
 * @module
 */

import { type Claim, type Lock, type MessageBus, openBus } from "../../mod.ts";
import { now, type Order, type SessionEvent } from "./script.ts";

const [vendor, session] = Deno.args;
await using bus = await openBus({ vendor, session });

/** Prints an event. */
function say(event: SessionEvent): void {
  console.log(JSON.stringify(event));
}

/** Prints each pushed message, with its latency in milliseconds. */
async function listen(bus: MessageBus): Promise<void> {
  const channels = ["state", "task_broadcast", "file_conflict", "heartbeat"];
  const subscription = bus.subscribe(channels);
  await subscription.ready;
  say({ what: "listening", mode: subscription.mode });
  for await (const { channel, sender, payload } of subscription) {
    if (sender === bus.session) continue;
    const { sentAt } = payload as { sentAt?: number };
    const ms = sentAt === undefined ? undefined : now() - sentAt;
    say({ what: "received", channel, sender, payload, ms });
  }
}

/** Answers each question. */
async function answer(bus: MessageBus): Promise<void> {
  for await (const question of bus.inbox()) {
    // An answer is a direct message, too.
    if (question.replyTo === undefined) {
      await bus.reply(question, "done, it is on branch main");
    }
  }
}

let lock: Lock | undefined;
let claim: Claim | undefined;

/** Executes one order. */
async function obey(order: Order): Promise<void> {
  switch (order.do) {
    case "register":
      await bus.sessions.register({ model: order.model });
      say({ what: "registered" });
      break;
    case "publish":
      await bus.publish("state", { status: order.status, sentAt: now() });
      break;
    case "chatter":
      for (let i = 0; i < order.messages; i++) {
        await bus.publish("state", { step: i, sentAt: now() });
        await new Promise((resolve) =>
          setTimeout(resolve, 30 + Math.random() * 20)
        );
      }
      say({ what: "chattered" });
      break;
    case "claim":
      claim = await bus.tasks.claimNext();
      say({ what: "claimed", task: claim?.id });
      break;
    case "complete":
      if (claim !== undefined) await bus.tasks.complete(claim, "ok");
      break;
    case "lock":
      lock = await bus.locks.acquire(order.path, {
        type: order.exclusive ? "exclusive" : "advisory",
        waitMs: order.waitMs,
        why: order.why,
        onWait: ([blocker]) => say({ what: "waiting", blocker }),
      });
      say({
        what: "locked",
        at: now(),
        token: lock.token,
        overlaps: lock.overlaps,
      });
      break;
    case "unlock":
      say({ what: "unlocking", at: now() });
      await lock?.release();
      break;
    case "ask": {
      const askedAt = now();
      const reply = await bus.ask(order.to, order.text, { timeoutMs: 5_000 });
      say({
        what: "answered",
        text: String(reply.payload),
        ms: now() - askedAt,
      });
      break;
    }
  }
}

const listening = listen(bus);
const answering = answer(bus);
const lines = Deno.stdin.readable
  .pipeThrough(new TextDecoderStream())
  .values();
let text = "";
for await (const chunk of lines) {
  text += chunk;
  const orders = text.split("\n");
  text = orders.pop()!;
  for (const order of orders) await obey(JSON.parse(order));
}
// The session ends with its orders. The inbox still waits, so the process exits.
await bus.close();
await listening;
void answering;
Deno.exit(0);
