/**
 * Denies a call once for each fact that its agent has not been told.
 *
 * ```text
 *  fact ─▶ not told ─▶ denied, told ─▶ (another call) passes
 *                          └─────────▶ (the same call again) denied again
 *  a firm fact ─▶ denied as long as it lasts
 *  a fact that went away ─▶ not announced
 * ```
 *
 * - The unit is one fact: this session holds this path under this token, or this
 *   file was changed to this content. Each agent of a session is told separately.
 * - A call that fires its hook twice gets the same answer twice. The agent's call
 *   id identifies it. Without ids, a hook fires twice where the settings of two
 *   agents wire it. The second wiring gets the first one's answer for 2 s.
 * - Each fact is one note of the session, which the store keeps for a day.
 * - A denial appends the event `denied` on `file_conflict`, once for each fact and
 *   session, so that the holder is told.
 *
 * @module
 */

import type { Advice, Fact } from "./fact.ts";
import type { HookContext, HookResult } from "./hook_context.ts";
import { plainText } from "./frame.ts";
import { noticeNotes } from "./deferred_notices.ts";

/** The note of a fact that an agent was told. */
interface Told {
  /** Time of the first telling, in milliseconds since 1970. */
  readonly atMs: number;
  /** The calls that were denied for it, by the agent's call ids. */
  readonly calls: readonly string[];
  /** The agents whose settings called the hook. */
  readonly wirings: readonly string[];
}

/** Time for which two wirings count as the same call, in milliseconds. */
const SAME_CALL_MS = 2_000;

const CALLS_MAX = 20;

const FACTS_SHOWN_MAX = 20;

/**
 * Denies a call if a fact is firm, or if this agent has not been told a soft one.
 * Notes each fact as told, and defers the notices of `inform` facts.
 *
 * @returns The denial; undefined if the call passes.
 */
export async function denyUntold(
  hook: HookContext,
  facts: readonly Fact[],
  advice: Advice,
): Promise<HookResult | undefined> {
  if (facts.length === 0) return undefined;
  const { store, session, nowMs } = hook;
  const keys = facts.map(({ key }) => noteKey(hook, key));
  let notes = await store.readNotes(session.id, keys);
  const untold = facts.filter((_, at) =>
    !isTold(toldOf(notes, keys[at]), hook)
  );
  while (untold.length > 0) {
    const fresh = untold.filter(({ key }) => !notes.has(noteKey(hook, key)));
    const informed = fresh.filter(({ force }) => force === "inform")
      .map(({ session, text }) => ({ session, facts: text }));
    const first = noteKey(hook, untold[0].key);
    // Parallel calls of a session meet the same fact: only one announces it.
    const isKept = await store.noteActivity(session.id, {
      change: { status: "active" },
      notes: new Map([
        ...untold.map(({ key }) => {
          const note = noteKey(hook, key);
          const told = telling(toldOf(notes, note), hook, nowMs);
          return [note, JSON.stringify(told)] as const;
        }),
        ...await noticeNotes(hook, informed),
      ]),
      expects: { key: first, value: notes.get(first) ?? null },
    });
    if (isKept) {
      await announce(hook, fresh.filter(({ force }) => force !== "inform"));
      break;
    }
    notes = await store.readNotes(session.id, keys);
  }
  const stopping = facts.filter((fact) =>
    fact.force === "firm" || fact.force === "soft" && untold.includes(fact)
  );
  return stopping.length > 0
    ? { ...denial(stopping, advice), onLost: () => forget(hook, untold) }
    : undefined;
}

/** Marks facts as not told, because their denial did not reach the agent. */
async function forget(
  hook: HookContext,
  facts: readonly Fact[],
): Promise<void> {
  await hook.store.noteActivity(hook.session.id, {
    notes: new Map(facts.map(({ key }) => [noteKey(hook, key), null])),
  });
}

function noteKey({ event }: HookContext, key: string): string {
  return `told:${event.agentId ?? ""}:${key}`;
}

function toldOf(
  notes: ReadonlyMap<string, string>,
  key: string,
): Told | undefined {
  const text = notes.get(key);
  return text === undefined ? undefined : JSON.parse(text);
}

function isTold(told: Told | undefined, hook: HookContext): boolean {
  if (told === undefined) return false;
  const call = callOf(hook);
  if (call !== undefined && told.calls.includes(call)) return false;
  const silentMs = hook.nowMs - told.atMs;
  return told.wirings.includes(hook.wiring) || silentMs < 0 ||
    silentMs >= SAME_CALL_MS;
}

function telling(
  before: Told | undefined,
  hook: HookContext,
  nowMs: number,
): Told {
  const { atMs = nowMs, calls = [], wirings = [] } = before ?? {};
  const call = callOf(hook);
  return {
    atMs,
    calls: call === undefined || calls.includes(call)
      ? calls
      : [...calls, call].slice(-CALLS_MAX),
    wirings: wirings.includes(hook.wiring)
      ? wirings
      : [...wirings, hook.wiring],
  };
}

function callOf({ event }: HookContext): string | undefined {
  return event.kind === "before-tool" ? event.tool.callId : undefined;
}

function denial(facts: readonly Fact[], advice: Advice): HookResult {
  const texts = facts.slice(0, FACTS_SHOWN_MAX).map(({ text }) => text);
  const more = facts.length - texts.length;
  if (more > 0) texts.push(`(${more} more like these.)`);
  // A retry passes only if no fact is firm.
  if (facts.every(({ force }) => force === "soft")) texts.push(advice.retry);
  return {
    decision: {
      verdict: "deny",
      // Facts make their names and paths plain; this guards against one that does not.
      reason: `[message-bus] ${plainText(texts.join("\n"))}`,
      notice: advice.notice,
    },
    onDelivered: () => Promise.resolve(),
  };
}

/** Appends the event `denied`, for the holders and for `mbus who`. */
async function announce(
  hook: HookContext,
  facts: readonly Fact[],
): Promise<void> {
  if (facts.length === 0) return;
  const { announceDenied } = await import("./denied.ts");
  await announceDenied(hook, facts);
}
