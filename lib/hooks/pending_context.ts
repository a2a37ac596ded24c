/**
 * Pending context of a session: unread direct messages, conflicts that concern it,
 * messages of the channels that it follows, and deferred notices. A hook puts it
 * before the model, framed as data, capped, oldest first.
 *
 * Each item is told once, and none is lost:
 *
 * ```text
 *  queued ─▶ claimed by a hook ─▶ response written ─▶ injected
 *     ▲            └─ killed before: free again after 5 s ─┐
 *     └────────────────────────────────────────────────────┘
 * ```
 *
 * Hooks of one session run in parallel if its agent calls tools in parallel. A
 * hook claims the context by comparing and setting one note before it responds.
 * So no other hook tells the same items. The items are marked as told, and the
 * cursor of the broadcast messages moves, only after the response was written.
 *
 * @module
 */

import type { Message } from "../model/message.ts";
import { expectationOf } from "../model/question.ts";
import { type Follows, followsIn } from "../rules/follows.ts";
import { FOLLOWS_NOTE, TOLD_NOTE } from "../rules/notes.ts";
import { ago } from "../text/ago.ts";
import {
  ALLOW,
  type HookContext,
  type HookResult,
  notesOf,
} from "./hook_context.ts";
import { namesOf } from "./session_names.ts";
import { frameTexts, type PeerText } from "./frame.ts";
import { type DeferredNotice, INFORM } from "./deferred_notices.ts";

const PENDING_MAX = 50;
const PAGE_MESSAGES = 200;
const CONFLICTS = "file_conflict";
// Followed messages that are told at once, the latest; the others are counted.
const FOLLOWED_MAX = 20;
// Messages that concern other sessions, after which the cursor moves behind them.
const SKIPPED_MIN = 50;
const CLAIMED_BY = "context-claimed";
const CLAIM_MS = 5_000;
// Below this age, the times in a text are still right.
const AS_OF_AFTER_MS = 10_000;
const FREE = "free:";

/** One text for the model; a deferred notice has neither id. */
interface ContextItem {
  readonly text: PeerText;
  /** Time of the text, as ISO 8601 in UTC. */
  readonly at?: string;
  /** Id of the direct message, if the item is one. */
  readonly direct?: string;
  /** Id of the broadcast message, if the item is one. */
  readonly broadcast?: string;
}

/** The items of a session, and the state of its claim. */
interface PendingContext {
  readonly items: readonly ContextItem[];
  /** Number of unread direct messages that are not among the items. */
  readonly unreadBeyond: number;
  /** The claim's note as it was read. */
  readonly claimedBy: string | undefined;
  /** Cursor behind broadcast messages that concern other sessions only. */
  readonly skippedTo: string | undefined;
}

/** Allows the call, with the pending context if there is any. */
export async function withPendingContext(
  hook: HookContext,
): Promise<HookResult> {
  return hook.tells.context ? await withItems(hook, "context") : ALLOW;
}

/** Allows the stop; the policy may hold the agent for one more turn. */
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
  // Only a direct message holds an agent; a notice can wait.
  const items = as === "context"
    ? pending.items
    : pending.items.filter(({ direct }) => direct !== undefined);
  if (items.length === 0) {
    if (pending.skippedTo !== undefined) await skip(hook, pending.skippedTo);
    return ALLOW;
  }
  const { text, included } = frameTexts(await withNames(hook, items), {
    bytesMax: hook.policy().contextBytesMax,
    rest: (included) => restOf(items.slice(included), pending.unreadBeyond),
  });
  const told = items.slice(0, included);
  if (!await claim(hook, pending.claimedBy)) return ALLOW;
  return {
    decision: { verdict: "allow", [as]: text },
    onDelivered: (carried) => confirm(hook, carried[as] ? told : []),
  };
}

/** Returns the texts of items, each with the name of its session. */
async function withNames(
  hook: HookContext,
  items: readonly ContextItem[],
): Promise<PeerText[]> {
  const names = await hook.store.namesOf(
    items.flatMap(({ text }) => text.session ?? []),
  );
  return items.map(({ text }) =>
    text.session === undefined ? text : {
      ...text,
      session: names.get(text.session) ?? text.session,
    }
  );
}

/** Says how many items are left out, and where they are read. */
function restOf(items: readonly ContextItem[], unreadBeyond: number): string {
  const direct = items.filter(({ direct }) => direct !== undefined).length;
  const unread = direct + unreadBeyond;
  const others = items.length - direct;
  return [
    ...(unread > 0 ? [`${unread} more waiting, read with \`mbus inbox\``] : []),
    ...(others > 0 ? [`${others} more at your next step`] : []),
  ].join("; ");
}

/** Claims the context for this hook; returns whether no other hook has it. */
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
 * Makes the text of a claim. It is unique, so that a hook that read an earlier
 * claim cannot set its own.
 */
function claimMark(atMs: number): string {
  return `${atMs} ${crypto.randomUUID()}`;
}

/** Marks the told items, and releases the claim. */
async function confirm(
  hook: HookContext,
  told: readonly ContextItem[],
): Promise<void> {
  const { store, session } = hook;
  const direct = told.flatMap(({ direct }) => direct ?? []);
  if (direct.length > 0) {
    await store.moveDeliveries(session.id, direct, "injected");
  }
  const last = told.findLast(({ broadcast }) => broadcast !== undefined);
  const informed = told.some(({ direct, broadcast }) =>
    direct === undefined && broadcast === undefined
  );
  await store.noteActivity(session.id, {
    notes: new Map([
      // Unique: a hook that read before this round must not claim the
      // items as they were then.
      [CLAIMED_BY, `${FREE}${crypto.randomUUID()}`],
      ...notesOf({
        ...(last !== undefined && { [TOLD_NOTE]: last.broadcast }),
        ...(informed && { [INFORM]: undefined }),
      }),
    ]),
  });
}

/** Moves the cursor behind messages that concern other sessions. */
async function skip(hook: HookContext, cursor: string): Promise<void> {
  await hook.store.noteActivity(hook.session.id, {
    notes: notesOf({ [TOLD_NOTE]: cursor }),
  });
}

async function readPending(hook: HookContext): Promise<PendingContext> {
  const { store, session } = hook;
  const notes = await store.readNotes(session.id, [
    CLAIMED_BY,
    TOLD_NOTE,
    FOLLOWS_NOTE,
    INFORM,
  ]);
  const pending = await store.pendingFor(
    session.id,
    store.startCursor,
    PENDING_MAX,
    { untold: true },
  );
  const unreadBeyond = pending.length < PENDING_MAX
    ? 0
    : await store.untoldCount(session.id) - PENDING_MAX;
  const told = notes.get(TOLD_NOTE);
  const { items, skippedTo } = await broadcastItems(
    hook,
    told === undefined ? store.startCursor : JSON.parse(told),
    followsIn(notes.get(FOLLOWS_NOTE), session),
  );
  const all = [
    ...merged(pending.map((message) => directItem(hook, message)), items),
    ...deferredItems(notes.get(INFORM), hook.nowMs),
  ];
  const nameOf = await namesOf(
    store,
    all.flatMap(({ text }) => text.session ?? []),
  );
  return {
    items: all.map(({ text, ...item }) => ({
      ...item,
      text: {
        ...text,
        ...(text.session !== undefined && { session: nameOf(text.session) }),
      },
    })),
    unreadBeyond: Math.max(0, unreadBeyond),
    claimedBy: notes.get(CLAIMED_BY),
    skippedTo,
  };
}

/** Merges both lists by time; each list keeps its order. */
function merged(
  a: readonly ContextItem[],
  b: readonly ContextItem[],
): ContextItem[] {
  const all: ContextItem[] = [];
  let [i, j] = [0, 0];
  while (i < a.length || j < b.length) {
    const first = j >= b.length ||
      i < a.length && (a[i].at ?? "") <= (b[j].at ?? "");
    all.push(first ? a[i++] : b[j++]);
  }
  return all;
}

function directItem(
  { session, nowMs }: HookContext,
  message: Message,
): ContextItem {
  const { id, sender, channel, createdAt } = message;
  return {
    direct: id,
    at: createdAt,
    text: {
      // The bus reports on a session's own messages in its name.
      ...(sender !== session.id && { session: sender }),
      label: `message ${id} on ${channel}`,
      sentAt: agoOf(createdAt, nowMs),
      hint: expectationOf(message, nowMs),
      text: textOf(message),
    },
  };
}

function textOf({ payload }: Message): string {
  return typeof payload === "string" ? payload : JSON.stringify(payload);
}

function agoOf(iso: string, nowMs: number): string {
  return ago(nowMs - Date.parse(iso));
}

function deferredItems(note: string | undefined, nowMs: number): ContextItem[] {
  if (note === undefined) return [];
  const kept: readonly DeferredNotice[] = JSON.parse(note);
  // One note keeps them all, so they are told together.
  return [{
    text: {
      session: kept[0].session,
      label: "conflict",
      sentAt: ago(nowMs - kept[0].atMs),
      text: kept.map(({ text, atMs }) => asOf(text, nowMs - atMs)).join("\n"),
    },
  }];
}

/** Says the age of a text whose times are relative to an earlier moment. */
function asOf(text: string, agoMs: number): string {
  return agoMs < AS_OF_AFTER_MS ? text : `As of ${ago(agoMs)}: ${text}`;
}

async function broadcastItems(
  hook: HookContext,
  after: string,
  follows: Follows,
): Promise<{ items: ContextItem[]; skippedTo: string | undefined }> {
  const interest = {
    channels: [CONFLICTS, ...follows.keys()],
    // A conflict names its sessions: its file may lie in another project.
    project: null,
    session: null,
  };
  const found = new Broadcasts(hook, follows);
  let cursor = after;
  for (let seen = 0;;) {
    const page = await hook.store.read(interest, cursor, PAGE_MESSAGES);
    ({ cursor } = page);
    seen += page.messages.length;
    page.messages.forEach((message) => found.add(message));
    if (page.messages.length === PAGE_MESSAGES) continue;
    const { items } = found;
    // Most hooks that tell nothing write nothing.
    const canSkip = seen >= SKIPPED_MIN && items.length === 0;
    return { items, skippedTo: canSkip ? cursor : undefined };
  }
}

/** Messages to all sessions that may concern one, in their order. */
class Broadcasts {
  readonly #hook: HookContext;
  readonly #follows: Follows;
  readonly #messages: Message[] = [];
  // Followed messages that are left out: their number by channel, and the last one.
  readonly #earlier = new Map<string, number>();
  #lastEarlier = "";
  #followed = 0;

  constructor(hook: HookContext, follows: Follows) {
    this.#hook = hook;
    this.#follows = follows;
  }

  /** Keeps a message if it may be told. */
  add(message: Message): void {
    const isFollowed = message.channel !== CONFLICTS;
    if (isFollowed && !this.#isWanted(message)) return;
    this.#messages.push(message);
    if (!isFollowed || ++this.#followed <= FOLLOWED_MAX) return;
    const [{ id, channel }] = this.#messages.splice(this.#firstFollowed, 1);
    this.#followed--;
    this.#earlier.set(channel, (this.#earlier.get(channel) ?? 0) + 1);
    this.#lastEarlier = id;
  }

  /** The texts of the messages that concern the session. */
  get items(): ContextItem[] {
    const { nowMs } = this.#hook;
    const messages = this.#messages;
    const first = this.#firstFollowed;
    return messages.flatMap((message, at): readonly ContextItem[] =>
      message.channel === CONFLICTS
        ? conflictItem(this.#hook, message, messages.slice(at + 1))
        : [
          ...(at === first ? this.#earlierItems(message) : []),
          followedItem(message, nowMs),
        ]
    );
  }

  get #firstFollowed(): number {
    return this.#messages.findIndex(({ channel }) => channel !== CONFLICTS);
  }

  #earlierItems({ createdAt }: Message): ContextItem[] {
    return [...this.#earlier].map(([channel, count]) => ({
      broadcast: this.#lastEarlier,
      at: createdAt,
      text: {
        label: channel,
        text: `${count} earlier messages: mbus poll ${channel}`,
      },
    }));
  }

  #isWanted({ channel, sender, createdAt, project }: Message): boolean {
    const { session } = this.#hook;
    return sender !== session.id &&
      createdAt >= this.#follows.get(channel)! &&
      (project === undefined || session.project === undefined ||
        project === session.project);
  }
}

function followedItem(message: Message, nowMs: number): ContextItem {
  const { id, sender, channel, createdAt } = message;
  return {
    broadcast: id,
    at: createdAt,
    text: {
      session: sender,
      label: channel,
      sentAt: agoOf(createdAt, nowMs),
      hint: "It is for all; no answer is expected",
      text: textOf(message),
    },
  };
}

function conflictItem(
  { session, nowMs }: HookContext,
  message: Message,
  later: readonly Message[],
): ContextItem[] {
  // The sender of a branch notice may not have changed the branch.
  const isBranch = partsOf(message).event === "branch";
  if (!isBranch && message.sender === session.id) return [];
  if (isSettled(message, later)) return [];
  const text = conflictText(message, session.id, nowMs);
  if (text === undefined) return [];
  return [{
    broadcast: message.id,
    at: message.createdAt,
    text: {
      session: message.sender,
      label: isBranch ? "branch notice" : "conflict",
      sentAt: agoOf(message.createdAt, nowMs),
      text,
    },
  }];
}

/** Whether a denied edit was made later: then the overlap says all. */
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

/** Words a conflict, if it concerns the session. */
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
        return `wanted to run a git command that changes all of ${file} ` +
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

/** Words a branch change; `branch` is absent on a detached HEAD. */
function branchText(
  { path, branch, was, by, name = by }: Record<string, unknown>,
  when: string,
): string {
  const named = (name: unknown) =>
    name === undefined ? "a detached head" : String(name);
  const cause = by === undefined
    ? `changed by an unknown process, found ${when}`
    : `changed by ${name} ${when}`;
  return `The branch of ${path} is now ${named(branch)} (was ${named(was)}), ` +
    `${cause}: check git status before you edit or commit.`;
}
