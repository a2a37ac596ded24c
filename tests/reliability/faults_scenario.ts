/**
 * A session at work while something fails beneath it: what it does, and what
 * must be so afterwards.
 *
 * - Each act settles: with its result, or with a typed error.
 * - What was acknowledged is there, once, in order, and reached who reads
 *   under a durable name.
 * - The same process goes on when the fault is over.
 *
 * @module
 */

import assert from "node:assert/strict";
import type { Message } from "../../mod.ts";
import type { Home } from "../fixture.ts";
import { type Peer, PeerError } from "../peer.ts";
import { until } from "../waiting.ts";

const CHANNEL = "kept";
const READER = "reader";

/** An act that was refused. */
export interface Refusal {
  /** What was attempted. */
  readonly act: string;
  /** The error's class. */
  readonly type: string;
  /** Why the store could not be used, if that was it. */
  readonly fault?: string;
  /** What a person is told. */
  readonly message: string;
}

/** A session that does a bit of everything, in a process of its own. */
export class Worker {
  /** The process. */
  readonly peer: Peer;
  /** The payloads whose publish resolved, in order. */
  readonly acknowledged: string[] = [];
  readonly #name: string;
  #round = 0;

  constructor(peer: Peer, name: string) {
    this.peer = peer;
    this.#name = name;
  }

  /** Begins to read under a durable name that only it reads. */
  async read(): Promise<void> {
    await this.peer.call("subscribe", {
      name: READER,
      channels: CHANNEL,
      durable: this.#name,
      from: "start",
      ack: true,
    });
  }

  /** Does a bit of everything; returns what was refused. */
  async work(): Promise<Refusal[]> {
    const refusals: Refusal[] = [];
    const name = `${this.#name}-${++this.#round}`;
    const attempt = async (act: string, args?: unknown): Promise<boolean> => {
      try {
        await this.peer.call(act, args);
        return true;
      } catch (error) {
        // Anything else is the peer's own end, or an answer that never came.
        if (!(error instanceof PeerError)) throw error;
        const fault = error.fields.fault as string | undefined;
        const { type, message } = error;
        refusals.push({ act, type, message, ...(fault && { fault }) });
        return false;
      }
    };
    const message = (payload: string) => ({
      channel: CHANNEL,
      payload,
      ttlSeconds: 3_600,
    });
    for (const part of ["a", "b"]) {
      const payload = `${name}-${part}`;
      if (await attempt("publish", message(payload))) {
        this.acknowledged.push(payload);
      }
    }
    const many = ["c", "d", "e"].map((part) => `${name}-${part}`);
    if (await attempt("publishMany", many.map(message))) {
      this.acknowledged.push(...many);
    }
    if (
      await attempt("acquire", {
        name,
        path: `/nowhere/${name}`,
        type: "exclusive",
      })
    ) await attempt("release", name);
    if (await attempt("post", { id: name, title: "a task" })) {
      if (await attempt("claim", { id: name })) {
        await attempt("complete", { id: name });
      }
    }
    await attempt("heartbeat");
    await attempt("poll", { channels: [CHANNEL] });
    await attempt("purge");
    return refusals;
  }

  /** Works until nothing is refused, as it must be when a fault is over. */
  async recover(): Promise<void> {
    let refusals: Refusal[] = [];
    await until(
      "the recovery",
      async () => (refusals = await this.work()).length === 0,
    ).catch((error) => {
      throw new Error(`${error.message}: ${JSON.stringify(refusals)}`);
    });
  }

  /** Fails unless its durable name got all that was acknowledged to it. */
  async assertRead(): Promise<void> {
    const failures = this.peer.seen<Refusal>(`${READER}.error`);
    for (const failure of failures) assertTyped(failure);
    if (failures.length > 0) await this.read();
    await until("what was acknowledged", () => {
      const read = new Set(
        this.peer.seen<Message>(READER).map(({ payload }) => payload),
      );
      return this.acknowledged.every((payload) => read.has(payload));
    });
  }
}

/** Fails unless an error is one that callers catch, with what to do. */
export function assertTyped({ type, message }: Omit<Refusal, "act">): void {
  assert.match(type, /^(StoreError|BusyError)$/, message);
  assert.match(message, /^Cannot [^\n]+\. [A-Z][^\n]+\.$/);
}

/** Fails unless all refusals are of these faults, and there is one. */
export function assertRefused(
  refusals: readonly Refusal[],
  ...faults: readonly string[]
): void {
  assert.notEqual(refusals.length, 0, "nothing was refused");
  for (const refusal of refusals) {
    assertTyped(refusal);
    const fault = refusal.fault ?? refusal.type;
    assert.ok(faults.includes(fault), JSON.stringify(refusal));
  }
}

/** Fails unless a process that comes now finds all that was acknowledged. */
export async function assertKept(
  home: Home,
  ...workers: readonly Worker[]
): Promise<void> {
  const looker = await home.start();
  const messages = await looker.call<Message[]>("poll", {
    channels: [CHANNEL],
    limit: 10_000,
  });
  const ids = messages.map(({ id }) => Number(id));
  assert.deepEqual(ids, [...ids].sort((a, b) => a - b));
  const payloads = messages.map(({ payload }) => String(payload));
  assert.equal(new Set(payloads).size, payloads.length, "stored twice");
  for (const { acknowledged } of workers) {
    const own = new Set(acknowledged);
    assert.deepEqual(
      payloads.filter((payload) => own.has(payload)),
      acknowledged,
      "acknowledged, and not there",
    );
  }
  await looker.end();
  const check = home.foreign().prepare("PRAGMA integrity_check").get()!;
  assert.equal(check.integrity_check, "ok");
}
