/**
 * Deno KV's queue. A queue delivers each message to one of its listeners, so
 * every session has its own database, and the others open it.
 *
 * @module
 */

import type { OpenPeer } from "../contestant.ts";
import type { Payload } from "../workload.ts";

/** Opens a session. */
export const openPeer: OpenPeer = async (config, receive) => {
  const fileOf = (session: number) => `${config.folder}/queue-${session}.kv`;
  const own = await Deno.openKv(fileOf(config.session));
  const listening = own.listenQueue((payload) => receive(payload as Payload));
  const others = new Map<number, Deno.Kv>();
  return {
    async join(): Promise<void> {
      for (let session = 0; session < config.sessions; session++) {
        if (session === config.session) continue;
        others.set(session, await Deno.openKv(fileOf(session)));
      }
    },
    async publish(_channel, payload, to): Promise<void> {
      const readers = to === "all" ? [...others.values()] : [others.get(to)!];
      await Promise.all(readers.map((reader) => reader.enqueue(payload)));
    },
    async publishMany(_channel, many, to): Promise<void> {
      const together = others.get(to)!.atomic();
      for (const payload of many) together.enqueue(payload);
      await together.commit();
    },
    async [Symbol.asyncDispose](): Promise<void> {
      own.close();
      others.forEach((other) => other.close());
      await listening;
    },
  };
};
