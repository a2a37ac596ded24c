/**
 * A fleet: the sessions of one contestant, each a process, and its server.
 *
 * All sessions are ready before any of them publishes. The bench reads the cost
 * of the processes from outside, the server's included. It reads memory after
 * the measured time, because counting pages takes processor time.
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
import type { Order, Readiness, SessionStart } from "./session.ts";
import type { SessionAccount, Workload } from "./workload.ts";

/** The cost of all processes of a fleet together, its server included. */
export interface Cost {
  /** Share of one core, in percent. */
  readonly processorPercent: number;
  /** Resident memory, each shared page divided by its processes, in MiB. */
  readonly proportionalMib: number;
  /** Memory that their end would free, in MiB. */
  readonly privateMib: number;
}

/** The result of one workload. */
export interface Deliveries {
  /** Time from the start of publishing, per message and reader, in ms. */
  readonly fromStart: readonly number[];
  /** Time from the commit, in ms; empty if the contestant does not tell it. */
  readonly fromCommit: readonly number[];
  /** Time from the acknowledgement, in ms. */
  readonly fromEnd: readonly number[];
  /** The number of published messages. */
  readonly published: number;
  /** The number of expected deliveries that did not arrive in time. */
  readonly missing: number;
  readonly expected: number;
  readonly cost: Cost;
}

/** Options of a fleet. */
export interface FleetOptions {
  /** A folder that all sessions share; created if missing. */
  readonly folder: string;
  readonly sessions: number;
  /**
   * Whether sessions read messages to all.
   * @default {true}
   */
  readonly receivesAll?: boolean;
  /** A running server, which the fleet does not stop. */
  readonly server?: Server;
}

const STARTED_AT_ONCE = 10;

// After this time nearly all messages have arrived.
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

  /** Starts the sessions, and the server unless one is given. */
  static async start(
    contestant: Contestant,
    { folder, sessions, receivesAll = true, server }: FleetOptions,
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
      // In groups, because a start of a hundred processes at once is slow.
      for (let first = 0; first < sessions; first += STARTED_AT_ONCE) {
        const count = Math.min(STARTED_AT_ONCE, sessions - first);
        const group = Array.from(
          { length: count },
          (_, i) =>
            fleet.#started.use(startSession(contestant, {
              session: first + i,
              sessions,
              folder,
              receivesAll,
              url: server?.url ?? "",
            })),
        );
        children.push(...group);
        await Promise.all(group.map(untilReady));
      }
      const met = await fleet.askAll<{ joined: boolean }>({ do: "join" });
      if (!met.every(({ joined }) => joined)) {
        throw new Error("Cannot start the sessions: not all of them joined.");
      }
      return fleet;
    } catch (error) {
      await fleet[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Runs a workload. */
  async run(workload: Workload): Promise<Deliveries> {
    await this.#send({ do: "publish", workload });
    await pause(workload.warmUpMs);
    const processorPercent = await this.#processor(workload.measuredMs * 0.95);
    await this.#all((child) => child.next());
    const readers = workload.audience === "all" ? this.#children.length - 1 : 1;
    const lookMs = Math.min(SETTLED_MS, workload.settleMs);
    await pause(lookMs);
    let deliveries = await this.#deliveries(readers);
    // One further look only, because each look delays late messages.
    if (deliveries.missing > 0) {
      await pause(workload.settleMs - lookMs);
      deliveries = await this.#deliveries(readers);
    }
    return { ...deliveries, cost: { processorPercent, ...this.#memory() } };
  }

  async #deliveries(readers: number): Promise<Omit<Deliveries, "cost">> {
    const accounts = await this.askAll<SessionAccount>({ do: "account" });
    return deliveriesOf(accounts, readers);
  }

  /** Returns the cost of the processes over `measuredMs`. */
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

  /** Sends an order to every session, and returns the responses. */
  async askAll<T>(order: Order): Promise<T[]> {
    await this.#send(order);
    return await this.#all((child) => child.next<T>());
  }

  /** Sends an order to one session, and returns the response. */
  async ask<T>(session: number, order: Order): Promise<T> {
    await this.#children[session].write(JSON.stringify(order));
    return await this.#children[session].next<T>();
  }

  /** Kills the sessions, and the server that the fleet started. */
  async [Symbol.asyncDispose](): Promise<void> {
    // At the same time, because killing a hundred in turn takes seconds.
    await this.#all((child) => child.kill());
    await this.#started.disposeAsync();
  }

  async #send(order: Order): Promise<void> {
    await this.#all((child) => child.write(JSON.stringify(order)));
  }

  #all<T>(act: (child: Child) => Promise<T>): Promise<T[]> {
    return Promise.all(this.#children.map(act));
  }
}

/** Starts one session of a contestant. */
export function startSession(
  { module, options }: Contestant,
  config: {
    readonly session: number;
    readonly sessions: number;
    readonly folder: string;
    readonly url: string;
    readonly receivesAll: boolean;
    readonly from?: "start" | "now";
  },
): Child {
  const start: SessionStart = {
    module: module!,
    config: { from: "now", ...config, options: options ?? {} },
  };
  return startChild("session.ts", start);
}

/** An error for a contestant that cannot run here. */
export class ContestantError extends Error {
  override readonly name = "ContestantError";
}

/**
 * Waits until a session is ready.
 *
 * @throws {ContestantError} If the session cannot start.
 */
export async function untilReady(child: Child): Promise<void> {
  const { ready, error } = await child.next<Readiness>();
  if (!ready) throw new ContestantError(error);
}

function deliveriesOf(
  accounts: readonly SessionAccount[],
  readers: number,
): Omit<Deliveries, "cost"> {
  const arrivals = new Map<string, number[]>();
  const arrive = (session: number, number: number, at: number): void => {
    const key = `${session}#${number}`;
    const times = arrivals.get(key);
    if (times === undefined) arrivals.set(key, [at]);
    else times.push(at);
  };
  for (const { received } of accounts) {
    for (const [session, number, at] of received) arrive(session, number, at);
  }
  accounts.forEach(({ sent }, session) => {
    for (const [number, { start }] of sent) {
      accounts.forEach(({ wokenAt }, reader) => {
        const at = wokenAt.find((at) => at >= start);
        if (reader !== session && at !== undefined) arrive(session, number, at);
      });
    }
  });
  const [fromStart, fromCommit, fromEnd]: number[][] = [[], [], []];
  let [published, missing] = [0, 0];
  accounts.forEach(({ sent }, session) => {
    for (const [number, times] of sent) {
      const arrived = arrivals.get(`${session}#${number}`) ?? [];
      if (arrived.length > readers) {
        throw new Error(
          `Cannot count message ${number} of session ${session}: it arrived ` +
            `${arrived.length} times at ${readers} readers.`,
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
