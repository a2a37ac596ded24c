/**
 * This bus. On SQLite when a message was stored is known only inside, between
 * the commit and the first ring; so the store is listened to there.
 *
 * @module
 */

import { WakeUps } from "../../lib/sqlite/wake_ups.ts";
import { type Json, type Message, openBus } from "../../mod.ts";
import { sharedNowMs } from "../clock.ts";
import type { OpenPeer } from "../contestant.ts";
import { promisedBytes } from "../promised_rows.ts";
import { CHANNELS, channelTo, type Said } from "../workload.ts";

/** Opens a session; `url`, else SQLite in the folder. */
export const openPeer: OpenPeer = async (seat, hear) => {
  let committedAt: number | undefined;
  const { committed } = WakeUps.prototype;
  WakeUps.prototype.committed = function (...args): void {
    committedAt = sharedNowMs();
    committed.apply(this, args);
  };
  const bus = await openBus({
    ...(seat.url === "" ? { home: seat.folder } : { url: seat.url }),
    ...seat.options,
    session: `session-${seat.session}`,
    vendor: "bench",
    // The guard against runaway loops, which this is.
    publishesPerSecondMax: 1e9,
    channelMessagesMax: 1e6,
  });
  await bus.sessions.register();
  const messages = bus.subscribe(
    [...(seat.hearsAll ? CHANNELS : []), channelTo(seat.session)],
    { from: seat.from },
  );
  await messages.ready;
  const hearing = hearAll(messages, hear);
  return {
    async say(channel, said): Promise<number | void> {
      committedAt = undefined;
      await bus.publish(channel, said as unknown as Json);
      return committedAt;
    },
    async sayMany(channel, many): Promise<void> {
      await bus.publishMany(
        many.map((said) => ({ channel, payload: said as unknown as Json })),
      );
    },
    sizes(): Record<string, number> {
      return {
        database: Deno.statSync(bus.location).size,
        promised: promisedBytes(bus.location),
        log: Deno.statSync(`${bus.location}-wal`).size,
      };
    },
    async [Symbol.asyncDispose](): Promise<void> {
      await bus.close();
      await hearing;
    },
  };
};

async function hearAll(
  messages: AsyncIterable<Message>,
  hear: (said: Said) => void,
): Promise<void> {
  for await (const { payload } of messages) hear(payload as unknown as Said);
}
