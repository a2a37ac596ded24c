/**
 * Redis pub/sub: a connection that listens and one that publishes, as its
 * protocol wants it.
 *
 * @module
 */

import { createClient } from "redis";
import type { OpenPeer } from "../contestant.ts";
import { CHANNELS, channelTo } from "../workload.ts";

/** Opens a session. */
export const openPeer: OpenPeer = async (seat, hear) => {
  const publisher = createClient({ url: seat.url });
  const listener = publisher.duplicate();
  await Promise.all([publisher.connect(), listener.connect()]);
  await listener.subscribe(
    [...(seat.hearsAll ? CHANNELS : []), channelTo(seat.session)],
    (text) => hear(JSON.parse(text)),
  );
  return {
    async say(channel, said): Promise<void> {
      await publisher.publish(channel, JSON.stringify(said));
    },
    async sayMany(channel, many): Promise<void> {
      // Calls of one tick are pipelined.
      await Promise.all(
        many.map((said) => publisher.publish(channel, JSON.stringify(said))),
      );
    },
    async [Symbol.asyncDispose](): Promise<void> {
      await Promise.all([publisher.close(), listener.close()]);
    },
  };
};
