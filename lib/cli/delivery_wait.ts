/**
 * The option `--wait` of commands that write to one session: they end once the
 * message has come as far as was asked.
 *
 * @module
 */

import type { DeliveryState } from "../model/delivery.ts";
import type { GlobalValues, OptionValues } from "./arguments.ts";
import { EXIT } from "./declaration.ts";
import { renderDuration } from "./duration.ts";
import { openBusFor } from "./open.ts";
import { printToStderr } from "./output/output.ts";
import { STATE_WORDS } from "./output/delivery_words.ts";
import { visible } from "./output/visible_text.ts";
import { Stop } from "./signals.ts";

/** Options of commands that write to one session. */
export const WAIT_OPTIONS = {
  wait: {
    kind: "choice",
    choices: ["told", "acked"],
    help: "Wait until its model has read it, or acknowledged it",
  },
  timeout: {
    kind: "duration",
    placeholder: "TIME",
    help: "Maximum --wait, such as 30s",
    default: "5m",
  },
} as const;

const TIMEOUT_MS = 5 * 60_000;

const AWAITED: Readonly<Record<string, readonly DeliveryState[]>> = {
  told: ["injected", "acked"],
  acked: ["acked"],
};

/**
 * Waits for the delivery of a direct message as the options ask. Prints on standard
 * error what is proven.
 *
 * @returns The exit code: refused if the message has not come so far.
 */
export async function waitForDelivery(
  options: GlobalValues & OptionValues<typeof WAIT_OPTIONS>,
  { id, sender }: { readonly id: string; readonly sender: string },
): Promise<number> {
  if (options.wait === undefined) return EXIT.done;
  const awaited = AWAITED[options.wait];
  const { timeout = TIMEOUT_MS } = options;
  await using opened = await openBusFor({ ...options, session: sender });
  using stop = new Stop(timeout);
  let state: DeliveryState | "gone" = "gone";
  try {
    const states = opened.bus.watchDelivery(id, { signal: stop.signal });
    for await (const delivery of states) {
      ({ state } = delivery);
      if (awaited.includes(state)) break;
    }
  } catch (error) {
    if (!stop.signal.aborted || error !== stop.signal.reason) throw error;
  }
  const { reason } = stop;
  if (reason !== undefined && reason !== "timeout") return reason.exitCode;
  const isReached = state !== "gone" && awaited.includes(state);
  if (!options.json) {
    const word = state === "gone" ? "gone" : STATE_WORDS[state];
    const within = isReached ? "" : ` after ${renderDuration(timeout)}`;
    printToStderr(visible(`mbus: message ${id} is ${word}${within}`));
  }
  return isReached ? EXIT.done : EXIT.refused;
}
