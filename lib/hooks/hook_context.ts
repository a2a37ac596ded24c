/**
 * The context in which the decision core works: one call of a hook by a session
 * on the bus.
 *
 * @module
 */

import type { Operations } from "../bus/operations.ts";
import type { Session, SessionChange } from "../model/session.ts";
import type { Activity, OthersFiles } from "../model/edit.ts";
import { LAST_CALL, type LastCall } from "../rules/doings.ts";
import type {
  AgentName,
  Carried,
  Decision,
  HookEvent,
} from "./agents/agent.ts";
import type { Policy } from "./policy.ts";

/** One call of a hook. */
export interface HookContext {
  /** The event. */
  readonly event: HookEvent;
  /** The calling session, as the bus has it. */
  readonly session: Session;
  /** The agent whose settings wire the hook; another agent may run it, too. */
  readonly wiring: AgentName;
  /** The operations of the bus. */
  readonly store: Operations;
  /** Sessions whose locks never conflict here: see `bus/delegation.ts`. */
  readonly actingFor: readonly string[];
  /**
   * Returns the policy of the project in a worktree, by default the session's.
   * Reads it from disk, so call it only where another session is concerned.
   */
  readonly policy: (worktree?: string) => Policy;
  /** The time, in milliseconds since 1970. */
  readonly nowMs: number;
  /** Whether the agent shows its model text that is given at this event. */
  readonly tells: Pick<Carried, "context" | "continueWith">;
  /** Logs a message about input that is left out. */
  readonly log: (message: string) => void;
}

/** The result of a hook: a decision, and the steps after the response. */
export interface HookResult {
  /** The decision. */
  readonly decision: Decision;
  /** Notes what the model has been told, once the response was written. */
  readonly onDelivered: (carried: Carried) => Promise<void>;
  /** Takes notes of told facts back, if the response was not written. */
  readonly onLost?: () => Promise<void>;
}

/** The result that lets the agent go on and tells nothing. */
export const ALLOW: HookResult = {
  decision: { verdict: "allow" },
  onDelivered: () => Promise.resolve(),
};

/** Reads one note of the session, as JSON. */
export async function readNote<T>(
  { store, session }: HookContext,
  key: string,
): Promise<T | undefined> {
  const text = (await store.readNotes(session.id, [key])).get(key);
  return text === undefined ? undefined : JSON.parse(text);
}

/** Makes notes as JSON for the store; `undefined` deletes one. */
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

/** Key of the note of the agent that needs the person. */
const ASKER = "asker";

/**
 * Returns the change that shows the session at work. Work of one agent does not end
 * the need of another one.
 */
export async function atWork(hook: HookContext): Promise<SessionChange> {
  const { activity } = hook.session;
  const asksFor = activity?.state === "needs-person"
    ? await readNote<string>(hook, ASKER) ?? ""
    : agentOf(hook);
  return {
    status: "active",
    ...(asksFor === agentOf(hook) && { activity: { state: "working" } }),
  };
}

/** Returns the note of a tool's call that has ended, and of its first file. */
export function lastCallNotes(
  { event }: HookContext,
  path?: string,
): readonly (readonly [string, string])[] {
  if (event.kind !== "after-tool") return [];
  const note: LastCall = { tool: event.tool.name, path };
  return [[LAST_CALL, JSON.stringify(note)]];
}

/** Stores that the calling agent needs the person, and for what reason. */
export async function noteNeed(
  hook: HookContext,
  why: string | undefined,
): Promise<void> {
  const { store, session } = hook;
  await store.noteActivity(session.id, {
    change: { activity: { state: "needs-person", why } },
    notes: notesOf({ [ASKER]: agentOf(hook) }),
  });
}

/** Key of the list of commands that run in the background. */
export const BACKGROUND = "background";

/** Returns the calling agent's id in the session; empty for the main agent. */
export function agentOf({ event }: HookContext): string {
  return event.agentId ?? "";
}

/** Returns the key of the note of a tool call. */
export function callKey({ event }: HookContext): string {
  const call = "tool" in event ? event.tool.callId : undefined;
  return `call:${event.agentId ?? ""}:${call ?? ""}`;
}

/** Other sessions' files near a call. */
export interface OthersNear extends OthersFiles {
  /** The folders that the call may reach. */
  readonly folders: readonly string[];
}

/** Maximum number of held files that are stamped before a call. */
export const STAMPED_MAX = 100;

/**
 * Returns other sessions' files that this call may reach. They lie in the
 * session's project, or in any project at or below the session's worktree, the
 * call's folder or a path that the call names.
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
  // Sessions that this one acts for hold their files for it.
  const files = found.files.filter((file) => !actingFor.includes(file.session));
  return { ...found, files, folders: scope.folders };
}

/** Keys of the notes that show other sessions whether a call is running. */
export const BEGAN = "call-began";
export const ENDED = "call-ended";

function realFolder(path: string): string | undefined {
  try {
    return Deno.realPathSync(path);
  } catch {
    // No command runs in a folder that cannot be entered.
    return undefined;
  }
}
