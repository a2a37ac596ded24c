/**
 * Denying once: whether a call that would be warned about is denied, or is the
 * retry that passes.
 *
 * ```text
 *  conflict ─▶ denied ─▶ (the same call, or any within 2 s) denied again
 *                 └────▶ (a later call, within 10 min) passed ─▶ passes for 10 min
 *  the conflict changes ─▶ denied anew
 * ```
 *
 * Parallel calls and hooks that fire twice come within moments of each other:
 * they must not use up the retry, which is a decision of the model.
 *
 * @module
 */

/** What is remembered of a denial. */
export interface Denial {
  /** What the conflict consists of. */
  readonly conflict: string;
  /** The calls that were denied, by the agent's id of each. */
  readonly calls: readonly string[];
  /** When it was first denied, in milliseconds since 1970. */
  readonly deniedAtMs: number;
  /** When the retry passed, in milliseconds since 1970. */
  readonly passedAtMs?: number;
}

/** Calls this soon after a denial belong to the same decision of the model. */
const SAME_DECISION_MS = 2_000;

/** How long the right to retry holds, and how long the retry's pass does. */
const PASS_MS = 10 * 60 * 1000;

const CALLS_MAX = 20;

/** Whether a call is denied, and what to remember. */
export interface Judgement {
  readonly denied: boolean;
  readonly denial: Denial;
}

/**
 * Judges a call that meets a conflict.
 *
 * @param before What is remembered of this path.
 * @param conflict What the conflict consists of now.
 * @param call The agent's id of the call, if it tells one.
 */
export function judge(
  before: Denial | undefined,
  conflict: string,
  call: string | undefined,
  nowMs: number,
): Judgement {
  const since = before?.passedAtMs ?? before?.deniedAtMs ?? 0;
  if (
    before === undefined || before.conflict !== conflict ||
    nowMs - since >= PASS_MS || nowMs < before.deniedAtMs
  ) {
    const calls = call === undefined ? [] : [call];
    return { denied: true, denial: { conflict, calls, deniedAtMs: nowMs } };
  }
  const wasDenied = call !== undefined && before.calls.includes(call);
  if (wasDenied) return { denied: true, denial: before };
  if (before.passedAtMs !== undefined) return { denied: false, denial: before };
  if (nowMs - before.deniedAtMs < SAME_DECISION_MS) {
    const calls = call === undefined
      ? before.calls
      : [...before.calls, call].slice(-CALLS_MAX);
    return { denied: true, denial: { ...before, calls } };
  }
  return { denied: false, denial: { ...before, passedAtMs: nowMs } };
}
