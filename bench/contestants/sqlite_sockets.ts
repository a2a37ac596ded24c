/**
 * The base of the gate: bare SQLite, with a mesh of Unix sockets for the wake-ups.
 *
 * @module
 */

import type { OpenPeer } from "../contestant.ts";
import { SocketMesh } from "../socket_mesh.ts";
import { openBareSqlite } from "./bare_sqlite.ts";

/** Opens a session. */
export const openPeer: OpenPeer = async (seat, hear) =>
  await openBareSqlite(seat, hear, (woken) => {
    const mesh = new SocketMesh(seat, woken);
    return {
      join: () => mesh.join(),
      wake: (to) => mesh.write("!\n", to),
      close: () => mesh.close(),
    };
  });
