/**
 * One session of a load (load.ts): prints "ready", starts on a line of stdin,
 * and reports at its end.
 *
 * @module
 */

import type { Message, MessageBus } from "../../../mod.ts";
import { TextLineStream } from "../../text_lines.ts";
import { monotonicMs } from "../history.ts";
import {
  Lateness,
  type LoadReport,
  type LoadStart,
  type MemorySample,
} from "../load.ts";
import { Chance } from "../seed.ts";

interface Payload {
  readonly from: string;
  readonly number: number;
  readonly atMs: number;
  readonly isLast: boolean;
}

const ACK_EVERY = 10;
// Longer than any session is stopped, and short enough for many purges.
const TTL_SECONDS = 300;

const start: LoadStart = JSON.parse(Deno.args[0]);
const wrong: string[] = [];
const memory: MemorySample[] = [];
const late = new Lateness();
let published = 0;
let delivered = 0;
let stopped = false;
const startedAt = performance.now();

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

function sample(): void {
  // deno-lint-ignore no-explicit-any
  (globalThis as any).gc();
  memory.push({
    atMs: performance.now() - startedAt,
    messages: published + delivered,
    rss: Deno.memoryUsage().rss,
    heap: Deno.memoryUsage().heapUsed,
  });
}

async function publish(bus: MessageBus): Promise<void> {
  const { writes, perSecond, seconds, payloadBytes, session } = start;
  if (writes === undefined) return;
  const filling = "x".repeat(payloadBytes);
  const publishOne = (isLast: boolean) =>
    bus.publish(writes, {
      from: session,
      number: published,
      atMs: monotonicMs(),
      isLast,
      filling,
    }, { ttlSeconds: TTL_SECONDS });
  const beganAt = performance.now();
  // Spreads the sessions over the interval.
  const shiftMs = new Chance(start.seed).next() * 1_000 / perSecond;
  while (!stopped) {
    const dueMs = shiftMs + published * 1_000 / perSecond;
    if (dueMs >= seconds * 1_000) break;
    const passedMs = performance.now() - beganAt;
    if (passedMs >= seconds * 1_000) break;
    if (dueMs - passedMs > 1) await sleep(dueMs - passedMs);
    await publishOne(false);
    published++;
  }
  await publishOne(true);
}

const next = new Map<string, number>();

/** Checks a message. Returns whether it is its publisher's last one. */
function take(message: Message): boolean {
  const payload = message.payload as unknown as Payload;
  const { from, number, atMs, isLast } = payload;
  const expected = next.get(from) ?? 0;
  if (number !== expected) {
    wrong.push(`${number} of ${from}, where ${expected} was next`);
  }
  next.set(from, number + 1);
  if (isLast) return true;
  delivered++;
  late.add(monotonicMs() - atMs);
  return false;
}

async function read(bus: MessageBus): Promise<() => Promise<void>> {
  const { reads, durable, slowMs, session, writers = 1 } = start;
  if (reads === undefined) return () => Promise.resolve();
  const subscription = bus.subscribe(reads, {
    ...(durable && { durable: session }),
    from: "start",
    onLost: (count) => wrong.push(`${count} messages were lost`),
  });
  await subscription.ready;
  return async () => {
    let ended = 0;
    const stop = setInterval(() => stopped && subscription.close(), 100);
    try {
      for await (const message of subscription) {
        if (take(message)) ended++;
        if (durable && delivered % ACK_EVERY === 0) {
          await subscription.ack(message);
        }
        if (ended === writers) break;
        if (slowMs !== undefined) await sleep(slowMs);
      }
    } finally {
      clearInterval(stop);
    }
  };
}

const library: typeof import("../../../mod.ts") = await import(start.library);
{
  await using bus = await library.openBus({
    home: start.home,
    project: null,
    session: start.session,
    channelMessagesMax: 1e7,
    busyTimeoutMs: 60_000,
    warn: (message) => wrong.push(message),
  });
  await bus.sessions.register();
  const reading = await read(bus);
  console.log("ready");
  const lines = Deno.stdin.readable
    .pipeThrough(new TextDecoderStream())
    .pipeThrough(new TextLineStream())[Symbol.asyncIterator]();
  await lines.next();
  lines.next().then(() => stopped = true);
  const sampling = setInterval(sample, start.sampleEveryMs);
  try {
    await Promise.all([publish(bus), reading()]);
  } catch (error) {
    wrong.push(String(error));
  }
  sample();
  clearInterval(sampling);
}
const report: LoadReport = {
  session: start.session,
  published,
  delivered,
  wrong,
  lateMs: { p50: late.quantile(0.5), p99: late.quantile(0.99) },
  memory,
};
console.log(JSON.stringify(report));
