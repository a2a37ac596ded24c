/**
 * What peers have to say to a session, put before its model: pending direct
 * messages, conflicts that concern it and what an edit was let pass with,
 * framed as data, capped, oldest first.
 *
 * Told once, and not lost:
 *
 * ```text
 *  queued ─▶ taken by this hook ─▶ answer written ─▶ injected
 *     ▲            └─ killed before: free again after 5 s ─┐
 *     └────────────────────────────────────────────────────┘
 * ```
 *
 * Hooks of one session run at once where its agent calls tools at once. Who
 * takes the mail writes that down before the answer, by comparing and setting
 * one note, so that no other tells it too; it is marked as told only when the
 * answer was written. The cursor of the conflicts moves at that moment.
 *
 * @module
 */

import type { Message } from "../model/message.ts";
import { ago } from "./ago.ts";
import {
  ALLOW,
  type HookContext,
  type HookResult,
  notesOf,
} from "./hook_context.ts";
import { frameTexts, type PeerText } from "./frame.ts";
import { type DeferredNotice, INFORM } from "./deferred_notices.ts";

const PENDING_MAX = 50;
const CONFLICTS_MAX = 200;
const CONFLICTS_TOLD = "conflicts-told";
const CLAIMED_BY = "context-claimed";
const CLAIM_MS = 5_000;
// Times in a text that waited for less are still right.
const AS_OF_AFTER_MS = 10_000;
const FREE = "free:";

interface ContextItem {
  readonly text: PeerText;
  /** The direct message that it is. */
  readonly direct?: string;
  /** The conflict that it is. */
  readonly conflict?: string;
}

/** What there is to tell. */
interface PendingContext {
  readonly items: readonly ContextItem[];
  /** Who had it last and when, as it stands in the notes. */
  readonly claimedBy: string | undefined;
  /** Conflicts up to here concern others. */
  readonly skippedTo: string | undefined;
}

/** The verdict that lets the agent go on and brings it its mail, if there is any. */
export async function withPendingContext(
  hook: HookContext,
): Promise<HookResult> {
  return hook.tells.context ? await withItems(hook, "context") : ALLOW;
}

/** The verdict at the end of a turn: mail may hold the agent for one more. */
export async function withPendingContextAtStop(
  hook: HookContext,
): Promise<HookResult> {
  const { event, policy, tells } = hook;
  const holds = event.kind === "stop" && event.agentId === undefined &&
    !event.wasContinued && tells.continueWith && policy().holdAtStop;
  return holds ? await withItems(hook, "continueWith") : ALLOW;
}

async function withItems(
  hook: HookContext,
  as: "context" | "continueWith",
): Promise<HookResult> {
  const pending = await readPending(hook);
  // Only who is written to is held; a notice can wait.
  const items = as === "context"
    ? pending.items
    : pending.items.filter(({ direct }) => direct !== undefined);
  if (items.length === 0) {
    if (pending.skippedTo !== undefined) await skip(hook, pending.skippedTo);
    return ALLOW;
  }
  const { text, included } = frameTexts(items.map(({ text }) => text), {
    bytesMax: hook.policy().contextBytesMax,
  });
  const told = items.slice(0, included);
  if (!await claim(hook, pending.claimedBy)) return ALLOW;
  return {
    decision: { verdict: "allow", [as]: text },
    onDelivered: (carried) => confirm(hook, carried[as] ? told : []),
  };
}

/** Takes the mail for this hook; returns whether no other has it. */
async function claim(
  hook: HookContext,
  before: string | undefined,
): Promise<boolean> {
  if (before !== undefined && !before.startsWith(FREE)) {
    const age = hook.nowMs - parseInt(before);
    if (age >= 0 && age < CLAIM_MS) return false;
  }
  return await hook.store.noteActivity(hook.session.id, {
    notes: new Map([[CLAIMED_BY, claimMark(hook.nowMs)]]),
    expects: { key: CLAIMED_BY, value: before ?? null },
  });
}

/**
 * A time at which the mail was taken, or 0, unlike any other: who looked before
 * and comes late must find that something has happened.
 */
function claimMark(atMs: number): string {
  return `${atMs} ${crypto.randomUUID()}`;
}

/** Writes down what the model was told, and gives the rest back. */
async function confirm(
  hook: HookContext,
  told: readonly ContextItem[],
): Promise<void> {
  const { store, session } = hook;
  const direct = told.flatMap(({ direct }) => direct ?? []);
  if (direct.length > 0) {
    await store.moveDeliveries(session.id, direct, "injected");
  }
  const last = told.findLast(({ conflict }) => conflict !== undefined);
  const informed = told.some(({ direct, conflict }) =>
    direct === undefined && conflict === undefined
  );
  await store.noteActivity(session.id, {
    notes: new Map([
      // Never the same twice: who looked before this round must not take the
      // mail as it was then.
      [CLAIMED_BY, `${FREE}${crypto.randomUUID()}`],
      ...notesOf({
        ...(last !== undefined && { [CONFLICTS_TOLD]: last.conflict }),
        ...(informed && { [INFORM]: undefined }),
      }),
    ]),
  });
}

/** Does not look again at conflicts that concern others. */
async function skip(hook: HookContext, cursor: string): Promise<void> {
  await hook.store.noteActivity(hook.session.id, {
    notes: notesOf({ [CONFLICTS_TOLD]: cursor }),
  });
}

async function readPending(hook: HookContext): Promise<PendingContext> {
  const { store, session } = hook;
  const notes = await store.readNotes(session.id, [
    CLAIMED_BY,
    CONFLICTS_TOLD,
    INFORM,
  ]);
  const pending = await store.pendingFor(
    session.id,
    store.startCursor,
    PENDING_MAX,
    { untold: true },
  );
  const told = notes.get(CONFLICTS_TOLD);
  const { items, skippedTo } = await conflictItems(
    hook,
    told === undefined ? store.startCursor : JSON.parse(told),
  );
  return {
    items: [
      ...merged(pending.map(directItem), items),
      ...deferredItems(notes.get(INFORM), hook.nowMs),
    ],
    claimedBy: notes.get(CLAIMED_BY),
    skippedTo,
  };
}

/** Both in one order by time, each list keeping its own. */
function merged(
  a: readonly ContextItem[],
  b: readonly ContextItem[],
): ContextItem[] {
  const all: ContextItem[] = [];
  let [i, j] = [0, 0];
  while (i < a.length || j < b.length) {
    const first = j >= b.length ||
      i < a.length && (a[i].text.sentAt ?? "") <= (b[j].text.sentAt ?? "");
    all.push(first ? a[i++] : b[j++]);
  }
  return all;
}

function directItem(message: Message): ContextItem {
  return {
    direct: message.id,
    text: {
      session: message.sender,
      label: `message ${message.id} on ${message.channel}`,
      sentAt: message.createdAt,
      text: typeof message.payload === "string"
        ? message.payload
        : JSON.stringify(message.payload),
    },
  };
}

function deferredItems(note: string | undefined, nowMs: number): ContextItem[] {
  if (note === undefined) return [];
  const kept: readonly DeferredNotice[] = JSON.parse(note);
  // They are told together or not at all, as one note keeps them.
  return [{
    text: {
      session: kept[0].session,
      label: "conflict",
      sentAt: new Date(kept[0].atMs).toISOString(),
      text: kept.map(({ text, atMs }) => asOf(text, nowMs - atMs)).join("\n"),
    },
  }];
}

/** A text whose times are those of an earlier moment. */
function asOf(text: string, agoMs: number): string {
  return agoMs < AS_OF_AFTER_MS ? text : `As of ${ago(agoMs)}: ${text}`;
}

async function conflictItems(
  { store, session, nowMs }: HookContext,
  after: string,
): Promise<{ items: ContextItem[]; skippedTo: string | undefined }> {
  const { messages, cursor } = await store.read(
    {
      channels: ["file_conflict"],
      // A message names its sessions: a file may lie in another project.
      project: null,
      session: session.id,
    },
    after,
    CONFLICTS_MAX,
  );
  const items = messages.flatMap((message, at): ContextItem[] => {
    // A session that finds another branch may not have changed it.
    const isBranch = partsOf(message).event === "branch";
    if (!isBranch && message.sender === session.id) return [];
    if (isSettled(message, messages.slice(at + 1))) return [];
    const text = conflictText(message, session.id, nowMs);
    if (text === undefined) return [];
    return [{
      conflict: message.id,
      text: {
        session: message.sender,
        label: isBranch ? "branch notice" : "conflict",
        sentAt: message.createdAt,
        text,
      },
    }];
  });
  // Written down only now and then: a hook that tells nothing writes nothing.
  const canSkip = messages.length >= CONFLICTS_MAX / 4 && items.length === 0;
  return { items, skippedTo: canSkip ? cursor : undefined };
}

/** Whether a denied edit went on later: then the overlap says all. */
function isSettled(denied: Message, later: readonly Message[]): boolean {
  const { event, path } = partsOf(denied);
  return event === "denied" && later.some((message) => {
    const parts = partsOf(message);
    return message.sender === denied.sender && parts.event === "overlap" &&
      parts.path === path;
  });
}

function partsOf({ payload }: Message): Record<string, unknown> {
  return typeof payload === "object" && payload !== null
    ? payload as Record<string, unknown>
    : {};
}

/** A conflict in words, if it concerns the session. */
function conflictText(
  message: Message,
  session: string,
  nowMs: number,
): string | undefined {
  const { event, path, sessions, why, tree, certain, files } = partsOf(message);
  if (!Array.isArray(sessions) || !sessions.includes(session)) return undefined;
  const file = typeof files === "number"
    ? `${files} more files of ${path}`
    : String(path);
  const reason = typeof why === "string" ? ` (${why})` : "";
  const when = ago(nowMs - Date.parse(message.createdAt));
  switch (event) {
    case "overlap":
      return `is editing ${file}, which you are editing, too.`;
    case "merge-risk":
      return `is editing ${file} in another worktree: the merge may conflict.`;
    case "wanted":
      return `wants to hold ${file} exclusively${reason} and waits for you or ` +
        `works elsewhere; release it with "mbus unlock" when you are done.`;
    case "branch":
      return branchText(partsOf(message), when);
    case "denied":
      if (tree === true) {
        return `wanted to run a command of git that changes all of ${file} ` +
          `${when} and was stopped, because you work there.`;
      }
      return `wanted to edit ${file} ${when} and was stopped, because you held it; release it with "mbus unlock" when ` +
        `you are done.`;
    case "taken-over":
      return `has taken over your overdue lock on ${file}${reason}.`;
    case "overwritten":
      return certain === true
        ? `has changed ${file}, which you hold, by a shell command: read it ` +
          `again before you edit it.`
        : `ran a command or a tool while ${file}, which you hold, changed: ` +
          `read it again before you edit it.`;
    default:
      return undefined;
  }
}

/** A branch change in words; a branch is absent on a detached head. */
function branchText(
  { path, branch, was, by }: Record<string, unknown>,
  when: string,
): string {
  const named = (name: unknown) =>
    name === undefined ? "a detached head" : String(name);
  const cause = by === undefined
    ? `changed by an unknown process, found ${when}`
    : `changed by ${by} ${when}`;
  return `The branch of ${path} is now ${named(branch)} (was ${named(was)}), ` +
    `${cause}: look at git status before you edit or commit.`;
}
