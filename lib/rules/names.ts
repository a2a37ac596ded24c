/**
 * Names of sessions: given at registration, chosen, and found.
 *
 * Each session has one short name. By default it is its id if that is short, else
 * `vendor-xxxx`, whose four characters differ among all living sessions. A session
 * keeps its name as long as it lives, and when it is resumed.
 *
 * A *chosen* name belongs to the project. It has one living session at a time. The
 * next session that takes it gets the unacknowledged direct messages of the last
 * one, so messages for a name wait until a session takes it.
 *
 * @module
 */

import { CHANNEL_TTL_SECONDS } from "../model/channels.ts";
import {
  InvalidInputError,
  NameTakenError,
  UnknownSessionError,
} from "../model/errors.ts";
import {
  nameOf,
  type Session,
  type SessionStart,
  VENDORS,
} from "../model/session.ts";
import { isDead, processOf } from "./life.ts";
import { LockTable } from "./lock_table.ts";
import type { Records } from "./records.ts";
import type { Moment, Plan } from "./rule.ts";

/** Address of all sessions of a project, which no session may have as its name. */
export const EVERYONE = "all";

/** Largest length of a chosen name, in characters. */
export const NAME_MAX = 32;

/** Number of characters by which names are looked up. */
const ENDING_LENGTH = 4;

// Longest id that is its own name.
const SHORT_ID_LENGTH = 16;

// Candidates of one query. More than one query is very rare.
const CANDIDATES = 8;

/** Name of a session, as its record has it. */
export type NameFields = Pick<Session, "name" | "nameIsChosen">;

/** Returns the characters of a name by which it is looked up. */
export function endingOf(name: string): string {
  return [...name].slice(-ENDING_LENGTH).join("");
}

/**
 * Throws if a name cannot be chosen.
 *
 * @throws {InvalidInputError} If it is empty, too long, has other characters than
 * letters, digits and `. _ -`, or means a vendor, a channel or all sessions.
 */
export function assertNameChoosable(name: string): void {
  const refuse = (state: string, remedy: string): never => {
    const shown = name.length > 60 ? `${name.slice(0, 60)}…` : name;
    throw new InvalidInputError(
      "name",
      `Cannot take the name ${
        JSON.stringify(shown)
      }: it is ${state}. ${remedy}.`,
    );
  };
  const characters = "Write 1 to 32 letters, digits and . _ - " +
    'without spaces, such as "backend"';
  if (name === "") refuse("empty", characters);
  const length = [...name].length;
  if (length > NAME_MAX) refuse(`${length} characters long`, characters);
  if (!/^[\p{L}\p{N}][\p{L}\p{N}._-]*$/u.test(name)) {
    refuse("not a name", characters);
  }
  const other = "Choose another one";
  if (name.toLowerCase() === EVERYONE) {
    refuse("the address of all sessions", other);
  }
  if (VENDORS.includes(name.toLowerCase())) refuse("a kind of agent", other);
  if (isBuiltInChannel(name)) refuse("a channel", other);
}

/** Returns whether a name can be chosen. */
export function isNameChoosable(name: string): boolean {
  try {
    assertNameChoosable(name);
    return true;
  } catch (error) {
    if (error instanceof InvalidInputError) return false;
    throw error;
  }
}

function isBuiltInChannel(name: string): boolean {
  return Object.hasOwn(CHANNEL_TTL_SECONDS, name);
}

/** Iterates over the names that a session may get, the best first. */
export function* defaultNames(
  id: string,
  vendor: string,
): Generator<{ readonly name: string; readonly isId: boolean }, void, void> {
  const isMade = id.startsWith(`${vendor}-`) &&
    id.length > vendor.length + 1 + ENDING_LENGTH;
  if (
    id.length <= SHORT_ID_LENGTH && !isMade && id !== EVERYONE &&
    !isBuiltInChannel(id)
  ) {
    yield { name: id, isId: true };
  }
  // Vendors' ids begin with the time, so their ends differ.
  const end = id.slice(-ENDING_LENGTH).toLowerCase();
  if (/^[a-z0-9]{4}$/.test(end)) {
    yield { name: `${vendor}-${end}`, isId: false };
  }
  for (let n = 1;; n++) {
    yield { name: `${vendor}-${hashOf(`${id} ${n}`)}`, isId: false };
  }
}

/** Returns the FNV-1a hash of a text, as four letters and digits. */
function hashOf(text: string): string {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) {
    hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193) >>> 0;
  }
  return (hash % 36 ** ENDING_LENGTH).toString(36)
    .padStart(ENDING_LENGTH, "0");
}

/**
 * Returns the name of a session that registers.
 *
 * @param before Record of the last session with the id.
 * @throws {NameTakenError} If another living session has the wanted name.
 */
export function* nameAtStart(
  records: Records,
  at: Moment,
  id: string,
  start: SessionStart,
  before: Session | undefined,
): Plan<NameFields> {
  const place = { id, project: start.project ?? undefined };
  if (start.name !== undefined) {
    yield* takeName(records, at, place, start.name);
    return { name: start.name, nameIsChosen: true };
  }
  const kept = before?.nameIsChosen ? before.name : undefined;
  for (const name of [start.wishedName, kept]) {
    if (name === undefined) continue;
    assertNameChoosable(name);
    if ((yield* holderOf(records, at, place, name)) !== undefined) continue;
    yield* inherit(records, place, name);
    return { name, nameIsChosen: true };
  }
  return { name: yield* freeName(records, id, start.vendor, before) };
}

function* freeName(
  records: Records,
  id: string,
  vendor: string,
  before: Session | undefined,
): Plan<string> {
  const names = defaultNames(id, vendor);
  let resumed = before?.nameIsChosen ? undefined : before?.name;
  for (;;) {
    const candidates = Array.from(
      { length: CANDIDATES },
      () => names.next().value!,
    );
    if (resumed !== undefined) {
      candidates.unshift({ name: resumed, isId: resumed === id });
      resumed = undefined;
    }
    const endings = candidates.map(({ name }) => endingOf(name));
    yield [{ kind: "sessions-ending", endings }];
    const taken = sessionsEnding(records)
      .filter((other) => other.id !== id && isRunning(other)).map(nameOf);
    const free = candidates.find(({ name, isId }) =>
      !taken.some((other) =>
        isId ? other === name : endingOf(other) === endingOf(name)
      )
    );
    if (free !== undefined) return free.name;
  }
}

/**
 * Takes a chosen name, with the messages that wait for it.
 *
 * @throws {InvalidInputError} If the name cannot be chosen.
 * @throws {NameTakenError} If another living session has it.
 */
export function* takeName(
  records: Records,
  at: Moment,
  session: Pick<Session, "id" | "project">,
  name: string,
): Plan<void> {
  assertNameChoosable(name);
  const holder = yield* holderOf(records, at, session, name);
  if (holder !== undefined) throw new NameTakenError(name, holder.id);
  yield* inherit(records, session, name);
}

/** Returns the other living session that has a name, and reaps dead ones. */
function* holderOf(
  records: Records,
  at: Moment,
  { id, project }: Pick<Session, "id" | "project">,
  name: string,
): Plan<Session | undefined> {
  yield [
    { kind: "session", id: name },
    { kind: "sessions-ending", endings: [endingOf(name)] },
  ];
  const named = records.sessions.get(name);
  const others = [...sessionsEnding(records), ...(named ? [named] : [])]
    .filter((other) =>
      other.id !== id && isRunning(other) &&
      (other.id === name || nameOf(other) === name &&
          (!other.nameIsChosen || isTogether(other.project, project)))
    );
  const dead = others.filter((other) => isDead(processOf(other), at));
  if (dead.length > 0) {
    const table = new LockTable(records, at);
    for (const other of dead) yield* table.endSession(other.id, "died");
    yield* table.grantWaiters();
  }
  return others.find((other) => !dead.includes(other));
}

/** Moves the open deliveries of ended sessions with a chosen name to a session. */
function* inherit(
  records: Records,
  { id, project }: Pick<Session, "id" | "project">,
  name: string,
): Plan<void> {
  yield [{ kind: "sessions-ending", endings: [endingOf(name)] }];
  const ended = sessionsEnding(records).filter((other) =>
    other.id !== id && !isRunning(other) && other.nameIsChosen &&
    other.name === name && other.project === project
  );
  if (ended.length === 0) return;
  yield ended.map((other) => ({ kind: "deliveries-open", session: other.id }));
  for (const delivery of [...records.deliveries.values()]) {
    const { message, to, state } = delivery;
    const isOpen = ["queued", "noticed", "injected"].includes(state);
    if (!isOpen || !ended.some((other) => other.id === to)) continue;
    records.deliveries.set(message, { ...delivery, to: id });
  }
}

/** Circumstances of an address. */
export interface Addressing {
  /** Project in which names are looked up; `null` for every project. */
  readonly project: string | null;
  /** Id of the session that writes, which a vendor does not mean. */
  readonly self?: string;
}

/**
 * Returns the session of a text: an id, a name, the vendor of one living session,
 * or a unique beginning of a name or an id. Living sessions come before ended ones.
 *
 * @throws {UnknownSessionError} If no session or several sessions match.
 */
export function* resolveSession(
  records: Records,
  act: string,
  text: string,
  { project, self }: Addressing = { project: null },
): Plan<Session> {
  yield [{ kind: "session", id: text }];
  const own = records.sessions.get(text);
  if (own !== undefined && (text.length > NAME_MAX || nameOf(own) === text)) {
    return own;
  }
  yield [
    { kind: "sessions-ending", endings: [endingOf(text)] },
    { kind: "sessions-named", text },
  ];
  const found = new Map<string, Session>();
  for (const list of ["sessions-ending", "sessions-named"] as const) {
    for (const session of sessionsListed(records, list)) {
      found.set(session.id, session);
    }
  }
  const all = [...found.values()];
  const here = all.filter((each) =>
    project === null || isTogether(each.project, project)
  );
  const match = matchOf(here, own, text, self);
  if (text !== "" && match.length === 1) return match[0];
  const elsewhere = match.length > 0 ? [] : matchOf(all, own, text, self);
  throw new UnknownSessionError(act, text, match.map(nameOf), {
    here: here.filter((each) => isRunning(each) && each.id !== self)
      .map(nameOf),
    elsewhere: elsewhere[0]?.project,
  });
}

/** Returns the sessions that a text means; the first kind of match counts. */
function matchOf(
  sessions: readonly Session[],
  own: Session | undefined,
  text: string,
  self: string | undefined,
): Session[] {
  const exact = [
    ...sessions.filter((each) => nameOf(each) === text && each !== own),
    ...(own === undefined ? [] : [own]),
  ];
  const livingExact = exact.filter(isRunning);
  if (livingExact.length > 0) return livingExact;
  // Of several ended sessions with a chosen name, the last one has its messages.
  const last = exact.toSorted((a, b) =>
    (a.endedAt ?? "").localeCompare(b.endedAt ?? "")
  ).at(-1);
  if (last !== undefined) return [last];
  const living = sessions.filter(isRunning);
  const ofVendor = living.filter(({ vendor, id }) =>
    vendor === text && id !== self
  );
  if (ofVendor.length > 0) return ofVendor;
  const beginning = (each: Session) =>
    nameOf(each).startsWith(text) || each.id.startsWith(text);
  const begun = living.filter(beginning);
  return begun.length > 0 ? begun : sessions.filter(beginning);
}

/**
 * Throws if a channel is the name of a living session, which a person or a model
 * that writes to a session may take for a channel.
 *
 * @throws {InvalidInputError} If it is.
 */
export function* assertNoName(
  records: Records,
  channel: string,
  project: string | null,
): Plan<void> {
  if (isBuiltInChannel(channel)) return;
  yield [{ kind: "sessions-ending", endings: [endingOf(channel)] }];
  const session = sessionsEnding(records).find((each) =>
    isRunning(each) && nameOf(each) === channel &&
    (project === null || isTogether(each.project, project))
  );
  if (session === undefined) return;
  throw new InvalidInputError(
    "channel",
    `Cannot send on "${channel}": it is the name of a session, not a channel. ` +
      `Write to the session with "mbus tell ${channel} TEXT".`,
  );
}

/** Returns whether sessions of two projects meet; a session of none meets all. */
function isTogether(a: string | undefined, b: string | undefined): boolean {
  return a === undefined || b === undefined || a === b;
}

function isRunning({ status }: Session): boolean {
  return status !== "terminated";
}

function sessionsEnding(records: Records): Session[] {
  return sessionsListed(records, "sessions-ending");
}

function sessionsListed(
  records: Records,
  query: "sessions-ending" | "sessions-named",
): Session[] {
  return records.listed(query).map((id) => records.sessions.get(id))
    .filter((session) => session !== undefined);
}
