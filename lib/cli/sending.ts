/**
 * What `mbus send` seldom needs: the whole way (send.ts), and what is left to do
 * after the quick one.
 *
 * @module
 */

import { resolveOptions } from "../options.ts";
import { SqliteBriefStore } from "../sqlite/brief_store.ts";
import { movedError } from "../sqlite/faults.ts";
import { warn } from "./acting.ts";
import { runEntry } from "./entry.ts";
import { reportFailure } from "./failure.ts";
import type { QuickSend } from "./quick_send.ts";
import send from "./send.ts";

/** Sends what the command line says, and ends the process. */
export async function sendWholly(): Promise<void> {
  await runEntry(send);
}

/** Takes a step of the purge if nobody has taken one for a while. */
export async function purge({ db, location }: QuickSend): Promise<void> {
  const resolved = resolveOptions({ warn: (text) => warn(text, false) });
  const { busyTimeoutMs: busyTotalMs, channelMessagesMax } = resolved;
  const store = new SqliteBriefStore({
    ...resolved,
    location,
    db,
    busyTotalMs,
  });
  await store.purgeIfOverdue(channelMessagesMax);
}

/** Tells that a message is in a file that nobody finds; returns the exit code. */
export function reportMoved({ location }: QuickSend): number {
  return reportFailure(movedError("publish", location.databasePath), false);
}

/** Tells what stood in the way; returns the exit code. */
export function report(error: unknown): number {
  return reportFailure(error, false);
}
