/**
 * Waking an idle agent: `mbus hook claude wake`, where a person chose it.
 *
 * Claude Code runs a hook with `asyncRewake` in the background, and goes on with
 * what it said on standard error if it ends with 2. So this one waits, from the end
 * of a turn, for a direct message.
 *
 * ```text
 *  turn over ─▶ idle ─▶ a message comes ─▶ told, 2
 *     └── at work again, ended, or another one waits ─▶ 0
 * ```
 *
 * It looks once a second. An idle agent can wait so long, and nothing of it stays
 * behind that a crash would leave.
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

/** What a hook that wakes ends with. */
const WOKEN = 2;
const NOT_WOKEN = 0;

const LOOK_MS = 1_000;
// Nobody waits for it; but a bus that is busy for so long is none.
const BUSY_TOTAL_MS = 60_000;
// The hook that ends the turn runs at the same time, and says so a little later.
const IDLE_AFTER_LOOKS_MAX = 5;

/** How to wait. */
export interface WakeOptions {
  /** The bus folder, if not the default one. */
  readonly home?: string;
  /** Reads what the agent says: the text of one JSON value. */
  readonly read: () => string | Promise<string>;
  /** Says what wakes it; throws if that is not taken. */
  readonly say: (text: string) => void;
  /**
   * How long to wait between two looks, in milliseconds.
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
    // Nobody is left to wake but the session itself.
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
