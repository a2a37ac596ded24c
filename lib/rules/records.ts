/**
 * Records as a rule sees them: the loaded rows, with this decision's own changes
 * on top.
 *
 * Loading a record again keeps its change or removal, and counts include the
 * changes. So rules compose: the second rule of a batch sees the changes of the
 * first. The store writes the difference, one write for each record, all or
 * nothing.
 *
 * @module
 */

import { type HostedProcess, mayShareDisk } from "../model/process.ts";
import type { Delivery } from "../model/delivery.ts";
import {
  type EntryKind,
  type OverlapBudget,
  overlapInRepository,
  overlapOnDisk,
  type ParsedPathSets,
  targetPathSets,
  tryHoldPathSets,
} from "../path/lock_overlap.ts";
import { spansMachines } from "../model/lock.ts";
import type { LockTarget, PathSet } from "../model/lock.ts";
import type { Hold, LockRequest } from "../model/lock.ts";
import type { Session } from "../model/session.ts";
import type {
  Appended,
  ChangeTopic,
  NewMessage,
  Pending,
} from "../model/message.ts";
import type { Task } from "../model/task.ts";
import { prefixesAbove, rangeBelow } from "./prefixes.ts";

/** Hold, with the facts that decide whether it stands. */
export interface HoldRecord {
  /** The hold. */
  readonly hold: Hold;
  /** Literal beginning of its paths on disk, case folded. */
  readonly prefix: string;
  /** Literal beginning in its repository; absent outside of one. */
  readonly repositoryPrefix?: string;
  /** Process of its session; absent if the session has none. */
  readonly process?: HostedProcess;
  /** Host of the disk; `null` if its session has none. */
  readonly host: string | null;
  /** Number of the waiter that has not picked it up yet. */
  readonly waiter?: number;
}

/** Session that waits for a lock. */
export interface WaiterRecord {
  /** Place in the queue: an earlier waiter has a smaller number. */
  readonly number: number;
  /** Request that it waits for. */
  readonly request: LockRequest;
  /** Vendor, task and process of its session. */
  readonly asker: Asker;
  /** Start of its wait, in milliseconds since 1970. */
  readonly sinceMs: number;
  /** End of its lease in the queue, in milliseconds since 1970. */
  readonly expiresMs: number;
  /** Waiting process. */
  readonly process: HostedProcess;
  /** Token of the granted hold; absent while it waits. */
  readonly token?: number;
}

/** Part of a session that a hold or a waiter shows. */
export interface Asker {
  /** Name of the session. */
  readonly name: string;
  /** Vendor of the agent. */
  readonly vendor: string;
  /** Task that the session is on. */
  readonly task?: string;
  /** Process of the session; absent if it has none. */
  readonly process?: HostedProcess;
}

/** Task, with its place in the order of posting. */
export interface TaskRecord {
  /** Task. */
  readonly task: Task;
  /** Place in the order of posting; absent while it is not committed. */
  readonly order?: number;
}

/** Delivery of a direct message. */
export interface DeliveryRecord {
  /** Id of the message. */
  readonly message: string;
  /** Id of the sender. */
  readonly sender: string;
  /** Id of the recipient. */
  readonly to: string;
  /** Latest proven state. */
  readonly state: Delivery["state"];
  /** Time of the last change, in milliseconds since 1970. */
  readonly changedAtMs: number;
  /** Expiry of the message, in milliseconds since 1970; `null` once deleted. */
  readonly expiresAtMs: number | null;
}

/** Durable name. */
export interface DurableRecord {
  /** Name. */
  readonly name: string;
  /** Project that it belongs to; `null` for none. */
  readonly project: string | null;
  /** Channels that are read under it; `null` for all. */
  readonly channels: readonly string[] | null;
  /** Session whose direct messages are read under it; `null` for none. */
  readonly session: string | null;
  /** Cursor of the last acknowledged message. */
  readonly cursor: string;
  /** Number of messages that were removed unacknowledged, ever. */
  readonly lost: number;
  /** Number of lost messages that a reader has reported. */
  readonly told: number;
  /** Fencing token of the reader's lease. */
  readonly token: number;
  /** Time of the last use, in milliseconds since 1970. */
  readonly usedAtMs: number;
  /** End of the lease, in milliseconds since 1970. */
  readonly leaseExpiresMs: number;
  /** Reading process. */
  readonly reader: HostedProcess;
}

/** Note that a session keeps for itself. */
export interface NoteRecord {
  /** Id of the session. */
  readonly session: string;
  /** Key of the note. */
  readonly key: string;
  /** Text of the note. */
  readonly value: string;
  /** Time of the last change, in milliseconds since 1970. */
  readonly changedAtMs: number;
}

/** Change of a file by a session. */
export interface TouchRecord {
  /** Absolute path of the file. */
  readonly path: string;
  /** Id of the session. */
  readonly session: string;
  /** Host of the disk; `null` if its session has none. */
  readonly host: string | null;
  /** Time of the change, in milliseconds since 1970. */
  readonly touchedAtMs: number;
}

/** Number of the bus itself: the time of the last purge, in milliseconds. */
export type Mark = "purged-at";

/** Message without its payload, for the purge. */
export interface MessageHead {
  /** Id of the message. */
  readonly id: string;
  /** Name of the channel. */
  readonly channel: string;
  /** Project; `null` for every project. */
  readonly project: string | null;
  /** Id of the recipient; `null` for all sessions. */
  readonly to: string | null;
  /** Expiry, in milliseconds since 1970. */
  readonly expiresAtMs: number;
}

/** Types of records, by kind. */
export interface RecordTypes {
  /** Session. */
  readonly session: Session;
  /** Hold. */
  readonly hold: HoldRecord;
  /** Waiter. */
  readonly waiter: WaiterRecord;
  /** Task. */
  readonly task: TaskRecord;
  /** Delivery of a direct message. */
  readonly delivery: DeliveryRecord;
  /** Durable name. */
  readonly durable: DurableRecord;
  /** Note that a session keeps for itself. */
  readonly note: NoteRecord;
  /** Change of a file. */
  readonly touch: TouchRecord;
  /** Message that a purge may delete. */
  readonly message: MessageHead;
  /** Number of the bus. */
  readonly mark: number;
}

/** Kind of a record. */
export type RecordKind = keyof RecordTypes;

/** Change of one record; without `to` it is removed. */
export type RecordChange = {
  [Kind in RecordKind]: {
    readonly kind: Kind;
    readonly key: string;
    /** Record as loaded; absent if it is new, or a touch that was not loaded. */
    readonly from?: RecordTypes[Kind];
    readonly to?: RecordTypes[Kind];
  };
}[RecordKind];

/** Wake-up for the watchers of a topic. */
export interface TopicWake {
  /** Topic. */
  readonly topic: ChangeTopic;
  /** Id of the session whose watchers are woken; `null` for all sessions. */
  readonly session: string | null;
}

/** Records of one kind, by key. */
export class RecordSet<R> {
  readonly #loaded = new Map<string, R>();
  readonly #changed = new Map<string, R | undefined>();

  /** Adds a loaded record; loading it again changes nothing. */
  load(key: string, record: R): void {
    if (!this.#loaded.has(key)) this.#loaded.set(key, record);
  }

  /** Returns a record with this decision's change. */
  get(key: string): R | undefined {
    return this.#changed.has(key)
      ? this.#changed.get(key)
      : this.#loaded.get(key);
  }

  /** Adds or replaces a record. */
  set(key: string, record: R): void {
    this.#changed.set(key, record);
  }

  /** Removes a record. */
  delete(key: string): void {
    this.#changed.set(key, undefined);
  }

  /** Iterates over the records with their changes, in the order of loading. */
  *values(): Generator<R, void, void> {
    for (const [key, record] of this.#loaded) {
      if (!this.#changed.has(key)) yield record;
      else {
        const changed = this.#changed.get(key);
        if (changed !== undefined) yield changed;
      }
    }
    for (const [key, record] of this.#changed) {
      if (record !== undefined && !this.#loaded.has(key)) yield record;
    }
  }

  /** Iterates over the differences from the loaded records. */
  *changes(): Generator<
    { readonly key: string; readonly from?: R; readonly to?: R },
    void,
    void
  > {
    for (const [key, to] of this.#changed) {
      const from = this.#loaded.get(key);
      if (from !== undefined || to !== undefined) yield { key, from, to };
    }
  }
}

/** Holds, which are also found by overlap. */
export class HoldSet extends RecordSet<HoldRecord> {
  readonly #byPrefix = {
    disk: new Map<string, Set<string>>(),
    repository: new Map<string, Set<string>>(),
  };
  // Paths of a hold never change, so each is parsed, and each overlap decided, once.
  readonly #overlaps = new WeakMap<PathSet, Map<string, boolean>>();
  readonly #pathSets = new Map<number, ParsedPathSets | undefined>();
  readonly #targets = new WeakMap<LockTarget, ParsedPathSets>();
  // By session: holds that this decision added, minus holds that it removed.
  readonly #added = new Map<string, number>();
  readonly #entryKind: EntryKind;

  /** Makes an empty set; `entryKind` returns the kind of entry at a path. */
  constructor(entryKind: EntryKind) {
    super();
    this.#entryKind = entryKind;
  }

  /** Adds a loaded hold, and indexes its prefixes. */
  override load(key: string, record: HoldRecord): void {
    this.#index(key, record);
    super.load(key, record);
  }

  /** Adds or replaces a hold, and indexes its prefixes. */
  override set(key: string, record: HoldRecord): void {
    this.#index(key, record);
    if (this.get(key) === undefined) this.#count(record, 1);
    super.set(key, record);
  }

  /** Removes a hold. */
  override delete(key: string): void {
    const before = this.get(key);
    if (before !== undefined) this.#count(before, -1);
    super.delete(key);
  }

  /** Returns the number of added minus removed holds of a session. */
  added(session: string): number {
    return this.#added.get(session) ?? 0;
  }

  /** Returns the hold with a token. */
  byToken(token: number): HoldRecord | undefined {
    return this.get(String(token));
  }

  /**
   * Returns the holds that overlap a target, oldest first.
   *
   * @param budget Bounds the cost of deciding overlaps. Once it is spent, a hold
   * that may overlap counts as overlapping.
   */
  near(
    target: LockTarget,
    where: "disk" | "repository",
    budget?: OverlapBudget,
  ): HoldRecord[] {
    const paths = target[where];
    if (paths === undefined) return [];
    const found: HoldRecord[] = [];
    for (const key of this.#candidates(target, paths, where)) {
      const record = this.get(key);
      if (record === undefined) continue;
      if (
        where === "disk" && !mayShareDisk(record.host, target.host ?? null) &&
        !spansMachines(paths.text)
      ) continue;
      if (this.#overlap(key, record, target, paths, where, budget)) {
        found.push(record);
      }
    }
    return found.sort((a, b) => a.hold.token - b.hold.token);
  }

  #count({ hold: { session } }: HoldRecord, change: 1 | -1): void {
    this.#added.set(session, this.added(session) + change);
  }

  #index(key: string, record: HoldRecord): void {
    addTo(this.#byPrefix.disk, record.prefix, key);
    const { repositoryPrefix } = record;
    if (repositoryPrefix === undefined) return;
    addTo(this.#byPrefix.repository, repositoryPrefix, key);
  }

  #candidates(
    target: LockTarget,
    { prefix }: PathSet,
    where: "disk" | "repository",
  ): Set<string> {
    const index = this.#byPrefix[where];
    const found = new Set<string>();
    for (const at of [prefix, ...prefixesAbove(prefix)]) {
      for (const key of index.get(at) ?? []) found.add(key);
    }
    if (target.kind === "file" || target.kind === "name") return found;
    const [low, high] = rangeBelow(prefix);
    for (const [at, keys] of index) {
      if (at <= low || at >= high) continue;
      for (const key of keys) found.add(key);
    }
    return found;
  }

  #pathSetsOf(hold: Hold, budget?: OverlapBudget): ParsedPathSets | undefined {
    const { token, kind, pathSets } = hold;
    if (!this.#pathSets.has(token)) {
      if (kind === "glob") budget?.parse(pathSets.disk.length);
      this.#pathSets.set(token, tryHoldPathSets(hold, this.#entryKind));
    }
    return this.#pathSets.get(token);
  }

  #wanted(target: LockTarget): ParsedPathSets {
    let pathSets = this.#targets.get(target);
    if (pathSets === undefined) {
      pathSets = targetPathSets(target, this.#entryKind);
      this.#targets.set(target, pathSets);
    }
    return pathSets;
  }

  #overlap(
    key: string,
    { hold }: HoldRecord,
    target: LockTarget,
    paths: PathSet,
    where: "disk" | "repository",
    budget?: OverlapBudget,
  ): boolean {
    let decided = this.#overlaps.get(paths);
    if (decided === undefined) {
      this.#overlaps.set(paths, decided = new Map());
    }
    let overlap = decided.get(key);
    if (overlap === undefined) {
      const wanted = this.#wanted(target);
      const compare = where === "disk" ? overlapOnDisk : overlapInRepository;
      if (budget === undefined) {
        const covered = this.#pathSetsOf(hold);
        overlap = covered !== undefined && compare(wanted, covered);
      } else {
        const covered = () => this.#pathSetsOf(hold, budget);
        overlap = budget.overlap(wanted, covered, compare);
        // Not remembered, because another budget may decide it exactly.
        if (budget.isSpent) return overlap;
      }
      decided.set(key, overlap);
    }
    return overlap;
  }
}

function addTo(
  index: Map<string, Set<string>>,
  prefix: string,
  key: string,
): void {
  const keys = index.get(prefix);
  if (keys === undefined) index.set(prefix, new Set([key]));
  else keys.add(key);
}

/** Records that were loaded and changed for one decision. */
export class Records {
  /** Sessions, by id. */
  readonly sessions: RecordSet<Session> = new RecordSet();
  /** Holds, by token. */
  readonly holds: HoldSet;
  /** Kinds of entries at paths when the decision began. */
  readonly entryKind: EntryKind;
  /** Waiters, by number. */
  readonly waiters: RecordSet<WaiterRecord> = new RecordSet();
  /** Tasks, by {@linkcode taskKey}. */
  readonly tasks: RecordSet<TaskRecord> = new RecordSet();
  /** Deliveries, by the id of the message. */
  readonly deliveries: RecordSet<DeliveryRecord> = new RecordSet();
  /** Durable names, by {@linkcode durableKey}. */
  readonly durables: RecordSet<DurableRecord> = new RecordSet();
  /** Notes, by {@linkcode noteKey}. */
  readonly notes: RecordSet<NoteRecord> = new RecordSet();
  /** Changes of files, by {@linkcode touchKey}. */
  readonly touches: RecordSet<TouchRecord> = new RecordSet();
  /** Messages, by id. */
  readonly messages: RecordSet<MessageHead> = new RecordSet();
  /** Numbers of the bus, by name. */
  readonly marks: RecordSet<number> = new RecordSet();
  /** Cursor after the last committed message; only after an `end` query. */
  end: string = "0";
  /** Whether more messages exceed their channel's cap than were loaded. */
  hasMoreOverCap: boolean = false;
  readonly #listed = new Map<string, readonly string[]>();
  readonly #holdCounts = new Map<string, number>();
  readonly #inboxCounts = new Map<string, number>();
  readonly #said = new Set<string>();
  readonly #messages: SaidMessage[] = [];
  // Number of the messages of this decision, by addressee.
  readonly #saidTo = new Map<string, number>();
  readonly #wakes: TopicWake[] = [];
  readonly #registered: Session[] = [];

  /** Makes empty records; `entryKind` returns the kind of entry at a path. */
  constructor(entryKind: EntryKind) {
    this.entryKind = entryKind;
    this.holds = new HoldSet(entryKind);
  }

  /** Loads the keys of the records that a list query found, in its order. */
  loadListed(query: string, keys: readonly string[]): void {
    this.#listed.set(query, keys);
  }

  /** Returns the keys that the latest query of a kind found. */
  listed(query: string): readonly string[] {
    return this.#listed.get(query) ?? [];
  }

  /** Loads the number of a session's stored holds, or a greater one. */
  loadHoldCount(session: string, count: number): void {
    const known = this.#holdCounts.get(session) ?? Infinity;
    this.#holdCounts.set(session, Math.min(known, count));
  }

  /** Loads the number of a session's stored direct messages, or a greater one. */
  loadInboxCount(session: string, pending: Pending, count: number): void {
    const key = `${pending} ${session}`;
    const known = this.#inboxCounts.get(key) ?? Infinity;
    this.#inboxCounts.set(key, Math.min(known, count));
  }

  /** Loads that an equal message was published recently. */
  loadSaid(message: NewMessage): void {
    this.#said.add(saidKey(message));
  }

  /** Notes that the store of this process registers a session. */
  register(session: Session): void {
    this.#registered.push(session);
  }

  /** Sessions that the decision registered. */
  get registered(): readonly Session[] {
    return this.#registered;
  }

  /**
   * Returns the number of a session's holds, after a `hold-count` query. The number
   * may be greater unless the query was `exact`.
   */
  holdCount(session: string): number {
    const stored = this.#holdCounts.get(session);
    if (stored === undefined) {
      throw new Error(`the holds of ${session} were not counted`);
    }
    return stored + this.holds.added(session);
  }

  /**
   * Returns the number of a session's direct messages, after an `inbox-count` query.
   * The number may be greater unless the query was `exact`.
   */
  inboxCount(session: string, pending: Pending): number {
    const stored = this.#inboxCounts.get(`${pending} ${session}`);
    if (stored === undefined) {
      throw new Error(`the inbox of ${session} was not counted`);
    }
    return stored + (this.#saidTo.get(session) ?? 0);
  }

  /** Returns whether an equal message was published recently or by this decision. */
  wasSaid(message: NewMessage): boolean {
    const key = saidKey(message);
    return this.#said.has(key) ||
      this.#messages.some((said) => saidKey(said.message) === key);
  }

  /**
   * Appends a message with the commit.
   *
   * @param to Recipient, if the result reports it to the sender.
   * @returns The result; the commit sets its id.
   */
  say(
    message: NewMessage,
    to: Omit<Appended, "id"> = {},
  ): Appended {
    const appended = { id: "", ...to };
    this.#messages.push({ message, appended });
    const { to: addressee } = message;
    if (addressee !== undefined) {
      this.#saidTo.set(addressee, (this.#saidTo.get(addressee) ?? 0) + 1);
    }
    return appended;
  }

  /** Wakes the watchers of a topic after the commit. */
  wake(topic: ChangeTopic, session: string | null): void {
    this.#wakes.push({ topic, session });
  }

  /** Messages to append, in order. */
  get said(): readonly SaidMessage[] {
    return this.#messages;
  }

  /** Topics whose watchers the commit wakes. */
  get wakes(): readonly TopicWake[] {
    return this.#wakes;
  }

  /** Whether the decision changes a record or publishes a message. */
  get isChanged(): boolean {
    return this.#messages.length > 0 || !this.changes().next().done;
  }

  /** Iterates over the changes to write. */
  *changes(): Generator<RecordChange, void, void> {
    for (const kind of KINDS) {
      for (const change of this[SET_OF[kind]].changes()) {
        yield { kind, ...change } as RecordChange;
      }
    }
  }
}

/** Message of a decision, and its result. */
export interface SaidMessage {
  /** Message. */
  readonly message: NewMessage;
  /** Result, whose id the commit sets. */
  readonly appended: { id: string };
}

/** Names of the sets, by kind of record. */
export const SET_OF = {
  session: "sessions",
  hold: "holds",
  waiter: "waiters",
  task: "tasks",
  delivery: "deliveries",
  durable: "durables",
  note: "notes",
  touch: "touches",
  message: "messages",
  mark: "marks",
} as const;

// Sessions first, because other records refer to them.
const KINDS = Object.keys(SET_OF) as RecordKind[];

function saidKey({ channel, sender, payloadText }: NewMessage): string {
  return `${channel}\0${sender}\0${payloadText}`;
}

/** Returns the key of a task's record. */
export function taskKey(
  project: string | null | undefined,
  id: string,
): string {
  return `${project ?? ""}\0${id}`;
}

/** Returns the key of a durable name's record. */
export function durableKey(project: string | null, name: string): string {
  return `${project ?? ""}\0${name}`;
}

/** Returns the key of a note's record. */
export function noteKey(session: string, key: string): string {
  return `${session}\0${key}`;
}

/** Returns the key of a touch's record. */
export function touchKey(path: string, session: string): string {
  return `${path}\0${session}`;
}
