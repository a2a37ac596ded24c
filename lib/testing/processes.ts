/**
 * Processes as cases need them: one that lives and is not this one, and one
 * that is gone.
 *
 * @module
 */

import { processStart } from "../process/host.ts";
import type { SessionStart } from "../model/session.ts";

// The first process of a system lives as long as that does.
const FIRST_PID = Deno.build.os === "windows" ? 4 : 1;

/** A living process that is not this one. */
export function anotherProcess(): Pick<SessionStart, "pid" | "processStart"> {
  return { pid: FIRST_PID, processStart: processStart(FIRST_PID) };
}

/** A process that is gone: no system gives so high a number. */
export const GONE_PROCESS: Pick<SessionStart, "pid" | "processStart"> = {
  pid: 0x7fffffff,
  processStart: "1",
};

/** No process at all, as of a session that lives by its leases alone. */
export const NO_PROCESS: Pick<SessionStart, "pid" | "processStart"> = {
  pid: undefined,
  processStart: undefined,
};
