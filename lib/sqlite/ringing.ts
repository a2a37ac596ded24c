/**
 * Ringing after a commit, by a process that has no bell itself.
 *
 * @module
 */

import { ring } from "../bell_files.ts";
import { type Addressed, bellsFor } from "./bells.ts";
import type { Connection } from "./connection.ts";
import type { BusLocation } from "./location.ts";

/** Rings whoever wants one of these; what stands in the way is only told. */
export function ringFor(
  connection: Pick<Connection, "sql">,
  { bellsFolder }: BusLocation,
  rings: readonly Addressed[],
  warn: (message: string) => void,
): void {
  if (rings.length === 0) return;
  try {
    const bells = bellsFor(connection, rings);
    if (bells.size > 0) ring(bellsFolder, bells);
  } catch (error) {
    // It is committed, and found by the safety poll of who was not rung.
    warn(`mbus: a bell cannot be rung (${(error as Error).message}).`);
  }
}
