/**
 * This bus. The SQLite store tells the time of a commit only by `committed()`,
 * between the commit and the first bell, so that method is wrapped.
 *
 * @module
 */

import { WakeUps } from "../../lib/sqlite/wake_ups.ts";
import { type Json, type Message, openBus } from "../../mod.ts";
import { sharedNowMs } from "../clock.ts";
import type { OpenPeer } from "../contestant.ts";
import { promisedBytes } from "../promised_rows.ts";
import { CHANNELS, channelTo, type Payload } from "../workload.ts";

/** Opens a session at `url`, or in SQLite in the folder if `url` is empty. */
export const openPeer: OpenPeer = async (config, receive) => {
  let committedAt: number | undefined;
  const { committed } = WakeUps.prototype;
  WakeUps.prototype.committed = function (...args): void {
    committedAt = sharedNowMs();
    committed.apply(this, args);
  };
  const bus = await openBus({
    ...(config.url === "" ? { home: config.folder } : { url: config.url }),
    ...config.options,
    session: `session-${config.session}`,
    vendor: "bench",
    // The limit guards against runaway loops, and the bench is one.
    publishesPerSecondMax: 1e9,
    channelMessagesMax: 1e6,
  });
  await bus.sessions.register();
  const messages = bus.subscribe(
    [...(config.receivesAll ? CHANNELS : []), channelTo(config.session)],
    { from: config.from },
  );
  await messages.ready;
  const receiving = receiveAll(messages, receive);
  return {
    async publish(channel, payload): Promise<number | void> {
      committedAt = undefined;
      await bus.publish(channel, payload as unknown as Json);
      return committedAt;
    },
    async publishMany(channel, many): Promise<void> {
      await bus.publishMany(
        many.map((payload) => ({
          channel,
          payload: payload as unknown as Json,
        })),
      );
    },
    sizes(): Record<string, number> {
      return {
        database: Deno.statSync(bus.location).size,
        promised: promisedBytes(bus.location),
        wal: Deno.statSync(`${bus.location}-wal`).size,
      };
    },
    async [Symbol.asyncDispose](): Promise<void> {
      await bus.close();
      await receiving;
    },
  };
};

async function receiveAll(
  messages: AsyncIterable<Message>,
  receive: (payload: Payload) => void,
): Promise<void> {
  for await (const { payload } of messages) {
    receive(payload as unknown as Payload);
  }
}
