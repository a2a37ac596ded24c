/**
 * Notes that a session keeps between one-shot processes, by key, and the times of
 * its changes of files.
 *
 * @module
 */

import type { Activity } from "../model/edit.ts";
import { noteKey, type Records, touchKey } from "./records.ts";
import type { Moment, Plan } from "./rule.ts";
import { requireActive, updateSession } from "./sessions.ts";

/** Key of the note about the channels that a session follows. */
export const FOLLOWS_NOTE = "follows";

/** Key of the cursor up to which a session's model was told followed messages. */
export const TOLD_NOTE = "conflicts-told";

/** Keys of notes that are kept as long as their session runs. */
export const LASTING_NOTES: readonly string[] = [FOLLOWS_NOTE, TOLD_NOTE];

/** Retention of notes and touches, in milliseconds. */
export const NOTE_KEPT_MS = 24 * 60 * 60 * 1000;

/** Records an activity of a session, unless a note is not as expected. */
export function* noteActivity(
  records: Records,
  at: Moment,
  session: string,
  { change = {}, notes = new Map(), touched = [], expects }: Activity,
): Plan<boolean> {
  if (expects !== undefined) {
    // Loads the session first. Of two processes that expect the same note, the
    // second then reads it after the first has written it.
    yield* requireActive(records, at, "note an activity", session);
    const { key, value } = expects;
    yield [{ kind: "note", session, key }];
    const found = records.notes.get(noteKey(session, key))?.value ?? null;
    if (found !== value) return false;
  }
  yield* updateSession(records, at, session, change);
  yield [...notes.keys()].map((key) => ({ kind: "note", session, key }));
  const changedAtMs = at.nowMs;
  for (const [key, value] of notes) {
    const record = noteKey(session, key);
    if (value === null) records.notes.delete(record);
    else records.notes.set(record, { session, key, value, changedAtMs });
  }
  for (const path of touched) {
    records.touches.set(touchKey(path, session), {
      path,
      session,
      host: at.self.host,
      touchedAtMs: at.nowMs,
    });
  }
  return true;
}

/** Returns the texts of a session's notes, by key. */
export function* readNotes(
  records: Records,
  session: string,
  keys: readonly string[],
): Plan<ReadonlyMap<string, string>> {
  yield keys.map((key) => ({ kind: "note", session, key }));
  const texts = new Map<string, string>();
  for (const key of keys) {
    const note = records.notes.get(noteKey(session, key));
    if (note !== undefined) texts.set(key, note.value);
  }
  return texts;
}
