/**
 * One session of a load (see load.ts): says "ready", begins when it is told to,
 * and reports at its end.
 *
 * @module
 */

import type { Message, MessageBus } from "../../../mod.ts";
import { TextLineStream } from "../../text_lines.ts";
import { monotonicMs } from "../history.ts";
import type { LoadReport, LoadStart, MemorySample } from "../load.ts";

interface Payload {
  readonly from: string;
  readonly number: number;
  readonly atMs: number;
}

const SAMPLE_EVERY_MS = 1_000;
const ACK_EVERY = 10;
// Longer than a load lasts: what is not delivered is not excused by it.
const TTL_SECONDS = 30 * 60;

const start: LoadStart = JSON.parse(Deno.args[0]);
const wrong: string[] = [];
const memory: MemorySample[] = [];
const lateMs: number[] = [];
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
  const count = Math.round(perSecond * seconds);
  const beganAt = performance.now();
  // So that they do not all publish at one instant.
  const shiftMs = Math.random() * 1_000 / perSecond;
  while (published < count && !stopped) {
    const dueMs = shiftMs + published * 1_000 / perSecond;
    const inMs = dueMs - (performance.now() - beganAt);
    if (inMs > 1) await sleep(inMs);
    await bus.publish(writes, {
      from: session,
      number: published,
      atMs: monotonicMs(),
      filling,
    }, { ttlSeconds: TTL_SECONDS });
    published++;
  }
}

const next = new Map<string, number>();

function take(message: Message): void {
  const { from, number, atMs } = message.payload as unknown as Payload;
  const expected = next.get(from) ?? 0;
  if (number !== expected) {
    wrong.push(`${number} of ${from} where ${expected} was next`);
  }
  next.set(from, number + 1);
  delivered++;
  lateMs.push(monotonicMs() - atMs);
}

async function read(bus: MessageBus): Promise<() => Promise<void>> {
  const { reads, expects, durable, slowMs, session } = start;
  if (reads === undefined) return () => Promise.resolve();
  const subscription = bus.subscribe(reads, {
    ...(durable && { durable: session }),
    from: "start",
    onLost: (count) => wrong.push(`${count} were lost`),
  });
  await subscription.ready;
  return async () => {
    const stop = setInterval(() => stopped && subscription.close(), 100);
    for await (const message of subscription) {
      take(message);
      if (durable && delivered % ACK_EVERY === 0) {
        await subscription.ack(message);
      }
      if (slowMs !== undefined) await sleep(slowMs);
      if (delivered === expects) break;
    }
    clearInterval(stop);
  };
}

const quantile = (sorted: readonly number[], q: number): number =>
  Math.round((sorted[Math.floor(sorted.length * q)] ?? 0) * 100) / 100;

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
  const sampling = setInterval(sample, SAMPLE_EVERY_MS);
  try {
    await Promise.all([publish(bus), reading()]);
  } catch (error) {
    wrong.push(String(error));
  }
  sample();
  clearInterval(sampling);
}
lateMs.sort((a, b) => a - b);
const report: LoadReport = {
  session: start.session,
  published,
  delivered,
  wrong,
  lateMs: { p50: quantile(lateMs, 0.5), p99: quantile(lateMs, 0.99) },
  memory,
};
console.log(JSON.stringify(report));
