/**
 * What the decision core works on: one call of a hook, by a session that is on
 * the bus, with what the bus knows.
 *
 * @module
 */

import type { Operations } from "../bus/operations.ts";
import type { Session } from "../model/session.ts";
import type { Activity, OthersFiles } from "../model/edit.ts";
import type {
  AgentName,
  Carried,
  Decision,
  HookEvent,
} from "./agents/agent.ts";
import type { Policy } from "./policy.ts";

/** One call of a hook. */
export interface HookContext {
  /** What happened. */
  readonly event: HookEvent;
  /** The session to which it happened, as the bus has it. */
  readonly session: Session;
  /** The agent whose settings wire the hook: another agent may run those, too. */
  readonly wiring: AgentName;
  /** The bus's rows. */
  readonly store: Operations;
  /** Sessions whose locks never conflict here: see `bus/delegation.ts`. */
  readonly actingFor: readonly string[];
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
export interface HookResult {
  /** The answer. */
  readonly decision: Decision;
  /** Writes down what the model has really been told. */
  readonly onDelivered: (carried: Carried) => Promise<void>;
  /** Takes back what counts as told already, if the answer was not written. */
  readonly onLost?: () => Promise<void>;
}

/** The agent goes on. */
export const ALLOW: HookResult = {
  decision: { verdict: "allow" },
  onDelivered: () => Promise.resolve(),
};

/** One note of a session, as JSON. */
export async function readNote<T>(
  { store, session }: HookContext,
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

/** The key of the list of commands that go on in the background. */
export const BACKGROUND = "background";

/** The agent of the session that called; empty for its main one. */
export function agentOf({ event }: HookContext): string {
  return event.agentId ?? "";
}

/** The key of the note of a tool call. */
export function callKey({ event }: HookContext): string {
  const call = "tool" in event ? event.tool.callId : undefined;
  return `call:${event.agentId ?? ""}:${call ?? ""}`;
}

/** What other sessions work on near a call. */
export interface OthersNear extends OthersFiles {
  /** The folders that the call may reach. */
  readonly folders: readonly string[];
}

/** How many held files are stamped before a call. */
export const STAMPED_MAX = 100;

/**
 * What other sessions work on that this call may reach: in the session's
 * project, and at or below its worktree, the folder of the call and the paths
 * that it names, in any project.
 */
export async function othersNear(
  { store, session, event, actingFor }: HookContext,
  limit: number,
  paths: readonly string[] = [],
): Promise<OthersNear> {
  const { worktree, project = null } = session;
  const cwd = event.cwd || Deno.cwd();
  const named = "tool" in event ? event.tool.folder : undefined;
  const folders = new Set(
    worktree === undefined ? paths : [worktree, ...paths],
  );
  const folder = realFolder(
    named?.startsWith("/") ? named : `${cwd}/${named ?? "."}`,
  );
  if (folder !== undefined) folders.add(folder);
  const scope = { project, folders: [...folders] };
  const found = await store.othersFiles(session.id, scope, limit);
  // The commands that this agent runs within hold things for it.
  const files = found.files.filter((file) => !actingFor.includes(file.session));
  return { ...found, files, folders: scope.folders };
}

/** The notes by which others see that a call of this session runs. */
export const BEGAN = "call-began";
export const ENDED = "call-ended";

function realFolder(path: string): string | undefined {
  try {
    return Deno.realPathSync(path);
  } catch {
    // Nothing runs in a folder that cannot be entered.
    return undefined;
  }
}
