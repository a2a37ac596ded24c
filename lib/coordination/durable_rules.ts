/**
 * Who may read as a durable name and how it takes it, and what every store says
 * when it may not.
 *
 * The lease of a reader holds while it renews it, and no longer than its
 * process lives, where that can be judged from here: a reader of this host
 * that was killed can be followed at once, one of another host when its lease
 * is over.
 *
 * @module
 */

import {
  DurableNameInUseError,
  InvalidInputError,
  LeaseLostError,
} from "../errors.ts";
import { hostId, processAlive, processStart } from "../host.ts";
import type { DurableReader, Interest } from "../store.ts";
import type { Columns } from "./columns.ts";

/** How long a reader's lease holds unless renewed, in milliseconds. */
export const READER_LEASE_MS = 30_000;

/** How long an unused name is kept, in milliseconds. */
export const NAME_KEPT_MS = 7 * 24 * 60 * 60 * 1000;

/**
 * Refuses a name that is read as by somebody, as its row says; leases with the
 * tokens that were `givenUp` hold nobody off.
 *
 * @throws {DurableNameInUseError} If it is.
 */
export function refuseRead(
  name: string,
  row: Columns | undefined,
  nowMs: number,
  givenUp: ReadonlySet<number>,
): void {
  if (row === undefined || givenUp.has(Number(row.token))) return;
  if (isRead(row, nowMs)) throw new DurableNameInUseError(name, readerOf(row));
}

function isRead(row: Columns, nowMs: number): boolean {
  if (Number(row.lease_expires_at) <= nowMs) return false;
  const life = processAlive(
    {
      pid: Number(row.reader_pid),
      startTime: String(row.reader_process_start ?? ""),
    },
    String(row.reader_host ?? ""),
  );
  return life !== "dead";
}

function readerOf(row: Columns): string {
  const where = row.reader_host === hostId() ? "" : " of another host";
  return `process ${row.reader_pid}${where}`;
}

/** The statement that takes a name; `sign` begins a parameter's number. */
export function takeNameSql(sign: "?" | "$"): string {
  const values = Array.from({ length: 11 }, (_, i) => `${sign}${i + 1}`);
  return `INSERT INTO durable_names
      (name, project_id, channels, session_id, cursor, token, used_at,
       lease_expires_at, reader_host, reader_pid, reader_process_start)
    VALUES (${values})
    ON CONFLICT (project_id, name) DO UPDATE SET
      channels = excluded.channels, session_id = excluded.session_id,
      token = excluded.token, used_at = excluded.used_at,
      lease_expires_at = excluded.lease_expires_at,
      reader_host = excluded.reader_host, reader_pid = excluded.reader_pid,
      reader_process_start = excluded.reader_process_start`;
}

/** Its parameters, for a reader in this process. */
export function takeNameValues(
  reader: DurableReader,
  { channels, session }: Interest,
  nowMs: number,
): (string | number | null)[] {
  return [
    reader.name,
    reader.project ?? "",
    channels === null ? null : JSON.stringify(channels),
    session,
    reader.cursor,
    reader.token,
    nowMs,
    nowMs + reader.leaseMs,
    hostId(),
    Deno.pid,
    processStart(Deno.pid) ?? null,
  ];
}

/** The error for acknowledging what lies beyond the `end`: it is to come. */
export function notPublishedYet(
  cursor: string,
  end: unknown,
): InvalidInputError {
  return new InvalidInputError(
    "message",
    `Cannot acknowledge message ${cursor}: the last one is ${end}; pass a ` +
      `message that was delivered, or its id.`,
  );
}

/** The error for who finds that another reads as the name by now. */
export function leaseLost(act: string, reader: DurableReader): LeaseLostError {
  return new LeaseLostError(act, `durable name "${reader.name}"`);
}
