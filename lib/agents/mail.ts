/**
 * What peers have to say to a session, put before its model: pending direct
 * messages and conflicts that concern it, framed as data, capped, oldest first.
 *
 * A message is marked `injected` only when the answer that carries it was
 * written, and a conflict is not told twice: the cursor moves at that moment.
 *
 * @module
 */

import type { Json } from "../json.ts";
import type { Message } from "../store.ts";
import type { Case, Verdict } from "./case.ts";
import { ALLOW, readNote, writeNotes } from "./case.ts";
import { frameTexts, type PeerText } from "./frame.ts";

const PENDING_MAX = 50;
const CONFLICTS_MAX = 200;
const CONFLICTS_TOLD = "conflicts-told";

interface Letter {
  readonly message: Message;
  readonly text: PeerText;
}

/** The verdict that lets the agent go on and brings it its mail, if there is any. */
export async function withMail(hook: Case): Promise<Verdict> {
  const letters = await pendingLetters(hook);
  if (letters.length === 0) return ALLOW;
  const framed = frameTexts(letters.map(({ text }) => text), {
    bytesMax: hook.policy.contextBytesMax,
  });
  return {
    decision: { verdict: "allow", context: framed.text },
    told: async (carried) => {
      if (carried.context) {
        await markTold(hook, letters.slice(0, framed.included));
      }
    },
  };
}

/** The verdict at the end of a turn: mail may hold the agent for one more. */
export async function withMailAtStop(hook: Case): Promise<Verdict> {
  const { event, policy } = hook;
  if (event.kind !== "stop" || event.wasContinued || !policy.holdAtStop) {
    return ALLOW;
  }
  const letters = (await pendingLetters(hook))
    .filter(({ message }) => message.to !== undefined);
  if (letters.length === 0) return ALLOW;
  const framed = frameTexts(letters.map(({ text }) => text), {
    bytesMax: policy.contextBytesMax,
  });
  return {
    decision: { verdict: "allow", continueWith: framed.text },
    told: async (carried) => {
      if (carried.continueWith) {
        await markTold(hook, letters.slice(0, framed.included));
      }
    },
  };
}

async function pendingLetters(hook: Case): Promise<Letter[]> {
  const { store, session } = hook;
  const pending = await store.pendingFor(
    session.id,
    store.startCursor,
    PENDING_MAX,
  );
  // What was injected already waits for its answer; it is not told again.
  const direct: Letter[] = [];
  for (const message of pending) {
    const delivery = await store.delivery(message.id);
    if (delivery?.state === "injected") continue;
    direct.push({
      message,
      text: {
        session: message.sender,
        label: `message ${message.id} on ${message.channel}`,
        sentAt: message.createdAt,
        text: typeof message.payload === "string"
          ? message.payload
          : JSON.stringify(message.payload),
      },
    });
  }
  return [...direct, ...await conflictLetters(hook)]
    .sort((a, b) => a.message.createdAt < b.message.createdAt ? -1 : 1);
}

async function conflictLetters(hook: Case): Promise<Letter[]> {
  const { store, session } = hook;
  const told = await readNote<string>(hook, CONFLICTS_TOLD);
  const { messages } = await store.read(
    {
      channels: ["file_conflict"],
      project: session.project ?? null,
      session: session.id,
    },
    told ?? store.startCursor,
    CONFLICTS_MAX,
  );
  return messages.flatMap((message) => {
    if (message.sender === session.id) return [];
    const text = conflictText(message.payload, session.id);
    if (text === undefined) return [];
    return [{
      message,
      text: {
        session: message.sender,
        label: "conflict",
        sentAt: message.createdAt,
        text,
      },
    }];
  });
}

/** A conflict in words, if it concerns the session. */
function conflictText(payload: Json, session: string): string | undefined {
  const { event, path, sessions, why } = payload as {
    event?: unknown;
    path?: unknown;
    sessions?: unknown;
    why?: unknown;
  };
  if (!Array.isArray(sessions) || !sessions.includes(session)) return undefined;
  const file = String(path);
  const reason = typeof why === "string" ? ` (${why})` : "";
  switch (event) {
    case "overlap":
      return `is editing ${file}, which you are editing, too.`;
    case "merge-risk":
      return `is editing ${file} in another worktree: the merge may conflict.`;
    case "wanted":
      return `wants to hold ${file} exclusively${reason} and waits for you or ` +
        `works elsewhere; release it with "mbus unlock" when you are done.`;
    case "taken-over":
      return `has taken over your overdue lock on ${file}${reason}.`;
    case "overwritten":
      return `has changed ${file}, which you hold, by a shell command: read it ` +
        `again before you edit it.`;
    default:
      return undefined;
  }
}

async function markTold(hook: Case, letters: readonly Letter[]): Promise<void> {
  const direct = letters.filter(({ message }) => message.to !== undefined);
  const conflicts = letters.filter(({ message }) => message.to === undefined);
  if (direct.length > 0) {
    await hook.store.moveDeliveries(
      hook.session.id,
      direct.map(({ message }) => message.id),
      "injected",
    );
  }
  const last = conflicts.at(-1);
  if (last !== undefined) {
    await writeNotes(hook, { [CONFLICTS_TOLD]: last.message.id });
  }
}
