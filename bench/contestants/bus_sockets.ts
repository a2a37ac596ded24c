/**
 * The base of the gate: this bus, with a mesh of Unix sockets for the wake-ups. All
 * else is the same, heartbeats and the safety poll included: the bus polls, and what
 * the mesh hears wakes its watches, as a bell would.
 *
 * @module
 */

import { WakeUps } from "../../lib/sqlite/wake_ups.ts";
import type { OpenPeer } from "../contestant.ts";
import { SocketMesh } from "../socket_mesh.ts";
import { openPeer as openBusPeer } from "./bus.ts";

/** Opens a session. */
export const openPeer: OpenPeer = async (seat, hear, woken) => {
  const wakes = new Set<() => void>();
  const { watch } = WakeUps.prototype;
  WakeUps.prototype.watch = function (interest, wake) {
    wakes.add(wake);
    return watch.call(this, interest, wake);
  };
  const mesh = new SocketMesh(seat, () => wakes.forEach((wake) => wake()));
  const peer = await openBusPeer(seat, hear, woken);
  return {
    ...peer,
    join: () => mesh.join(),
    async say(channel, said, to): Promise<number | void> {
      const committedAt = await peer.say(channel, said, to);
      await mesh.write("!\n", to);
      return committedAt;
    },
    async [Symbol.asyncDispose](): Promise<void> {
      await mesh.close();
      await peer[Symbol.asyncDispose]();
    },
  };
};
