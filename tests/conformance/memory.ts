/**
 * Messages and records in plain maps, for a store in memory and for tests of the
 * rules.
 *
 * @module
 */

import { foldersBelow } from "../../lib/path/lock_overlap.ts";
import { decodePayload } from "../../lib/model/json.ts";
import type { DeliveryState } from "../../lib/model/delivery.ts";
import type { LockTarget } from "../../lib/model/lock.ts";
import { askerOf, processOf } from "../../lib/rules/life.ts";
import { prefixesAbove, rangeBelow } from "../../lib/rules/prefixes.ts";
import {
  type MessageHead,
  noteKey,
  type RecordChange,
  type RecordKind,
  type Records,
  type RecordTypes,
  SET_OF,
  taskKey,
} from "../../lib/rules/records.ts";
import type { RecordQuery } from "../../lib/rules/rule.ts";
import { incarnationIds, SILENCE_NOTE } from "../../lib/rules/sessions.ts";
import type { Message, NewMessage } from "../../lib/model/message.ts";
import {
  nameOf,
  type Session,
  STALE_AFTER_MS,
} from "../../lib/model/session.ts";
import { endingOf } from "../../lib/rules/names.ts";

/** Extent of a query: the records that it names, or records of every kind. */
export type Extent = "asked" | "all";

// Larger than any limit of a test.
const BOUND = 1_000_000;

type Keys = { readonly [Kind in RecordKind]?: readonly string[] };

/** Messages and records, in the order of insertion. */
export class Memory {
  readonly messages: Message[] = [];
  readonly records: { [Kind in RecordKind]: Map<string, RecordTypes[Kind]> } = {
    session: new Map(),
    hold: new Map(),
    waiter: new Map(),
    task: new Map(),
    delivery: new Map(),
    durable: new Map(),
    note: new Map(),
    touch: new Map(),
    message: new Map(),
    mark: new Map(),
  };
  lastId = 0;
  lastToken = 0;
  #lastOrder = 0;

  /** Answers a query. */
  load(
    records: Records,
    query: RecordQuery,
    nowMs: number,
    extent: Extent = "all",
  ): void {
    const lists = this.#lists(query, nowMs);
    const keys: Keys = extent === "asked"
      ? Object.assign({}, ...Object.values(lists))
      : Object.fromEntries(
        Object.entries(this.records).map(([kind, all]) => [kind, all.keys()]),
      );
    for (const [kind, found] of Object.entries(keys)) {
      for (const key of found) {
        this.#loadOne(records, kind as RecordKind, key, nowMs);
      }
    }
    for (const [list, found] of Object.entries(lists)) {
      records.loadListed(list, Object.values(found)[0]);
    }
    if (query.kind === "end") records.end = String(this.lastId);
    if (query.kind === "messages-over-cap") {
      records.hasMoreOverCap =
        records.listed(query.kind).length === query.limit;
    }
    if (query.kind === "hold-count") {
      const own = this.#keys(
        "hold",
        ({ hold }) => hold.session === query.session,
      );
      const isBound = extent === "asked" && !query.exact && own.length > 0;
      const count = isBound ? BOUND : own.length;
      records.loadHoldCount(query.session, count);
    }
    if (query.kind === "inbox-count") {
      const { session, pending, exact } = query;
      const count = this.#keys("delivery", ({ message, to, state }) =>
        to === session && isOpen(state) &&
        (pending === "unacknowledged" || state !== "injected") &&
        (this.records.message.get(message)?.expiresAtMs ?? 0) > nowMs).length;
      const isBound = extent === "asked" && !exact && count > 0;
      records.loadInboxCount(session, pending, isBound ? BOUND : count);
    }
    if (query.kind === "said" && this.#wasSaid(query)) {
      records.loadSaid(query.message);
    }
  }

  /** Stores changes and messages of a decision; returns its messages. */
  commit(records: Records, nowMs: number): Message[] {
    for (const change of records.changes()) this.#write(change);
    return records.said.map(({ message, appended }) => {
      const stored = this.#store(message, nowMs);
      appended.id = stored.id;
      return stored;
    });
  }

  #loadOne(
    records: Records,
    kind: RecordKind,
    key: string,
    nowMs: number,
  ): void {
    const record = this.records[kind].get(key);
    if (record === undefined) return;
    const set = records[SET_OF[kind]] as {
      load(key: string, record: unknown): void;
    };
    set.load(key, this.#joined(kind, record, nowMs));
  }

  /** Returns a hold or a waiter with the present facts of its session. */
  #joined(
    kind: RecordKind,
    record: RecordTypes[RecordKind],
    nowMs: number,
  ): RecordTypes[RecordKind] {
    if (kind === "waiter") {
      const waiter = record as RecordTypes["waiter"];
      const session = this.records.session.get(waiter.request.session)!;
      return { ...waiter, asker: askerOf(session) };
    }
    if (kind !== "hold") return record;
    const { hold, ...rest } = record as RecordTypes["hold"];
    const session = this.records.session.get(hold.session)!;
    const { task: _task, ...held } = hold;
    return {
      ...rest,
      process: processOf(session),
      hold: {
        ...held,
        overdue: Date.parse(hold.expiresAt) <= nowMs,
        name: nameOf(session),
        vendor: session.vendor,
        ...(session.task !== undefined && { task: session.task }),
      },
    };
  }

  #store(message: NewMessage, nowMs: number): Message {
    const { sender, channel, payloadText, ttlSeconds, project, to, replyTo } =
      message;
    const id = String(++this.lastId);
    const expiresAtMs = nowMs + ttlSeconds * 1000;
    const stored: Message = {
      id,
      sender,
      channel,
      payload: decodePayload(payloadText),
      createdAt: new Date(nowMs).toISOString(),
      expiresAt: new Date(expiresAtMs).toISOString(),
      ...(project !== null && { project }),
      ...(to !== undefined && { to }),
      ...(replyTo !== undefined && { replyTo }),
    };
    this.messages.push(stored);
    const head = { id, channel, project, to: to ?? null, expiresAtMs };
    this.records.message.set(id, head);
    if (to !== undefined) {
      const times = { changedAtMs: nowMs, expiresAtMs };
      const delivery = { message: id, sender, to, state: "queued" } as const;
      this.records.delivery.set(id, { ...delivery, ...times });
    }
    return stored;
  }

  /** Returns whether a message was living at a time, as the query says. */
  #wasLiving({ id, expiresAtMs }: MessageHead, atMs: number): boolean {
    const { createdAt } = this.messages.find((message) => message.id === id)!;
    return expiresAtMs > atMs &&
      Date.parse(createdAt) <= atMs + STALE_AFTER_MS;
  }

  #write({ kind, key, to }: RecordChange): void {
    const { records, messages } = this;
    if (to !== undefined) {
      const order = () => records.task.get(key)?.order ?? ++this.#lastOrder;
      const stored = kind === "task" ? { ...to, order: order() } : to;
      (records[kind] as Map<string, unknown>).set(key, stored);
      return;
    }
    records[kind].delete(key);
    if (kind !== "message") return;
    messages.splice(messages.findIndex(({ id }) => id === key), 1);
    const delivery = records.delivery.get(key);
    if (delivery !== undefined) {
      records.delivery.set(key, { ...delivery, expiresAtMs: null });
    }
  }

  #keys<Kind extends RecordKind>(
    kind: Kind,
    isWanted: (record: RecordTypes[Kind]) => boolean,
  ): string[] {
    return [...this.records[kind]].filter(([, record]) => isWanted(record))
      .map(([key]) => key);
  }

  #sessions(isWanted: (session: Session) => boolean): Keys {
    return { session: this.#keys("session", isWanted) };
  }

  #tasks(isWanted: (record: RecordTypes["task"]) => boolean): string[] {
    return this.#keys("task", isWanted);
  }

  /** Returns the keys that a query finds, by the name of the list. */
  #lists(query: RecordQuery, nowMs: number): Record<string, Keys> {
    if (query.kind === "files-of-others") return this.#filesOfOthers(query);
    const found = this.#found(query, nowMs);
    if (query.kind !== "touches-below") return { [query.kind]: found };
    const sessions = found.touch!
      .map((key) => this.records.touch.get(key)!.session);
    return { [query.kind]: found, "their sessions": { session: sessions } };
  }

  #found(query: RecordQuery, nowMs: number): Keys {
    switch (query.kind) {
      case "session":
        return { session: [query.id] };
      case "incarnations":
        return { session: [...incarnationIds(query.id)] };
      case "sessions":
        return this.#sessions((session) =>
          (query.ended || isRunning(session)) &&
          isOf(query.project, session.project)
        );
      case "sessions-named":
        return this.#sessions((session) =>
          isRunning(session) || session.id.startsWith(query.text) ||
          nameOf(session).startsWith(query.text)
        );
      case "sessions-ending":
        return this.#sessions(({ name }) =>
          name !== undefined && query.endings.includes(endingOf(name))
        );
      case "sessions-in":
        return this.#sessions((session) =>
          isRunning(session) && session.worktree === query.worktree
        );
      case "sessions-after": {
        const { session = [] } = this.#sessions((session) =>
          isRunning(session) && session.id > query.id
        );
        return { session: session.toSorted().slice(0, query.limit) };
      }
      case "sessions-over":
        return limited(
          query.limit,
          this.#sessions((session) =>
            Date.parse(session.endedAt ?? "9999-01-01") <
              (session.nameIsChosen ? query.namedBeforeMs : query.beforeMs) &&
            !this.#isReferred(session.id)
          ),
        );
      case "sessions-quiet":
        return limited(
          query.limit,
          this.#sessions((session) => {
            const atMs = Date.parse(session.heartbeatAt);
            return isRunning(session) && session.vendor !== "unknown" &&
              atMs > query.afterMs && atMs < query.beforeMs;
          }),
        );
      case "sessions-silent":
        return limited(
          query.limit,
          this.#sessions((session) =>
            isRunning(session) &&
            Date.parse(session.heartbeatAt) < query.beforeMs &&
            this.records.note.get(noteKey(session.id, SILENCE_NOTE))?.value !==
              session.heartbeatAt
          ),
        );
      case "hold":
        return { hold: [String(query.token)] };
      case "holds-of":
        return {
          hold: this.#keys(
            "hold",
            ({ hold }) => hold.session === query.session,
          ),
        };
      case "holds-near":
        return {
          hold: this.#keys("hold", ({ prefix, repositoryPrefix }) =>
            isNear(
              query.target,
              query.where,
              query.where === "disk" ? prefix : repositoryPrefix,
            )),
        };
      case "holds":
        return {
          hold: this.#keys(
            "hold",
            ({ hold }) =>
              (query.session === undefined || hold.session === query.session) &&
              (query.path === undefined || hold.path === query.path) &&
              (query.token === undefined || hold.token === query.token),
          ),
        };
      case "waiters":
        return { waiter: this.#keys("waiter", () => true) };
      case "waiters-near":
        return {
          waiter: this.#keys(
            "waiter",
            ({ request }) =>
              isNear(query.target, "disk", request.target.disk.prefix) ||
              isNear(request.target, "disk", query.target.disk.prefix),
          ),
        };
      case "waiter":
        return { waiter: [String(query.number)] };
      case "waiters-of":
        return {
          waiter: this.#keys(
            "waiter",
            ({ request }) => request.session === query.session,
          ),
        };
      case "task":
        return { task: [taskKey(query.project, query.id)] };
      case "tasks-free":
        return {
          task: this.#tasks(({ task }) =>
            (task.project ?? null) === query.project &&
            task.status === "open" && task.waitsFor === 0 &&
            (task.assignedTo ?? query.session) === query.session &&
            (query.filter.kind === undefined ||
              task.kind === query.filter.kind) &&
            task.priority >= (query.filter.priorityMin ?? -Infinity)
          ).toSorted((a, b) => this.#priority(b) - this.#priority(a))
            .slice(0, query.limit),
        };
      case "tasks-of":
        return {
          task: this.#tasks(({ task }) =>
            task.status === "claimed" && task.session === query.session
          ),
        };
      case "tasks-overdue":
        return {
          task: this.#tasks(({ task }) =>
            task.status === "claimed" &&
            Date.parse(task.leaseExpiresAt!) <= nowMs
          ),
        };
      case "tasks-claimed":
        return {
          task: this.#tasks(({ task }) => task.status === "claimed"),
        };
      case "tasks-after":
        return {
          task: this.#tasks(({ task }) =>
            (task.project ?? null) === query.project &&
            task.dependsOn.includes(query.id)
          ),
        };
      case "tasks": {
        const { exactProject, project, status, kind, priorityMin, id } =
          query.query;
        return {
          task: this.#tasks(({ task }) =>
            (!exactProject || (task.project ?? null) === project) &&
            (status === undefined || task.status === status) &&
            (kind === undefined || task.kind === kind) &&
            (id === undefined || task.id === id) &&
            task.priority >= (priorityMin ?? -Infinity)
          ),
        };
      }
      case "tasks-ended":
        return limited(query.limit, {
          task: this.#tasks(({ task }) =>
            isEnded(task) && Date.parse(task.changedAt) < query.beforeMs &&
            this.#tasks(({ task: other }) =>
                !isEnded(other) && other.project === task.project &&
                other.dependsOn.includes(task.id)
              ).length === 0
          ),
        });
      case "delivery":
        return { delivery: [query.message] };
      case "deliveries-from":
        return limited(query.limit, {
          delivery: this.#keys(
            "delivery",
            ({ sender }) => sender === query.session,
          ).toSorted((a, b) => Number(b) - Number(a)),
        });
      case "deliveries-open":
        return {
          delivery: this.#keys(
            "delivery",
            ({ to, state }) =>
              to === query.session &&
              ["queued", "noticed", "injected"].includes(state),
          ),
        };
      case "deliveries-settled":
        return limited(query.limit, {
          delivery: this.#keys(
            "delivery",
            (each) =>
              each.expiresAtMs === null && each.changedAtMs < query.beforeMs,
          ),
        });
      case "durable":
        return {
          durable: this.#keys(
            "durable",
            ({ project, name }) =>
              project === query.project && name === query.name,
          ),
        };
      case "durables":
        return { durable: this.#keys("durable", () => true) };
      case "note":
        return { note: [noteKey(query.session, query.key)] };
      case "notes-unchanged":
        return limited(query.limit, {
          note: this.#keys(
            "note",
            ({ changedAtMs }) => changedAtMs < query.sinceMs,
          ),
        });
      case "touches":
        return {
          touch: this.#keys(
            "touch",
            ({ path, touchedAtMs }) =>
              path === query.path && touchedAtMs >= query.sinceMs,
          ),
        };
      case "touches-below": {
        const [low, high] = rangeBelow(query.folder);
        const found = this.#keys(
          "touch",
          (touch) =>
            touch.path > low && touch.path < high &&
            touch.session !== query.session &&
            this.#runs(touch.session) &&
            touch.touchedAtMs >= query.sinceMs,
        );
        const at = (key: string) => this.records.touch.get(key)!;
        return limited(query.limit, {
          touch: found.toSorted((a, b) =>
            at(b).touchedAtMs - at(a).touchedAtMs ||
            (at(a).path < at(b).path ? -1 : 1)
          ),
        });
      }
      case "touches-old":
        return limited(query.limit, {
          touch: this.#keys(
            "touch",
            ({ touchedAtMs }) => touchedAtMs < query.beforeMs,
          ),
        });
      case "messages-expired":
        return limited(query.limit, {
          message: this.#keys(
            "message",
            (head) =>
              head.expiresAtMs <= nowMs &&
              Number(head.id) > Number(query.after ?? 0) &&
              !query.livingAtMs.some((atMs) => this.#wasLiving(head, atMs)),
          ),
        });
      case "messages-over-cap": {
        const living = [...this.records.message.values()]
          .filter(({ id, expiresAtMs }) =>
            expiresAtMs > nowMs &&
            !isOpen(this.records.delivery.get(id)?.state)
          );
        return limited(query.limit, {
          message: [...Map.groupBy(living, ({ channel }) => channel).values()]
            .flatMap((kept) => overCap(kept, query.cap)),
        });
      }
      case "mark":
        return { mark: [query.name] };
      case "files-of-others":
      case "hold-count":
      case "inbox-count":
      case "end":
      case "said":
      case "tokens":
        return { session: [] };
    }
  }

  #filesOfOthers(
    { session, project, folders, limit }: RecordQuery & {
      readonly kind: "files-of-others";
    },
  ): Record<string, Keys> {
    const below = foldersBelow(folders);
    const held = this.#keys(
      "hold",
      ({ hold, prefix }) =>
        hold.session !== session && hold.kind !== "name" &&
        (isOf(project, hold.project) ||
          below.some((folder) =>
            `${prefix}/`.startsWith(folder) ||
            hold.kind !== "file" &&
              folder.startsWith(`${prefix.replace(/\/+$/, "")}/`)
          )),
    ).toReversed();
    const isFile = (key: string) =>
      this.records.hold.get(key)!.hold.kind === "file";
    const hold = [
      ...held.filter((key) => !isFile(key)),
      ...held.filter(isFile),
    ];
    const active = this.#sessions((other) =>
      other.id !== session && isRunning(other) && other.activeFiles.length > 0
    );
    return {
      "sessions-active": limited(limit, active),
      "holds-of-others": limited(limit, { hold }),
    };
  }

  #runs(session: string): boolean {
    const found = this.records.session.get(session);
    return found !== undefined && isRunning(found);
  }

  #isReferred(session: string): boolean {
    return this.messages.some(({ sender }) => sender === session) ||
      this.#keys("hold", ({ hold }) => hold.session === session).length > 0 ||
      this.#keys("waiter", ({ request }) => request.session === session)
          .length > 0 ||
      this.#keys(
          "delivery",
          ({ to, state }) =>
            to === session && ["queued", "noticed", "injected"].includes(state),
        )
          .length > 0;
  }

  #priority(key: string): number {
    return this.records.task.get(key)!.task.priority;
  }

  #wasSaid(
    { message, sinceMs }: RecordQuery & { readonly kind: "said" },
  ): boolean {
    const { channel, sender, payloadText } = message;
    return this.messages.some((said) =>
      said.channel === channel && said.sender === sender &&
      JSON.stringify(said.payload) === payloadText &&
      Date.parse(said.createdAt) > sinceMs
    );
  }
}

function isRunning({ status }: Session): boolean {
  return status !== "terminated";
}

function isEnded({ status }: RecordTypes["task"]["task"]): boolean {
  return status === "done" || status === "failed";
}

/** Returns whether a delivery's state is before an acknowledgement. */
function isOpen(state: DeliveryState | undefined): boolean {
  return state === "queued" || state === "noticed" || state === "injected";
}

/** Returns whether a project, or none, matches a queried project. */
function isOf(asked: string | null, project: string | undefined): boolean {
  return asked === null || project === undefined || project === asked;
}

/** Returns whether paths at a prefix may overlap a target. */
function isNear(
  target: LockTarget,
  where: "disk" | "repository",
  prefix: string | undefined,
): boolean {
  const paths = target[where];
  if (paths === undefined || prefix === undefined) return false;
  if ([paths.prefix, ...prefixesAbove(paths.prefix)].includes(prefix)) {
    return true;
  }
  const [low, high] = rangeBelow(paths.prefix);
  return target.kind !== "file" && target.kind !== "name" && prefix > low &&
    prefix < high;
}

function overCap(kept: readonly MessageHead[], cap: number): string[] {
  return kept.slice(0, Math.max(0, kept.length - cap)).map(({ id }) => id);
}

function limited(limit: number, keys: Keys): Keys {
  return Object.fromEntries(
    Object.entries(keys).map(([kind, found]) => [kind, found.slice(0, limit)]),
  );
}
