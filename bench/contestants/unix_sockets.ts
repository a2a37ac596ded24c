/**
 * A mesh of Unix sockets: nothing is stored, so this is what a wake-up alone
 * costs, with the message in it.
 *
 * @module
 */

import { sharedNowMs } from "../clock.ts";
import type { OpenPeer } from "../contestant.ts";
import { SocketMesh } from "../socket_mesh.ts";
import type { Said } from "../workload.ts";

/** Opens a session. */
export const openPeer: OpenPeer = (seat, hear) => {
  const mesh = new SocketMesh(seat, (line) => hear(JSON.parse(line) as Said));
  return Promise.resolve({
    join: () => mesh.join(),
    async say(channel, said, to): Promise<number> {
      // Nothing is stored: its commit is its start.
      const beganAt = sharedNowMs();
      await mesh.write(`${JSON.stringify({ channel, ...said })}\n`, to);
      return beganAt;
    },
    async sayMany(channel, many, to): Promise<void> {
      const lines = many.map((said) =>
        `${JSON.stringify({ channel, ...said })}\n`
      );
      await mesh.write(lines.join(""), to);
    },
    [Symbol.asyncDispose]: () => mesh.close(),
  });
};
