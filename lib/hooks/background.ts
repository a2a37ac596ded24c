/**
 * Commands that still run when their call has ended: their writes appear later.
 *
 * ```text
 *  call ends ─▶ checked ─▶ at each later hook except before a tool, at most
 *                          every 2 s ─▶ last check after 10 minutes, or at the
 *                          end of the session
 * ```
 *
 * Other processes write in that time too. So a notice never names the command as
 * the author of a change, and names each file once.
 *
 * @module
 */

import type { CallNote } from "./call_note.ts";
import { seenAgain, tellChanges } from "./after_call.ts";
import type { Snapshot } from "./call_note.ts";
import {
  BACKGROUND,
  callKey,
  type HookContext,
  notesOf,
  readNote,
} from "./hook_context.ts";

/** Time for which a command is checked after its call, in milliseconds. */
const LOOKED_AT_MS = 10 * 60 * 1000;

/** Minimum time between two checks, in milliseconds. */
const LOOK_MS = 2_000;

const COMMANDS_MAX = 10;

const COMMAND = "command in the background";

/** A command that may still run. */
interface Running {
  /** Key of the note that holds the snapshot. */
  readonly key: string;
  /** Time of the last check, in milliseconds since 1970. */
  readonly untilMs: number;
  /** Time of the latest check, in milliseconds since 1970. */
  readonly lookedAtMs: number;
}

/** Announces a command's changes at the end of its call, and keeps checking. */
export async function watchCommand(
  hook: HookContext,
  note: CallNote,
): Promise<void> {
  const { store, session, nowMs } = hook;
  const seen = await look(hook, note.seen!, { [callKey(hook)]: undefined });
  const key = `${BACKGROUND}:${crypto.randomUUID()}`;
  const added = { key, untilMs: nowMs + LOOKED_AT_MS, lookedAtMs: 0 };
  for (;;) {
    const text = await listText(hook);
    const before: readonly Running[] = text === undefined
      ? []
      : JSON.parse(text);
    const dropped = before.slice(
      0,
      Math.max(0, before.length + 1 - COMMANDS_MAX),
    );
    const isNoted = await store.noteActivity(session.id, {
      notes: notesOf({
        ...Object.fromEntries(dropped.map(({ key }) => [key, undefined])),
        [key]: seen,
        [BACKGROUND]: [...before.slice(dropped.length), added],
      }),
      expects: { key: BACKGROUND, value: text ?? null },
    });
    if (isNoted) return;
  }
}

/** Checks commands that may still run; `text` is the note that lists them. */
export async function checkBackground(
  hook: HookContext,
  text: string,
): Promise<void> {
  const { store, session, nowMs, event } = hook;
  const running: readonly Running[] = JSON.parse(text);
  const isOver = event.kind === "session-end";
  const due = running.filter(({ lookedAtMs }) =>
    isOver || event.kind === "stop" || nowMs - lookedAtMs >= LOOK_MS
  );
  if (due.length === 0) return;
  const goesOn = ({ untilMs }: Running) => !isOver && nowMs < untilMs;
  const left = running.filter((each) => !due.includes(each) || goesOn(each))
    .map((each) => due.includes(each) ? { ...each, lookedAtMs: nowMs } : each);
  // Hooks of one session run in parallel: the first one checks.
  const isFirst = await store.noteActivity(session.id, {
    notes: notesOf({ [BACKGROUND]: left.length === 0 ? undefined : left }),
    expects: { key: BACKGROUND, value: text },
  });
  if (!isFirst) return;
  for (const each of due) {
    const before = await readNote<Snapshot>(hook, each.key);
    if (before === undefined) continue;
    const seen = await look(hook, before, {});
    await store.noteActivity(session.id, {
      notes: notesOf({ [each.key]: goesOn(each) ? seen : undefined }),
    });
  }
}

/** Announces changes since a snapshot; returns the new snapshot. */
async function look(
  hook: HookContext,
  seen: Snapshot,
  notes: Readonly<Record<string, unknown>>,
): Promise<Snapshot> {
  const observed = {
    call: COMMAND,
    sinceMs: seen.atMs,
    named: new Set<string>(),
    goesOn: true,
  };
  const changed = await tellChanges(hook, seen, observed, notes);
  const told = [...seen.told ?? [], ...changed];
  return { ...await seenAgain(seen, hook.nowMs), told };
}

async function listText(
  { store, session }: HookContext,
): Promise<string | undefined> {
  return (await store.readNotes(session.id, [BACKGROUND])).get(BACKGROUND);
}
