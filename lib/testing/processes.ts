/**
 * Processes for cases: another living process, and a dead one.
 *
 * @module
 */

import { processStart } from "../process/host.ts";
import type { SessionStart } from "../model/session.ts";

// The first process of a system always lives.
const FIRST_PID = Deno.build.os === "windows" ? 4 : 1;

/** Returns a living process other than this one. */
export function anotherProcess(): Pick<SessionStart, "pid" | "processStart"> {
  return { pid: FIRST_PID, processStart: processStart(FIRST_PID) };
}

/** Dead process, with a number that no system assigns. */
export const GONE_PROCESS: Pick<SessionStart, "pid" | "processStart"> = {
  pid: 0x7fffffff,
  processStart: "1",
};

/** No process, as of a session that lives by its leases alone. */
export const NO_PROCESS: Pick<SessionStart, "pid" | "processStart"> = {
  pid: undefined,
  processStart: undefined,
};
