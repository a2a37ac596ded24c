/**
 * Redis pub/sub: one connection listens and one publishes, as the protocol
 * requires.
 *
 * @module
 */

import { createClient } from "redis";
import type { OpenPeer } from "../contestant.ts";
import { CHANNELS, channelTo } from "../workload.ts";

/** Opens a session. */
export const openPeer: OpenPeer = async (config, receive) => {
  const publisher = createClient({ url: config.url });
  const listener = publisher.duplicate();
  await Promise.all([publisher.connect(), listener.connect()]);
  await listener.subscribe(
    [...(config.receivesAll ? CHANNELS : []), channelTo(config.session)],
    (text) => receive(JSON.parse(text)),
  );
  return {
    async publish(channel, payload): Promise<void> {
      await publisher.publish(channel, JSON.stringify(payload));
    },
    async publishMany(channel, many): Promise<void> {
      // The client pipelines the calls of one tick.
      await Promise.all(
        many.map((payload) =>
          publisher.publish(channel, JSON.stringify(payload))
        ),
      );
    },
    async [Symbol.asyncDispose](): Promise<void> {
      await Promise.all([publisher.close(), listener.close()]);
    },
  };
};
