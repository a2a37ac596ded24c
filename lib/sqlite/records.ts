/**
 * Records in SQLite: loads the records that a rule queries, and writes its changes.
 *
 * A rule runs inside one write transaction, so loaded records stay current until the
 * commit, and no query is run twice. Locks that may overlap a path are found by their
 * literal prefix (rules/prefixes.ts). An SQLite file is on one disk, so the hosts of
 * holds and touches are not compared.
 *
 * @module
 */

import { RowLoader } from "../sql/record_rows.ts";
import { foldersBelow } from "../path/lock_overlap.ts";
import { foreignTarget, targetValues } from "../sql/lock_rows.ts";
import { hostId, processStart } from "../process/host.ts";
import { keeperText } from "../process/keeper.ts";
import { entryKindOf } from "../path/paths.ts";
import type { LockTarget } from "../model/lock.ts";
import { prefixesAbove, rangeBelow } from "../rules/prefixes.ts";
import { noteKey, type RecordChange, Records } from "../rules/records.ts";
import type { HostedProcess } from "../model/process.ts";
import type { Decide, Moment, RecordQuery } from "../rules/rule.ts";
import { SILENCE_NOTE } from "../rules/sessions.ts";
import { type Session, STALE_AFTER_MS } from "../model/session.ts";
import type { Seen } from "../store/store.ts";
import type { Connection } from "./connection.ts";
import type { Row, SqlValue } from "./driver.ts";
import { endCursor, insertAll } from "./messages.ts";
import type { Transaction } from "./transaction.ts";

/**
 * Runs a rule in a transaction, and writes its changes.
 *
 * @throws The rule's error; then nothing is written.
 */
export function decide<T>(tx: Transaction, rule: Decide<T>): Decided<T> {
  const work = new Work(tx);
  const result = work.run(rule);
  work.write();
  return { result, registered: work.registered };
}

/** The outcome of a rule. */
export interface Decided<T> {
  /** The rule's result. */
  readonly result: T;
  /** The sessions that the rule registered. */
  readonly registered: readonly Session[];
}

/**
 * Runs a rule without writing.
 *
 * @returns The result, or undefined if the rule has changes to write. A read-only
 * store always returns the result.
 */
export function look<T>(tx: Transaction, rule: Decide<T>): Seen<T> | undefined {
  const work = new Work(tx);
  const result = work.run(rule);
  return tx.connection.readOnly || !work.needsWrite ? { result } : undefined;
}

let self: HostedProcess | undefined;

function ownProcess(): HostedProcess {
  return self ??= {
    pid: Deno.pid,
    startTime: processStart(Deno.pid) ?? "",
    host: hostId(),
  };
}

/** One run of a rule. */
class Work {
  readonly #tx: Transaction;
  readonly #connection: Connection;
  readonly #records = new Records(entryKindOf);
  readonly #rows: RowLoader;
  readonly #answered = new Set<string>();
  #firstToken = 0;
  #lastToken = 0;
  #hasIncomplete = false;

  constructor(tx: Transaction) {
    this.#tx = tx;
    this.#connection = tx.connection;
    this.#rows = new RowLoader(this.#records, tx.nowMs, false);
  }

  /** Whether the rule has changes, or met incomplete rows of other programs. */
  get needsWrite(): boolean {
    return this.#hasIncomplete || this.#records.isChanged;
  }

  get registered(): readonly Session[] {
    return this.#records.registered;
  }

  run<T>(rule: Decide<T>): T {
    const plan = rule(this.#records, this.#moment());
    let step = plan.next();
    while (!step.done) {
      for (const query of step.value) this.#load(query);
      step = plan.next();
    }
    return step.value;
  }

  write(): void {
    const { said, wakes } = this.#records;
    for (const change of this.#records.changes()) {
      writeChange(this.#connection, change);
    }
    if (this.#lastToken > this.#firstToken) {
      this.#connection.sql(
        "UPDATE counters SET value = ? WHERE name = 'fencing'",
      ).run(this.#lastToken);
    }
    const messages = said.map(({ message }) => message);
    const ids = insertAll(this.#connection, messages, this.#tx.nowMs);
    said.forEach(({ appended }, at) => appended.id = ids[at]);
    this.#tx.rings.push(...messages);
    for (const { topic, session } of wakes) this.#tx.ring(topic, session);
  }

  #moment(): Moment {
    const { nowMs, incarnations } = this.#tx;
    return {
      nowMs,
      self: ownProcess(),
      life: (process) => this.#tx.life(process, process.host),
      nextToken: () => {
        if (this.#lastToken === 0) {
          this.#lastToken = this.#firstToken = lastToken(this.#connection);
        }
        return ++this.#lastToken;
      },
      incarnations,
    };
  }

  #load(query: RecordQuery): void {
    const records = this.#records;
    switch (query.kind) {
      case "session":
        if (this.#isNew(`session ${query.id}`)) {
          this.#sessions(query, "session_id = ?", query.id);
        }
        return;
      case "incarnations":
        return this.#sessions(
          query,
          `session_id = ?1 OR session_id > ?1 || '~'
            AND session_id < ?1 || char(127)`,
          query.id,
        );
      case "sessions-named":
        return this.#sessions(
          query,
          `status IS NOT 'terminated'
            OR substr(session_id, 1, length(?1)) = ?1
            OR substr(name, 1, length(?1)) = ?1`,
          query.text,
        );
      case "sessions-ending":
        return this.#sessions(
          query,
          `substr(name, -4) IN (${
            new Array(query.endings.length).fill("?").join(", ")
          })`,
          ...query.endings,
        );
      case "sessions":
        return this.#sessions(
          query,
          `(?1 IS NULL OR project_id IS NULL OR project_id = ?1)
           AND (?2 OR status IS NOT 'terminated') ORDER BY registered_at, rowid`,
          query.project,
          query.ended ? 1 : 0,
        );
      case "sessions-in":
        return this.#sessions(
          query,
          "worktree = ? AND status IS NOT 'terminated' ORDER BY session_id",
          query.worktree,
        );
      case "sessions-after":
        return this.#sessions(
          query,
          `status IS NOT 'terminated' AND session_id > ?
           ORDER BY session_id LIMIT 0 + ?`,
          query.id,
          query.limit,
        );
      case "sessions-over":
        // A session of another program never ends, so it expires by its silence.
        return this.#sessions(
          query,
          `(status = 'terminated' AND coalesce(ended_at, 0) <
               CASE WHEN name_chosen THEN ?4 ELSE ?1 END
             OR llm_vendor = 'unknown' AND heartbeat_at < ?2)
           AND NOT EXISTS (SELECT 1 FROM inter_session_messages AS m
             WHERE m.sender_id = session_registry.session_id)
           AND NOT EXISTS (SELECT 1 FROM file_locks AS l
             WHERE l.session_id = session_registry.session_id)
           AND NOT EXISTS (SELECT 1 FROM lock_waiters AS w
             WHERE w.session_id = session_registry.session_id)
           AND NOT EXISTS (SELECT 1 FROM deliveries AS d
             WHERE d.recipient_id = session_registry.session_id
               AND d.state IN ('queued', 'noticed', 'injected'))
           LIMIT 0 + ?3`,
          query.beforeMs,
          new Date(query.beforeMs).toISOString(),
          query.limit,
          query.namedBeforeMs,
        );
      case "sessions-quiet":
        return this.#sessions(
          query,
          `heartbeat_at > ? AND heartbeat_at < ?
           AND status IS NOT 'terminated' AND llm_vendor <> 'unknown'
           ORDER BY heartbeat_at DESC LIMIT 0 + ?`,
          new Date(query.afterMs).toISOString(),
          new Date(query.beforeMs).toISOString(),
          query.limit,
        );
      case "sessions-silent":
        return this.#sessions(
          query,
          `heartbeat_at < ? AND status IS NOT 'terminated'
           AND llm_vendor <> 'unknown'
           AND NOT EXISTS (SELECT 1 FROM session_notes AS n
             WHERE n.session_id = session_registry.session_id
               AND n.key = '${SILENCE_NOTE}' AND n.value = heartbeat_at)
           LIMIT 0 + ?`,
          new Date(query.beforeMs).toISOString(),
          query.limit,
        );
      case "holds-near":
        return this.#holdsNear(query.target, query.where);
      case "hold":
        if (records.holds.byToken(query.token) !== undefined) return;
        return this.#holds("l.token = ?", query.token);
      case "holds-of":
        return this.#holds("l.session_id = ?", query.session);
      case "holds":
        this.#completeForeign();
        return this.#holdsListed(
          `(?1 IS NULL OR l.session_id = ?1) AND (?2 IS NULL OR l.file_path = ?2)
           AND (?3 IS NULL OR l.token = ?3)`,
          query.session ?? null,
          query.path ?? null,
          query.token ?? null,
        );
      case "files-of-others":
        return this.#filesOfOthers(query);
      case "hold-count": {
        const { session, exact = false } = query;
        if (!this.#isNew(`count ${exact} ${session}`)) return;
        const row = this.#connection.sql(
          exact ? HOLDS_COUNTED : HOLDS_BOUNDED,
        ).get(session);
        return records.loadHoldCount(session, Number(row!.holds));
      }
      case "waiters":
      case "waiters-near":
      case "waiter":
      case "waiters-of":
        // All waiters are loaded, because they are few: processes that wait now.
        return this.#waiters();
      case "task":
        return this.#tasks(
          query,
          "t.project_id = ? AND t.task_id = ?",
          query.project ?? "",
          query.id,
        );
      case "tasks-free":
        return this.#tasks(
          query,
          `t.project_id = ? AND t.status = 'open' AND t.waits_for = 0
           AND (?2 IS NULL OR t.kind = ?2) AND (?3 IS NULL OR t.priority >= ?3)
           AND (t.assigned_to IS NULL OR t.assigned_to = ?5)
           ORDER BY t.priority DESC, t.seq LIMIT 0 + ?4`,
          query.project ?? "",
          query.filter.kind ?? null,
          query.filter.priorityMin ?? null,
          query.limit,
          query.session,
        );
      case "tasks-of":
        return this.#tasks(
          query,
          "t.session_id = ? AND t.status = 'claimed'",
          query.session,
        );
      case "tasks-overdue":
        return this.#tasks(
          query,
          "t.status = 'claimed' AND t.lease_expires_at <= ?",
          this.#tx.nowMs,
        );
      case "tasks-claimed":
        return this.#tasks(query, "t.status = 'claimed'");
      case "tasks-after":
        return this.#tasks(
          query,
          `t.seq IN (SELECT x.seq FROM task_dependencies AS x
             JOIN tasks AS d ON d.seq = x.depends_on
             WHERE d.project_id = ? AND d.task_id = ?)`,
          query.project ?? "",
          query.id,
        );
      case "tasks": {
        const { exactProject, project, status, kind, priorityMin, id } =
          query.query;
        return this.#tasks(
          query,
          `(?1 = 0 OR t.project_id = ?2) AND (?3 IS NULL OR t.status = ?3)
           AND (?4 IS NULL OR t.kind = ?4) AND (?5 IS NULL OR t.priority >= ?5)
           AND (?6 IS NULL OR t.task_id = ?6)
           ORDER BY t.priority DESC, t.seq`,
          exactProject ? 1 : 0,
          project ?? "",
          status ?? null,
          kind ?? null,
          priorityMin ?? null,
          id ?? null,
        );
      }
      case "tasks-ended":
        return this.#tasks(
          query,
          `t.status IN ('done', 'failed') AND t.changed_at < ?
           AND NOT EXISTS (
             SELECT 1 FROM task_dependencies AS x JOIN tasks AS d ON d.seq = x.seq
             WHERE x.depends_on = t.seq AND d.status IN ('open', 'claimed'))
           LIMIT 0 + ?`,
          query.beforeMs,
          query.limit,
        );
      case "note": {
        const { session, key } = query;
        if (!this.#isNew(`note ${noteKey(session, key)}`)) return;
        const row = this.#connection.sql(
          `SELECT session_id, key, value, changed_at FROM session_notes
           WHERE session_id = ? AND key = ?`,
        ).get(session, key);
        if (row !== undefined) this.#rows.notes([row]);
        return;
      }
      case "touches":
        this.#rows.touches(
          this.#connection.sql(
            `SELECT path, session_id, touched_at FROM file_touches
             WHERE path = ? AND touched_at >= ?`,
          ).all(query.path, query.sinceMs),
        );
        return;
      case "said": {
        const { channel, sender, payloadText } = query.message;
        const row = this.#connection.sql(
          `SELECT 1 FROM inter_session_messages
           WHERE channel = ? AND sender_id = ? AND payload = ? AND created_at > ?
           LIMIT 1`,
        ).get(
          channel,
          sender,
          payloadText,
          new Date(query.sinceMs).toISOString(),
        );
        if (row !== undefined) records.loadSaid(query.message);
        return;
      }
      case "delivery":
        return this.#deliveries(
          query,
          "d.message_id = ?",
          Number(query.message),
        );
      case "inbox-count": {
        const { session, pending, exact } = query;
        if (!this.#isNew(`inbox ${pending} ${exact} ${session}`)) return;
        const isUntold = pending === "untold" ? 1 : 0;
        const row = exact
          ? this.#connection.sql(INBOX_COUNTED)
            .get(session, isUntold, this.#tx.nowMs)
          : this.#connection.sql(INBOX_BOUNDED).get(session);
        return records.loadInboxCount(session, pending, Number(row!.n));
      }
      case "deliveries-from":
        return this.#deliveries(
          query,
          "d.sender_id = ? ORDER BY d.message_id DESC LIMIT 0 + ?",
          query.session,
          query.limit,
        );
      case "deliveries-open":
        return this.#deliveries(
          query,
          `d.recipient_id = ? AND d.state IN ('queued', 'noticed', 'injected')
           ORDER BY d.message_id`,
          query.session,
        );
      case "deliveries-settled":
        return this.#deliveries(
          query,
          "d.changed_at < ? AND m.id IS NULL LIMIT 0 + ?",
          query.beforeMs,
          query.limit,
        );
      case "durable":
        return this.#durables(
          "n.project_id = ? AND n.name = ?",
          query.project ?? "",
          query.name,
        );
      case "durables":
        return this.#durables("1");
      case "end":
        records.end = endCursor(this.#connection);
        return;
      case "mark": {
        const row = this.#connection.sql(
          "SELECT value FROM counters WHERE name = 'purged_at'",
        ).get();
        return records.marks.load(query.name, Number(row?.value ?? 0));
      }
      case "messages-expired":
        return this.#messages(
          query,
          this.#connection.sql(
            `SELECT ${HEAD} FROM inter_session_messages INDEXED BY idx_messages_ttl
             WHERE expires_at <= ?1 AND id > ?2
               AND NOT EXISTS (SELECT 1 FROM json_each(?4) AS living
                 WHERE expires_at > living.value
                   AND expires_at - ttl_seconds * 1000 <=
                     living.value + ${STALE_AFTER_MS})
             ORDER BY expires_at LIMIT 0 + ?3`,
          ).all(
            this.#tx.nowMs,
            Number(query.after ?? 0),
            query.limit,
            JSON.stringify(query.livingAtMs),
          ),
        );
      case "messages-over-cap":
        return this.#overCap(query);
      case "notes-unchanged": {
        const rows = this.#connection.sql(
          `SELECT session_id, key, value, changed_at FROM session_notes
           WHERE changed_at < ? LIMIT 0 + ?`,
        ).all(query.sinceMs, query.limit);
        return records.loadListed(
          query.kind,
          this.#rows.notes(rows),
        );
      }
      case "touches-below": {
        const rows = this.#connection.sql(
          `SELECT t.path, t.session_id, t.touched_at
           FROM file_touches AS t JOIN session_registry AS s USING (session_id)
           WHERE t.path > ? AND t.path < ? AND t.touched_at >= ?
             AND t.session_id <> ? AND s.status IS NOT 'terminated'
           ORDER BY t.touched_at DESC, t.path LIMIT 0 + ?`,
        ).all(
          ...rangeBelow(query.folder),
          query.sinceMs,
          query.session,
          query.limit,
        );
        for (const id of new Set(rows.map((row) => String(row.session_id)))) {
          this.#load({ kind: "session", id });
        }
        return records.loadListed(
          query.kind,
          this.#rows.touches(rows),
        );
      }
      case "touches-old": {
        const rows = this.#connection.sql(
          `SELECT path, session_id, touched_at FROM file_touches
           WHERE touched_at < ? LIMIT 0 + ?`,
        ).all(query.beforeMs, query.limit);
        return records.loadListed(
          query.kind,
          this.#rows.touches(rows),
        );
      }
      case "tokens":
        return;
    }
  }

  #isNew(query: string): boolean {
    if (this.#answered.has(query)) return false;
    this.#answered.add(query);
    return true;
  }

  #sessions(
    { kind }: { readonly kind: string },
    where: string,
    ...values: SqlValue[]
  ): void {
    const rows = this.#connection.sql(`${FROM_SESSIONS} WHERE ${where}`)
      .all(...values);
    this.#records.loadListed(kind, this.#rows.sessions(rows));
  }

  #holdsListed(where: string, ...values: SqlValue[]): void {
    const rows = this.#connection.sql(`${FROM_HOLDS} WHERE ${where}`)
      .all(...values);
    this.#records.loadListed("holds", this.#rows.holds(rows));
  }

  #holds(where: string, ...values: SqlValue[]): void {
    this.#rows.holds(
      this.#connection.sql(`${FROM_HOLDS} WHERE ${where}`).all(...values),
    );
  }

  #filesOfOthers(
    { session, project, folders, limit }: RecordQuery & {
      readonly kind: "files-of-others";
    },
  ): void {
    this.#sessions(
      { kind: "sessions-active" },
      `session_id <> ?1 AND status IS NOT 'terminated'
         AND active_files NOT IN ('', '[]')
       ORDER BY (?2 IS NULL OR project_id IS NULL OR project_id = ?2) DESC,
         heartbeat_at DESC LIMIT 0 + ?3`,
      session,
      project,
      limit,
    );
    const below = JSON.stringify(foldersBelow(folders));
    const rows = HOLDS_OF_OTHERS.flatMap((statement) =>
      this.#connection.sql(statement).all(session, project, limit, below)
    );
    this.#records.loadListed("holds-of-others", this.#rows.holds(rows));
  }

  #holdsNear(target: LockTarget, where: "disk" | "repository"): void {
    const paths = target[where];
    if (paths === undefined) return;
    const { prefix } = paths;
    const isOne = target.kind === "file" || target.kind === "name";
    const range = isOne ? "at" : "below";
    if (!this.#isNew(`${where} ${range} ${prefix}`)) return;
    this.#completeForeign();
    const near = where === "disk" ? HOLDS_ON_DISK : HOLDS_IN_REPOSITORY;
    const at = [...prefixesAbove(prefix), prefix];
    this.#rows.holds(this.#connection.sql(near.at(at.length)).all(...at));
    if (isOne) return;
    // A folder or glob also overlaps the locks below it.
    this.#rows.holds(
      this.#connection.sql(near.below).all(...rangeBelow(prefix)),
    );
  }

  #waiters(): void {
    if (!this.#isNew("waiters")) return;
    this.#rows.waiters(this.#connection.sql(FROM_WAITERS).all());
  }

  #tasks(
    { kind }: { readonly kind: string },
    where: string,
    ...values: SqlValue[]
  ): void {
    const rows = this.#connection.sql(`${FROM_TASKS} WHERE ${where}`)
      .all(...values);
    this.#records.loadListed(kind, this.#rows.tasks(rows));
  }

  #deliveries(
    { kind }: { readonly kind: string },
    where: string,
    ...values: SqlValue[]
  ): void {
    const rows = this.#connection.sql(
      `SELECT d.message_id, d.sender_id, d.recipient_id, d.state, d.changed_at,
         m.expires_at
       FROM deliveries AS d
         LEFT JOIN inter_session_messages AS m ON m.id = d.message_id
       WHERE ${where}`,
    ).all(...values);
    this.#records.loadListed(kind, this.#rows.deliveries(rows));
  }

  #durables(where: string, ...values: SqlValue[]): void {
    const rows = this.#connection.sql(
      `SELECT n.*, c.value AS told FROM durable_names AS n
         LEFT JOIN counters AS c
           ON c.name = 'told ' || n.name || ' ' || n.project_id
       WHERE ${where}`,
    ).all(...values);
    this.#rows.durables(rows);
  }

  #messages({ kind }: { readonly kind: string }, rows: readonly Row[]): void {
    this.#records.loadListed(kind, this.#rows.messages(rows));
  }

  /** Loads the oldest messages of some channels that are over the cap. */
  #overCap(query: RecordQuery & { readonly kind: "messages-over-cap" }): void {
    const { cap, limit } = query;
    const { round } = this.#tx;
    const oldest: Row[] = [];
    this.#records.hasMoreOverCap = true;
    for (let checked = 0; checked < STEP_CHANNELS_MAX; checked++) {
      const channel = nextChannel(this.#connection, round.channel);
      if (channel === undefined) {
        round.channel = new Uint8Array();
        this.#records.hasMoreOverCap = false;
        break;
      }
      const removed = this.#removedFrom(channel);
      let over = countKept(this.#connection, channel) - removed.size - cap;
      // Counted only now, because few channels have so many messages.
      if (over > 0) over -= countOpen(this.#connection, channel);
      if (over > 0) {
        const rows = this.#connection.sql(
          `SELECT ${HEAD} FROM inter_session_messages
           WHERE channel = CAST(? AS TEXT) AND NOT EXISTS (
             SELECT 1 FROM deliveries
             WHERE message_id = inter_session_messages.id AND ${OPEN})
           ORDER BY id LIMIT 0 + ?`,
        ).all(channel, over + removed.size);
        oldest.push(
          ...rows.filter(({ id }) => !removed.has(String(id))).slice(0, over),
        );
      }
      // The next step continues with this channel.
      if (oldest.length >= limit) break;
      round.channel = channel;
    }
    this.#messages(query, oldest.slice(0, limit));
  }

  /** Returns the ids of the channel's messages that this rule has removed. */
  #removedFrom(channel: Uint8Array): Set<string> {
    const name = new TextDecoder().decode(channel);
    const removed = new Set<string>();
    for (const { key, from, to } of this.#records.messages.changes()) {
      if (to === undefined && from?.channel === name) removed.add(key);
    }
    return removed;
  }

  /** Completes locks that other programs inserted, so that queries find them. */
  #completeForeign(): void {
    if (!this.#isNew("foreign")) return;
    const rows = this.#connection.sql(
      "SELECT token, file_path FROM file_locks WHERE prefix IS NULL",
    ).all();
    if (rows.length === 0) return;
    this.#hasIncomplete = true;
    if (this.#tx.readOnly) return;
    for (const row of rows) {
      this.#connection.sql(
        `UPDATE file_locks SET kind = ?, extent = ?, prefix = ?, repo_extent = ?,
           repo_prefix = ?, folds_case = ?, worktree = ?, project_id = ?
         WHERE token = ?`,
      ).run(...targetValues(foreignTarget(String(row.file_path))), row.token);
    }
  }
}

/**
 * The query for sessions. Other programs may write any value, so an invalid one is read
 * as absent.
 */
export const FROM_SESSIONS = `SELECT session_id, llm_vendor, llm_model, tty,
    pid, project_id, task_id, active_files, heartbeat_at,
    coalesce(registered_at, heartbeat_at) AS registered_at, status,
    host, process_start, keeper, worktree, branch,
    name, name_chosen, doing, activity, activity_why, activity_at,
    CASE WHEN typeof(ended_at) = 'integer' AND ended_at BETWEEN 0 AND 8640000000000000
      THEN ended_at END AS ended_at
  FROM session_registry`;

const FROM_HOLDS = `SELECT l.token, l.file_path, l.session_id, l.lock_type,
    l.locked_at, l.agent_id, l.kind, l.extent, l.prefix, l.repo_extent,
    l.repo_prefix, l.folds_case, l.worktree, l.project_id, l.expires_at, l.holds,
    l.why, l.waiter, s.name AS session_name, s.llm_vendor, s.task_id, s.pid,
    s.host, s.process_start,
    s.keeper, s.status
  FROM file_locks AS l JOIN session_registry AS s ON s.session_id = l.session_id`;

// The folders are case folded as prefixes are.
const holdsOfOthers = (kinds: string) =>
  `${FROM_HOLDS}
  WHERE ${kinds} AND l.session_id <> ?1 AND l.file_path NOT LIKE '@%'
    AND (?2 IS NULL OR l.project_id IS NULL OR l.project_id = ?2
      OR EXISTS (SELECT 1 FROM json_each(?4) AS folder WHERE
        substr(coalesce(l.prefix, l.file_path) || '/', 1, length(folder.value))
          = folder.value
        OR l.kind <> 'file' AND substr(folder.value, 1,
          length(rtrim(l.prefix, '/')) + 1) = rtrim(l.prefix, '/') || '/'))
  ORDER BY l.token DESC LIMIT 0 + ?3`;

// Two statements, because a single one would sort all rows.
const HOLDS_OF_OTHERS = [
  holdsOfOthers("l.kind <> 'file'"),
  holdsOfOthers("l.kind = 'file'"),
];

const HOLDS_COUNTED =
  "SELECT count(*) AS holds FROM file_locks WHERE session_id = ?1";

// Tokens of holds differ, and the index of sessions has them in order.
const HOLDS_BOUNDED = `SELECT coalesce(
    (SELECT max(token) FROM file_locks WHERE session_id = ?1) -
    (SELECT min(token) FROM file_locks WHERE session_id = ?1) + 1, 0) AS holds`;

const OPEN = "state IN ('queued', 'noticed', 'injected')";

const INBOX_COUNTED = `SELECT count(*) AS n FROM deliveries AS d
  JOIN inter_session_messages AS m ON m.id = d.message_id
  WHERE d.recipient_id = ?1 AND ${OPEN} AND (d.state <> 'injected' OR NOT ?2)
    AND m.expires_at > ?3`;

// Ids of messages differ, and the index of open deliveries has them in order.
const INBOX_BOUNDED = `SELECT coalesce(
    (SELECT max(message_id) FROM deliveries WHERE recipient_id = ?1 AND ${OPEN}) -
    (SELECT min(message_id) FROM deliveries WHERE recipient_id = ?1 AND ${OPEN}) +
    1, 0) AS n`;

const FROM_WAITERS = `SELECT w.waiter, w.session_id, w.agent_id, w.file_path,
    w.lock_type, w.kind, w.extent, w.prefix, w.repo_extent, w.repo_prefix,
    w.folds_case, w.worktree, w.project_id, w.lease_ms, w.why, w.waits_since,
    w.wait_expires_at, w.host, w.pid, w.process_start, w.token, w.alongside,
    w.upgrades, s.name AS session_name, s.llm_vendor, s.task_id,
    s.pid AS session_pid,
    s.host AS session_host, s.process_start AS session_start,
    s.keeper AS session_keeper, s.status AS session_status
  FROM lock_waiters AS w JOIN session_registry AS s ON s.session_id = w.session_id
  ORDER BY w.waiter`;

const FROM_TASKS = `SELECT t.*, (
    SELECT json_group_array(d.task_id) FROM task_dependencies AS x
    JOIN tasks AS d ON d.seq = x.depends_on WHERE x.seq = t.seq
  ) AS depends_on
  FROM tasks AS t`;

/** The statements that find holds by their prefix. */
class NearStatements {
  /** Finds the holds whose prefix is between two texts. */
  readonly below: string;
  readonly #from: string;
  readonly #at: string[] = [];

  constructor(column: string) {
    this.#from = `${FROM_HOLDS} WHERE ${column}`;
    this.below = `${this.#from} > ? AND ${column} < ?`;
  }

  /** Returns the statement that finds the holds at one of `count` prefixes. */
  at(count: number): string {
    return this.#at[count] ??= `${this.#from} IN (${
      new Array(count).fill("?").join(", ")
    })`;
  }
}

const HOLDS_ON_DISK = new NearStatements("l.prefix");
const HOLDS_IN_REPOSITORY = new NearStatements("l.repo_prefix");

/**
 * Returns the last token. Programs before 0.2 numbered waiters apart, so it is at
 * least the number of the last waiter.
 */
function lastToken(connection: Connection): number {
  const row = connection.sql(
    `SELECT max(value, coalesce((SELECT seq FROM sqlite_sequence
       WHERE name = 'lock_waiters'), 0)) AS last
     FROM counters WHERE name = 'fencing'`,
  ).get();
  return Number(row!.last);
}

function writeChange(
  connection: Connection,
  change: RecordChange,
): void {
  switch (change.kind) {
    case "session":
      return writeSession(connection, change);
    case "hold":
      return writeHold(connection, change);
    case "waiter":
      return writeWaiter(connection, change);
    case "task":
      return writeTask(connection, change);
    case "note":
      return writeNote(connection, change);
    case "touch":
      return writeTouch(connection, change);
    case "delivery":
      return writeDelivery(connection, change);
    case "durable":
      return writeDurable(connection, change);
    case "message":
      connection.sql("DELETE FROM inter_session_messages WHERE id = ?")
        .run(Number(change.key));
      return;
    case "mark":
      connection.sql("UPDATE counters SET value = ? WHERE name = 'purged_at'")
        .run(change.to!);
  }
}

type ChangeOf<Kind> = RecordChange & { readonly kind: Kind };

function writeSession(
  connection: Connection,
  { key, from, to }: ChangeOf<"session">,
): void {
  if (to === undefined) {
    connection.sql("DELETE FROM session_registry WHERE session_id = ?")
      .run(key);
    return;
  }
  const files = JSON.stringify(to.activeFiles);
  const isHeartbeat = from !== undefined && from.status === to.status &&
    from.pid === to.pid && from.processStart === to.processStart &&
    from.host === to.host && from.keeper === to.keeper &&
    from.model === to.model &&
    from.task === to.task && from.branch === to.branch &&
    from.tty === to.tty && from.project === to.project &&
    from.worktree === to.worktree && from.endedAt === to.endedAt &&
    from.name === to.name && from.nameIsChosen === to.nameIsChosen &&
    from.doing === to.doing && from.activity === to.activity;
  if (isHeartbeat) {
    connection.sql(
      `UPDATE session_registry SET heartbeat_at = ?, active_files = ?
       WHERE session_id = ?`,
    ).run(to.heartbeatAt, files, key);
    return;
  }
  connection.sql(
    `INSERT INTO session_registry
       (session_id, llm_vendor, llm_model, tty, pid, project_id, task_id,
        active_files, heartbeat_at, registered_at, status, host, process_start,
        keeper, worktree, branch, ended_at, name, name_chosen, doing, activity,
        activity_why, activity_at)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
     ON CONFLICT (session_id) DO UPDATE SET
       llm_vendor = excluded.llm_vendor, llm_model = excluded.llm_model,
       tty = excluded.tty, pid = excluded.pid,
       project_id = excluded.project_id, task_id = excluded.task_id,
       active_files = excluded.active_files,
       heartbeat_at = excluded.heartbeat_at, status = excluded.status,
       host = excluded.host, process_start = excluded.process_start,
       keeper = excluded.keeper,
       worktree = excluded.worktree, branch = excluded.branch,
       ended_at = excluded.ended_at, name = excluded.name,
       name_chosen = excluded.name_chosen, doing = excluded.doing,
       activity = excluded.activity, activity_why = excluded.activity_why,
       activity_at = excluded.activity_at`,
  ).run(
    key,
    to.vendor,
    to.model ?? null,
    to.tty ?? null,
    to.pid ?? null,
    to.project ?? null,
    to.task ?? null,
    files,
    to.heartbeatAt,
    to.registeredAt,
    to.status,
    to.host ?? null,
    to.processStart ?? null,
    keeperText(to.keeper),
    to.worktree ?? null,
    to.branch ?? null,
    to.endedAt === undefined ? null : Date.parse(to.endedAt),
    to.name ?? null,
    to.nameIsChosen ? 1 : 0,
    to.doing ?? null,
    to.activity?.state ?? null,
    to.activity?.why ?? null,
    to.activity === undefined ? null : Date.parse(to.activity.since),
  );
}

function writeHold(
  connection: Connection,
  { key, from, to }: ChangeOf<"hold">,
): void {
  if (to === undefined) {
    connection.sql("DELETE FROM file_locks WHERE token = ?").run(Number(key));
    return;
  }
  const { hold, waiter = null } = to;
  const { type, count, why = null, pathSets } = hold;
  const expiresMs = Date.parse(hold.expiresAt);
  if (from !== undefined) {
    connection.sql(
      `UPDATE file_locks SET lock_type = ?, expires_at = ?, holds = ?, why = ?,
         waiter = ? WHERE token = ?`,
    ).run(type, expiresMs, count, why, waiter, hold.token);
    return;
  }
  connection.sql(
    `INSERT INTO file_locks
       (token, file_path, session_id, lock_type, locked_at, agent_id, kind,
        extent, prefix, repo_extent, repo_prefix, folds_case, worktree,
        project_id, expires_at, holds, why, waiter)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
  ).run(
    hold.token,
    hold.path,
    hold.session,
    type,
    hold.since,
    hold.agent ?? "",
    hold.kind === "name" ? "file" : hold.kind,
    pathSets.disk,
    to.prefix,
    pathSets.repository ?? null,
    to.repositoryPrefix ?? null,
    pathSets.foldsCase ? 1 : 0,
    hold.worktree ?? null,
    hold.project ?? null,
    expiresMs,
    count,
    why,
    waiter,
  );
}

function writeWaiter(
  connection: Connection,
  { key, from, to }: ChangeOf<"waiter">,
): void {
  if (to === undefined) {
    connection.sql("DELETE FROM lock_waiters WHERE waiter = ?")
      .run(Number(key));
    return;
  }
  const { number, request, expiresMs, process, token = null } = to;
  if (from !== undefined) {
    connection.sql(
      "UPDATE lock_waiters SET wait_expires_at = ?, token = ? WHERE waiter = ?",
    ).run(expiresMs, token, number);
    return;
  }
  connection.sql(
    `INSERT INTO lock_waiters
       (waiter, session_id, agent_id, file_path, lock_type, kind, extent, prefix,
        repo_extent, repo_prefix, folds_case, worktree, project_id, lease_ms,
        why, waits_since, wait_expires_at, host, pid, process_start, alongside,
        upgrades, token)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
  ).run(
    number,
    request.session,
    request.agent,
    request.target.path,
    request.type,
    ...targetValues(request.target),
    request.leaseMs,
    request.why ?? null,
    to.sinceMs,
    expiresMs,
    process.host,
    process.pid,
    process.startTime || null,
    JSON.stringify(request.actingFor),
    request.upgrades ?? null,
    token,
  );
}

function writeTask(
  connection: Connection,
  { from, to }: ChangeOf<"task">,
): void {
  if (to === undefined) {
    connection.sql("DELETE FROM tasks WHERE seq = ?").run(from!.order!);
    return;
  }
  const { task } = to;
  const state: SqlValue[] = [
    task.status,
    task.waitsFor,
    task.attempts,
    Date.parse(task.changedAt),
    task.session ?? null,
    task.agent ?? null,
    task.token ?? null,
    task.leaseExpiresAt === undefined ? null : Date.parse(task.leaseExpiresAt),
    task.result === undefined ? null : JSON.stringify(task.result),
    task.title,
    task.kind ?? null,
    JSON.stringify(task.payload),
    task.priority,
    task.assignedTo ?? null,
  ];
  if (from !== undefined) {
    connection.sql(
      `UPDATE tasks SET status = ?, waits_for = ?, attempts = ?, changed_at = ?,
         session_id = ?, agent_id = ?, token = ?, lease_expires_at = ?, result = ?,
         title = ?, kind = ?, payload = ?, priority = ?, assigned_to = ?
       WHERE seq = ?`,
    ).run(...state, from.order!);
    return;
  }
  const { rowId } = connection.sql(
    `INSERT INTO tasks
       (status, waits_for, attempts, changed_at, session_id, agent_id, token,
        lease_expires_at, result, title, kind, payload, priority, assigned_to,
        project_id, task_id, posted_by, posted_at)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
  ).run(
    ...state,
    task.project ?? "",
    task.id,
    task.postedBy,
    Date.parse(task.postedAt),
  );
  for (const id of task.dependsOn) {
    connection.sql(
      `INSERT INTO task_dependencies(seq, depends_on)
       SELECT ?, seq FROM tasks WHERE project_id = ? AND task_id = ?`,
    ).run(rowId, task.project ?? "", id);
  }
}

function writeNote(
  connection: Connection,
  { from, to }: ChangeOf<"note">,
): void {
  if (to === undefined) {
    connection.sql("DELETE FROM session_notes WHERE session_id = ? AND key = ?")
      .run(from!.session, from!.key);
    return;
  }
  connection.sql(
    `INSERT OR REPLACE INTO session_notes(session_id, key, value, changed_at)
     VALUES (?, ?, ?, ?)`,
  ).run(to.session, to.key, to.value, to.changedAtMs);
}

function writeTouch(
  connection: Connection,
  { from, to }: ChangeOf<"touch">,
): void {
  if (to === undefined) {
    connection.sql("DELETE FROM file_touches WHERE path = ? AND session_id = ?")
      .run(from!.path, from!.session);
    return;
  }
  connection.sql(
    `INSERT OR REPLACE INTO file_touches(path, session_id, touched_at)
     VALUES (?, ?, ?)`,
  ).run(to.path, to.session, to.touchedAtMs);
}

function writeDelivery(
  connection: Connection,
  { key, to }: ChangeOf<"delivery">,
): void {
  if (to === undefined) {
    connection.sql("DELETE FROM deliveries WHERE message_id = ?")
      .run(Number(key));
    return;
  }
  connection.sql(
    `UPDATE deliveries SET state = ?, changed_at = ?, recipient_id = ?
     WHERE message_id = ?`,
  ).run(to.state, to.changedAtMs, to.to, Number(key));
}

function writeDurable(
  connection: Connection,
  { from, to }: ChangeOf<"durable">,
): void {
  const { name, project } = (to ?? from)!;
  const told = `told ${name} ${project ?? ""}`;
  if (to === undefined) {
    connection.sql(
      "DELETE FROM durable_names WHERE project_id = ? AND name = ?",
    )
      .run(project ?? "", name);
    connection.sql("DELETE FROM counters WHERE name = ?").run(told);
    return;
  }
  connection.sql(
    `INSERT OR REPLACE INTO durable_names
       (name, project_id, channels, session_id, cursor, lost, token, used_at,
        lease_expires_at, reader_host, reader_pid, reader_process_start)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
  ).run(
    name,
    project ?? "",
    to.channels === null ? null : JSON.stringify(to.channels),
    to.session,
    Number(to.cursor),
    to.lost,
    to.token,
    to.usedAtMs,
    to.leaseExpiresMs,
    to.reader.host,
    to.reader.pid,
    to.reader.startTime || null,
  );
  if (to.told !== (from?.told ?? 0)) {
    connection.sql("INSERT OR REPLACE INTO counters(name, value) VALUES (?, ?)")
      .run(told, to.told);
  }
}

// Channels whose count one step updates.
const STEP_CHANNELS_MAX = 64;

const HEAD = "id, channel, project_id, recipient_id, expires_at";

function nextChannel(
  connection: Connection,
  after: Uint8Array,
): Uint8Array | undefined {
  // An empty array is bound as NULL.
  const row = connection.sql(
    `SELECT CAST(min(channel) AS BLOB) AS channel FROM inter_session_messages
     WHERE channel > coalesce(CAST(? AS TEXT), '')`,
  ).get(after);
  return row?.channel instanceof Uint8Array ? row.channel : undefined;
}

function countKept(connection: Connection, channel: Uint8Array): number {
  const tally = connection.sql(
    `SELECT kept, counted_to < (SELECT max(id) FROM inter_session_messages
       WHERE channel = CAST(?1 AS TEXT)) AS grew
     FROM channel_tally WHERE channel = CAST(?1 AS TEXT)`,
  ).get(channel);
  // Without new messages, which is usual, nothing is written.
  if (tally !== undefined && tally.grew === 0) return Number(tally.kept);
  const row = connection.sql(
    `INSERT INTO channel_tally(channel, counted_to, kept)
     SELECT CAST(?1 AS TEXT), coalesce(max(id), 0), count(*)
     FROM inter_session_messages
     WHERE channel = CAST(?1 AS TEXT) AND id > coalesce(
       (SELECT counted_to FROM channel_tally WHERE channel = CAST(?1 AS TEXT)), 0)
     ON CONFLICT (channel) DO UPDATE SET
       counted_to = max(counted_to, excluded.counted_to),
       kept = kept + excluded.kept
     RETURNING kept`,
  ).get(channel);
  return Number(row!.kept);
}

/** Returns the number of unacknowledged direct messages on a channel. */
function countOpen(connection: Connection, channel: Uint8Array): number {
  const row = connection.sql(
    `SELECT count(*) AS n FROM deliveries AS d
     JOIN inter_session_messages AS m ON m.id = d.message_id
     WHERE d.${OPEN} AND m.channel = CAST(? AS TEXT)`,
  ).get(channel);
  return Number(row!.n);
}
