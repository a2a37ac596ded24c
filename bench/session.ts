/**
 * One session of a contestant, in a process of its own; led by fleet.ts.
 *
 * It does what it is told, one order a line, and ends when its input ends,
 * whatever the contestant still has open.
 *
 * @module
 */

import { argumentOfChild, say, words } from "./children.ts";
import { sharedNowMs } from "./clock.ts";
import type { OpenPeer, Peer, Seat } from "./contestant.ts";
import { type Distribution, distributionOf } from "./quantiles.ts";
import {
  channelTo,
  type Said,
  saying,
  type SessionAccount,
  type Talk,
  talkFor,
} from "./workload.ts";

/** What a session's process is started with. */
export interface SessionStart {
  /** The contestant's module in the folder `contestants`. */
  readonly module: string;
  readonly seat: Seat;
}

/** What a session's process says first. */
export interface Standing {
  readonly standing: boolean;
  /** Why it does not stand. */
  readonly why?: string;
}

/** What a session tells of writing on and on. */
export interface Written {
  /** Messages that were acknowledged. */
  readonly count: number;
  /** How long each took, in ms. */
  readonly waits: Distribution;
}

/** What a session's process can be told. */
export type Order =
  | { readonly do: "join" }
  /** Talk; says when it is through. */
  | { readonly do: "talk"; readonly talk: Talk }
  /** Tell what was said and heard since then. */
  | { readonly do: "account" }
  /** Say so many to one as fast as it goes, in batches. */
  | {
    readonly do: "flood";
    readonly to: number;
    readonly messages: number;
    readonly batch: number;
  }
  /** Say on and on to one, and tell each that is acknowledged. */
  | { readonly do: "count"; readonly to: number }
  /** Say on and on to nobody who is there, for so long. */
  | { readonly do: "write"; readonly ms: number }
  /** Tell the numbers heard so far. */
  | { readonly do: "tell" }
  /** Tell when the message of this number was in hand, once it is. */
  | { readonly do: "await"; readonly number: number }
  | { readonly do: "sizes" };

const { module, seat } = argumentOfChild<SessionStart>();

let said: SessionAccount["said"] = [];
let heard: [number, number, number][] = [];
let wokenAt: number[] = [];
let next = 0;
let awaited: { readonly number: number; tell(): void } | undefined;

const peer = await open();
say({ standing: true } satisfies Standing);
for await (const word of words()) {
  // It is not awaited, so that the end of the input ends what has no other end.
  obey(JSON.parse(word) as Order).catch((error: Error) => {
    console.error(`session ${seat.session}: ${error.message}`);
    Deno.exit(1);
  });
}
Deno.exit();

async function open(): Promise<Peer> {
  try {
    const { openPeer }: { openPeer: OpenPeer } = await import(
      new URL(`contestants/${module}.ts`, import.meta.url).href
    );
    return await openPeer(seat, hear, () => wokenAt.push(sharedNowMs()));
  } catch (error) {
    say({ standing: false, why: (error as Error).message } satisfies Standing);
    Deno.exit(1);
  }
}

function hear(said: Said): void {
  // One's own needed no delivery between processes.
  if (said.session === seat.session) return;
  heard.push([said.session, said.number, sharedNowMs()]);
  if (awaited !== undefined && said.number >= awaited.number) awaited.tell();
}

async function obey(order: Order): Promise<void> {
  switch (order.do) {
    case "join":
      return say({ joined: await join() });
    case "talk":
      said = await talk(order.talk);
      return say({ talked: said.length });
    case "account":
      return say({ said, heard, wokenAt } satisfies SessionAccount);
    case "flood":
      return say(await flood(order));
    case "count":
      for (;;) {
        await peer.say(
          channelTo(order.to),
          saying(seat.session, next),
          order.to,
        );
        say(next++);
      }
    case "write":
      return say(await write(order.ms));
    case "tell":
      return say(heard.map(([, number]) => number));
    case "await":
      return say(await arrivalOf(order.number));
    case "sizes":
      return say(peer.sizes?.() ?? {});
  }
}

/** Whether it has met the others: who needs them to be there may not. */
async function join(): Promise<boolean> {
  try {
    await peer.join?.();
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

async function talk(talk: Talk): Promise<SessionAccount["said"]> {
  heard = [];
  wokenAt = [];
  return await talkFor(
    talk,
    seat.session,
    seat.sessions,
    next,
    (channel, said, to) => {
      next = said.number + 1;
      return peer.say(channel, said, to);
    },
  );
}

/** When it began and when all was acknowledged. */
async function flood(
  { to, messages, batch }: Extract<Order, { do: "flood" }>,
): Promise<{ began: number; acknowledged: number; last: number }> {
  const began = sharedNowMs();
  for (let sent = 0; sent < messages; sent += batch) {
    const many = Array.from(
      { length: batch },
      () => saying(seat.session, next++),
    );
    await peer.sayMany(channelTo(to), many, to);
  }
  return { began, acknowledged: sharedNowMs(), last: next - 1 };
}

async function write(ms: number): Promise<Written> {
  const beganAt = performance.now();
  const waits: number[] = [];
  for (let now = beganAt; now < beganAt + ms;) {
    await peer.say("build.results", saying(seat.session, next++), "all");
    const after = performance.now();
    waits.push(after - now);
    now = after;
  }
  return { count: waits.length, waits: distributionOf(waits) };
}

async function arrivalOf(number: number): Promise<number> {
  if (!heard.some(([, each]) => each >= number)) {
    await new Promise<void>((resolve) => awaited = { number, tell: resolve });
  }
  awaited = undefined;
  return heard.find(([, each]) => each >= number)![2];
}
