/**
 * The floor of the gate: bare SQLite, woken by the file system as the bus is.
 * Its cost above the base is the cost of that wake-up, not of the bus.
 *
 * @module
 */

import type { OpenPeer } from "../contestant.ts";
import { FileMesh } from "../file_mesh.ts";
import { openBareSqlite } from "./bare_sqlite.ts";

/** Opens a session. */
export const openPeer: OpenPeer = async (config, receive) =>
  await openBareSqlite(config, receive, (woken) => new FileMesh(config, woken));
