/**
 * Notices about files of other sessions that changed while a call ran. A notice
 * says no more than is known.
 *
 * | known | the calling session is told | the holders are told |
 * | --- | --- | --- |
 * | the command names the file as one that it writes | your command has changed it | this session has changed it |
 * | no other session was active meanwhile | your command, or something else, has changed it | it changed while this session ran something |
 * | another session was active, or the call goes on in the background | it changed meanwhile | the same |
 * | another session says that it changed the file | nothing | nothing |
 *
 * - A session was active if it sent a heartbeat since the call began, if one of
 *   its commands was still running, or if it is about to edit the file. In the
 *   last case its automatic lock is younger than its last change.
 * - A person's editor sends no heartbeat. So a notice calls a command the author
 *   of a change only if the command names the file.
 * - The advice is to tell the holder, never to undo a change: that would delete
 *   the holder's work.
 * - Agents that have read the file get a note of the change without an author.
 *
 * @module
 */

import { isUnsureChange, unsureNotes } from "./file_notes.ts";
import type { ObservedCall } from "./changes.ts";
import type { Change } from "./changes.ts";
import type { Session } from "../model/session.ts";
import type { NewMessage } from "../model/message.ts";
import type { OthersFile } from "../model/edit.ts";
import { ttlOf } from "../model/channels.ts";
import { lifeOf } from "../sql/session_rows.ts";
import { isAtOrBelow } from "../path/path_text.ts";
import { ago } from "../text/ago.ts";
import { BEGAN, ENDED, type HookContext } from "./hook_context.ts";
import { plainName, plainPath } from "./frame.ts";
import { noticeNotes } from "./deferred_notices.ts";
import { LEASE_MS } from "./edit_lock.ts";
import type { Changes } from "./changes.ts";

/** Notes and messages about changes. */
export interface Notices {
  /** Files whose change is recorded as a touch by the calling session. */
  readonly touched: readonly string[];
  /** Notes of the calling session, including notices for later. */
  readonly notes: ReadonlyMap<string, string>;
  /** Messages on `file_conflict`. */
  readonly messages: readonly NewMessage[];
}

const NAMED_MAX = 5;
const EVENTS_MAX = 10;

/** How sure it is that the call made a change. */
type Certainty = "known" | "likely" | "open";

/** Changed files under one hold, with the same certainty. */
interface Group {
  readonly certainty: Certainty;
  readonly hold: OthersFile;
  readonly paths: string[];
}

/** Makes the notices about changes. */
export async function noticesOf(
  hook: HookContext,
  { changes, more }: Changes,
  observed: ObservedCall,
): Promise<Notices> {
  const suspects = await suspectsOf(hook, observed);
  const groups = new Map<string, Group>();
  const touched: string[] = [];
  for (const change of changes) {
    const certainty = await certaintyOf(hook, change, observed, suspects);
    if (certainty === undefined) continue;
    const holds = change.holds.filter(({ session }) => suspects.has(session));
    if (certainty !== "known") touched.push(change.path);
    for (const [session, own] of Map.groupBy(holds, (hold) => hold.session)) {
      const [{ kind, type, path }] = own;
      const how = kind === "file" ? type : path;
      const key = `${certainty} ${session} ${how}`;
      const group = groups.get(key);
      if (group !== undefined) group.paths.push(change.path);
      else groups.set(key, { certainty, hold: own[0], paths: [change.path] });
    }
  }
  const told = [...groups.values()];
  return {
    touched,
    notes: new Map([
      ...unsureNotes(hook, touched),
      ...await noticeNotes(
        hook,
        told.map((group) => ({
          session: group.hold.session,
          facts: sentenceOf(hook, group, more, observed),
        })),
      ),
    ]),
    messages: told.flatMap((group) => messagesOf(hook, group, more)),
  };
}

/** Another living session, and whether it was active meanwhile. */
interface Suspect {
  readonly session: Session;
  readonly wasAtWork: boolean;
}

async function suspectsOf(
  { store, session }: HookContext,
  { sinceMs }: ObservedCall,
): Promise<Map<string, Suspect>> {
  const sessions = await store.sessions({ project: null, ended: false });
  const suspects = new Map<string, Suspect>();
  for (const other of sessions) {
    if (other.id === session.id || lifeOf(other) === "dead") continue;
    const notes = await store.readNotes(other.id, [BEGAN, ENDED]);
    const [began, ended] = [BEGAN, ENDED].map((key) =>
      Number(notes.get(key) ?? 0)
    );
    const wasAtWork = Date.parse(other.heartbeatAt) >= sinceMs ||
      began > ended || ended >= sinceMs;
    suspects.set(other.id, { session: other, wasAtWork });
  }
  return suspects;
}

/** Returns the certainty; undefined if another session reports the change. */
async function certaintyOf(
  hook: HookContext,
  { path, holds }: Change,
  { named, sinceMs, goesOn = false }: ObservedCall,
  suspects: ReadonlyMap<string, Suspect>,
): Promise<Certainty | undefined> {
  const touches = (await hook.store.touchesOf(path, 0))
    .filter(({ session }) => session !== hook.session.id);
  for (const { session, touchedAtMs } of touches) {
    if (touchedAtMs < sinceMs) continue;
    if (!await isUnsureChange(hook, session, path)) return undefined;
  }
  if (named.has(path)) return "known";
  const isBeingEdited = holds.some((hold) =>
    isEdit(hold, suspects) &&
    !touches.some(({ session, touchedAtMs }) =>
      session === hold.session && touchedAtMs >= hold.expiresAtMs! - LEASE_MS
    )
  );
  const wasAtWork = [...suspects.values()].some((suspect) =>
    suspect.wasAtWork && mayReach(suspect.session, path, hook, holds)
  );
  return goesOn || isBeingEdited || wasAtWork ? "open" : "likely";
}

/** Whether a hold is the automatic lock of an edit. */
function isEdit(
  { session, type, kind, path, expiresAtMs }: OthersFile,
  suspects: ReadonlyMap<string, Suspect>,
): boolean {
  const holder = suspects.get(session)?.session;
  return type === "advisory" && kind === "file" && expiresAtMs !== undefined &&
    holder !== undefined && holder.activeFiles.includes(path);
}

function mayReach(
  { id, project, worktree }: Session,
  path: string,
  hook: HookContext,
  holds: readonly OthersFile[],
): boolean {
  return project === undefined || project === hook.session.project ||
    worktree !== undefined && isAtOrBelow(path, worktree) ||
    holds.some((hold) => hold.session === id || hold.project === project);
}

function sentenceOf(
  { nowMs }: HookContext,
  { certainty, hold, paths }: Group,
  more: number,
  { call }: ObservedCall,
): string {
  const { name } = hold;
  const shown = paths.slice(0, NAMED_MAX).map(plainPath).join(", ");
  const rest = paths.length - NAMED_MAX;
  const files = rest <= 0 ? shown : `${shown} and ${rest} more files`;
  const cut = more === 0
    ? ""
    : ` ${more} more files changed and were not checked.`;
  const held = paths.length === 1 || hold.kind !== "file"
    ? hold
    : { ...hold, since: undefined };
  const what = `${files}, which ${standing(held, nowMs)},`;
  const tell = `tell ${plainName(name)}${telling(name)}.${cut}`;
  switch (certainty) {
    case "known":
      return `Your ${call} has changed ${what} so ${tell}`;
    case "likely":
      return `Your ${call} has changed ${what} or something else did while ` +
        `it ran. If it was your ${call}, ${tell}`;
    case "open":
      return `${what} changed while your ${call} ran. If it was your ${call}, ` +
        tell;
  }
}

function standing(
  { name, type, kind, path, since }: OthersFile,
  nowMs: number,
): string {
  const how = type === undefined
    ? "is working on"
    : type === "exclusive"
    ? "holds exclusively"
    : "is editing";
  const notes = [
    ...(kind === "file" ? [] : [`${plainPath(path)}, a ${kind}`]),
    ...(since === undefined
      ? []
      : [`locked ${ago(nowMs - Date.parse(since))}`]),
  ];
  const noted = notes.length === 0 ? "" : ` (${notes.join(", ")})`;
  return `${plainName(name)} ${how}${noted}`;
}

/** Returns the command that tells a session, if its name needs no quoting. */
function telling(name: string): string {
  return /^[\w.\-/:~@+]{1,128}$/.test(name) ? ` (mbus tell ${name} "…")` : "";
}

function messagesOf(
  { session }: HookContext,
  { certainty, hold, paths }: Group,
  more: number,
): NewMessage[] {
  const rest = paths.length > EVENTS_MAX
    ? paths.length - EVENTS_MAX + 1 + more
    : more;
  const told = paths.length > EVENTS_MAX
    ? paths.slice(0, EVENTS_MAX - 1)
    : paths;
  const events = told.map((path) => ({ path }));
  return [...events, ...(rest > 0 ? [{ path: hold.path, files: rest }] : [])]
    .map((event) => ({
      sender: session.id,
      channel: "file_conflict",
      payloadText: JSON.stringify({
        event: "overwritten",
        ...event,
        sessions: [session.id, hold.session],
        certain: certainty === "known",
      }),
      ttlSeconds: ttlOf("file_conflict"),
      project: hold.project ?? session.project ?? null,
    }));
}
