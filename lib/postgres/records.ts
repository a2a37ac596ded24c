/**
 * Loads the records that a rule queries, and writes its changes.
 *
 * The queries of one step are pipelined, so a step costs one round trip. Writes
 * are sent without awaiting their answers; the commit reports their errors. Rules
 * on shared records run under the coordination lock. Other rules lock the row of
 * their own session. So loaded records stay valid until the commit, and no query
 * runs twice.
 *
 * All waiters are loaded, because they are few: each is a process that waits now.
 *
 * @module
 */

import { RowLoader } from "../sql/record_rows.ts";
import { foldersBelow } from "../path/lock_overlap.ts";
import { foreignTarget, targetValues } from "../sql/lock_rows.ts";
import { hostId, processAlive, processStart } from "../process/host.ts";
import type { Life } from "../model/process.ts";
import { keeperText } from "../process/keeper.ts";
import { entryKindOf } from "../path/paths.ts";
import type { LockTarget } from "../model/lock.ts";
import { prefixesAbove, rangeBelow } from "../rules/prefixes.ts";
import { noteKey, type RecordChange, Records } from "../rules/records.ts";
import type { HostedProcess } from "../model/process.ts";
import type { Decide, Moment, RecordQuery } from "../rules/rule.ts";
import { incarnationIds, SILENCE_NOTE } from "../rules/sessions.ts";
import {
  type Incarnation,
  type Session,
  STALE_AFTER_MS,
} from "../model/session.ts";
import type { Seen } from "../store/store.ts";
import {
  arrayText,
  type Queryable,
  type Row,
  type SqlValue,
} from "./connection.ts";
import { endCursor, LAST_MESSAGE_ID } from "./messages.ts";
import { storable } from "./text.ts";
import { isoTime } from "./times.ts";
import type { Transaction } from "./transaction.ts";

/**
 * Runs a rule in a transaction, and sends its changes.
 *
 * @returns Its result. The commit sets the ids of messages in it.
 * @throws {Error} The rule's error; then no change is written.
 */
export async function decide<T>(
  tx: Transaction,
  rule: Decide<T>,
): Promise<Decided<T>> {
  const work = new Work(tx.connection, tx.nowMs, tx.incarnations, tx);
  const result = await work.run(rule);
  work.write(tx);
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
 * Runs a rule without a write.
 *
 * @returns Its result; undefined if the rule makes changes in a writable store.
 */
export async function look<T>(
  at: Queryable,
  rule: Decide<T>,
  incarnations: ReadonlyMap<string, Incarnation>,
  readOnly: boolean,
): Promise<Seen<T> | undefined> {
  const work = new Work(at, at.clock.nowMs, incarnations);
  const result = await work.run(rule);
  // A read-only store returns the state that the rule would leave.
  return readOnly || !work.wantsToWrite ? { result } : undefined;
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
  readonly #at: Queryable;
  readonly #nowMs: number;
  readonly #incarnations: ReadonlyMap<string, Incarnation>;
  readonly #tx: Transaction | undefined;
  readonly #records = new Records(entryKindOf);
  readonly #rows: RowLoader;
  // The keys of answered queries.
  readonly #answered = new Set<string>();
  readonly #lives = new Map<string, Life>();
  #tokens: number[] = [];
  #meetsForeign = false;

  constructor(
    at: Queryable,
    nowMs: number,
    incarnations: ReadonlyMap<string, Incarnation>,
    tx?: Transaction,
  ) {
    this.#at = at;
    this.#nowMs = nowMs;
    this.#incarnations = incarnations;
    this.#tx = tx;
    this.#rows = new RowLoader(this.#records, nowMs, true);
  }

  /** Whether the rule made changes, or foreign rows must be completed. */
  get wantsToWrite(): boolean {
    return this.#meetsForeign || this.#records.isChanged;
  }

  get registered(): readonly Session[] {
    return this.#records.registered;
  }

  async run<T>(rule: Decide<T>): Promise<T> {
    const plan = rule(this.#records, this.#moment());
    let step = plan.next();
    while (!step.done) {
      await this.#load(step.value);
      step = plan.next();
    }
    return step.value;
  }

  /** Sends the changes, and passes messages and wake-ups to the transaction. */
  write(tx: Transaction): void {
    for (const change of this.#records.changes()) writeChange(tx, change);
    const removed = [...this.#records.messages.changes()]
      .map(({ key }) => Number(key));
    if (removed.length > 0) {
      tx.send(
        `UPDATE counters SET value = greatest(value, $1)
         WHERE name = 'purged_to'`,
        [Math.max(...removed)],
      );
    }
    for (const { message, appended } of this.#records.said) {
      tx.insert(message, appended);
    }
    for (const { topic, session } of this.#records.wakes) {
      tx.ring(topic, session);
    }
  }

  #moment(): Moment {
    return {
      nowMs: this.#nowMs,
      self: ownProcess(),
      life: (process) => this.#life(process),
      nextToken: () => {
        const token = this.#tokens.shift();
        if (token !== undefined) return token;
        // A rule without a transaction takes no token; any number serves it.
        if (this.#tx === undefined) return Number.MAX_SAFE_INTEGER;
        throw new Error("a rule took more tokens than it queried");
      },
      incarnations: this.#incarnations,
    };
  }

  #life(process: HostedProcess): Life {
    const key = `${process.pid} ${process.startTime} ${process.host} ${
      process.keeper?.codex?.id ?? ""
    }`;
    let life = this.#lives.get(key);
    if (life === undefined) {
      life = processAlive(process, process.host);
      this.#lives.set(key, life);
    }
    return life;
  }

  /** Runs the queries of one step concurrently. */
  async #load(queries: readonly RecordQuery[]): Promise<void> {
    const near = queries.filter((query) => query.kind === "holds-near");
    const others = queries.filter((query) => query.kind !== "holds-near");
    await Promise.all([
      this.#holdsNear(near),
      ...others.map((query) => this.#loadOne(query)),
    ]);
  }

  async #loadOne(
    query: Exclude<RecordQuery, { readonly kind: "holds-near" }>,
  ): Promise<void> {
    const records = this.#records;
    switch (query.kind) {
      case "session":
        if (!this.#isNew(`session ${query.id}`)) return;
        return await this.#sessions(
          query,
          `s.session_id = $1${this.#tx === undefined ? "" : " FOR UPDATE"}`,
          query.id,
        );
      case "incarnations":
        return await this.#sessions(
          query,
          `s.session_id = ANY($1::text[])${
            this.#tx === undefined ? "" : " FOR UPDATE"
          }`,
          arrayText([...incarnationIds(query.id)]),
        );
      case "sessions-named":
        return await this.#sessions(
          query,
          `s.status IS DISTINCT FROM 'terminated'
             OR starts_with(s.session_id, $1) OR starts_with(s.name, $1)`,
          query.text,
        );
      case "sessions-ending":
        return await this.#sessions(
          query,
          "right(s.name, 4) = ANY($1::text[])",
          arrayText(query.endings.map((ending) => ending.replaceAll("\0", ""))),
        );
      case "sessions":
        return await this.#sessions(
          query,
          `($1::text IS NULL OR s.project_id IS NULL OR s.project_id = $1)
             AND ($2 OR s.status IS DISTINCT FROM 'terminated')
           ORDER BY coalesce(s.registered_at, s.heartbeat_at), s.seq`,
          query.project,
          query.ended,
        );
      case "sessions-in":
        return await this.#sessions(
          query,
          `s.worktree = $1 AND s.status IS DISTINCT FROM 'terminated'
           ORDER BY s.session_id${this.#tx === undefined ? "" : " FOR UPDATE"}`,
          storable(query.worktree),
        );
      case "sessions-after":
        return await this.#sessions(
          query,
          `s.status IS DISTINCT FROM 'terminated' AND s.session_id > $1
           ORDER BY s.session_id LIMIT $2`,
          query.id,
          query.limit,
        );
      case "sessions-over":
        // A foreign writer never ends its session, so long silence counts.
        return await this.#sessions(
          query,
          `(s.status = 'terminated' AND coalesce(s.ended_at, 0) <
               CASE WHEN s.name_chosen = 1 THEN $3::bigint ELSE $1::bigint END
             OR s.llm_vendor = 'unknown'
               AND s.heartbeat_at < to_timestamp($1::bigint / 1000.0))
           AND NOT EXISTS (SELECT 1 FROM inter_session_messages AS m
             WHERE m.sender_id = s.session_id)
           AND NOT EXISTS (SELECT 1 FROM file_locks AS l
             WHERE l.session_id = s.session_id)
           AND NOT EXISTS (SELECT 1 FROM lock_waiters AS w
             WHERE w.session_id = s.session_id)
           AND NOT EXISTS (SELECT 1 FROM deliveries AS d
             WHERE d.recipient_id = s.session_id
               AND d.state IN ('queued', 'noticed', 'injected'))
           LIMIT $2`,
          query.beforeMs,
          query.limit,
          query.namedBeforeMs,
        );
      case "sessions-quiet":
        return await this.#sessions(
          query,
          `s.heartbeat_at > to_timestamp($1::bigint / 1000.0)
           AND s.heartbeat_at < to_timestamp($2::bigint / 1000.0)
           AND s.status IS DISTINCT FROM 'terminated' AND s.llm_vendor <> 'unknown'
           ORDER BY s.heartbeat_at DESC LIMIT $3`,
          query.afterMs,
          query.beforeMs,
          query.limit,
        );
      case "sessions-silent":
        return await this.#sessions(
          query,
          `s.heartbeat_at < to_timestamp($1::bigint / 1000.0)
           AND s.status IS DISTINCT FROM 'terminated' AND s.llm_vendor <> 'unknown'
           AND NOT EXISTS (SELECT 1 FROM session_notes AS n
             WHERE n.session_id = s.session_id AND n.key = '${SILENCE_NOTE}'
               AND n.value = ${isoTime("s.heartbeat_at")})
           LIMIT $2`,
          query.beforeMs,
          query.limit,
        );
      case "hold":
        if (records.holds.byToken(query.token) !== undefined) return;
        return await this.#holds("l.token = $1", query.token);
      case "holds-of":
        return await this.#holds("l.session_id = $1", query.session);
      case "holds":
        await this.#adoptForeign();
        return await this.#holdsListed(
          `($1::text IS NULL OR l.session_id = $1)
             AND ($2::text IS NULL OR l.file_path = $2)
             AND ($3::bigint IS NULL OR l.token = $3)`,
          query.session ?? null,
          storable(query.path),
          query.token ?? null,
        );
      case "files-of-others":
        return await this.#filesOfOthers(query);
      case "hold-count": {
        if (!this.#isNew(`count ${query.session}`)) return;
        const row = await this.#at.get(
          "SELECT count(*) AS holds FROM file_locks WHERE session_id = $1",
          [query.session],
        );
        return records.loadHoldCount(query.session, Number(row!.holds));
      }
      case "waiters":
      case "waiters-near":
      case "waiter":
      case "waiters-of":
        return await this.#waiters();
      case "task":
        return await this.#tasks(
          query,
          "t.project_id = $1 AND t.task_id = $2",
          query.project ?? "",
          query.id,
        );
      case "tasks-free":
        return await this.#tasks(
          query,
          `t.project_id = $1 AND t.status = 'open' AND t.waits_for = 0
             AND ($2::text IS NULL OR t.kind = $2)
             AND ($3::float8 IS NULL OR t.priority >= $3)
             AND (t.assigned_to IS NULL OR t.assigned_to = $5)
           ORDER BY t.priority DESC, t.seq LIMIT $4`,
          query.project ?? "",
          storable(query.filter.kind),
          query.filter.priorityMin ?? null,
          query.limit,
          query.session,
        );
      case "tasks-of":
        return await this.#tasks(
          query,
          "t.session_id = $1 AND t.status = 'claimed'",
          query.session,
        );
      case "tasks-overdue":
        return await this.#tasks(
          query,
          "t.status = 'claimed' AND t.lease_expires_at <= $1",
          this.#nowMs,
        );
      case "tasks-claimed":
        return await this.#tasks(query, "t.status = 'claimed'");
      case "tasks-after":
        return await this.#tasks(
          query,
          `t.seq IN (SELECT x.seq FROM task_dependencies AS x
             JOIN tasks AS d ON d.seq = x.depends_on
             WHERE d.project_id = $1 AND d.task_id = $2)`,
          query.project ?? "",
          query.id,
        );
      case "tasks": {
        const { exactProject, project, status, kind, priorityMin, id } =
          query.query;
        return await this.#tasks(
          query,
          `(NOT $1 OR t.project_id = $2) AND ($3::text IS NULL OR t.status = $3)
             AND ($4::text IS NULL OR t.kind = $4)
             AND ($5::float8 IS NULL OR t.priority >= $5)
             AND ($6::text IS NULL OR t.task_id = $6)
           ORDER BY t.priority DESC, t.seq`,
          exactProject,
          project ?? "",
          status ?? null,
          storable(kind),
          priorityMin ?? null,
          id ?? null,
        );
      }
      case "tasks-ended":
        return await this.#tasks(
          query,
          `t.status IN ('done', 'failed') AND t.changed_at < $1
           AND NOT EXISTS (
             SELECT 1 FROM task_dependencies AS x JOIN tasks AS d ON d.seq = x.seq
             WHERE x.depends_on = t.seq AND d.status IN ('open', 'claimed'))
           LIMIT $2`,
          query.beforeMs,
          query.limit,
        );
      case "delivery":
        return await this.#deliveries(
          query,
          `d.message_id = $1${
            this.#tx === undefined ? "" : " FOR UPDATE OF d"
          }`,
          query.message,
        );
      case "inbox-count": {
        const { session, pending, exact } = query;
        if (!this.#isNew(`inbox ${pending} ${exact} ${session}`)) return;
        const row = exact
          ? await this.#at.get(INBOX_COUNTED, [
            session,
            pending === "untold",
            this.#nowMs,
          ])
          : await this.#at.get(INBOX_BOUNDED, [session]);
        return records.loadInboxCount(session, pending, Number(row!.n));
      }
      case "deliveries-from":
        return await this.#deliveries(
          query,
          "d.sender_id = $1 ORDER BY d.message_id DESC LIMIT $2",
          query.session,
          query.limit,
        );
      case "deliveries-open":
        return await this.#deliveries(
          query,
          `d.recipient_id = $1 AND d.state IN ('queued', 'noticed', 'injected')
           ORDER BY d.message_id`,
          query.session,
        );
      case "deliveries-settled":
        return await this.#deliveries(
          query,
          "d.changed_at < $1 AND m.id IS NULL LIMIT $2",
          query.beforeMs,
          query.limit,
        );
      case "durable":
        return await this.#durables(
          `project_id = $1 AND name = $2${
            this.#tx === undefined ? "" : " FOR UPDATE"
          }`,
          query.project ?? "",
          query.name,
        );
      case "durables":
        return await this.#durables(
          this.#tx === undefined ? "true" : "true FOR UPDATE",
        );
      case "end": {
        const row = await this.#at.get(
          `SELECT greatest(${LAST_MESSAGE_ID}, $1::bigint)::text AS id`,
          [await endCursor(this.#at)],
        );
        records.end = String(row!.id);
        return;
      }
      case "mark": {
        const row = await this.#at.get(
          "SELECT value FROM counters WHERE name = 'purged_at'",
        );
        return records.marks.load(query.name, Number(row?.value ?? 0));
      }
      case "messages-expired":
        return await this.#messages(
          query,
          `expires_at <= $1 AND id > $2::bigint
           AND NOT EXISTS (
             SELECT 1 FROM unnest($4::bigint[]) AS living(at_ms)
             WHERE expires_at > at_ms
               AND expires_at - ttl_seconds * 1000 <= at_ms + ${STALE_AFTER_MS})
           ORDER BY expires_at LIMIT $3 FOR UPDATE SKIP LOCKED`,
          this.#nowMs,
          query.after ?? "0",
          query.limit,
          `{${query.livingAtMs.join(",")}}`,
        );
      case "messages-over-cap":
        return await this.#overCap(query);
      case "note": {
        const { session, key } = query;
        if (!this.#isNew(`note ${noteKey(session, key)}`)) return;
        return await this.#notes(
          query,
          "session_id = $1 AND key = $2",
          session,
          key,
        );
      }
      case "notes-unchanged":
        return await this.#notes(
          query,
          "changed_at < $1 LIMIT $2",
          query.sinceMs,
          query.limit,
        );
      case "touches":
        return await this.#touches(
          query,
          "t.path = $1 AND t.touched_at >= $2",
          storable(query.path),
          Math.ceil(query.sinceMs),
        );
      case "touches-below":
        return await this.#touchesBelow(query);
      case "touches-old":
        return await this.#touches(
          query,
          "t.touched_at < $1 LIMIT $2",
          query.beforeMs,
          query.limit,
        );
      case "said": {
        const { channel, sender, payloadText } = query.message;
        const row = await this.#at.get(
          `SELECT 1 AS one FROM inter_session_messages
           WHERE channel = $1 AND sender_id = $2 AND payload = $3
             AND created_at > to_timestamp($4::bigint / 1000.0) AND id > 0
           LIMIT 1`,
          [channel, sender, payloadText, query.sinceMs],
        );
        if (row !== undefined) records.loadSaid(query.message);
        return;
      }
      case "tokens":
        return await this.#moreTokens(query.count);
    }
  }

  /** Fetches tokens up to the given number. */
  async #moreTokens(count: number): Promise<void> {
    if (this.#tx === undefined || this.#tokens.length >= count) return;
    const rows = await this.#at.all(
      `SELECT nextval('fencing_tokens') AS number
       FROM generate_series(1, $1::bigint)`,
      [count - this.#tokens.length],
    );
    this.#tokens.push(...rows.map((row) => Number(row.number)));
  }

  #isNew(query: string): boolean {
    if (this.#answered.has(query)) return false;
    this.#answered.add(query);
    return true;
  }

  async #sessions(
    { kind }: { readonly kind: string },
    where: string,
    ...values: SqlValue[]
  ): Promise<void> {
    const rows = await this.#at.all(`${FROM_SESSIONS} WHERE ${where}`, values);
    this.#records.loadListed(kind, this.#rows.sessions(rows));
  }

  async #holdsListed(where: string, ...values: SqlValue[]): Promise<void> {
    const rows = await this.#at.all(`${FROM_HOLDS} WHERE ${where}`, values);
    this.#records.loadListed("holds", this.#rows.holds(rows));
  }

  async #holds(where: string, ...values: SqlValue[]): Promise<void> {
    this.#rows.holds(
      await this.#at.all(`${FROM_HOLDS} WHERE ${where}`, values),
    );
  }

  async #filesOfOthers(
    { session, project, folders, limit }: RecordQuery & {
      readonly kind: "files-of-others";
    },
  ): Promise<void> {
    const [active, held] = await Promise.all([
      this.#at.all(
        `${FROM_SESSIONS}
         WHERE s.session_id <> $1 AND s.status IS DISTINCT FROM 'terminated'
           AND s.active_files NOT IN ('', '[]')
         ORDER BY ($2::text IS NULL OR s.project_id IS NULL
           OR s.project_id = $2) DESC, s.heartbeat_at DESC LIMIT $3`,
        [session, project, limit],
      ),
      this.#at.all(
        `${FROM_HOLDS}
         WHERE l.session_id <> $1 AND l.file_path NOT LIKE '@%'
           AND ($2::text IS NULL OR l.project_id IS NULL OR l.project_id = $2
             OR EXISTS (SELECT 1 FROM unnest($4::text[]) AS folder WHERE
               starts_with(coalesce(l.prefix, l.file_path) || '/', folder)
               OR l.kind <> 'file'
                 AND starts_with(folder, rtrim(l.prefix, '/') || '/')))
         ORDER BY l.kind = 'file', l.token DESC LIMIT $3`,
        // Prefixes are case folded, so the folders are folded, too.
        [session, project, limit, arrayText(foldersBelow(folders))],
      ),
    ]);
    this.#records.loadListed("sessions-active", this.#rows.sessions(active));
    this.#records.loadListed("holds-of-others", this.#rows.holds(held));
  }

  async #holdsNear(
    queries: readonly (RecordQuery & { readonly kind: "holds-near" })[],
  ): Promise<void> {
    const asked = queries.filter(({ target, where }) =>
      target[where] !== undefined &&
      this.#isNew(`${where} ${isOne(target)} ${target[where].prefix}`)
    );
    if (asked.length === 0) return;
    await this.#adoptForeign();
    this.#rows.holds(
      await this.#at.all(`${FROM_HOLDS} WHERE l.token IN (${NEAR})`, [
        ...nearValues(asked, "disk"),
        ...nearValues(asked, "repository"),
      ]),
    );
  }

  async #waiters(): Promise<void> {
    if (!this.#isNew("waiters")) return;
    this.#rows.waiters(await this.#at.all(FROM_WAITERS));
  }

  async #tasks(
    { kind }: { readonly kind: string },
    where: string,
    ...values: SqlValue[]
  ): Promise<void> {
    const rows = await this.#at.all(
      `SELECT ${TASK_COLUMNS} FROM tasks AS t WHERE ${where}`,
      values,
    );
    this.#records.loadListed(kind, this.#rows.tasks(rows));
  }

  async #deliveries(
    { kind }: { readonly kind: string },
    where: string,
    ...values: SqlValue[]
  ): Promise<void> {
    const rows = await this.#at.all(
      `SELECT d.message_id, d.sender_id, d.recipient_id, d.state, d.changed_at,
         m.expires_at
       FROM deliveries AS d
         LEFT JOIN inter_session_messages AS m ON m.id = d.message_id
       WHERE ${where}`,
      values,
    );
    this.#records.loadListed(kind, this.#rows.deliveries(rows));
  }

  async #durables(where: string, ...values: SqlValue[]): Promise<void> {
    const rows = await this.#at.all(
      `SELECT * FROM durable_names WHERE ${where}`,
      values,
    );
    this.#rows.durables(rows);
  }

  async #messages(
    { kind }: { readonly kind: string },
    where: string,
    ...values: SqlValue[]
  ): Promise<void> {
    this.#records.loadListed(
      kind,
      this.#rows.messages(await this.#heads(where, values)),
    );
  }

  async #heads(
    where: string,
    values: readonly SqlValue[],
  ): Promise<readonly Row[]> {
    return await this.#at.all(
      `SELECT id, channel, project_id, recipient_id, expires_at
       FROM inter_session_messages WHERE ${where}`,
      values,
    );
  }

  /** Loads the oldest messages of some channels that exceed the cap. */
  async #overCap(
    { kind, cap, limit }: RecordQuery & { readonly kind: "messages-over-cap" },
  ): Promise<void> {
    const { round } = this.#tx!;
    const removed = [...this.#records.messages.changes()]
      .filter(({ to }) => to === undefined).map(({ key }) => key);
    const doomed: Row[] = [];
    this.#records.hasMoreOverCap = true;
    for (let looked = 0; looked < STEP_CHANNELS_MAX; looked++) {
      // The index finds the newest message beyond the cap.
      const row = await this.#at.get(
        `SELECT c.channel, (SELECT id FROM inter_session_messages
            WHERE channel = c.channel AND id > 0 AND id <> ALL($3::bigint[])
            ORDER BY id DESC OFFSET $2 LIMIT 1) AS last_over
         FROM (SELECT min(channel) AS channel FROM inter_session_messages
           WHERE channel > $1) AS c`,
        [round.channel, cap, arrayText(removed)],
      );
      if (row === undefined || row.channel === null) {
        round.channel = "";
        this.#records.hasMoreOverCap = false;
        break;
      }
      const channel = String(row.channel);
      // Direct messages are excluded only now, because few channels have so many.
      const lastOver = row.last_over === null
        ? null
        : await this.#lastOver(channel, cap, removed);
      if (lastOver !== null) {
        doomed.push(
          ...await this.#heads(
            `channel = $1 AND id > 0 AND id <= $2::bigint
               AND id <> ALL($3::bigint[]) AND ${IS_CAPPED}
             ORDER BY id LIMIT $4 FOR UPDATE SKIP LOCKED`,
            [
              channel,
              lastOver,
              arrayText(removed),
              limit - doomed.length,
            ],
          ),
        );
      }
      // The next step continues with this channel.
      if (doomed.length >= limit) break;
      round.channel = channel;
    }
    this.#records.loadListed(kind, this.#rows.messages(doomed));
  }

  /** Returns the newest id beyond the cap, without unacknowledged direct messages. */
  async #lastOver(
    channel: string,
    cap: number,
    removed: readonly string[],
  ): Promise<string | null> {
    const row = await this.#at.get(
      `SELECT id FROM inter_session_messages
       WHERE channel = $1 AND id > 0 AND id <> ALL($3::bigint[]) AND ${IS_CAPPED}
       ORDER BY id DESC OFFSET $2 LIMIT 1`,
      [channel, cap, arrayText(removed)],
    );
    return row === undefined ? null : String(row.id);
  }

  async #notes(
    { kind }: { readonly kind: string },
    where: string,
    ...values: SqlValue[]
  ): Promise<void> {
    const rows = await this.#at.all(
      `SELECT session_id, key, value, changed_at FROM session_notes
       WHERE ${where}`,
      values,
    );
    this.#records.loadListed(kind, this.#rows.notes(rows));
  }

  async #touches(
    { kind }: { readonly kind: string },
    where: string,
    ...values: SqlValue[]
  ): Promise<void> {
    const rows = await this.#at.all(
      `SELECT t.path, t.session_id, t.touched_at, s.host
       FROM file_touches AS t LEFT JOIN session_registry AS s USING (session_id)
       WHERE ${where}`,
      values,
    );
    this.#records.loadListed(kind, this.#rows.touches(rows));
  }

  async #touchesBelow(
    { folder, session, sinceMs, limit, kind }: RecordQuery & {
      readonly kind: "touches-below";
    },
  ): Promise<void> {
    await this.#touches(
      { kind },
      `t.path > $1 AND t.path < $2 AND t.touched_at >= $3 AND t.session_id <> $4
         AND s.status IS DISTINCT FROM 'terminated'
       ORDER BY t.touched_at DESC, t.path LIMIT $5`,
      ...rangeBelow(folder).map(storable),
      Math.ceil(sinceMs),
      session,
      limit,
    );
    const sessions = new Set(
      this.#records.listed(kind)
        .map((key) => this.#records.touches.get(key)!.session),
    );
    await Promise.all(
      [...sessions].map((id) => this.#loadOne({ kind: "session", id })),
    );
  }

  /** Sets the path sets of other programs' rows, so that queries find them. */
  async #adoptForeign(): Promise<void> {
    if (!this.#isNew("foreign")) return;
    const rows = await this.#at.all(
      "SELECT token, file_path FROM file_locks WHERE prefix IS NULL",
    );
    if (rows.length === 0) return;
    this.#meetsForeign = true;
    if (this.#tx === undefined) return;
    for (const row of rows) {
      await this.#at.run(
        `UPDATE file_locks SET kind = $1, extent = $2, prefix = $3,
           repo_extent = $4, repo_prefix = $5, folds_case = $6, worktree = $7,
           project_id = $8
         WHERE token = $9`,
        [
          ...targetValues(foreignTarget(String(row.file_path))),
          Number(row.token),
        ],
      );
    }
  }
}

const OPEN = "state IN ('queued', 'noticed', 'injected')";

const INBOX_COUNTED = `SELECT count(*) AS n FROM deliveries AS d
  JOIN inter_session_messages AS m ON m.id = d.message_id
  WHERE d.recipient_id = $1 AND d.${OPEN} AND (d.state <> 'injected' OR NOT $2)
    AND m.expires_at > $3`;

// Ids of messages differ, and the index of open deliveries has them in order.
const INBOX_BOUNDED = `SELECT coalesce(
    (SELECT max(message_id) FROM deliveries WHERE recipient_id = $1 AND ${OPEN}) -
    (SELECT min(message_id) FROM deliveries WHERE recipient_id = $1 AND ${OPEN}) +
    1, 0) AS n`;

// Only these messages count towards the cap of a channel.
const IS_CAPPED = `(recipient_id IS NULL OR NOT EXISTS (
  SELECT FROM deliveries AS d
  WHERE d.message_id = inter_session_messages.id AND d.${OPEN}))`;

const STEP_CHANNELS_MAX = 64;

const FROM_SESSIONS = `SELECT s.session_id, s.llm_vendor, s.llm_model, s.tty,
    s.pid, s.project_id, s.task_id, s.active_files, s.status, s.host,
    s.process_start, s.keeper, s.worktree, s.branch, s.ended_at, s.name,
    s.name_chosen, s.doing, s.activity, s.activity_why, s.activity_at,
    ${isoTime("coalesce(s.registered_at, s.heartbeat_at)")} AS registered_at,
    ${isoTime("s.heartbeat_at")} AS heartbeat_at
  FROM session_registry AS s`;

const FROM_HOLDS = `SELECT l.token, l.file_path, l.session_id, l.lock_type,
    ${isoTime("l.locked_at")} AS locked_at, l.agent_id, l.kind, l.extent,
    l.prefix, l.repo_extent, l.repo_prefix, l.folds_case, l.worktree,
    l.project_id, l.expires_at, l.holds, l.why, l.waiter,
    s.name AS session_name, s.llm_vendor,
    s.task_id, s.pid, s.host, s.process_start, s.keeper, s.status
  FROM file_locks AS l JOIN session_registry AS s ON s.session_id = l.session_id`;

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

const TASK_COLUMNS = `t.*, (
    SELECT coalesce(json_agg(d.task_id ORDER BY d.seq), '[]')::text
    FROM task_dependencies AS x JOIN tasks AS d ON d.seq = x.depends_on
    WHERE x.seq = t.seq
  ) AS depends_on`;

// The tokens at the prefixes $1 and between $2 and $3 on disk, and likewise in
// repositories.
const NEAR = `SELECT token FROM file_locks WHERE prefix = ANY($1::text[])
  UNION SELECT f.token FROM unnest($2::text[], $3::text[]) AS r(low, high)
    JOIN file_locks AS f
      ON f.prefix > r.low COLLATE "C" AND f.prefix < r.high COLLATE "C"
  UNION SELECT token FROM file_locks WHERE repo_prefix = ANY($4::text[])
  UNION SELECT f.token FROM unnest($5::text[], $6::text[]) AS r(low, high)
    JOIN file_locks AS f
      ON f.repo_prefix > r.low COLLATE "C" AND f.repo_prefix < r.high COLLATE "C"`;

function isOne({ kind }: LockTarget): boolean {
  return kind === "file" || kind === "name";
}

/** Returns the prefixes, and the ranges of prefixes, at which locks may overlap. */
function nearValues(
  queries: readonly (RecordQuery & { readonly kind: "holds-near" })[],
  where: "disk" | "repository",
): [string, string, string] {
  const at = new Set<string>();
  const ranges = new Map<string, string>();
  for (const query of queries) {
    if (query.where !== where) continue;
    const { prefix } = query.target[where]!;
    for (const above of [prefix, ...prefixesAbove(prefix)]) at.add(above);
    // A folder or glob may also overlap locks below its prefix.
    if (!isOne(query.target)) ranges.set(...rangeBelow(prefix));
  }
  return [
    arrayText([...at]),
    arrayText([...ranges.keys()]),
    arrayText([...ranges.values()]),
  ];
}

type ChangeOf<Kind> = RecordChange & { readonly kind: Kind };

/** Sends one change. */
function writeChange(tx: Transaction, change: RecordChange): void {
  switch (change.kind) {
    case "session":
      return writeSession(tx, change);
    case "hold":
      return writeHold(tx, change);
    case "waiter":
      return writeWaiter(tx, change);
    case "task":
      return writeTask(tx, change);
    case "delivery":
      return writeDelivery(tx, change);
    case "durable":
      return writeDurable(tx, change);
    case "note":
      return writeNote(tx, change);
    case "touch":
      return writeTouch(tx, change);
    case "message":
      return tx.send("DELETE FROM inter_session_messages WHERE id = $1", [
        change.key,
      ]);
    case "mark":
      return tx.send(
        "UPDATE counters SET value = $1 WHERE name = 'purged_at'",
        [change.to!],
      );
  }
}

function writeSession(
  tx: Transaction,
  { key, to }: ChangeOf<"session">,
): void {
  if (to === undefined) {
    return tx.send("DELETE FROM session_registry WHERE session_id = $1", [key]);
  }
  tx.send(
    `INSERT INTO session_registry
       (session_id, llm_vendor, llm_model, tty, pid, project_id, task_id,
        active_files, heartbeat_at, registered_at, status, host, process_start,
        keeper, worktree, branch, ended_at, name, name_chosen, doing, activity,
        activity_why, activity_at)
     VALUES ($1, $2, $3, $4, $5::bigint, $6, $7, $8,
       to_timestamp($9::bigint / 1000.0), to_timestamp($10::bigint / 1000.0),
       $11, $12, $13, $14, $15, $16, $17::bigint, $18, $19, $20, $21, $22,
       $23::bigint)
     ON CONFLICT (session_id) DO UPDATE SET
       llm_vendor = excluded.llm_vendor, llm_model = excluded.llm_model,
       tty = excluded.tty, pid = excluded.pid,
       project_id = excluded.project_id, task_id = excluded.task_id,
       active_files = excluded.active_files,
       heartbeat_at = excluded.heartbeat_at, status = excluded.status,
       host = excluded.host, process_start = excluded.process_start,
       keeper = excluded.keeper, worktree = excluded.worktree,
       branch = excluded.branch, ended_at = excluded.ended_at,
       name = excluded.name, name_chosen = excluded.name_chosen,
       doing = excluded.doing, activity = excluded.activity,
       activity_why = excluded.activity_why,
       activity_at = excluded.activity_at`,
    [
      key,
      to.vendor,
      storable(to.model),
      storable(to.tty),
      to.pid ?? null,
      storable(to.project),
      storable(to.task),
      JSON.stringify(to.activeFiles),
      Date.parse(to.heartbeatAt),
      Date.parse(to.registeredAt),
      to.status,
      to.host ?? null,
      to.processStart ?? null,
      storable(keeperText(to.keeper)),
      storable(to.worktree),
      storable(to.branch),
      to.endedAt === undefined ? null : Date.parse(to.endedAt),
      storable(to.name),
      to.nameIsChosen ? 1 : 0,
      storable(to.doing),
      to.activity?.state ?? null,
      storable(to.activity?.why),
      to.activity === undefined ? null : Date.parse(to.activity.since),
    ],
  );
}

function writeHold(tx: Transaction, { key, from, to }: ChangeOf<"hold">): void {
  if (to === undefined) {
    return tx.send("DELETE FROM file_locks WHERE token = $1", [Number(key)]);
  }
  const { hold, waiter = null } = to;
  const { type, count, pathSets } = hold;
  const expiresMs = Date.parse(hold.expiresAt);
  const why = storable(hold.why);
  if (from !== undefined) {
    return tx.send(
      `UPDATE file_locks SET lock_type = $1, expires_at = $2, holds = $3,
         why = $4, waiter = $5 WHERE token = $6`,
      [type, expiresMs, count, why, waiter, hold.token],
    );
  }
  tx.send(
    `INSERT INTO file_locks
       (token, file_path, session_id, lock_type, locked_at, agent_id, kind,
        extent, prefix, repo_extent, repo_prefix, folds_case, worktree,
        project_id, expires_at, holds, why, waiter)
     VALUES ($1, $2, $3, $4, to_timestamp($5::bigint / 1000.0), $6, $7, $8, $9,
       $10, $11, $12, $13, $14, $15, $16, $17, $18)`,
    [
      hold.token,
      hold.path,
      hold.session,
      type,
      Date.parse(hold.since),
      storable(hold.agent) ?? "",
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
    ],
  );
}

function writeWaiter(
  tx: Transaction,
  { key, from, to }: ChangeOf<"waiter">,
): void {
  if (to === undefined) {
    return tx.send("DELETE FROM lock_waiters WHERE waiter = $1", [Number(key)]);
  }
  const { number, request, expiresMs, process, token = null } = to;
  if (from !== undefined) {
    return tx.send(
      `UPDATE lock_waiters SET wait_expires_at = $1, token = $2
       WHERE waiter = $3`,
      [expiresMs, token, number],
    );
  }
  tx.send(
    `INSERT INTO lock_waiters
       (waiter, session_id, agent_id, file_path, lock_type, kind, extent, prefix,
        repo_extent, repo_prefix, folds_case, worktree, project_id, lease_ms,
        why, waits_since, wait_expires_at, host, pid, process_start, alongside,
        upgrades, token)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15,
       $16, $17, $18, $19, $20, $21, $22, $23)`,
    [
      number,
      request.session,
      storable(request.agent) ?? "",
      request.target.path,
      request.type,
      ...targetValues(request.target),
      request.leaseMs,
      storable(request.why),
      to.sinceMs,
      expiresMs,
      process.host,
      process.pid,
      process.startTime || null,
      JSON.stringify(request.actingFor),
      request.upgrades ?? null,
      token,
    ],
  );
}

function writeTask(tx: Transaction, { from, to }: ChangeOf<"task">): void {
  if (to === undefined) {
    return tx.send("DELETE FROM tasks WHERE seq = $1", [from!.order!]);
  }
  const { task } = to;
  const state: SqlValue[] = [
    task.status,
    task.waitsFor,
    task.attempts,
    Date.parse(task.changedAt),
    task.session ?? null,
    storable(task.agent),
    task.token ?? null,
    task.leaseExpiresAt === undefined ? null : Date.parse(task.leaseExpiresAt),
    task.result === undefined ? null : JSON.stringify(task.result),
    storable(task.title),
    storable(task.kind),
    JSON.stringify(task.payload),
    task.priority,
    task.assignedTo ?? null,
  ];
  if (from !== undefined) {
    return tx.send(
      `UPDATE tasks SET status = $1, waits_for = $2, attempts = $3,
         changed_at = $4, session_id = $5, agent_id = $6, token = $7,
         lease_expires_at = $8, result = $9, title = $10, kind = $11,
         payload = $12, priority = $13, assigned_to = $14
       WHERE seq = $15`,
      [...state, from.order!],
    );
  }
  const project = task.project ?? "";
  tx.send(
    `WITH posted AS (INSERT INTO tasks
       (status, waits_for, attempts, changed_at, session_id, agent_id, token,
        lease_expires_at, result, title, kind, payload, priority, assigned_to,
        project_id, task_id, posted_by, posted_at)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15,
       $16, $17, $18) RETURNING seq)
     INSERT INTO task_dependencies(seq, depends_on)
     SELECT posted.seq, d.seq FROM posted, tasks AS d
     WHERE d.project_id = $15 AND d.task_id = ANY($19::text[])`,
    [
      ...state,
      project,
      task.id,
      task.postedBy,
      Date.parse(task.postedAt),
      arrayText(task.dependsOn),
    ],
  );
}

function writeDelivery(
  tx: Transaction,
  { key, to }: ChangeOf<"delivery">,
): void {
  if (to === undefined) {
    return tx.send("DELETE FROM deliveries WHERE message_id = $1", [key]);
  }
  tx.send(
    `UPDATE deliveries SET state = $1, changed_at = $2, recipient_id = $3
     WHERE message_id = $4`,
    [to.state, to.changedAtMs, to.to, key],
  );
}

function writeDurable(
  tx: Transaction,
  { from, to }: ChangeOf<"durable">,
): void {
  const { name, project } = (to ?? from)!;
  if (to === undefined) {
    return tx.send(
      "DELETE FROM durable_names WHERE project_id = $1 AND name = $2",
      [project ?? "", name],
    );
  }
  tx.send(
    `INSERT INTO durable_names
       (name, project_id, channels, session_id, cursor, lost, told, token, used_at,
        lease_expires_at, reader_host, reader_pid, reader_process_start)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
     ON CONFLICT (project_id, name) DO UPDATE SET
       channels = excluded.channels, session_id = excluded.session_id,
       cursor = excluded.cursor, lost = excluded.lost, told = excluded.told,
       token = excluded.token, used_at = excluded.used_at,
       lease_expires_at = excluded.lease_expires_at,
       reader_host = excluded.reader_host, reader_pid = excluded.reader_pid,
       reader_process_start = excluded.reader_process_start`,
    [
      name,
      project ?? "",
      to.channels === null ? null : JSON.stringify(to.channels),
      to.session,
      to.cursor,
      to.lost,
      to.told,
      to.token,
      to.usedAtMs,
      to.leaseExpiresMs,
      to.reader.host,
      to.reader.pid,
      to.reader.startTime || null,
    ],
  );
}

function writeNote(tx: Transaction, { from, to }: ChangeOf<"note">): void {
  if (to === undefined) {
    return tx.send(
      "DELETE FROM session_notes WHERE session_id = $1 AND key = $2",
      [from!.session, from!.key],
    );
  }
  tx.send(
    `INSERT INTO session_notes(session_id, key, value, changed_at)
     VALUES ($1, $2, $3, $4)
     ON CONFLICT (session_id, key) DO UPDATE SET
       value = excluded.value, changed_at = excluded.changed_at`,
    [to.session, to.key, storable(to.value), to.changedAtMs],
  );
}

function writeTouch(tx: Transaction, { from, to }: ChangeOf<"touch">): void {
  if (to === undefined) {
    return tx.send(
      "DELETE FROM file_touches WHERE path = $1 AND session_id = $2",
      [from!.path, from!.session],
    );
  }
  tx.send(
    `INSERT INTO file_touches(path, session_id, touched_at)
     VALUES ($1, $2, $3)
     ON CONFLICT (path, session_id) DO UPDATE SET
       touched_at = excluded.touched_at`,
    [storable(to.path), to.session, to.touchedAtMs],
  );
}
