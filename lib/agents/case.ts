/**
 * What the decision core works on: one call of a hook, by a session that is on
 * the bus, with what the bus knows.
 *
 * @module
 */

import type { Session } from "../sessions.ts";
import type { Activity, BriefStore } from "../store.ts";
import type { AgentName, Carried, Decision, HookEvent } from "./agent.ts";
import type { Policy } from "./policy.ts";

/** One call of a hook. */
export interface Case {
  /** What happened. */
  readonly event: HookEvent;
  /** The session to which it happened, as the bus has it. */
  readonly session: Session;
  /** The agent whose settings wire the hook: another agent may run those, too. */
  readonly wiring: AgentName;
  /** The bus's rows. */
  readonly store: BriefStore;
  /** Sessions whose locks stand in nobody's way here: see `within_locks.ts`. */
  readonly alongside: readonly string[];
  /**
   * Returns the policy of the project in a worktree, by default the session's.
   * It is read from disk, so ask only where another session is concerned.
   */
  readonly policy: (worktree?: string) => Policy;
  /** The time, in milliseconds since 1970. */
  readonly nowMs: number;
  /** Whether the agent shows its model text that is given at this event. */
  readonly tells: Pick<Carried, "context" | "continueWith">;
  /** Is told of what is left out. */
  readonly log: (message: string) => void;
}

/** What was decided, and what to do once the answer was written. */
export interface Verdict {
  /** The answer. */
  readonly decision: Decision;
  /** Writes down what the model has really been told. */
  readonly told: (carried: Carried) => Promise<void>;
  /** Takes back what counts as told already, if the answer was not written. */
  readonly lost?: () => Promise<void>;
}

/** The agent goes on. */
export const ALLOW: Verdict = {
  decision: { verdict: "allow" },
  told: () => Promise.resolve(),
};

/** One note of a session, as JSON. */
export async function readNote<T>(
  { store, session }: Case,
  key: string,
): Promise<T | undefined> {
  const text = (await store.readNotes(session.id, [key])).get(key);
  return text === undefined ? undefined : JSON.parse(text);
}

/** Notes as JSON, for the store; `undefined` deletes one. */
export function notesOf(
  notes: Readonly<Record<string, unknown>>,
): NonNullable<Activity["notes"]> {
  return new Map(
    Object.entries(notes).map(([key, value]) => [
      key,
      value === undefined ? null : JSON.stringify(value),
    ]),
  );
}
