/**
 * NATS core: subjects, at most once. The server acknowledges no message. A
 * flush confirms that the server has received it.
 *
 * @module
 */

import { connect } from "@nats-io/transport-node";
import type { OpenPeer } from "../contestant.ts";
import { CHANNELS, channelTo, type Payload } from "../workload.ts";

/** Opens a session. */
export const openPeer: OpenPeer = async (config, receive) => {
  const connection = await connect({ servers: config.url });
  const wanted = [
    ...(config.receivesAll ? CHANNELS : []),
    channelTo(config.session),
  ];
  for (const subject of wanted) {
    connection.subscribe(subject, {
      callback: (error, message) => {
        if (error) throw error;
        receive(message.json<Payload>());
      },
    });
  }
  await connection.flush();
  return {
    async publish(channel, payload): Promise<void> {
      connection.publish(channel, JSON.stringify(payload));
      await connection.flush();
    },
    async publishMany(channel, many): Promise<void> {
      for (const payload of many) {
        connection.publish(channel, JSON.stringify(payload));
      }
      await connection.flush();
    },
    [Symbol.asyncDispose]: () => connection.close(),
  };
};
