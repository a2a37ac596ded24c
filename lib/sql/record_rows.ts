/**
 * Loads rows as the records of a rule, in all SQL stores.
 *
 * @module
 */

import type { DeliveryState } from "../model/delivery.ts";
import type { HostedProcess } from "../model/process.ts";
import {
  durableKey,
  noteKey,
  type Records,
  taskKey,
  touchKey,
} from "../rules/records.ts";
import type { Columns } from "./columns.ts";
import { nameInRow, toHold, toRequest } from "./lock_rows.ts";
import { processOfRow, toSession } from "./session_rows.ts";
import { toTask } from "./task_rows.ts";

/** Loads rows into the records of one rule. Each method returns the records' keys. */
export class RowLoader {
  readonly #records: Records;
  readonly #nowMs: number;
  readonly #spansMachines: boolean;

  /**
   * Makes the loader of a rule's records.
   *
   * @param nowMs The time of the rule, in milliseconds since 1970.
   * @param spansMachines Whether the rows may be of several machines, each with
   * its own disk.
   */
  constructor(records: Records, nowMs: number, spansMachines: boolean) {
    this.#records = records;
    this.#nowMs = nowMs;
    this.#spansMachines = spansMachines;
  }

  /** Loads sessions. */
  sessions(rows: readonly Columns[]): string[] {
    return rows.map((row) => {
      const session = toSession(row);
      this.#records.sessions.load(session.id, session);
      return session.id;
    });
  }

  /** Loads holds, each with the process of its session. */
  holds(rows: readonly Columns[]): string[] {
    return rows.map((row) => {
      const key = String(row.token);
      this.#records.holds.load(key, {
        hold: toHold(row, this.#nowMs),
        // An incomplete row of another program overlaps no lock.
        prefix: String(row.prefix ?? "\x01"),
        ...(row.repo_prefix !== null &&
          { repositoryPrefix: String(row.repo_prefix) }),
        process: processIn(row),
        host: this.#hostOf(row),
        ...(row.waiter !== null && { waiter: Number(row.waiter) }),
      });
      return key;
    });
  }

  /** Loads waiters, each with the shown fields of its session. */
  waiters(rows: readonly Columns[]): string[] {
    return rows.map((row) => {
      const number = Number(row.waiter);
      const request = toRequest(row);
      const host = this.#hostOf(row);
      const target = host === null
        ? request.target
        : { ...request.target, host };
      this.#records.waiters.load(String(number), {
        number,
        request: { ...request, target },
        asker: {
          name: nameInRow(row),
          vendor: String(row.llm_vendor),
          ...(row.task_id !== null && { task: String(row.task_id) }),
          process: processIn({
            pid: row.session_pid,
            host: row.session_host,
            process_start: row.session_start,
            keeper: row.session_keeper,
            status: row.session_status,
          }),
        },
        sinceMs: Number(row.waits_since),
        expiresMs: Number(row.wait_expires_at),
        process: {
          pid: Number(row.pid),
          startTime: String(row.process_start ?? ""),
          host: String(row.host),
        },
        ...(row.token !== null && { token: Number(row.token) }),
      });
      return String(number);
    });
  }

  /** Loads tasks. */
  tasks(rows: readonly Columns[]): string[] {
    return rows.map((row) => {
      const task = toTask(row);
      const key = taskKey(task.project, task.id);
      this.#records.tasks.load(key, { task, order: Number(row.seq) });
      return key;
    });
  }

  /** Loads deliveries, each with the expiry of its message. */
  deliveries(rows: readonly Columns[]): string[] {
    return rows.map((row) => {
      const message = String(row.message_id);
      this.#records.deliveries.load(message, {
        message,
        sender: String(row.sender_id),
        to: String(row.recipient_id),
        state: row.state as DeliveryState,
        changedAtMs: Number(row.changed_at),
        expiresAtMs: row.expires_at === null ? null : Number(row.expires_at),
      });
      return message;
    });
  }

  /** Loads durable names. */
  durables(rows: readonly Columns[]): string[] {
    return rows.map((row) => {
      const name = String(row.name);
      const project = row.project_id === "" ? null : String(row.project_id);
      const key = durableKey(project, name);
      this.#records.durables.load(key, {
        name,
        project,
        channels: row.channels === null
          ? null
          : JSON.parse(String(row.channels)),
        session: textOf(row.session_id),
        cursor: String(row.cursor),
        lost: Number(row.lost),
        told: Number(row.told ?? 0),
        token: Number(row.token),
        usedAtMs: Number(row.used_at),
        leaseExpiresMs: Number(row.lease_expires_at),
        reader: {
          pid: Number(row.reader_pid),
          startTime: String(row.reader_process_start ?? ""),
          host: String(row.reader_host ?? ""),
        },
      });
      return key;
    });
  }

  /** Loads the fields of messages that a purge needs. */
  messages(rows: readonly Columns[]): string[] {
    return rows.map((row) => {
      const id = String(row.id);
      this.#records.messages.load(id, {
        id,
        channel: String(row.channel),
        project: textOf(row.project_id),
        to: textOf(row.recipient_id),
        expiresAtMs: Number(row.expires_at),
      });
      return id;
    });
  }

  /** Loads notes. */
  notes(rows: readonly Columns[]): string[] {
    return rows.map((row) => {
      const [session, key] = [String(row.session_id), String(row.key)];
      this.#records.notes.load(noteKey(session, key), {
        session,
        key,
        value: String(row.value),
        changedAtMs: Number(row.changed_at),
      });
      return noteKey(session, key);
    });
  }

  /** Loads changes of files. */
  touches(rows: readonly Columns[]): string[] {
    return rows.map((row) => {
      const [path, session] = [String(row.path), String(row.session_id)];
      this.#records.touches.load(touchKey(path, session), {
        path,
        session,
        host: this.#hostOf(row),
        touchedAtMs: Number(row.touched_at),
      });
      return touchKey(path, session);
    });
  }

  #hostOf({ host }: Columns): string | null {
    return this.#spansMachines ? textOf(host) : null;
  }
}

function textOf(value: unknown): string | null {
  return value === null || value === undefined ? null : String(value);
}

/** Returns the process of a row, if it has one, with its keeper. */
function processIn(row: Columns): HostedProcess | undefined {
  return row.pid === null || row.host === null
    ? undefined
    : { ...processOfRow(row), host: String(row.host) };
}
