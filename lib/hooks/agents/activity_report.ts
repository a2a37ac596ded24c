/**
 * Reads an agent's report that it needs its person, or goes on without a tool.
 *
 * Agents report in four ways: an event at each question for a permission, a
 * notification with a type, the failure of a turn, and an interrupt by the person.
 * The reason names a tool at most: the text of a question may be private.
 *
 * @module
 */

import { nameField, type Payload, textField } from "./payload.ts";

/** An agent's report. */
export interface ActivityReport {
  /** The state that the agent is in. */
  readonly state: "working" | "idle" | "needs-person";
  /** What the person is needed for. */
  readonly why?: string;
}

/** The agent goes on. */
export const GOES_ON: ActivityReport = { state: "working" };

/** The agent asks its person a question. */
export const ASKS: ActivityReport = {
  state: "needs-person",
  why: "a question",
};

const RESTS: ActivityReport = { state: "idle" };

const QUESTION_TOOLS: readonly string[] = [
  "AskUserQuestion",
  "ask_user_question",
  "ask_user",
  "request_user_input",
];
const PLAN_TOOLS: readonly string[] = ["ExitPlanMode", "exit_plan_mode"];

const NOTIFICATIONS: Readonly<Record<string, ActivityReport>> = {
  permission_prompt: askedFor(undefined),
  worker_permission_prompt: askedFor(undefined),
  ToolPermission: askedFor(undefined),
  agent_needs_input: ASKS,
  elicitation_dialog: ASKS,
  elicitation_url_dialog: ASKS,
  idle_prompt: RESTS,
};

const FAILURES: Readonly<Record<string, string>> = {
  rate_limit: "a rate limit",
  overloaded: "an overloaded model",
  authentication_failed: "a sign-in",
  billing_error: "a billing error",
};

/**
 * Returns the report of a question for the permission to use a tool.
 *
 * @param tool The tool's name, if the agent tells it.
 */
export function askedFor(tool: string | undefined): ActivityReport {
  if (tool === undefined) return { state: "needs-person", why: "a permission" };
  if (QUESTION_TOOLS.includes(tool)) return ASKS;
  const why = PLAN_TOOLS.includes(tool)
    ? "the approval of a plan"
    : `a permission for ${tool}`;
  return { state: "needs-person", why };
}

/**
 * Reads the report of an event.
 *
 * @param payload The input.
 * @param event The agent's name of the event.
 * @returns The report; undefined if the event tells nothing.
 */
export function reportOf(
  payload: Payload,
  event: string,
): ActivityReport | undefined {
  switch (event) {
    case "PermissionRequest":
      return askedFor(nameField(payload, "tool_name", "toolName"));
    case "PermissionResult":
      return GOES_ON;
    case "Interrupt":
      return RESTS;
    case "StopFailure": {
      const error = nameField(payload, "error", "error_type") ?? "";
      const why = Object.hasOwn(FAILURES, error)
        ? FAILURES[error]
        : "an error that ended its turn";
      return { state: "needs-person", why };
    }
    default:
      return notificationOf(payload);
  }
}

function notificationOf(payload: Payload): ActivityReport | undefined {
  const type = nameField(payload, "notification_type", "notificationType");
  if (type !== undefined) {
    return Object.hasOwn(NOTIFICATIONS, type) ? NOTIFICATIONS[type] : undefined;
  }
  // Some agents tell the type by their text only.
  const text = textField(payload, "message") ?? "";
  if (/\bpermission\b/i.test(text)) return NOTIFICATIONS.permission_prompt;
  return /\bwaiting for your input\b/i.test(text) ? RESTS : undefined;
}
