/**
 * NATS core: subjects, at most once. Nothing is acknowledged; a flush tells
 * that the server has it.
 *
 * @module
 */

import { connect } from "@nats-io/transport-node";
import type { OpenPeer } from "../contestant.ts";
import { CHANNELS, channelTo, type Said } from "../workload.ts";

/** Opens a session. */
export const openPeer: OpenPeer = async (seat, hear) => {
  const connection = await connect({ servers: seat.url });
  const wanted = [...(seat.hearsAll ? CHANNELS : []), channelTo(seat.session)];
  for (const subject of wanted) {
    connection.subscribe(subject, {
      callback: (error, message) => {
        if (error) throw error;
        hear(message.json<Said>());
      },
    });
  }
  await connection.flush();
  return {
    async say(channel, said): Promise<void> {
      connection.publish(channel, JSON.stringify(said));
      await connection.flush();
    },
    async sayMany(channel, many): Promise<void> {
      for (const said of many) {
        connection.publish(channel, JSON.stringify(said));
      }
      await connection.flush();
    },
    [Symbol.asyncDispose]: () => connection.close(),
  };
};
