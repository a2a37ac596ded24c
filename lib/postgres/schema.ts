/**
 * The tables in PostgreSQL, as every program may see them.
 *
 * All of it lives in one schema of its own, `message_bus` unless the URL names
 * another, so that a role needs no right but to own that schema. Names are
 * those of the SQLite store; a plain
 * `INSERT INTO message_bus.inter_session_messages(sender_id, channel, payload)`
 * from any language is a whole message here, too.
 *
 * **Ids in the order of commits.** A sequence gives an id when it is asked, not
 * when its transaction commits, so a reader that asks for `id > cursor` would
 * pass over a message whose commit comes late. Here an id is only ever taken
 * under the *append lock*, an advisory lock that is held until the commit (and
 * let go after it has become visible), so that whoever takes the next id
 * commits later. What keeps that lock short, and so nobody waiting:
 *
 * - It is taken by one server-side function, `append`, that is a transaction of
 *   its own, or the last step of one: nothing of ours waits for a client, a row
 *   or another lock while it holds it. (So there are no foreign keys to
 *   sessions: they would wait for whoever has the row locked.)
 * - A foreign insert gets a provisional id below zero, which nobody reads, and
 *   its real one by a constraint trigger that runs *at its commit*: a foreign
 *   transaction may stay open as long as it likes and delays nobody, and when
 *   it commits late its messages come last.
 *
 * (The other way, reading only below the oldest transaction that runs, would
 * let any long transaction of anybody hold up every delivery.)
 *
 * **Locks are ordered**: coordination first, rows next, append last. What
 * coordinates (sessions, locks, tasks) runs under the *coordination lock*, one
 * for a bus, so that its rules see nothing half done, as SQLite's one writer
 * gives them.
 *
 * **Time** is the server's. Columns that other programs write are
 * `timestamptz`, ours are milliseconds since 1970. A shift of the clock is
 * given by tests alone.
 *
 * **Once.** What may be sent again after a cut (see connection.ts) carries a
 * key, whose row is committed with it.
 *
 * Nothing newer than PostgreSQL 14 is used.
 *
 * @module
 */

import { DEFAULT_LOCK_LEASE_MS } from "../model/lock.ts";
import {
  CHANNEL_TTL_SECONDS,
  DEFAULT_TTL_SECONDS,
  TTL_SECONDS_MAX,
} from "../model/channels.ts";
import { COMPATIBLE_FROM, SCHEMA_VERSION } from "./schema_version.ts";

/** `mbus` in ASCII: the first key of all advisory locks of buses. */
export const LOCK_CLASS = 0x6d627573;

/** SQLSTATE of an error raised by the schema: its version is too new. */
export const NEWER_SCHEMA_STATE = "MB001";

/** SQLSTATE of an error raised by the schema: a row that it refuses. */
export const REFUSED_STATE = "MB002";

/** SQLSTATE of one: the sender, its detail, has ended. */
export const ENDED_STATE = "MB003";

/** SQLSTATE of one: another process has the sender, its detail, by now. */
export const TAKEN_OVER_STATE = "MB004";

/** One step from a version of the schema to the next. */
export interface Migration {
  /** What it does, for people. */
  readonly purpose: string;
  /** Its statements, in a schema. */
  statements(schema: string): readonly string[];
}

/** A schema, as a program knows it. */
export interface Schema {
  /** The version that it writes. */
  readonly version: number;
  /** The oldest version whose programs can work on it. */
  readonly compatibleFrom: number;
  /** The steps that lead from each version to the next; index 0 makes 1. */
  readonly migrations: readonly Migration[];
}

// Beyond these a number is no exact one, and a time no date, in JavaScript.
const SAFE_INTEGER = 9007199254740991;
const PID_MAX = 4294967295;
const LAST_DATE_MS = 8640000000000000;

const KEY = `text COLLATE "C"`;
/** The server's time, in milliseconds since 1970. */
export const CLOCK_MS: string =
  `(extract(epoch FROM clock_timestamp()) * 1000)::bigint`;
const FIRST_DATE = "2020-01-01Z";

const CHANNEL_TTL = `CASE NEW.channel ${
  Object.entries(CHANNEL_TTL_SECONDS)
    .map(([channel, ttl]) => `WHEN '${channel}' THEN ${ttl}`).join(" ")
} ELSE ${DEFAULT_TTL_SECONDS} END`;

/** The tables that hold messages and who reads them. */
function messageTables(s: string): string[] {
  return [
    `CREATE TABLE ${s}._schema_version (
      version integer NOT NULL,
      compatible_from integer NOT NULL,
      migrated_at timestamptz NOT NULL DEFAULT now()
    )`,

    `CREATE TABLE ${s}.session_registry (
      session_id ${KEY} PRIMARY KEY CHECK (length(session_id) BETWEEN 1 AND 256),
      llm_vendor text NOT NULL,
      llm_model text,
      tty text,
      pid bigint,
      project_id ${KEY},
      task_id text,
      active_files text,
      heartbeat_at timestamptz NOT NULL CHECK (isfinite(heartbeat_at)),
      registered_at timestamptz DEFAULT now() CHECK (isfinite(registered_at)),
      status text DEFAULT 'active',

      host text,
      process_start text,
      worktree text,
      branch text,
      ended_at bigint CHECK (ended_at BETWEEN 0 AND ${LAST_DATE_MS}),
      seq bigint GENERATED ALWAYS AS IDENTITY
    )`,
    `CREATE INDEX idx_registry_status ON ${s}.session_registry(status)`,
    `CREATE INDEX idx_registry_heartbeat ON ${s}.session_registry(heartbeat_at)`,

    `CREATE SEQUENCE ${s}.message_ids`,
    `CREATE SEQUENCE ${s}.provisional_ids`,
    `CREATE TABLE ${s}.inter_session_messages (
      id bigint PRIMARY KEY DEFAULT -nextval('${s}.provisional_ids')
        CHECK (id <= ${SAFE_INTEGER}),
      sender_id ${KEY} NOT NULL CHECK (length(sender_id) BETWEEN 1 AND 256),
      channel ${KEY} NOT NULL CHECK (length(channel) BETWEEN 1 AND 256),
      payload text NOT NULL CHECK (octet_length(payload) <= 1048576),
      created_at timestamptz DEFAULT now(),
      ttl_seconds double precision DEFAULT ${DEFAULT_TTL_SECONDS},

      expires_at bigint CHECK (expires_at BETWEEN 0 AND ${LAST_DATE_MS}),
      project_id ${KEY},
      recipient_id ${KEY},
      reply_to bigint CHECK (reply_to BETWEEN 1 AND ${SAFE_INTEGER}),
      own boolean NOT NULL DEFAULT false
    )`,
    `CREATE INDEX idx_messages_channel_created ON ${s}.inter_session_messages(channel, id)`,
    `CREATE INDEX idx_messages_ttl ON ${s}.inter_session_messages(expires_at)`,
    `CREATE INDEX idx_messages_recipient ON ${s}.inter_session_messages(recipient_id, id)
      WHERE recipient_id IS NOT NULL`,
    `CREATE INDEX idx_messages_sender ON ${s}.inter_session_messages(sender_id)`,

    // What became of each direct message; outlives the message itself, so that
    // its sender can still learn that it expired.
    `CREATE TABLE ${s}.deliveries (
      message_id bigint PRIMARY KEY,
      sender_id ${KEY} NOT NULL,
      recipient_id ${KEY} NOT NULL,
      state text NOT NULL,
      changed_at bigint NOT NULL
    )`,
    `CREATE INDEX idx_deliveries_open ON ${s}.deliveries(recipient_id, message_id)
      WHERE state IN ('queued', 'noticed', 'injected')`,
    `CREATE INDEX idx_deliveries_changed ON ${s}.deliveries(changed_at)`,

    // A durable name: cursor is what was acknowledged, the reader_ columns are
    // the lease of whoever reads under it.
    `CREATE TABLE ${s}.durable_names (
      name ${KEY} NOT NULL,
      project_id ${KEY} NOT NULL,
      channels text,
      session_id text,
      cursor bigint NOT NULL,
      lost bigint NOT NULL DEFAULT 0,
      told bigint NOT NULL DEFAULT 0,
      token bigint NOT NULL,
      used_at bigint NOT NULL,
      lease_expires_at bigint NOT NULL,
      reader_host text,
      reader_pid bigint,
      reader_process_start text,
      PRIMARY KEY (project_id, name)
    )`,

    // Numbers of the store itself: the last id that was purged, and when.
    `CREATE TABLE ${s}.counters (
      name text PRIMARY KEY,
      value bigint NOT NULL
    )`,
    `INSERT INTO ${s}.counters(name, value) VALUES ('purged_at', 0), ('purged_to', 0)`,
    `CREATE SEQUENCE ${s}.fencing_tokens`,

    // What was done under which key; the ids of the messages that it appended.
    `CREATE TABLE ${s}.idempotency_keys (
      key uuid PRIMARY KEY,
      message_ids bigint[] NOT NULL,
      done_at bigint NOT NULL
    )`,
    `CREATE INDEX idx_idempotency_done ON ${s}.idempotency_keys(done_at)`,
  ];
}

/** The tables of what sessions share: locks, tasks, notes. */
function coordinationTables(s: string): string[] {
  return [
    // Only what is held: who waits stands in lock_waiters. prefix is NULL in
    // rows of other programs, until adopted.
    `CREATE TABLE ${s}.file_locks (
      file_path ${KEY} NOT NULL CHECK (length(file_path) BETWEEN 1 AND 4096),
      session_id ${KEY} NOT NULL CHECK (length(session_id) BETWEEN 1 AND 256),
      lock_type text DEFAULT 'advisory' CHECK (lock_type IN ('advisory', 'exclusive')),
      locked_at timestamptz DEFAULT now() CHECK (isfinite(locked_at)),

      token bigint PRIMARY KEY DEFAULT nextval('${s}.fencing_tokens'),
      agent_id text NOT NULL DEFAULT '',
      kind text NOT NULL DEFAULT 'file' CHECK (kind IN ('file', 'folder', 'glob')),
      extent text,
      prefix ${KEY},
      repo_extent text,
      repo_prefix ${KEY},
      folds_case integer NOT NULL DEFAULT 0,
      worktree text,
      project_id ${KEY},
      expires_at bigint,
      holds integer NOT NULL DEFAULT 1,
      why text,
      waiter bigint
    )`,
    `CREATE INDEX idx_locks_path ON ${s}.file_locks(file_path)`,
    `CREATE INDEX idx_locks_session ON ${s}.file_locks(session_id)`,
    `CREATE INDEX idx_locks_prefix ON ${s}.file_locks(prefix)`,
    `CREATE INDEX idx_locks_repo_prefix ON ${s}.file_locks(repo_prefix)
      WHERE repo_prefix IS NOT NULL`,

    `CREATE TABLE ${s}.lock_waiters (
      waiter bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
      session_id ${KEY} NOT NULL,
      agent_id text NOT NULL,
      file_path ${KEY} NOT NULL,
      lock_type text NOT NULL,
      kind text NOT NULL,
      extent text NOT NULL,
      prefix ${KEY} NOT NULL,
      repo_extent text,
      repo_prefix ${KEY},
      folds_case integer NOT NULL,
      worktree text,
      project_id ${KEY},
      lease_ms bigint NOT NULL,
      why text,
      waits_since bigint NOT NULL,
      wait_expires_at bigint NOT NULL,
      host text NOT NULL,
      pid bigint NOT NULL,
      process_start text,
      token bigint,
      alongside text NOT NULL DEFAULT '[]',
      upgrades bigint
    )`,
    `CREATE INDEX idx_waiters_session ON ${s}.lock_waiters(session_id)`,

    // waits_for counts the dependencies that are not done yet.
    `CREATE TABLE ${s}.tasks (
      seq bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
      project_id ${KEY} NOT NULL,
      task_id ${KEY} NOT NULL,
      title text NOT NULL,
      kind text,
      payload text NOT NULL,
      priority double precision NOT NULL,
      status text NOT NULL CHECK (status IN ('open', 'claimed', 'done', 'failed')),
      waits_for integer NOT NULL,
      attempts integer NOT NULL DEFAULT 0,
      posted_by text NOT NULL,
      posted_at bigint NOT NULL,
      changed_at bigint NOT NULL,
      session_id ${KEY},
      agent_id text,
      token bigint,
      lease_expires_at bigint,
      result text,
      UNIQUE (project_id, task_id)
    )`,
    `CREATE INDEX idx_tasks_next
      ON ${s}.tasks(project_id, status, waits_for, priority DESC, seq)`,
    `CREATE INDEX idx_tasks_session ON ${s}.tasks(session_id) WHERE status = 'claimed'`,
    `CREATE INDEX idx_tasks_lease ON ${s}.tasks(lease_expires_at) WHERE status = 'claimed'`,
    `CREATE TABLE ${s}.task_dependencies (
      seq bigint NOT NULL REFERENCES ${s}.tasks(seq) ON DELETE CASCADE,
      depends_on bigint NOT NULL REFERENCES ${s}.tasks(seq) ON DELETE CASCADE,
      PRIMARY KEY (depends_on, seq)
    )`,
    `CREATE INDEX idx_task_dependencies_seq ON ${s}.task_dependencies(seq)`,

    // What a session keeps for itself between processes that live for one call.
    `CREATE TABLE ${s}.session_notes (
      session_id ${KEY} NOT NULL,
      key ${KEY} NOT NULL,
      value text NOT NULL,
      changed_at bigint NOT NULL,
      PRIMARY KEY (session_id, key)
    )`,
    `CREATE INDEX idx_notes_changed ON ${s}.session_notes(changed_at)`,
    // Who changed a file last, for who has read it before.
    `CREATE TABLE ${s}.file_touches (
      path ${KEY} NOT NULL,
      session_id ${KEY} NOT NULL,
      touched_at bigint NOT NULL,
      PRIMARY KEY (path, session_id)
    )`,
    `CREATE INDEX idx_touches_touched ON ${s}.file_touches(touched_at)`,
  ];
}

/** An advisory lock of this bus: told from others' by the oid of a table. */
function advisoryLock(s: string, table: string, how: "" | "try_" = ""): string {
  return `pg_${how}advisory_xact_lock(${LOCK_CLASS}, '${s}.${table}'::regclass::oid::bigint::bit(32)::integer)`;
}

/** The functions that this library calls, made anew where they are. */
function functions(s: string): string[] {
  return [
    `CREATE OR REPLACE FUNCTION ${s}.now_ms(shift bigint) RETURNS bigint
    LANGUAGE sql STABLE AS $$
      SELECT (extract(epoch FROM statement_timestamp()) * 1000)::bigint + shift
    $$`,

    `CREATE OR REPLACE FUNCTION ${s}.require_version(program integer) RETURNS void
    LANGUAGE plpgsql AS $$
    DECLARE needed integer;
    BEGIN
      SELECT max(compatible_from) INTO needed FROM ${s}._schema_version;
      IF needed > program THEN
        RAISE EXCEPTION 'the schema needs programs that know version %', needed
          USING ERRCODE = '${NEWER_SCHEMA_STATE}';
      END IF;
    END $$`,

    // Orders whoever appends: held until the commit.
    `CREATE OR REPLACE FUNCTION ${s}.lock_appending() RETURNS void LANGUAGE plpgsql AS $$
    BEGIN
      PERFORM ${advisoryLock(s, "inter_session_messages")};
    END $$`,

    `CREATE OR REPLACE FUNCTION ${s}.lock_coordination() RETURNS void LANGUAGE plpgsql AS $$
    BEGIN
      PERFORM ${advisoryLock(s, "session_registry")};
    END $$`,

    // Begins a write: whether what has this key is done already, and the time.
    // Of the coordination lock it takes none, or waits for it, or tries to have
    // it and gives back nothing if somebody holds it.
    `CREATE OR REPLACE FUNCTION ${s}.begin_write(
      program integer, shift bigint, locking text, again uuid,
      OUT now_ms bigint, OUT done bigint[])
    LANGUAGE plpgsql AS $$
    BEGIN
      IF locking = 'wait' THEN PERFORM ${s}.lock_coordination(); END IF;
      IF locking = 'try' AND NOT ${
      advisoryLock(s, "session_registry", "try_")
    } THEN
        RETURN;
      END IF;
      PERFORM ${s}.require_version(program);
      IF again IS NOT NULL THEN
        SELECT message_ids INTO done FROM ${s}.idempotency_keys WHERE key = again;
      END IF;
      now_ms := ${CLOCK_MS} + shift;
    END $$`,

    // Ends one that appends nothing. What has changed nothing needs no key.
    `CREATE OR REPLACE FUNCTION ${s}.end_write(new_key uuid) RETURNS void
    LANGUAGE plpgsql AS $$
    BEGIN
      IF pg_current_xact_id_if_assigned() IS NOT NULL THEN
        INSERT INTO ${s}.idempotency_keys(key, message_ids, done_at)
        VALUES (new_key, '{}', ${CLOCK_MS});
      END IF;
    END $$`,

    `CREATE OR REPLACE FUNCTION ${s}.register_unknown(new_session text) RETURNS void
    LANGUAGE plpgsql AS $$
    BEGIN
      IF NOT EXISTS (SELECT FROM ${s}.session_registry WHERE session_id = new_session) THEN
        INSERT INTO ${s}.session_registry(session_id, llm_vendor, heartbeat_at)
        VALUES (new_session, 'unknown', clock_timestamp()) ON CONFLICT DO NOTHING;
      END IF;
    END $$`,

    // Refuses a sender that has ended. own: the caller has registered it, with
    // the process that is named, and so nobody else may have it by now.
    `CREATE OR REPLACE FUNCTION ${s}.refuse_ended(
      sender text, own boolean, own_pid bigint, own_start text)
    RETURNS void LANGUAGE plpgsql AS $$
    DECLARE
      its_status text;
      its_pid bigint;
      its_start text;
    BEGIN
      SELECT status, pid, process_start INTO its_status, its_pid, its_start
      FROM ${s}.session_registry WHERE session_id = sender;
      IF NOT FOUND AND NOT own THEN RETURN; END IF;
      IF NOT FOUND OR its_status = 'terminated' THEN
        RAISE EXCEPTION 'the session has ended'
          USING ERRCODE = '${ENDED_STATE}', DETAIL = sender;
      END IF;
      IF own AND its_pid IS NOT NULL AND (its_pid IS DISTINCT FROM own_pid
          OR nullif(its_start, '') IS DISTINCT FROM nullif(own_start, '')) THEN
        RAISE EXCEPTION 'another process has the session'
          USING ERRCODE = '${TAKEN_OVER_STATE}', DETAIL = sender;
      END IF;
    END $$`,

    // Appends one message, and gives back its id. again: it may be done already,
    // under the same key. own: whether the caller has registered the sender; if
    // it is not told, the sender is not looked at. That is done under the append
    // lock, so that nothing of a session comes after its end; a row that is only
    // read is not waited for. (What it calls is spelled out: it is called most.)
    `CREATE OR REPLACE FUNCTION ${s}.append_one(
      program integer, shift bigint, new_key uuid, again boolean,
      sender text, channel text, payload text, ttl double precision,
      project text, recipient text, reply bigint, own boolean DEFAULT NULL,
      own_pid bigint DEFAULT NULL, own_start text DEFAULT NULL)
    RETURNS bigint LANGUAGE plpgsql AS $$
    DECLARE
      new_id bigint;
      time_ms bigint;
    BEGIN
      PERFORM FROM ${s}._schema_version WHERE compatible_from > program;
      IF FOUND THEN PERFORM ${s}.require_version(program); END IF;
      IF own IS NOT TRUE THEN
        PERFORM FROM ${s}.session_registry WHERE session_id = sender;
        IF NOT FOUND THEN PERFORM ${s}.register_unknown(sender); END IF;
      END IF;
      PERFORM ${advisoryLock(s, "inter_session_messages")};
      IF again THEN
        SELECT message_ids[1] INTO new_id FROM ${s}.idempotency_keys WHERE key = new_key;
        IF FOUND THEN RETURN new_id; END IF;
      END IF;
      IF own IS NOT NULL THEN
        PERFORM ${s}.refuse_ended(sender, own, own_pid, own_start);
      END IF;
      time_ms := ${CLOCK_MS} + shift;
      new_id := nextval('${s}.message_ids');
      INSERT INTO ${s}.inter_session_messages
        (id, sender_id, channel, payload, created_at, ttl_seconds, expires_at,
         project_id, recipient_id, reply_to, own)
      VALUES (new_id, sender, channel, payload, to_timestamp(time_ms / 1000.0), ttl,
        time_ms + round(ttl * 1000)::bigint, project, recipient, reply, true);
      IF recipient IS NOT NULL THEN
        INSERT INTO ${s}.deliveries(message_id, sender_id, recipient_id, state, changed_at)
        VALUES (new_id, sender, recipient, 'queued', time_ms);
      END IF;
      INSERT INTO ${s}.idempotency_keys(key, message_ids, done_at)
      VALUES (new_key, ARRAY[new_id], time_ms);
      RETURN new_id;
    END $$`,

    // The same for several, with their ids in their order. own_senders: those
    // that the caller has registered.
    `CREATE OR REPLACE FUNCTION ${s}.append(
      program integer, shift bigint, new_key uuid, again boolean,
      senders text[], channels text[], payloads text[], ttls double precision[],
      projects text[], recipients text[], replies bigint[],
      own_senders text[] DEFAULT NULL, own_pids bigint[] DEFAULT NULL,
      own_starts text[] DEFAULT NULL)
    RETURNS bigint[] LANGUAGE plpgsql AS $$
    DECLARE
      ids bigint[];
      sender text;
      time_ms bigint;
    BEGIN
      PERFORM ${s}.require_version(program);
      FOR sender IN SELECT DISTINCT s FROM unnest(senders) AS s
        WHERE own_senders IS NULL OR s <> ALL (own_senders)
      LOOP
        PERFORM ${s}.register_unknown(sender);
      END LOOP;
      PERFORM ${s}.lock_appending();
      IF again THEN
        SELECT message_ids INTO ids FROM ${s}.idempotency_keys WHERE key = new_key;
        IF FOUND THEN RETURN ids; END IF;
      END IF;
      IF own_senders IS NOT NULL THEN
        PERFORM ${s}.refuse_ended(said.by, own.by IS NOT NULL, own.pid, own.start)
        FROM (SELECT DISTINCT unnest(senders) AS by) AS said
        LEFT JOIN unnest(own_senders, own_pids, own_starts)
          AS own(by, pid, start) ON own.by = said.by;
      END IF;
      time_ms := ${CLOCK_MS} + shift;
      WITH inserted AS (
        INSERT INTO ${s}.inter_session_messages
          (id, sender_id, channel, payload, created_at, ttl_seconds, expires_at,
           project_id, recipient_id, reply_to, own)
        SELECT nextval('${s}.message_ids'), m.sender, m.channel, m.payload,
          to_timestamp(time_ms / 1000.0), m.ttl, time_ms + round(m.ttl * 1000)::bigint,
          m.project, m.recipient, m.reply, true
        FROM (
          SELECT * FROM unnest(
            senders, channels, payloads, ttls, projects, recipients, replies
          ) WITH ORDINALITY
            AS u(sender, channel, payload, ttl, project, recipient, reply, place)
          ORDER BY place
        ) AS m
        RETURNING id
      ) SELECT array_agg(id ORDER BY id) INTO ids FROM inserted;
      IF array_length(array_remove(recipients, NULL), 1) > 0 THEN
        INSERT INTO ${s}.deliveries(message_id, sender_id, recipient_id, state, changed_at)
        SELECT d.id, d.sender, d.recipient, 'queued', time_ms
        FROM unnest(ids, senders, recipients) AS d(id, sender, recipient)
        WHERE d.recipient IS NOT NULL;
      END IF;
      INSERT INTO ${s}.idempotency_keys(key, message_ids, done_at)
      VALUES (new_key, ids, ${CLOCK_MS});
      RETURN ids;
    END $$`,

    // Appends one message, commits it, and rings the bells in a transaction of
    // their own: all for one message to the server and one back, which is sent
    // when all is done.
    `CREATE OR REPLACE PROCEDURE ${s}.publish_one(
      program integer, shift bigint, new_key uuid, again boolean,
      sender text, channel text, payload text, ttl double precision,
      project text, recipient text, reply bigint, own boolean,
      own_pid bigint, own_start text, bells text[], INOUT ids text)
    LANGUAGE plpgsql AS $$
    ${
      ringing(`${s}.append_one(program, shift, new_key, again, sender, channel,
        payload, ttl, project, recipient, reply, own, own_pid, own_start)`)
    } $$`,

    // The same for several.
    `CREATE OR REPLACE PROCEDURE ${s}.publish(
      program integer, shift bigint, new_key uuid, again boolean,
      senders text[], channels text[], payloads text[], ttls double precision[],
      projects text[], recipients text[], replies bigint[],
      own_senders text[], own_pids bigint[], own_starts text[],
      bells text[], INOUT ids text)
    LANGUAGE plpgsql AS $$
    ${
      ringing(`${s}.append(program, shift, new_key, again, senders, channels,
        payloads, ttls, projects, recipients, replies, own_senders, own_pids,
        own_starts)`)
    } $$`,
  ];
}

/**
 * What appends, commits, and then rings. Who listens need not wait until the
 * disk knows that it was rung. (What is assigned runs as an expression, without
 * being planned as a query.)
 */
function ringing(append: string): string {
  return `DECLARE
      bell text;
      told text;
    BEGIN
      ids := ${append};
      COMMIT;
      told := set_config('synchronous_commit', 'off', true);
      FOREACH bell IN ARRAY bells LOOP
        told := pg_notify(bell, '');
      END LOOP;
    END`;
}

/** What completes and guards the rows of other programs. */
function triggers(s: string): string[] {
  const refuse = (message: string) =>
    `RAISE EXCEPTION '${message}' USING ERRCODE = '${REFUSED_STATE}'`;
  return [
    `CREATE FUNCTION ${s}.check_foreign_message() RETURNS trigger
    LANGUAGE plpgsql AS $$
    BEGIN
      IF NEW.id >= 0 THEN
        ${refuse("message ids are given by the bus: leave the id column out")};
      END IF;
      PERFORM ${s}.register_unknown(NEW.sender_id);
      IF NEW.project_id IS NULL THEN
        NEW.project_id := (SELECT project_id FROM ${s}.session_registry
          WHERE session_id = NEW.sender_id);
      END IF;
      RETURN NEW;
    END $$`,
    `CREATE TRIGGER messages_foreign BEFORE INSERT ON ${s}.inter_session_messages
    FOR EACH ROW WHEN (NOT NEW.own) EXECUTE FUNCTION ${s}.check_foreign_message()`,

    // At the commit of the foreign transaction: its place in the order, and its
    // times. now() is when that transaction began, and so tells a default.
    `CREATE FUNCTION ${s}.order_foreign_message() RETURNS trigger
    LANGUAGE plpgsql AS $$
    DECLARE
      new_id bigint;
      created timestamptz := NEW.created_at;
      ttl double precision := NEW.ttl_seconds;
    BEGIN
      PERFORM ${s}.lock_appending();
      new_id := nextval('${s}.message_ids');
      IF created IS NULL OR created = now()
        OR created NOT BETWEEN '${FIRST_DATE}' AND clock_timestamp() THEN
        created := clock_timestamp();
      END IF;
      created := date_trunc('milliseconds', created);
      -- NaN is above every number.
      IF ttl IS NULL OR ttl <= 0 OR ttl > ${TTL_SECONDS_MAX} THEN
        ttl := ${CHANNEL_TTL};
      END IF;
      UPDATE ${s}.inter_session_messages SET
        id = new_id,
        created_at = created,
        ttl_seconds = ttl,
        expires_at = coalesce(expires_at,
          (extract(epoch FROM created) * 1000 + ttl * 1000)::bigint)
      WHERE id = NEW.id;
      IF NOT FOUND THEN RETURN NULL; END IF;
      IF NEW.recipient_id IS NOT NULL THEN
        INSERT INTO ${s}.deliveries(message_id, sender_id, recipient_id, state, changed_at)
        VALUES (new_id, NEW.sender_id, NEW.recipient_id, 'queued', ${CLOCK_MS});
      END IF;
      -- Nobody rings for it but itself.
      PERFORM pg_notify(${s}.bell('*', ''), '');
      PERFORM pg_notify(${s}.bell(NEW.channel, coalesce(NEW.recipient_id, '*')), '');
      IF NEW.recipient_id IS NOT NULL THEN
        PERFORM pg_notify(${s}.bell(NEW.channel, ''), '');
      END IF;
      RETURN NULL;
    END $$`,
    `CREATE CONSTRAINT TRIGGER messages_order
    AFTER INSERT ON ${s}.inter_session_messages
    DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (NOT NEW.own) EXECUTE FUNCTION ${s}.order_foreign_message()`,

    `CREATE FUNCTION ${s}.keep_message() RETURNS trigger
    LANGUAGE plpgsql AS $$
    BEGIN
      ${refuse("messages are immutable: publish another one")};
    END $$`,
    `CREATE TRIGGER messages_immutable BEFORE UPDATE ON ${s}.inter_session_messages
    FOR EACH ROW WHEN (OLD.id > 0) EXECUTE FUNCTION ${s}.keep_message()`,

    // Everybody judges by it who lives.
    `CREATE FUNCTION ${s}.check_pid() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      IF NEW.pid NOT BETWEEN 1 AND ${PID_MAX} THEN NEW.pid := NULL; END IF;
      RETURN NEW;
    END $$`,
    `CREATE TRIGGER registry_pid BEFORE INSERT OR UPDATE OF pid ON ${s}.session_registry
    FOR EACH ROW WHEN (NEW.pid IS NOT NULL) EXECUTE FUNCTION ${s}.check_pid()`,

    // A row of another program gets a token from the counter, as its own might
    // have been somebody's before, and the lease that it left out.
    `CREATE FUNCTION ${s}.complete_foreign_lock() RETURNS trigger
    LANGUAGE plpgsql AS $$
    BEGIN
      IF EXISTS (SELECT FROM ${s}.file_locks WHERE file_path = NEW.file_path
        AND session_id <> NEW.session_id AND lock_type = 'exclusive') THEN
        ${refuse("another session holds this path exclusively")};
      END IF;
      PERFORM ${s}.register_unknown(NEW.session_id);
      NEW.token := nextval('${s}.fencing_tokens');
      NEW.lock_type := coalesce(NEW.lock_type, 'advisory');
      NEW.locked_at := coalesce(NEW.locked_at, clock_timestamp());
      NEW.holds := 1;
      NEW.waiter := NULL;
      IF NEW.expires_at IS NULL OR NEW.expires_at NOT BETWEEN 0 AND ${LAST_DATE_MS} THEN
        NEW.expires_at := ${CLOCK_MS} + ${DEFAULT_LOCK_LEASE_MS};
      END IF;
      RETURN NEW;
    END $$`,
    `CREATE TRIGGER locks_complete BEFORE INSERT ON ${s}.file_locks
    FOR EACH ROW WHEN (NEW.prefix IS NULL)
    EXECUTE FUNCTION ${s}.complete_foreign_lock()`,
    // Two may insert at once, and neither sees the other: looked at again at
    // the commit, one after the other.
    `CREATE FUNCTION ${s}.recheck_foreign_lock() RETURNS trigger
    LANGUAGE plpgsql AS $$
    BEGIN
      PERFORM ${s}.lock_coordination();
      IF EXISTS (SELECT FROM ${s}.file_locks AS mine JOIN ${s}.file_locks AS other
          ON other.file_path = mine.file_path AND other.session_id <> mine.session_id
        WHERE mine.token = NEW.token AND other.lock_type = 'exclusive') THEN
        ${refuse("another session holds this path exclusively")};
      END IF;
      RETURN NULL;
    END $$`,
    `CREATE CONSTRAINT TRIGGER locks_recheck AFTER INSERT ON ${s}.file_locks
    DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (NEW.prefix IS NULL)
    EXECUTE FUNCTION ${s}.recheck_foreign_lock()`,

    // The name of a doorbell: see wake_ups.ts.
    `CREATE FUNCTION ${s}.bell(channel text, session text) RETURNS text
    LANGUAGE sql IMMUTABLE AS $$
      SELECT '${s}_' || substr(md5(channel || E'\\n' || session), 1, 12)
    $$`,
  ];
}

/** The schema of this program. */
export const SCHEMA: Schema = {
  version: SCHEMA_VERSION,
  compatibleFrom: COMPATIBLE_FROM,
  // A new schema is made with the functions as they are now: the steps after
  // the first find them so, and bring those of older ones up to date.
  migrations: [{
    purpose: "make the tables of a bus",
    statements: (schema) => [
      ...messageTables(schema),
      ...coordinationTables(schema),
      ...functions(schema),
      ...triggers(schema),
    ],
  }, {
    purpose: "refuse what is published in the name of a session that has ended",
    statements: (schema) => [
      // Beside the new ones, they would still be those that are called.
      `DROP FUNCTION IF EXISTS ${schema}.append_one(integer, bigint, uuid, boolean,
        text, text, text, double precision, text, text, bigint)`,
      `DROP FUNCTION IF EXISTS ${schema}.append(integer, bigint, uuid, boolean,
        text[], text[], text[], double precision[], text[], text[], bigint[])`,
      ...functions(schema),
    ],
  }, {
    purpose: "ring for what is published by the statement that publishes it",
    statements: functions,
  }, {
    purpose: "keep what a session lives by beside its process",
    statements: (schema) => [
      `ALTER TABLE ${schema}.session_registry ADD COLUMN IF NOT EXISTS keeper text`,
    ],
  }],
};
