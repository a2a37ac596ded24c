/**
 * A mesh of Unix sockets. Nothing is stored, so this is the cost of a wake-up
 * that carries its message.
 *
 * @module
 */

import { sharedNowMs } from "../clock.ts";
import type { OpenPeer } from "../contestant.ts";
import { SocketMesh } from "../socket_mesh.ts";
import type { Payload } from "../workload.ts";

/** Opens a session. */
export const openPeer: OpenPeer = (config, receive) => {
  const mesh = new SocketMesh(
    config,
    (line) => receive(JSON.parse(line) as Payload),
  );
  return Promise.resolve({
    join: () => mesh.join(),
    async publish(channel, payload, to): Promise<number> {
      // Nothing is stored, so the commit is the start.
      const beganAt = sharedNowMs();
      await mesh.write(`${JSON.stringify({ channel, ...payload })}\n`, to);
      return beganAt;
    },
    async publishMany(channel, many, to): Promise<void> {
      const lines = many.map((payload) =>
        `${JSON.stringify({ channel, ...payload })}\n`
      );
      await mesh.write(lines.join(""), to);
    },
    [Symbol.asyncDispose]: () => mesh.close(),
  });
};
