/**
 * NATS JetStream: one stream in files, an ordered consumer for messages to all
 * and one for messages to the session. Publishing waits for the stream's
 * acknowledgement. `publishMany` keeps 64 messages in flight.
 *
 * @module
 */

import {
  DeliverPolicy,
  jetstream,
  jetstreamManager,
  StorageType,
} from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";
import type { OpenPeer } from "../contestant.ts";
import { channelTo, type Payload } from "../workload.ts";

const STREAM = "bench";
const IN_FLIGHT_MAX = 64;

/** Opens a session. */
export const openPeer: OpenPeer = async (config, receive) => {
  const connection = await connect({ servers: config.url });
  const manager = await jetstreamManager(connection);
  await manager.streams.add({
    name: STREAM,
    subjects: ["all.>", "to.>"],
    storage: StorageType.File,
  });
  const stream = jetstream(connection);
  const subjectOf = (channel: string) =>
    channel.startsWith("session.") ? `to.${channel}` : `all.${channel}`;
  const wanted = [
    ...(config.receivesAll ? ["all.>"] : []),
    subjectOf(channelTo(config.session)),
  ];
  for (const filter_subjects of wanted) {
    const consumer = await stream.consumers.get(STREAM, {
      filter_subjects,
      deliver_policy: config.from === "start"
        ? DeliverPolicy.All
        : DeliverPolicy.New,
    });
    await consumer.consume({
      callback: (message) => receive(message.json<Payload>()),
    });
  }
  await connection.flush();
  return {
    async publish(channel, payload): Promise<void> {
      await stream.publish(subjectOf(channel), JSON.stringify(payload));
    },
    async publishMany(channel, many): Promise<void> {
      let next = 0;
      const publishRest = async (): Promise<void> => {
        while (next < many.length) {
          const payload = JSON.stringify(many[next++]);
          await stream.publish(subjectOf(channel), payload);
        }
      };
      await Promise.all(Array.from({ length: IN_FLIGHT_MAX }, publishRest));
    },
    [Symbol.asyncDispose]: () => connection.close(),
  };
};
