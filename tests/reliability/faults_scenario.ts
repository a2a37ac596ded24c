/**
 * A session that works during a fault, and its guarantees:
 *
 * - Each call resolves, or rejects with a typed error.
 * - Each acknowledged message exists once, in order, and reaches the readers of
 *   durable names.
 * - The process recovers when the fault ends.
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

/** A rejected call. */
export interface Refusal {
  /** The name of the call. */
  readonly act: string;
  /** The error's class. */
  readonly type: string;
  /** The fault of a `StoreError`. */
  readonly fault?: string;
  /** The error's message. */
  readonly message: string;
}

/** A session in a separate process that calls most of the library. */
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

  /** Subscribes under a durable name of its own. */
  async read(): Promise<void> {
    await this.peer.call("subscribe", {
      name: READER,
      channels: CHANNEL,
      durable: this.#name,
      from: "start",
      ack: true,
    });
  }

  /** Makes one call of each kind. Returns the rejected ones. */
  async work(): Promise<Refusal[]> {
    const refusals: Refusal[] = [];
    const name = `${this.#name}-${++this.#round}`;
    const attempt = async (act: string, args?: unknown): Promise<boolean> => {
      try {
        await this.peer.call(act, args);
        return true;
      } catch (error) {
        // Other errors mean that the peer ended or did not respond.
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

  /** Works until no call is rejected. */
  async recover(): Promise<void> {
    let refusals: Refusal[] = [];
    await until(
      "the recovery",
      async () => (refusals = await this.work()).length === 0,
    ).catch((error) => {
      throw new Error(`${error.message}: ${JSON.stringify(refusals)}`);
    });
  }

  /** Asserts that its durable name gets every message that it published. */
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

/** Asserts that an error is a documented one, with a remedy. */
export function assertTyped({ type, message }: Omit<Refusal, "act">): void {
  assert.match(type, /^(StoreError|BusyError)$/, message);
  assert.match(message, /^Cannot [^\n]+\. [A-Z][^\n]+\.$/);
}

/** Asserts that there are refusals, all with one of these faults. */
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

/** Asserts that a new process finds every acknowledged message. */
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
      "acknowledged, and missing",
    );
  }
  await looker.end();
  const check = home.foreign().prepare("PRAGMA integrity_check").get()!;
  assert.equal(check.integrity_check, "ok");
}
