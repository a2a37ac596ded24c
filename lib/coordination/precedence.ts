/**
 * Who has precedence over whom at a lock: the rules that every store keeps,
 * whatever its rows look like.
 *
 * **In the way** of a request stand, of other sessions: holds that overlap it
 * on disk, and waiters who came earlier, if one of the two is exclusive. So an
 * acquire never overtakes a waiter, and who waits is served first come, first
 * served.
 *
 * What may overlap a target is found by its literal prefix, in a number of
 * look-ups that depends on the depth of the path and not on how many locks
 * there are:
 *
 * - at the same prefix, and below it (a range of the index);
 * - at each prefix above it, where only folders and globs reach down.
 *
 * @module
 */

import type { LockTarget } from "../lock_target.ts";
import type {
  Blocker,
  Hold,
  LockOverlap,
  LockRequest,
  LockType,
} from "../locks.ts";
import type { EditRequest } from "../store.ts";

/** How long a waiter's place is kept unless its process looks at it. */
export const WAIT_LEASE_MS = 30_000;

/** Whether a session may be in the way of a request at all. */
export function isOther(
  request: Pick<LockRequest, "session" | "alongside">,
  session: string,
): boolean {
  return session !== request.session && !request.alongside.includes(session);
}

/** Whether a hold or waiter of this type and a request shut each other out. */
export function excludes(
  request: Pick<LockRequest, "type">,
  type: LockType,
): boolean {
  return request.type === "exclusive" || type === "exclusive";
}

/** Whether a hold of one's own is already what is asked for. */
export function isEnough(own: Hold, request: LockRequest): boolean {
  return request.type === "advisory" || own.type === "exclusive";
}

/**
 * Whether a file or name lies in what the session holds exclusively: nobody else can
 * hold it, and who waits for it waits for this session anyway.
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

/** Whether a hold is what a request without `upgrades` takes once more. */
export function isSame(request: LockRequest, hold: Hold): boolean {
  const { target, session, agent } = request;
  return hold.path === target.path && hold.kind === target.kind &&
    // A glob that was called one is another than what may be a name.
    (hold.kind !== "glob" || hold.covers.disk === target.disk.text) &&
    hold.session === session && (hold.agent ?? "") === agent;
}

/** How a hold relates to a request that overlaps it. */
export function riskOf(
  request: Pick<LockRequest, "session">,
  hold: Hold,
  where: "disk" | "repository",
): LockOverlap["risk"] {
  if (where === "repository") return "merge-risk";
  return hold.session === request.session ? "same-session" : "conflict";
}

/** Whether a hold that a granted one overlaps is news to somebody. */
export function isNews(
  request: LockRequest,
  held: Hold,
  other: Hold,
  where: "disk" | "repository",
): boolean {
  return other.token !== held.token &&
    // A session's own agents meet on the file on disk only.
    (where === "disk" || other.session !== held.session) &&
    (other.session !== held.session || other.agent !== held.agent) &&
    !request.alongside.includes(other.session);
}

/** A request that nobody made and that every waiter for a target is ahead of. */
export function anybodys(target: LockTarget): LockRequest {
  return {
    session: "",
    agent: "",
    target,
    type: "exclusive",
    leaseMs: 1,
    takeOver: false,
    wait: false,
    alongside: [],
  };
}

/** A hold, as what stands in somebody's way. */
export function blockerOf(hold: Hold, process: Blocker["process"]): Blocker {
  return {
    session: hold.session,
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

/** What an edit asks for: a lock that warns, if nothing speaks against it. */
export function guardOf(
  edit: Pick<EditRequest, "session" | "agent" | "leaseMs" | "alongside">,
  target: LockTarget,
): LockRequest {
  const { session, agent, leaseMs, alongside } = edit;
  return {
    session,
    agent,
    target,
    type: "advisory",
    leaseMs,
    takeOver: false,
    wait: false,
    alongside,
  };
}

/** The prefixes at which a lock may stand that reaches down to this one. */
export function prefixesAbove(prefix: string): string[] {
  const above = [];
  for (
    let end = prefix.lastIndexOf("/");
    end > 0;
    end = prefix.lastIndexOf("/", end - 1)
  ) {
    above.push(prefix.slice(0, end));
  }
  if (prefix !== "/") above.push("/");
  return above;
}

/**
 * Between which texts the prefixes below this one lie, both excluded: "/"
 * follows it there, and "0" is the next character.
 */
export function rangeBelow(prefix: string): readonly [string, string] {
  const folder = prefix === "/" ? "" : prefix;
  return [`${folder}/`, `${folder}0`];
}
