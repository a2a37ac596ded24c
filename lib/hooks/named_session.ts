/**
 * Which session an event is of, where the environment says so.
 *
 * @module
 */

import type { HookEvent } from "./agents/agent.ts";

/**
 * An event of the session that `MBUS_SESSION` names, if it does: the agent's
 * shell inherits it, too, and acts for that session.
 */
export function withNamedSession(event: HookEvent): HookEvent {
  const sessionId = Deno.env.get("MBUS_SESSION");
  return sessionId ? { ...event, sessionId } : event;
}
