/**
 * Precedence at a lock: which requests, holds and waiters exclude each other.
 *
 * @module
 */

import type { LockTarget } from "../model/lock.ts";
import type {
  Blocker,
  Hold,
  LockOverlap,
  LockRequest,
  LockType,
} from "../model/lock.ts";
import type { EditRequest } from "../model/edit.ts";

/** Lease duration of a waiter's place, in milliseconds. */
export const WAIT_LEASE_MS = 30_000;

/** Interval between equal `wanted` messages, in milliseconds. */
export const WANTED_AGAIN_MS = 30_000;

/** Returns whether a session can block a request. */
export function belongsToOther(
  request: Pick<LockRequest, "session" | "actingFor">,
  session: string,
): boolean {
  return session !== request.session && !request.actingFor.includes(session);
}

/** Returns whether a request conflicts with a hold or waiter of this type. */
export function conflicts(
  request: Pick<LockRequest, "type">,
  type: LockType,
): boolean {
  return request.type === "exclusive" || type === "exclusive";
}

/** Returns whether a session's own hold satisfies its request. */
export function satisfies(own: Hold, request: LockRequest): boolean {
  return request.type === "advisory" || own.type === "exclusive";
}

/**
 * Returns whether a file or name lies in a set that the session holds
 * exclusively. No other session can hold it, and its waiters wait for this
 * session anyway.
 */
export function isCovered(
  request: LockRequest,
  near: readonly { readonly hold: Hold }[],
): boolean {
  const { kind } = request.target;
  return (kind === "file" || kind === "name") &&
    near.some(({ hold }) =>
      hold.session === request.session && hold.type === "exclusive"
    );
}

/** Returns whether a request without `upgrades` takes this hold once more. */
export function isSame(request: LockRequest, hold: Hold): boolean {
  const { target, session, agent } = request;
  return hold.path === target.path && hold.kind === target.kind &&
    // A glob and a file name with glob characters can have the same path.
    (hold.kind !== "glob" || hold.pathSets.disk === target.disk.text) &&
    hold.session === session && (hold.agent ?? "") === agent;
}

/** Returns how a hold relates to a request that overlaps it. */
export function riskOf(
  request: Pick<LockRequest, "session">,
  hold: Hold,
  where: "disk" | "repository",
): LockOverlap["risk"] {
  if (where === "repository") return "merge-risk";
  return hold.session === request.session ? "same-session" : "conflict";
}

/** Returns whether the overlap of a granted hold with another is announced. */
export function shouldAnnounce(
  request: LockRequest,
  held: Hold,
  other: Hold,
  where: "disk" | "repository",
): boolean {
  return other.token !== held.token &&
    // Agents of one session overlap only on disk.
    (where === "disk" || other.session !== held.session) &&
    (other.session !== held.session || other.agent !== held.agent) &&
    !request.actingFor.includes(other.session);
}

/** Returns a request of no session, which conflicts with every hold on a target. */
export function wildcardRequest(target: LockTarget): LockRequest {
  return {
    session: "",
    agent: "",
    target,
    type: "exclusive",
    leaseMs: 1,
    takeOver: false,
    wait: false,
    actingFor: [],
  };
}

/** Returns a hold in the form in which it blocks a request. */
export function blockerOf(hold: Hold, process: Blocker["process"]): Blocker {
  return {
    session: hold.session,
    name: hold.name,
    state: "holds",
    path: hold.path,
    type: hold.type,
    vendor: hold.vendor,
    task: hold.task,
    why: hold.why,
    since: hold.since,
    expiresAt: hold.expiresAt,
    overdue: hold.overdue,
    process,
  };
}

/** Returns the request of an edit: an advisory lock. */
export function editRequest(
  edit: Pick<EditRequest, "session" | "agent" | "leaseMs" | "actingFor">,
  target: LockTarget,
): LockRequest {
  const { session, agent, leaseMs, actingFor } = edit;
  return {
    session,
    agent,
    target,
    type: "advisory",
    leaseMs,
    takeOver: false,
    wait: false,
    actingFor,
  };
}
