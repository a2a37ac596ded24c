/**
 * The floor of the gate: bare SQLite, woken by a mesh of Unix sockets.
 *
 * @module
 */

import type { OpenPeer } from "../contestant.ts";
import { SocketMesh } from "../socket_mesh.ts";
import { openBareSqlite } from "./bare_sqlite.ts";

/** Opens a session. */
export const openPeer: OpenPeer = async (config, receive) =>
  await openBareSqlite(config, receive, (woken) => {
    const mesh = new SocketMesh(config, woken);
    return {
      join: () => mesh.join(),
      wake: (to) => mesh.write("!\n", to),
      close: () => mesh.close(),
    };
  });
