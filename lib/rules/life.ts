/**
 * Liveness of processes: alive, proven dead, or unknown.
 *
 * Only a process of this host can be checked, by pid and start time. Sessions of
 * other hosts live by their leases alone.
 *
 * @module
 */

import type { Life } from "../model/process.ts";
import { type Incarnation, nameOf, type Session } from "../model/session.ts";
import type { Asker } from "./records.ts";
import type { HostedProcess } from "../model/process.ts";
import type { Moment } from "./rule.ts";

/** Returns the process of a session, if its record names one. */
export function processOf(session: Session): HostedProcess | undefined {
  const { pid, host, processStart, keeper, status } = session;
  if (pid === undefined || host === undefined) return undefined;
  return {
    pid,
    host,
    startTime: processStart ?? "",
    ...(keeper !== undefined && { keeper, isIdle: status === "idle" }),
  };
}

/** Returns the part of a session that a hold or a waiter shows. */
export function askerOf(session: Session): Asker {
  const { vendor, task } = session;
  return {
    name: nameOf(session),
    vendor,
    ...(task !== undefined && { task }),
    process: processOf(session),
  };
}

/** Returns whether this host can check a process. */
export function canCheckLiveness(
  process: HostedProcess | undefined,
  at: Moment,
): process is HostedProcess {
  return process !== undefined && process.startTime !== "" &&
    process.host === at.self.host;
}

/** Returns whether a process is proven to be dead. */
export function isDead(
  process: HostedProcess | undefined,
  at: Moment,
): boolean {
  return canCheckLiveness(process, at) && at.life(process) === "dead";
}

/** Returns the liveness of a session's process, as far as this host can check. */
export function lifeOf(session: Session, at: Moment): Life {
  const process = processOf(session);
  return process === undefined ? "unknown" : at.life(process);
}

/** Returns whether two incarnations are one process. */
export function isSameProcess(a: Incarnation, b: Incarnation): boolean {
  return a.pid === b.pid && a.processStart === b.processStart;
}
