/**
 * `mbus send`, past the rest of the command line: scripts and agents call it
 * often, so nothing is loaded that it does not use.
 *
 * @module
 */

import { isPurgeDue } from "../sqlite/quick_message.ts";
import { ringFor } from "../sqlite/ringing.ts";
import { trimLog } from "../sqlite/sound.ts";
import { settleEnvironment } from "./codex_shell.ts";
import { endProcess } from "./ending.ts";
import { printAside, printLine } from "./output.ts";
import { type QuickSend, sendQuickly } from "./quick_send.ts";
import { visible } from "./visible_text.ts";

/** Sends what the command line says, and ends the process. */
async function main(args: readonly string[]): Promise<void> {
  await settleEnvironment();
  const nowMs = Date.now();
  const sent = sendQuickly(args, nowMs);
  if (sent === undefined) {
    const { sendWholly } = await import("./sending.ts");
    return await sendWholly();
  }
  try {
    endProcess(await finish(sent, nowMs));
  } catch (error) {
    const { report } = await import("./sending.ts");
    endProcess(report(error));
  }
}

/** Does what follows a message that is stored; returns the exit code. */
async function finish(sent: QuickSend, nowMs: number): Promise<number> {
  const { id, channel, project, db, location } = sent;
  if (!sent.isInPlace) {
    const { reportMoved } = await import("./sending.ts");
    return reportMoved(sent);
  }
  const connection = { sql: (text: string) => db.prepare(text) };
  const warn = (message: string) => printAside(visible(message));
  ringFor(connection, location, [{ channel, project }], warn);
  printLine(id);
  if (isPurgeDue(db, nowMs)) {
    const { purge } = await import("./sending.ts");
    await purge(sent);
  }
  try {
    trimLog(db, location);
  } catch (error) {
    // Whoever ends next does it.
    warn(`mbus: ${(error as Error).message}`);
  }
  return 0;
}

if (import.meta.main) await main(Deno.args);
