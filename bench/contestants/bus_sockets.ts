/**
 * The base of the gate: this bus, woken by a mesh of Unix sockets.
 *
 * The bus runs with `notify: "poll"`, and a line from the mesh wakes its
 * watches as a bell would. Heartbeats and the safety poll stay.
 *
 * @module
 */

import { WakeUps } from "../../lib/sqlite/wake_ups.ts";
import type { OpenPeer } from "../contestant.ts";
import { SocketMesh } from "../socket_mesh.ts";
import { openPeer as openBusPeer } from "./bus.ts";

/** Opens a session. */
export const openPeer: OpenPeer = async (config, receive, woken) => {
  const wakes = new Set<() => void>();
  const { watch } = WakeUps.prototype;
  WakeUps.prototype.watch = function (interest, wake) {
    wakes.add(wake);
    return watch.call(this, interest, wake);
  };
  const mesh = new SocketMesh(config, () => wakes.forEach((wake) => wake()));
  const peer = await openBusPeer(config, receive, woken);
  return {
    ...peer,
    join: () => mesh.join(),
    async publish(channel, payload, to): Promise<number | void> {
      const committedAt = await peer.publish(channel, payload, to);
      await mesh.write("!\n", to);
      return committedAt;
    },
    async [Symbol.asyncDispose](): Promise<void> {
      await mesh.close();
      await peer[Symbol.asyncDispose]();
    },
  };
};
