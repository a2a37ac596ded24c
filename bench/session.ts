/**
 * One session of a contestant, in a separate process; controlled by fleet.ts.
 *
 * It executes one order a line. It ends when its stdin ends, even if the
 * contestant has open resources.
 *
 * @module
 */

import { argumentOfChild, print, words } from "./children.ts";
import { sharedNowMs } from "./clock.ts";
import type { OpenPeer, Peer, PeerConfig } from "./contestant.ts";
import { type Distribution, distributionOf } from "./quantiles.ts";
import {
  channelTo,
  type Payload,
  payloadOf,
  publishWorkload,
  type SessionAccount,
  type Workload,
} from "./workload.ts";

/** The argument of a session's process. */
export interface SessionStart {
  /** The contestant's module in the folder `contestants`. */
  readonly module: string;
  readonly config: PeerConfig;
}

/** The first output of a session's process. */
export interface Readiness {
  readonly ready: boolean;
  /** The error, if the session cannot start. */
  readonly error?: string;
}

/** The response to the order `write`. */
export interface Written {
  /** The number of acknowledged messages. */
  readonly count: number;
  /** The time of each message, in ms. */
  readonly waits: Distribution;
}

/** An order to a session's process. */
export type Order =
  | { readonly do: "join" }
  /** Publish a workload; responds at its end. */
  | { readonly do: "publish"; readonly workload: Workload }
  /** Return the messages published and received since then. */
  | { readonly do: "account" }
  /** Publish to one session at full speed, in batches. */
  | {
    readonly do: "flood";
    readonly to: number;
    readonly messages: number;
    readonly batch: number;
  }
  /** Publish to one session without end, and print each acknowledged number. */
  | { readonly do: "count"; readonly to: number }
  /** Publish without readers for a time. */
  | { readonly do: "write"; readonly ms: number }
  /** Return the received numbers. */
  | { readonly do: "received" }
  /** Return the arrival time of a message, after its arrival. */
  | { readonly do: "await"; readonly number: number }
  | { readonly do: "sizes" };

const { module, config } = argumentOfChild<SessionStart>();

let sent: SessionAccount["sent"] = [];
let received: [number, number, number][] = [];
let wokenAt: number[] = [];
let next = 0;
let awaited: { readonly number: number; resolve(): void } | undefined;

const peer = await open();
print({ ready: true } satisfies Readiness);
for await (const word of words()) {
  // Not awaited, so that the end of stdin ends an endless order.
  obey(JSON.parse(word) as Order).catch((error: Error) => {
    console.error(`session ${config.session}: ${error.message}`);
    Deno.exit(1);
  });
}
Deno.exit();

async function open(): Promise<Peer> {
  try {
    const { openPeer }: { openPeer: OpenPeer } = await import(
      new URL(`contestants/${module}.ts`, import.meta.url).href
    );
    return await openPeer(config, receive, () => wokenAt.push(sharedNowMs()));
  } catch (error) {
    print(
      { ready: false, error: (error as Error).message } satisfies Readiness,
    );
    Deno.exit(1);
  }
}

function receive(payload: Payload): void {
  // A session's own messages are not deliveries between processes.
  if (payload.session === config.session) return;
  received.push([payload.session, payload.number, sharedNowMs()]);
  if (awaited !== undefined && payload.number >= awaited.number) {
    awaited.resolve();
  }
}

async function obey(order: Order): Promise<void> {
  switch (order.do) {
    case "join":
      return print({ joined: await join() });
    case "publish":
      sent = await publishAll(order.workload);
      return print({ published: sent.length });
    case "account":
      return print({ sent, received, wokenAt } satisfies SessionAccount);
    case "flood":
      return print(await flood(order));
    case "count":
      for (;;) {
        await peer.publish(
          channelTo(order.to),
          payloadOf(config.session, next),
          order.to,
        );
        print(next++);
      }
    case "write":
      return print(await write(order.ms));
    case "received":
      return print(received.map(([, number]) => number));
    case "await":
      return print(await arrivalOf(order.number));
    case "sizes":
      return print(peer.sizes?.() ?? {});
  }
}

/**
 * Joins the other sessions. Returns false if one that must exist is missing.
 */
async function join(): Promise<boolean> {
  try {
    await peer.join?.();
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

async function publishAll(workload: Workload): Promise<SessionAccount["sent"]> {
  received = [];
  wokenAt = [];
  return await publishWorkload(
    workload,
    config.session,
    config.sessions,
    next,
    (channel, payload, to) => {
      next = payload.number + 1;
      return peer.publish(channel, payload, to);
    },
  );
}

/**
 * Floods a session. Returns the times of the start and the last
 * acknowledgement.
 */
async function flood(
  { to, messages, batch }: Extract<Order, { do: "flood" }>,
): Promise<{ began: number; acknowledged: number; last: number }> {
  const began = sharedNowMs();
  for (let sent = 0; sent < messages; sent += batch) {
    const many = Array.from(
      { length: batch },
      () => payloadOf(config.session, next++),
    );
    await peer.publishMany(channelTo(to), many, to);
  }
  return { began, acknowledged: sharedNowMs(), last: next - 1 };
}

async function write(ms: number): Promise<Written> {
  const beganAt = performance.now();
  const waits: number[] = [];
  for (let now = beganAt; now < beganAt + ms;) {
    await peer.publish(
      "build.results",
      payloadOf(config.session, next++),
      "all",
    );
    const after = performance.now();
    waits.push(after - now);
    now = after;
  }
  return { count: waits.length, waits: distributionOf(waits) };
}

async function arrivalOf(number: number): Promise<number> {
  if (!received.some(([, each]) => each >= number)) {
    await new Promise<void>((resolve) => awaited = { number, resolve });
  }
  awaited = undefined;
  return received.find(([, each]) => each >= number)![2];
}
