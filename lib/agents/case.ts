/**
 * What the decision core works on: one call of a hook, by a session that is on
 * the bus, with what the bus knows.
 *
 * @module
 */

import type { Session } from "../sessions.ts";
import type { Store } from "../store.ts";
import type { Carried, Decision, HookEvent } from "./agent.ts";
import type { Policy } from "./policy.ts";

/** One call of a hook. */
export interface Case {
  /** What happened. */
  readonly event: HookEvent;
  /** The session to which it happened, as the bus has it. */
  readonly session: Session;
  /** The bus's rows. */
  readonly store: Store;
  /** What the person chose. */
  readonly policy: Policy;
  /** The time, in milliseconds since 1970. */
  readonly nowMs: number;
  /** Is told of what is left out. */
  readonly log: (message: string) => void;
}

/** What was decided, and what to do once the answer was written. */
export interface Verdict {
  /** The answer. */
  readonly decision: Decision;
  /** Writes down what the model has really been told. */
  readonly told: (carried: Carried) => Promise<void>;
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
  const notes = await store.readNotes(session.id, key);
  const text = notes.get(key);
  return text === undefined ? undefined : JSON.parse(text);
}

/** Writes notes of a session as JSON; `undefined` deletes one. */
export async function writeNotes(
  { store, session }: Case,
  notes: Readonly<Record<string, unknown>>,
): Promise<void> {
  await store.writeNotes(
    session.id,
    new Map(
      Object.entries(notes).map(([key, value]) => [
        key,
        value === undefined ? null : JSON.stringify(value),
      ]),
    ),
  );
}
