/**
 * The session that `MBUS_SESSION` names for a hook.
 *
 * @module
 */

import type { HookEvent } from "./agents/agent.ts";

/**
 * Returns the event with the session that `MBUS_SESSION` names, if it is set. The
 * agent's shell inherits the variable and acts for the same session.
 */
export function withNamedSession(event: HookEvent): HookEvent {
  const sessionId = Deno.env.get("MBUS_SESSION");
  return sessionId ? { ...event, sessionId } : event;
}
