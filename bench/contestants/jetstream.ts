/**
 * NATS JetStream: one stream in files, and an ordered consumer for what is for
 * all and one for what is for the session. Publishing waits for the stream's
 * acknowledgement; many are published with 64 in flight.
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
import { channelTo, type Said } from "../workload.ts";

const STREAM = "bench";
const IN_FLIGHT_MAX = 64;

/** Opens a session. */
export const openPeer: OpenPeer = async (seat, hear) => {
  const connection = await connect({ servers: seat.url });
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
    ...(seat.hearsAll ? ["all.>"] : []),
    subjectOf(channelTo(seat.session)),
  ];
  for (const filter_subjects of wanted) {
    const consumer = await stream.consumers.get(STREAM, {
      filter_subjects,
      deliver_policy: seat.from === "start"
        ? DeliverPolicy.All
        : DeliverPolicy.New,
    });
    await consumer.consume({
      callback: (message) => hear(message.json<Said>()),
    });
  }
  await connection.flush();
  return {
    async say(channel, said): Promise<void> {
      await stream.publish(subjectOf(channel), JSON.stringify(said));
    },
    async sayMany(channel, many): Promise<void> {
      let next = 0;
      const publishRest = async (): Promise<void> => {
        while (next < many.length) {
          const said = JSON.stringify(many[next++]);
          await stream.publish(subjectOf(channel), said);
        }
      };
      await Promise.all(Array.from({ length: IN_FLIGHT_MAX }, publishRest));
    },
    [Symbol.asyncDispose]: () => connection.close(),
  };
};
