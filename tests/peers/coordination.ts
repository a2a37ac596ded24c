/**
 * The calls of a peer for locks, tasks and direct messages.
 *
 * @module
 */

import type {
  AcquireOptions,
  AskOptions,
  Claim,
  ClaimOptions,
  Json,
  Lock,
  Message,
  MessageBus,
  NewTask,
  PublishOptions,
  TaskFilter,
} from "../../mod.ts";

/** Prints an event of a peer. */
export type Print = (line: { event: string; value?: unknown }) => void;

interface Acquiring extends Omit<AcquireOptions, "signal" | "onWait"> {
  readonly name: string;
  readonly path: string;
}

// deno-lint-ignore no-explicit-any
type Act = (args: any) => unknown;

/** Returns the calls of a peer on the bus of `busOf`. */
export function coordination(
  busOf: () => MessageBus,
  print: Print,
): Record<string, Act> {
  const locks = new Map<string, Lock>();
  const claims = new Map<string, Claim>();
  const aborts = new Map<string, AbortController>();

  return {
    async acquire({ name, path, ...options }: Acquiring) {
      const abort = new AbortController();
      aborts.set(name, abort);
      const lock = await busOf().locks.acquire(path, {
        ...options,
        signal: abort.signal,
        onWait: (blockers) =>
          print({ event: `${name}.waits`, value: blockers }),
      });
      locks.set(name, lock);
      print({ event: `${name}.held`, value: lock.hold });
      return lock.hold;
    },
    abort: (name: string) => aborts.get(name)!.abort(new Error("given up")),
    async release(name: string) {
      await locks.get(name)!.release();
    },
    async upgrade({ name, waitMs }: { name: string; waitMs?: number }) {
      const lock = await busOf().locks.upgrade(locks.get(name)!, {
        waitMs,
        onWait: (blockers) =>
          print({ event: `${name}.waits`, value: blockers }),
      });
      locks.set(name, lock);
      return lock.hold;
    },
    /** Prints the list of locks, now and at each change. */
    watchLocks(name: string) {
      (async () => {
        for await (const holds of busOf().locks.watch()) {
          print({ event: name, value: holds });
        }
        print({ event: `${name}.ended` });
      })();
    },
    locks: ({ path }: { path?: string }) =>
      busOf().locks.list({ path, allProjects: true }),
    /** Holds a path repeatedly, and logs each hold and release. */
    async lockRounds(args: { path: string; rounds: number; journal: string }) {
      const { path, rounds, journal } = args;
      using file = Deno.openSync(journal, { append: true, create: true });
      const write = (text: string) =>
        file.writeSync(new TextEncoder().encode(`${text}\n`));
      for (let round = 0; round < rounds; round++) {
        const lock = await busOf().locks.acquire(path, {
          type: "exclusive",
          waitMs: 60_000,
        });
        // One write per line keeps the order of several processes.
        write(`+ ${busOf().session} ${lock.token}`);
        await new Promise((resolve) => setTimeout(resolve, round % 2));
        write(`- ${busOf().session} ${lock.token}`);
        await lock.release();
      }
    },
    post: (task: NewTask) => busOf().tasks.post(task),
    async claim({ id, ...options }: { id: string } & ClaimOptions) {
      const claim = await busOf().tasks.claim(id, options);
      claims.set(id, claim);
      return claim;
    },
    async claimNext(options: ClaimOptions & { filter?: TaskFilter }) {
      const claim = await busOf().tasks.claimNext(options);
      if (claim !== undefined) claims.set(claim.id, claim);
      return claim ?? null;
    },
    complete: ({ id, result }: { id: string; result?: Json }) =>
      busOf().tasks.complete(claims.get(id)!, result),
    tasks: () => busOf().tasks.list(),
    /** Claims and completes tasks until none is left, and logs each. */
    async work({ journal }: { journal: string }) {
      using file = Deno.openSync(journal, { append: true, create: true });
      for (;;) {
        const claim = await busOf().tasks.claimNext();
        if (claim === undefined) {
          const left = (await busOf().tasks.list()).some(({ status }) =>
            status === "open" || status === "claimed"
          );
          if (!left) return;
          await new Promise((resolve) => setTimeout(resolve, 5));
          continue;
        }
        await busOf().tasks.complete(claim, { by: busOf().session });
        file.writeSync(
          new TextEncoder().encode(`${claim.id} ${busOf().session}\n`),
        );
      }
    },
    send: (
      { payload, ...options }: { payload: Json } & PublishOptions,
    ) => busOf().publish("chat", payload, options),
    pending: () => busOf().inbox().pending(),
    ackDirect: (message: Message | string) => busOf().inbox().ack(message),
    injected: (message: Message | string) => busOf().inbox().injected(message),
    /** Prints every direct message. */
    readInbox({ name, ack, reply }: {
      name: string;
      ack?: boolean;
      reply?: Json;
    }) {
      (async () => {
        for await (const message of busOf().inbox()) {
          if (reply !== undefined) await busOf().reply(message, reply);
          if (ack) await busOf().inbox().ack(message);
          print({ event: name, value: message });
        }
        print({ event: `${name}.ended` });
      })().catch((error) =>
        print({ event: `${name}.error`, value: error.message })
      );
    },
    ask: ({ to, payload, ...options }: {
      to: string;
      payload: Json;
    } & Omit<AskOptions, "signal">) => busOf().ask(to, payload, options),
    delivery: (id: string) => busOf().delivery(id),
    /** Prints every state of a delivery. */
    watchDelivery({ name, id }: { name: string; id: string }) {
      (async () => {
        for await (const delivery of busOf().watchDelivery(id)) {
          print({ event: name, value: delivery.state });
        }
        print({ event: `${name}.ended` });
      })();
    },
  };
}
