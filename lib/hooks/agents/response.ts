/**
 * The answers that agents read, and what each part of a decision comes to.
 *
 * Most agents took over Claude Code's answer: `hookSpecificOutput` with the
 * event's name, a permission decision before a tool, `additionalContext` where
 * the event takes it, and `decision: "block"` at a stop. They differ in where
 * context reaches the model. A refusal's reason reaches it everywhere, so where
 * the event has no field for context beside a refusal, the context rides in the
 * reason and is carried too.
 *
 * An `allow` is never spelled out: in several agents it would skip the
 * question to the person whether the tool may run.
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

/** Nothing of the decision reaches the model. */
export const NOTHING_CARRIED: Carried = Object.freeze({
  reason: false,
  context: false,
  continueWith: false,
});

/** Where an agent of Claude's form shows context to its model. */
export interface ClaudeForm {
  /** The answer that changes nothing. */
  readonly neutral: string;
  /** Kinds of events whose `additionalContext` the model reads. */
  readonly contextKinds: readonly HookKind[];
  /** Whether a refusal may have `additionalContext` beside its reason. */
  readonly contextBesideReason: boolean;
  /** Whether the agent shows the person the `systemMessage` of a refusal. */
  readonly showsNotice: boolean;
}

/**
 * Writes an answer that carries something.
 *
 * @param value What to print as JSON.
 * @param carried What it carries; what is left out is not carried.
 * @returns The answer.
 */
export function answer(value: unknown, carried: Partial<Carried>): Rendered {
  return {
    output: JSON.stringify(value),
    carried: { ...NOTHING_CARRIED, ...carried },
  };
}

/**
 * Writes the answer that changes nothing.
 *
 * @param neutral The agent's neutral text.
 * @returns The answer.
 */
export function neutralAnswer(neutral: string): Rendered {
  return { output: neutral, carried: NOTHING_CARRIED };
}

/**
 * Puts a refusal's context behind its reason, for agents with one field.
 *
 * @param decision The refusal.
 * @returns The text to give as the reason.
 */
export function reasonWithContext(decision: DenyDecision): string {
  return decision.context
    ? `${decision.reason}\n\n${decision.context}`
    : decision.reason;
}

/**
 * Makes the member of a refusal that the agent shows the person.
 *
 * @param decision The refusal.
 * @param name What the agent calls the member.
 * @returns An object with it, empty if there is nothing to show.
 */
export function noticeMember(
  { notice }: DenyDecision,
  name = "systemMessage",
): Readonly<Record<string, string>> {
  return notice ? { [name]: notice } : {};
}

/**
 * Says whether there is text that holds a stopping agent.
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
 * @param form What is particular about the agent.
 * @param event The event.
 * @param decision The decision.
 * @returns The answer.
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
