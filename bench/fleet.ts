/**
 * A fleet: the sessions of one contestant, each a process, and its server.
 *
 * All of them stand before any of them speaks. What processes cost is read from
 * outside; a server's share counts. Their processor time is read while they talk, their
 * memory when they have: to count the pages of a hundred keeps a processor for a sixth
 * of a second.
 *
 * @module
 */

import { type Child, startChild } from "./children.ts";
import { pause } from "./clock.ts";
import type { Contestant } from "./contestants.ts";
import {
  memoryOf,
  ProcessorMeter,
  TELLS_PROCESS_COST,
} from "./process_cost.ts";
import { type Server, startServer } from "./servers.ts";
import type { Order, SessionStart, Standing } from "./session.ts";
import type { SessionAccount, Talk } from "./workload.ts";

/** What all processes of a fleet cost together, its server's included. */
export interface Cost {
  /** Share of one core, in percent. */
  readonly processorPercent: number;
  /** Resident memory, shared pages divided among those who share them, in MiB. */
  readonly proportionalMib: number;
  /** Memory that would be free if they ended, in MiB. */
  readonly privateMib: number;
}

/** What came of a time of talking. */
export interface Talked {
  /** For each message and reader, in ms, from the start of publishing. */
  readonly fromStart: readonly number[];
  /** The same from the commit; empty where that cannot be told. */
  readonly fromCommit: readonly number[];
  /** The same from when the publisher was told. */
  readonly fromEnd: readonly number[];
  /** Messages published. */
  readonly published: number;
  /** What did not come in time, of all that should. */
  readonly missing: number;
  readonly expected: number;
  readonly cost: Cost;
}

/** How to start a fleet. */
export interface FleetOptions {
  /** A folder that all share; made if it is not there. */
  readonly folder: string;
  readonly sessions: number;
  /** Whether sessions hear what is for all. */
  readonly hearsAll?: boolean;
  /** A server that runs already, and stays. */
  readonly server?: Server;
}

const STARTED_AT_ONCE = 10;

// By then all that is ever to come has mostly come.
const SETTLED_MS = 200;

/** The sessions of one contestant. */
export class Fleet implements AsyncDisposable {
  readonly #started: AsyncDisposableStack;
  readonly #children: readonly Child[];
  readonly #server: Server | undefined;

  private constructor(
    started: AsyncDisposableStack,
    children: readonly Child[],
    server: Server | undefined,
  ) {
    this.#started = started;
    this.#children = children;
    this.#server = server;
  }

  /** Starts the sessions, and the server, if there is none yet. */
  static async start(
    contestant: Contestant,
    { folder, sessions, hearsAll = true, server }: FleetOptions,
  ): Promise<Fleet> {
    await Deno.mkdir(folder, { recursive: true, mode: 0o700 });
    await using starting = new AsyncDisposableStack();
    if (contestant.server !== undefined && server === undefined) {
      const place = `${folder}/server`;
      server = starting.use(await startServer(contestant.server, place));
    }
    const children: Child[] = [];
    const fleet = new Fleet(starting.move(), children, server);
    try {
      // A hundred that start at once are a test of starting, which this is not.
      for (let first = 0; first < sessions; first += STARTED_AT_ONCE) {
        const count = Math.min(STARTED_AT_ONCE, sessions - first);
        const group = Array.from(
          { length: count },
          (_, i) =>
            fleet.#started.use(startSession(contestant, {
              session: first + i,
              sessions,
              folder,
              hearsAll,
              url: server?.url ?? "",
            })),
        );
        children.push(...group);
        await Promise.all(group.map(standing));
      }
      const met = await fleet.askAll<{ joined: boolean }>({ do: "join" });
      if (!met.every(({ joined }) => joined)) throw new Error("not all joined");
      return fleet;
    } catch (error) {
      await fleet[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Lets them talk. */
  async talk(talk: Talk): Promise<Talked> {
    await this.#tell({ do: "talk", talk });
    await pause(talk.warmUpMs);
    const processorPercent = await this.#processor(talk.measuredMs * 0.95);
    await this.#all((child) => child.next());
    const readers = talk.audience === "all" ? this.#children.length - 1 : 1;
    const lookMs = Math.min(SETTLED_MS, talk.settleMs);
    await pause(lookMs);
    let talked = await this.#talked(readers);
    // Not looked at again and again: that would keep from coming what is late.
    if (talked.missing > 0) {
      await pause(talk.settleMs - lookMs);
      talked = await this.#talked(readers);
    }
    return { ...talked, cost: { processorPercent, ...this.#memory() } };
  }

  async #talked(readers: number): Promise<Omit<Talked, "cost">> {
    const accounts = await this.askAll<SessionAccount>({ do: "account" });
    return talkedOf(accounts, readers);
  }

  /** What they cost, over a time. */
  async cost(measuredMs: number): Promise<Cost> {
    const processorPercent = await this.#processor(measuredMs);
    return { processorPercent, ...this.#memory() };
  }

  async #processor(measuredMs: number): Promise<number> {
    if (!TELLS_PROCESS_COST) {
      await pause(measuredMs);
      return NaN;
    }
    const meters = this.#pids().map((pid) => new ProcessorMeter(pid));
    await pause(measuredMs);
    return sum(meters.map((meter) => meter.percent()));
  }

  #memory(): Omit<Cost, "processorPercent"> {
    if (!TELLS_PROCESS_COST) return { proportionalMib: NaN, privateMib: NaN };
    const memory = this.#pids().map(memoryOf);
    return {
      proportionalMib: sum(memory.map((each) => each.proportionalMib)),
      privateMib: sum(memory.map((each) => each.privateMib)),
    };
  }

  #pids(): number[] {
    return [
      ...this.#children.map(({ pid }) => pid),
      ...this.#server?.pids() ?? [],
    ];
  }

  /** What every session answers to an order. */
  async askAll<T>(order: Order): Promise<T[]> {
    await this.#tell(order);
    return await this.#all((child) => child.next<T>());
  }

  /** What one session answers to an order. */
  async ask<T>(session: number, order: Order): Promise<T> {
    await this.#children[session].tell(JSON.stringify(order));
    return await this.#children[session].next<T>();
  }

  /** Ends all of it. */
  async [Symbol.asyncDispose](): Promise<void> {
    // Together: one after the other, a hundred take seconds to be gone.
    await this.#all((child) => child.kill());
    await this.#started.disposeAsync();
  }

  async #tell(order: Order): Promise<void> {
    await this.#all((child) => child.tell(JSON.stringify(order)));
  }

  #all<T>(act: (child: Child) => Promise<T>): Promise<T[]> {
    return Promise.all(this.#children.map(act));
  }
}

/** Starts one session of a contestant. */
export function startSession(
  { module, options }: Contestant,
  seat: {
    readonly session: number;
    readonly sessions: number;
    readonly folder: string;
    readonly url: string;
    readonly hearsAll: boolean;
    readonly from?: "start" | "now";
  },
): Child {
  const start: SessionStart = {
    module: module!,
    seat: { from: "now", ...seat, options: options ?? {} },
  };
  return startChild("session.ts", start);
}

/** A contestant that cannot take part here; the message says why. */
export class CannotTakePartError extends Error {
  override readonly name = "CannotTakePartError";
}

/**
 * Waits until a session stands.
 *
 * @throws {CannotTakePartError} If it says that it cannot.
 */
export async function standing(child: Child): Promise<void> {
  const { standing, why } = await child.next<Standing>();
  if (!standing) throw new CannotTakePartError(why);
}

function talkedOf(
  accounts: readonly SessionAccount[],
  readers: number,
): Omit<Talked, "cost"> {
  const arrivals = new Map<string, number[]>();
  const arrive = (session: number, number: number, at: number): void => {
    const key = `${session}#${number}`;
    const times = arrivals.get(key);
    if (times === undefined) arrivals.set(key, [at]);
    else times.push(at);
  };
  for (const { heard } of accounts) {
    for (const [session, number, at] of heard) arrive(session, number, at);
  }
  accounts.forEach(({ said }, session) => {
    for (const [number, { start }] of said) {
      accounts.forEach(({ wokenAt }, reader) => {
        const at = wokenAt.find((at) => at >= start);
        if (reader !== session && at !== undefined) arrive(session, number, at);
      });
    }
  });
  const [fromStart, fromCommit, fromEnd]: number[][] = [[], [], []];
  let [published, missing] = [0, 0];
  accounts.forEach(({ said }, session) => {
    for (const [number, times] of said) {
      const arrived = arrivals.get(`${session}#${number}`) ?? [];
      if (arrived.length > readers) {
        throw new Error(
          `message ${number} of session ${session} came ${arrived.length} ` +
            `times to ${readers} readers`,
        );
      }
      published++;
      missing += readers - arrived.length;
      for (const at of arrived) {
        fromStart.push(at - times.start);
        if (!Number.isNaN(times.commit ?? NaN)) {
          fromCommit.push(at - times.commit);
        }
        fromEnd.push(at - times.end);
      }
    }
  });
  return {
    fromStart,
    fromCommit,
    fromEnd,
    published,
    missing,
    expected: published * readers,
  };
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
