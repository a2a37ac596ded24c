/**
 * Redis streams: a stream for each channel, capped as the bus caps its own, and
 * a connection that waits in `XREAD BLOCK` for all that a session wants.
 *
 * @module
 */

import { createClient } from "redis";
import type { OpenPeer } from "../contestant.ts";
import { CHANNELS, channelTo, type Said } from "../workload.ts";

const KEPT = {
  TRIM: { strategy: "MAXLEN", strategyModifier: "~", threshold: 1_000_000 },
} as const;
const PAGE_MESSAGES = 256;

/** Opens a session. */
export const openPeer: OpenPeer = async (seat, hear) => {
  const writer = createClient({ url: seat.url });
  const reader = writer.duplicate();
  // Interrupted while it waits, when the session ends.
  reader.on("error", () => {});
  await Promise.all([writer.connect(), reader.connect()]);
  const cursors = new Map<string, string>();
  const wanted = [...(seat.hearsAll ? CHANNELS : []), channelTo(seat.session)];
  for (const stream of wanted) {
    const last = seat.from === "start"
      ? undefined
      : (await writer.xRevRange(stream, "+", "-", { COUNT: 1 }))?.at(0);
    cursors.set(stream, last?.id ?? "0-0");
  }
  let closed = false;
  const reading = (async () => {
    while (!closed) {
      const streams = [...cursors].map(([key, id]) => ({ key, id }));
      const pages = await reader.xRead(streams, {
        BLOCK: 0,
        COUNT: PAGE_MESSAGES,
      }).catch((error: unknown) => {
        if (!closed) throw error;
        return null;
      }) as
        | {
          readonly name: string;
          readonly messages: readonly {
            readonly id: string;
            readonly message: Readonly<Record<string, string>>;
          }[];
        }[]
        | null;
      for (const { name, messages } of pages ?? []) {
        for (const { id, message } of messages) {
          cursors.set(name, id);
          hear(JSON.parse(message.said) as Said);
        }
      }
    }
  })();
  const add = (channel: string, said: Said) =>
    writer.xAdd(channel, "*", { said: JSON.stringify(said) }, KEPT);
  return {
    async say(channel, said): Promise<void> {
      await add(channel, said);
    },
    async sayMany(channel, many): Promise<void> {
      // Calls of one tick are pipelined.
      await Promise.all(many.map((said) => add(channel, said)));
    },
    async [Symbol.asyncDispose](): Promise<void> {
      closed = true;
      reader.destroy();
      await Promise.all([reading, writer.close()]);
    },
  };
};
