/**
 * Deno KV's queue. A queue gives each message to one of those who listen to its
 * database, so every session has a database of its own, and all others open it.
 *
 * @module
 */

import type { OpenPeer } from "../contestant.ts";
import type { Said } from "../workload.ts";

/** Opens a session. */
export const openPeer: OpenPeer = async (seat, hear) => {
  const fileOf = (session: number) => `${seat.folder}/queue-${session}.kv`;
  const own = await Deno.openKv(fileOf(seat.session));
  const listening = own.listenQueue((said) => hear(said as Said));
  const others = new Map<number, Deno.Kv>();
  return {
    async join(): Promise<void> {
      for (let session = 0; session < seat.sessions; session++) {
        if (session === seat.session) continue;
        others.set(session, await Deno.openKv(fileOf(session)));
      }
    },
    async say(_channel, said, to): Promise<void> {
      const readers = to === "all" ? [...others.values()] : [others.get(to)!];
      await Promise.all(readers.map((reader) => reader.enqueue(said)));
    },
    async sayMany(_channel, many, to): Promise<void> {
      const together = others.get(to)!.atomic();
      for (const said of many) together.enqueue(said);
      await together.commit();
    },
    async [Symbol.asyncDispose](): Promise<void> {
      own.close();
      others.forEach((other) => other.close());
      await listening;
    },
  };
};
