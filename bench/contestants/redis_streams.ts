/**
 * Redis streams: one stream per channel, capped as the bus's channels, and a
 * connection that waits in `XREAD BLOCK` for the session's streams.
 *
 * @module
 */

import { createClient } from "redis";
import type { OpenPeer } from "../contestant.ts";
import { CHANNELS, channelTo, type Payload } from "../workload.ts";

const KEPT = {
  TRIM: { strategy: "MAXLEN", strategyModifier: "~", threshold: 1_000_000 },
} as const;
const PAGE_MESSAGES = 256;

/** Opens a session. */
export const openPeer: OpenPeer = async (config, receive) => {
  const writer = createClient({ url: config.url });
  const reader = writer.duplicate();
  // The end of the session interrupts the waiting read.
  reader.on("error", () => {});
  await Promise.all([writer.connect(), reader.connect()]);
  const cursors = new Map<string, string>();
  const wanted = [
    ...(config.receivesAll ? CHANNELS : []),
    channelTo(config.session),
  ];
  for (const stream of wanted) {
    const last = config.from === "start"
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
          receive(JSON.parse(message.payload) as Payload);
        }
      }
    }
  })();
  const add = (channel: string, payload: Payload) =>
    writer.xAdd(channel, "*", { payload: JSON.stringify(payload) }, KEPT);
  return {
    async publish(channel, payload): Promise<void> {
      await add(channel, payload);
    },
    async publishMany(channel, many): Promise<void> {
      // The client pipelines the calls of one tick.
      await Promise.all(many.map((payload) => add(channel, payload)));
    },
    async [Symbol.asyncDispose](): Promise<void> {
      closed = true;
      reader.destroy();
      await Promise.all([reading, writer.close()]);
    },
  };
};
