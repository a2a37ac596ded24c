/**
 * The slow path of a hook: registers the session, decides, and notes what the
 * model was told after the response.
 *
 * @module
 */

import { Operations } from "../bus/operations.ts";
import { SqliteStore } from "../sqlite/store.ts";
import { openOperations } from "../store/open.ts";
import { resolveOptions } from "../bus/options.ts";
import type { Database } from "../sqlite/driver.ts";
import { locateBus } from "../sqlite/location.ts";
import { delegators } from "../bus/delegation.ts";
import type { Agent, AgentName, HookEvent } from "./agents/agent.ts";
import type { HookContext } from "./hook_context.ts";
import type { BelowDaemon } from "./codex_daemon.ts";
import { decide } from "./decide.ts";
import type { HookLog } from "./hook_log.ts";
import { LIMITS } from "./edit_lock.ts";
import { policyReader } from "./policy.ts";
import { sessionOf } from "./registration.ts";

/** Maximum wait of a hook for a busy database in all, in milliseconds. */
export const BUSY_TOTAL_MS = 200;

/** One call of a hook. */
export interface Call {
  /** The calling agent. */
  readonly agent: Agent;
  /** The event. */
  readonly event: HookEvent;
  /** The calling thread, if it runs below a daemon of Codex. */
  readonly below: BelowDaemon | undefined;
  /**
   * The agent whose settings wire the hook.
   * @default {the calling agent}
   */
  readonly wiring?: AgentName;
  /** The bus folder, if not the default one. */
  readonly home: string | undefined;
  /** The database, if it is open already. */
  readonly db: Database | undefined;
  /** Whether the process ends after the response. */
  readonly ends: boolean;
  /** The log of errors. */
  readonly log: HookLog;
  /** Writes the response. */
  readonly write: (output: string) => void;
}

/** Responds to a call of a session. */
export async function respondToCall(call: Call): Promise<void> {
  const { agent, event, wiring, log, write } = call;
  const store = await openBus(call);
  try {
    const session = await sessionOf(event, store, call.below);
    if (session === undefined) {
      write(agent.neutral);
      return;
    }
    if (isGone(event.cwd)) {
      log.add(
        `The working folder ${event.cwd} of session ${session.id} is gone: ` +
          `relative paths are still resolved against it.`,
      );
    }
    const result = await decide({
      event,
      session,
      wiring: wiring ?? agent.name,
      store,
      actingFor: delegators(),
      policy: policyReader(session.worktree, (message) => log.add(message)),
      nowMs: Date.now(),
      tells: tells(agent, event),
      log: (message) => log.add(message),
    });
    const { output, carried } = agent.render(event, result.decision);
    try {
      write(output);
    } catch (error) {
      await result.onLost?.();
      throw error;
    }
    await result.onDelivered(carried);
  } finally {
    const at = store.store;
    if (call.ends && at instanceof SqliteStore) at.detach();
    else await store.close();
  }
}

/** Whether the agent's folder does not exist. */
function isGone(folder: string): boolean {
  if (folder === "") return false;
  try {
    Deno.statSync(folder);
    return false;
  } catch (error) {
    return error instanceof Deno.errors.NotFound;
  }
}

/** Returns which text the agent would show its model at this event. */
function tells(agent: Agent, event: HookEvent): HookContext["tells"] {
  const shown = (decision: { context?: string; continueWith?: string }) =>
    agent.render(event, { verdict: "allow", ...decision }).carried;
  return {
    context: shown({ context: "…" }).context,
    continueWith: shown({ continueWith: "…" }).continueWith,
  };
}

async function openBus({ home, db, log }: Call): Promise<Operations> {
  const warn = (message: string) => log.add(message);
  if (home === undefined && Deno.env.get("MBUS_URL")) {
    return await openOperations(resolveOptions({
      busyTimeoutMs: BUSY_TOTAL_MS,
      busyTotalMs: BUSY_TOTAL_MS,
      warn,
    }));
  }
  const store = SqliteStore.openOneShot({
    location: locateBus(home),
    db,
    busyTotalMs: BUSY_TOTAL_MS,
    now: Date.now,
    warn,
  });
  return new Operations(store, LIMITS, warn, true);
}
