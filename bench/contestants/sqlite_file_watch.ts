/**
 * The floor of the gate: bare SQLite, woken by the file system, as the bus is.
 * What it costs above the base is the price of that wake-up, not of the bus.
 *
 * @module
 */

import type { OpenPeer } from "../contestant.ts";
import { FileMesh } from "../file_mesh.ts";
import { openBareSqlite } from "./bare_sqlite.ts";

/** Opens a session. */
export const openPeer: OpenPeer = async (seat, hear) =>
  await openBareSqlite(seat, hear, (woken) => new FileMesh(seat, woken));
