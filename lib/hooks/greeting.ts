/**
 * The greeting of a session: its name, its peers and what they do, the number of
 * open tasks, and how to tell, ask, answer and lock.
 *
 * A model reads it when its session starts, and again after a compaction. An agent
 * that shows nothing at a start gets it with its first prompt. The text has at most
 * {@linkcode BYTES_MAX} bytes, which are about 100 tokens.
 *
 * @module
 */

import { nameOf, type Session, stateOf } from "../model/session.ts";
import { plainName, plainPath } from "./frame.ts";
import {
  type HookContext,
  type HookResult,
  notesOf,
  readNote,
} from "./hook_context.ts";

/** Largest size of the greeting, in bytes of UTF-8. */
export const BYTES_MAX = 300;

const DOES_CHARS_MAX = 32;
const TASKS_MAX = 100;

/** Key of the note that a greeting waits for the next prompt. */
const DUE = "greeting-due";

const HOW = "mbus tell NAME TEXT | mbus ask NAME TEXT | mbus reply ID TEXT | " +
  "mbus lock PATH --exclusive";

/** Puts the greeting before the text of a starting session's hook. */
export async function withGreeting(
  hook: HookContext,
  result: HookResult,
): Promise<HookResult> {
  if (!hook.policy().greeting) return result;
  if (hook.tells.context) return greeted(result, await greetingOf(hook));
  await hook.store.noteActivity(hook.session.id, {
    notes: notesOf({ [DUE]: true }),
  });
  return result;
}

/** Puts a greeting that is due before the text of a prompt's hook. */
export async function withDueGreeting(
  hook: HookContext,
  result: HookResult,
): Promise<HookResult> {
  if (!hook.tells.context) return result;
  if (await readNote<boolean>(hook, DUE) === undefined) return result;
  const { decision, onDelivered, onLost } = greeted(
    result,
    await greetingOf(hook),
  );
  return {
    decision,
    onLost,
    onDelivered: async (carried) => {
      await onDelivered(carried);
      if (!carried.context) return;
      await hook.store.noteActivity(hook.session.id, {
        notes: notesOf({ [DUE]: undefined }),
      });
    },
  };
}

function greeted(result: HookResult, greeting: string): HookResult {
  const { decision } = result;
  if (decision.verdict !== "allow") return result;
  const context = decision.context === undefined
    ? greeting
    : `${greeting}\n\n${decision.context}`;
  return { ...result, decision: { ...decision, context } };
}

async function greetingOf({ store, session }: HookContext): Promise<string> {
  const { project = null } = session;
  const sessions = await store.sessions({ project, ended: false });
  const peers = sessions.filter(({ id }) => id !== session.id)
    .toSorted((a, b) => rankOf(a) - rankOf(b));
  const doings = await store.doingsOf(peers);
  const tasks = await store.openTaskCount(project, session.id, TASKS_MAX);
  const counted = tasks === TASKS_MAX ? `${tasks} or more` : `${tasks}`;
  const textWith = (shown: readonly string[]) =>
    `[message-bus] You are ${plainName(nameOf(session))}. ` +
    `${peersText(shown, peers.length)} ` +
    `${counted} open task${tasks === 1 ? "" : "s"}.\n${HOW}`;
  const shown: string[] = [];
  for (const peer of peers) {
    const next = peerText(peer, doings.get(peer.id));
    if (sizeOf(textWith([...shown, next])) > BYTES_MAX) break;
    shown.push(next);
  }
  return textWith(shown);
}

/** Sessions at work come first. */
function rankOf(session: Session): number {
  return stateOf(session) === "idle" ? 1 : 0;
}

function peerText(peer: Session, does: string | undefined): string {
  const state = stateOf(peer).replace("-", " ");
  const words = does === undefined ? "" : ` "${shortened(does)}"`;
  return `${plainName(nameOf(peer))} (${state}${words})`;
}

/** Makes a peer's words short, harmless and one line. */
function shortened(text: string): string {
  const line = [...plainPath(text).replaceAll('"', "'").trim()];
  return line.length <= DOES_CHARS_MAX
    ? line.join("")
    : `${line.slice(0, DOES_CHARS_MAX - 1).join("")}…`;
}

function peersText(shown: readonly string[], count: number): string {
  if (count === 0) return "No other session is here.";
  const rest = count - shown.length;
  const listed = rest === 0 ? shown : [...shown, `${rest} more`];
  return `Peers, in their words: ${listed.join(", ")}.`;
}

function sizeOf(text: string): number {
  return new TextEncoder().encode(text).length;
}
