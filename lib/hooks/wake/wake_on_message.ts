/**
 * Wakes an idle agent: `mbus hook claude wake`, where a person installed it.
 *
 * Claude Code runs a hook with `asyncRewake` in the background. If the hook exits
 * with 2, Claude Code goes on with the text on standard error. So this hook waits
 * for a direct message from the end of a turn on.
 *
 * ```text
 *  turn over ─▶ idle ─▶ a message comes ─▶ told, exit code 2
 *     └── active again, ended, or another waker started ─▶ exit code 0
 * ```
 *
 * It polls once a second: an idle agent can wait that long, and a crash leaves
 * nothing behind.
 *
 * @module
 */

import { withNamedSession } from "../named_session.ts";
import { Operations } from "../../bus/operations.ts";
import { SqliteStore } from "../../sqlite/store.ts";
import { LIMITS } from "../edit_lock.ts";
import { locateBus } from "../../sqlite/location.ts";
import { type Agent, type HookEvent, WAKE } from "../agents/agent.ts";
import type { HookContext } from "../hook_context.ts";
import { callingAgent } from "../agents/detect_caller.ts";
import { HookLog } from "../hook_log.ts";
import { withPendingContext } from "../pending_context.ts";
import { policyReader } from "../policy.ts";
import { sessionOf } from "../registration.ts";

/** Exit code of a hook that wakes its agent. */
const WOKEN = 2;
const NOT_WOKEN = 0;

const LOOK_MS = 1_000;
// No caller waits for it, so it waits longer for a busy database than a hook.
const BUSY_TOTAL_MS = 60_000;
// The hook that ends the turn runs in parallel, and marks the session idle later.
const IDLE_AFTER_LOOKS_MAX = 5;

/** Options of the wait. */
export interface WakeOptions {
  /** The bus folder, if not the default one. */
  readonly home?: string;
  /** Reads the agent's input: the text of one JSON value. */
  readonly read: () => string | Promise<string>;
  /** Writes the text that wakes the agent; throws if it is not accepted. */
  readonly say: (text: string) => void;
  /**
   * Time between two polls, in milliseconds.
   * @default {1000}
   */
  readonly lookMs?: number;
}

/** Waits for a direct message; returns the exit code. Never throws. */
export async function waitForMessage(
  agent: Agent,
  options: WakeOptions,
): Promise<number> {
  const log = new HookLog(options.home, agent.name);
  try {
    const input: unknown = JSON.parse(await options.read());
    const event = withNamedSession(
      agent.parse(input, (key) => Deno.env.get(key)),
    );
    const isOurs = (callingAgent(input) ?? agent.name) === agent.name;
    // Only a session as a whole can be woken, not a subagent.
    if (!isOurs || event.kind !== "stop" || event.agentId !== undefined) {
      return NOT_WOKEN;
    }
    const warn = (message: string) => log.add(message);
    const store = new Operations(
      SqliteStore.openOneShot({
        location: locateBus(options.home),
        busyTotalMs: BUSY_TOTAL_MS,
        now: Date.now,
        warn,
      }),
      LIMITS,
      warn,
      true,
    );
    try {
      return await wait(event, store, log, options);
    } finally {
      await store.close();
    }
  } catch (error) {
    log.add(error);
    return NOT_WOKEN;
  }
}

async function wait(
  event: HookEvent,
  store: Operations,
  log: HookLog,
  { say, lookMs = LOOK_MS }: WakeOptions,
): Promise<number> {
  const known = await sessionOf(event, store);
  if (known === undefined) return NOT_WOKEN;
  const own = crypto.randomUUID();
  await store.noteActivity(known.id, { notes: new Map([[WAKE, own]]) });
  for (let looks = 0, wasIdle = false;; looks++) {
    const session = await store.session(known.id);
    const waker = (await store.readNotes(known.id, [WAKE])).get(WAKE);
    if (session === undefined || waker !== own) return NOT_WOKEN;
    wasIdle ||= session.status === "idle";
    const goesOn = session.status === "idle" ||
      !wasIdle && session.status === "active" && looks < IDLE_AFTER_LOOKS_MAX;
    if (!goesOn) return NOT_WOKEN;
    const [message] = wasIdle
      ? await store.pendingFor(known.id, store.startCursor, 1, { untold: true })
      : [];
    if (message !== undefined) {
      const hook: HookContext = {
        event,
        session,
        wiring: event.agent,
        store,
        actingFor: [],
        policy: policyReader(session.worktree, (message) => log.add(message)),
        nowMs: Date.now(),
        tells: { context: true, continueWith: false },
        log: (message) => log.add(message),
      };
      const { decision, onDelivered } = await withPendingContext(hook);
      if (decision.context !== undefined) {
        say(`${decision.context}\n`);
        await onDelivered({
          reason: false,
          context: true,
          continueWith: false,
        });
        return WOKEN;
      }
    }
    await new Promise((resolve) => setTimeout(resolve, lookMs));
  }
}
