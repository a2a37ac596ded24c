/**
 * Durable names: a stored cursor with one leased reader at a time.
 *
 * - The cursor is the last acknowledged message. It only grows, and only the
 *   reader with the fencing token moves it.
 * - The lease holds while its reader renews it. It ends with the reader's process
 *   if this host can see that process.
 * - Releasing gives the lease a new token, so that a late renewal cannot take it
 *   back.
 * - `lost` counts messages that TTL or cap removed unacknowledged. The decision
 *   that removes them counts them (purge.ts).
 * - A name that is unused for seven days is deleted.
 *
 * @module
 */

import {
  DurableNameInUseError,
  InvalidInputError,
  LeaseLostError,
} from "../model/errors.ts";
import type { DurableReader } from "../model/durable.ts";
import type { Interest } from "../model/message.ts";
import {
  durableKey,
  type DurableRecord,
  type MessageHead,
  type Records,
} from "./records.ts";
import type { HostedProcess } from "../model/process.ts";
import type { Moment, Plan } from "./rule.ts";

/** Lease duration of a reader, in milliseconds. */
export const READER_LEASE_MS = 30_000;

/** Retention of an unused name, in milliseconds. */
export const NAME_KEPT_MS = 7 * 24 * 60 * 60 * 1000;

/**
 * Leases a name to this process.
 *
 * @throws {DurableNameInUseError} If another living process reads under the name.
 * @throws {InvalidInputError} If `from` lies beyond the last message.
 */
export function* takeDurable(
  records: Records,
  at: Moment,
  name: string,
  interest: Interest,
  from: string,
): Plan<DurableReader> {
  const { project, channels, session } = interest;
  yield* forgetUnused(records, at);
  const key = durableKey(project, name);
  const before = records.durables.get(key);
  if (before !== undefined) assertNotRead(before, at);
  yield [{ kind: "end" }, { kind: "tokens", count: 1 }];
  if (before === undefined) assertPublished(records, from);
  const { cursor = from, lost = 0, told = 0 } = before ?? {};
  const token = at.nextToken();
  records.durables.set(key, {
    name,
    project,
    channels,
    session,
    cursor,
    lost,
    told,
    token,
    usedAtMs: at.nowMs,
    leaseExpiresMs: at.nowMs + READER_LEASE_MS,
    reader: at.self,
  });
  return { name, project, cursor, lost, told, token, leaseMs: READER_LEASE_MS };
}

function assertNotRead(record: DurableRecord, at: Moment): void {
  const { name, leaseExpiresMs, reader } = record;
  if (leaseExpiresMs <= at.nowMs || at.life(reader) === "dead") return;
  throw new DurableNameInUseError(name, shown(reader, at));
}

function shown({ pid, host }: HostedProcess, at: Moment): string {
  return `process ${pid}${host === at.self.host ? "" : " of another host"}`;
}

function assertPublished(records: Records, cursor: string): void {
  if (isBeyond(cursor, records.end)) {
    throw new InvalidInputError(
      "cursor",
      `Cannot read after message ${cursor}: the last one on this bus is ` +
        `${records.end}. Pass the id of a message of this bus, "start" or "now".`,
    );
  }
}

/** Renews the lease, and moves the cursor to `cursor` if given. */
export function* advanceDurable(
  records: Records,
  at: Moment,
  reader: DurableReader,
  cursor?: string,
): Plan<DurableReader> {
  const record = yield* requireRead(records, "acknowledge", reader);
  if (cursor !== undefined) {
    yield [{ kind: "end" }];
    // A cursor beyond the end would skip future messages.
    if (isBeyond(cursor, records.end)) {
      throw new InvalidInputError(
        "message",
        `Cannot acknowledge message ${cursor}: the last one is ` +
          `${records.end}. Pass a message that was delivered, or its id.`,
      );
    }
  }
  const isAhead = cursor !== undefined && isBeyond(cursor, record.cursor);
  const advanced = {
    ...record,
    cursor: isAhead ? cursor : record.cursor,
    told: reader.told ?? record.told,
    usedAtMs: at.nowMs,
    leaseExpiresMs: at.nowMs + READER_LEASE_MS,
  };
  records.durables.set(durableKey(record.project, record.name), advanced);
  return { ...reader, cursor: advanced.cursor, lost: advanced.lost };
}

/** Releases the lease, if the reader still holds it. */
export function* releaseDurable(
  records: Records,
  at: Moment,
  reader: DurableReader,
): Plan<void> {
  const key = durableKey(reader.project, reader.name);
  yield [
    { kind: "durable", project: reader.project, name: reader.name },
    { kind: "tokens", count: 1 },
  ];
  const record = records.durables.get(key);
  if (record?.token !== reader.token) return;
  records.durables.set(key, {
    ...record,
    told: reader.told ?? record.told,
    // A late renewal has the old token.
    token: at.nextToken(),
    usedAtMs: at.nowMs,
    leaseExpiresMs: 0,
  });
}

/**
 * Returns how many messages the reader's name has lost.
 *
 * @throws {LeaseLostError} If another reader has leased the name.
 */
export function* lostBy(
  records: Records,
  _at: Moment,
  reader: DurableReader,
): Plan<number> {
  return (yield* requireRead(records, "read on", reader)).lost;
}

function* requireRead(
  records: Records,
  act: string,
  { project, name, token }: DurableReader,
): Plan<DurableRecord> {
  yield [{ kind: "durable", project, name }];
  const record = records.durables.get(durableKey(project, name));
  if (record?.token === token) return record;
  throw new LeaseLostError(act, `durable name "${name}"`);
}

/** Deletes names that are unused for {@linkcode NAME_KEPT_MS}. */
export function* forgetUnused(records: Records, at: Moment): Plan<void> {
  yield [{ kind: "durables" }];
  for (const record of [...records.durables.values()]) {
    const { usedAtMs, leaseExpiresMs, project, name } = record;
    if (usedAtMs < at.nowMs - NAME_KEPT_MS && leaseExpiresMs < at.nowMs) {
      records.durables.delete(durableKey(project, name));
    }
  }
}

/** Adds removed messages to the lost ones of each name that wanted them. */
export function* countLost(
  records: Records,
  removed: readonly MessageHead[],
): Plan<void> {
  yield [{ kind: "durables" }];
  for (const record of [...records.durables.values()]) {
    const lost = removed.filter((message) =>
      isBeyond(message.id, record.cursor) && wants(record, message)
    ).length;
    if (lost === 0) {
      continue;
    }
    records.durables.set(durableKey(record.project, record.name), {
      ...record,
      lost: record.lost + lost,
    });
  }
}

function wants(
  { channels, project, session }: DurableRecord,
  message: MessageHead,
): boolean {
  return (channels === null || channels.includes(message.channel)) &&
    (project === null || message.project === null ||
      message.project === project) &&
    (message.to === null || message.to === session);
}

/** Returns whether a cursor comes after another in the order of messages. */
function isBeyond(cursor: string, other: string): boolean {
  return BigInt(cursor) > BigInt(other);
}
