/**
 * Builds the responses that agents read from the parts of a decision.
 *
 * Most agents have Claude Code's response: `hookSpecificOutput` with the event's
 * name, a permission decision before a tool, `additionalContext` where the event
 * takes it, and `decision: "block"` at a stop. They differ in the events at which
 * context reaches the model. The reason of a denial reaches it everywhere. So
 * where an event has no field for context beside a denial, the context is
 * appended to the reason.
 *
 * An `allow` is never written: several agents would then skip the question to the
 * person whether the tool may run.
 *
 * @module
 */

import type {
  Carried,
  Decision,
  DenyDecision,
  HookEvent,
  HookKind,
  Rendered,
} from "./agent.ts";

/** No part of the decision reaches the model. */
export const NOTHING_CARRIED: Carried = Object.freeze({
  reason: false,
  context: false,
  continueWith: false,
});

/** Where an agent of Claude's form shows context to its model. */
export interface ClaudeForm {
  /** The response that changes nothing. */
  readonly neutral: string;
  /** Kinds of events whose `additionalContext` the model reads. */
  readonly contextKinds: readonly HookKind[];
  /** Whether a denial may have `additionalContext` beside its reason. */
  readonly contextBesideReason: boolean;
  /** Whether the agent shows the person the `systemMessage` of a denial. */
  readonly showsNotice: boolean;
}

/**
 * Makes a response that carries text.
 *
 * @param value The value to print as JSON.
 * @param carried The parts that it carries; absent parts are not carried.
 * @returns The response.
 */
export function answer(value: unknown, carried: Partial<Carried>): Rendered {
  return {
    output: JSON.stringify(value),
    carried: { ...NOTHING_CARRIED, ...carried },
  };
}

/**
 * Makes the response that changes nothing.
 *
 * @param neutral The agent's neutral text.
 * @returns The response.
 */
export function neutralAnswer(neutral: string): Rendered {
  return { output: neutral, carried: NOTHING_CARRIED };
}

/**
 * Appends a denial's context to its reason, for agents with one field.
 *
 * @param decision The denial.
 * @returns The text of the reason.
 */
export function reasonWithContext(decision: DenyDecision): string {
  return decision.context
    ? `${decision.reason}\n\n${decision.context}`
    : decision.reason;
}

/**
 * Makes the member of a denial that the agent shows the person.
 *
 * @param decision The denial.
 * @param name The agent's name of the member.
 * @returns An object with it, empty if there is nothing to show.
 */
export function noticeMember(
  { notice }: DenyDecision,
  name = "systemMessage",
): Readonly<Record<string, string>> {
  return notice ? { [name]: notice } : {};
}

/**
 * Returns the text that holds a stopping agent.
 *
 * @param event The event.
 * @param decision The decision.
 * @returns The text, if the event is a stop and the decision has one.
 */
export function continuation(
  event: HookEvent,
  decision: Decision,
): string | undefined {
  if (event.kind !== "stop" || decision.verdict !== "allow") return undefined;
  return decision.continueWith || undefined;
}

/**
 * Writes a decision in Claude's form.
 *
 * @param form The agent's variant of the form.
 * @param event The event.
 * @param decision The decision.
 * @returns The response.
 */
export function renderClaudeForm(
  form: ClaudeForm,
  event: HookEvent,
  decision: Decision,
): Rendered {
  if (event.kind === "before-tool" && decision.verdict === "deny") {
    const beside = form.contextBesideReason && !!decision.context;
    return answer({
      hookSpecificOutput: {
        hookEventName: event.event,
        permissionDecision: "deny",
        permissionDecisionReason: beside
          ? decision.reason
          : reasonWithContext(decision),
        ...(beside ? { additionalContext: decision.context } : {}),
      },
      ...(form.showsNotice ? noticeMember(decision) : {}),
    }, { reason: true, context: !!decision.context });
  }
  const more = continuation(event, decision);
  if (more !== undefined) {
    return answer({ decision: "block", reason: more }, { continueWith: true });
  }
  if (decision.context && form.contextKinds.includes(event.kind)) {
    return answer({
      hookSpecificOutput: {
        hookEventName: event.event,
        additionalContext: decision.context,
      },
    }, { context: true });
  }
  return neutralAnswer(form.neutral);
}
