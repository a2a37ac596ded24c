/**
 * The schema in PostgreSQL, which other programs may use, too.
 *
 * All objects are in one schema, `message_bus` unless the URL names another. A
 * role needs no right but the ownership of that schema. Names equal those of the
 * SQLite store. A plain
 * `INSERT INTO message_bus.inter_session_messages(sender_id, channel, payload)`
 * from any language is a complete message here, too.
 *
 * **Ids in the order of commits.** A sequence returns ids in the order of calls,
 * not of commits. A reader of `id > cursor` would skip a message that commits
 * late. So an id is taken only under the *append lock*. This advisory lock is
 * held until the commit is visible, so a later id commits later. It is held
 * briefly:
 *
 * - One server-side function, `append`, takes it as the last step of a
 *   transaction, and then waits for no client, row or other lock. So there are
 *   no foreign keys to sessions, because they would wait for row locks.
 * - A foreign insert gets a provisional negative id, which no reader sees. A
 *   constraint trigger replaces it *at the commit*. So an open foreign
 *   transaction delays no other, and its messages come last.
 *
 * (The alternative, to read only below the oldest running transaction, would let
 * any long transaction stop every delivery.)
 *
 * **Lock order**: the coordination lock, rows, the append lock. Rules on shared
 * records (sessions, locks, tasks) run under the *coordination lock*, one for
 * each bus. So they see no partial changes, as with SQLite's single writer.
 *
 * **Time** is the server's. Columns that other programs write are `timestamptz`,
 * the others are milliseconds since 1970. Only tests shift the clock.
 *
 * **Idempotency.** A statement that may be sent again after a cut
 * (connection.ts) commits the row of its key with its changes.
 *
 * The schema needs nothing newer than PostgreSQL 14.
 *
 * @module
 */

import { DEFAULT_LOCK_LEASE_MS } from "../model/lock.ts";
import { DOING_MAX } from "../model/session.ts";
import {
  CHANNEL_TTL_SECONDS,
  DEFAULT_TTL_SECONDS,
  TTL_SECONDS_MAX,
} from "../model/channels.ts";
import { COMPATIBLE_FROM, SCHEMA_VERSION } from "./schema_version.ts";

/** `mbus` in ASCII: the first key of all advisory locks of buses. */
export const LOCK_CLASS = 0x6d627573;

/** SQLSTATE of the schema's error for a program that is too old. */
export const NEWER_SCHEMA_STATE = "MB001";

/** SQLSTATE of the schema's error for a rejected row. */
export const REFUSED_STATE = "MB002";

/** SQLSTATE of the schema's error for an ended sender, named in its detail. */
export const ENDED_STATE = "MB003";

/** SQLSTATE of the error for a sender, its detail, that another process has. */
export const TAKEN_OVER_STATE = "MB004";

/** One step from a version of the schema to the next. */
export interface Migration {
  /** The purpose of the step, for people. */
  readonly purpose: string;
  /** Returns the statements for a schema's name. */
  statements(schema: string): readonly string[];
}

/** A version of the schema, with the way to it. */
export interface Schema {
  /** The version that the program writes. */
  readonly version: number;
  /** The oldest version whose programs can work on the schema. */
  readonly compatibleFrom: number;
  /** The steps from each version to the next; index 0 leads to version 1. */
  readonly migrations: readonly Migration[];
}

// The limits of exact integers, pids and dates in JavaScript.
const SAFE_INTEGER = 9007199254740991;
const PID_MAX = 4294967295;
const LAST_DATE_MS = 8640000000000000;

const KEY = `text COLLATE "C"`;
/** SQL of the server's time, in milliseconds since 1970. */
export const CLOCK_MS: string =
  `(extract(epoch FROM clock_timestamp()) * 1000)::bigint`;
const FIRST_DATE = "2020-01-01Z";

const CHANNEL_TTL = `CASE NEW.channel ${
  Object.entries(CHANNEL_TTL_SECONDS)
    .map(([channel, ttl]) => `WHEN '${channel}' THEN ${ttl}`).join(" ")
} ELSE ${DEFAULT_TTL_SECONDS} END`;

/** Returns the tables of sessions, messages and durable names. */
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

    // The state of each direct message. A row outlives its message, so that the
    // sender can still see that it expired.
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

    // cursor is the acknowledged position, and the reader_ columns are the lease
    // of the current reader.
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

    // Values of the store: the last purged id, and the time of the last purge.
    `CREATE TABLE ${s}.counters (
      name text PRIMARY KEY,
      value bigint NOT NULL
    )`,
    `INSERT INTO ${s}.counters(name, value) VALUES ('purged_at', 0), ('purged_to', 0)`,
    `CREATE SEQUENCE ${s}.fencing_tokens`,

    // The keys of committed writes, with the ids of their messages.
    `CREATE TABLE ${s}.idempotency_keys (
      key uuid PRIMARY KEY,
      message_ids bigint[] NOT NULL,
      done_at bigint NOT NULL
    )`,
    `CREATE INDEX idx_idempotency_done ON ${s}.idempotency_keys(done_at)`,
  ];
}

/** Returns the tables of locks, tasks and notes. */
function coordinationTables(s: string): string[] {
  return [
    // Holds only; waiters are in lock_waiters. extent is the path set, and prefix
    // is NULL in other programs' rows until they are adopted.
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

    // waits_for counts the open dependencies.
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

    // A session's own notes, which connect its one-shot processes.
    `CREATE TABLE ${s}.session_notes (
      session_id ${KEY} NOT NULL,
      key ${KEY} NOT NULL,
      value text NOT NULL,
      changed_at bigint NOT NULL,
      PRIMARY KEY (session_id, key)
    )`,
    `CREATE INDEX idx_notes_changed ON ${s}.session_notes(changed_at)`,
    // The last changes of each file, for sessions that have read it before.
    `CREATE TABLE ${s}.file_touches (
      path ${KEY} NOT NULL,
      session_id ${KEY} NOT NULL,
      touched_at bigint NOT NULL,
      PRIMARY KEY (path, session_id)
    )`,
    `CREATE INDEX idx_touches_touched ON ${s}.file_touches(touched_at)`,
  ];
}

/** Returns the SQL of an advisory lock; the oid of a table identifies the bus. */
function advisoryLock(s: string, table: string, how: "" | "try_" = ""): string {
  return `pg_${how}advisory_xact_lock(${LOCK_CLASS}, '${s}.${table}'::regclass::oid::bigint::bit(32)::integer)`;
}

/** Returns the functions that this library calls; they replace existing ones. */
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

    // The append lock, which is held until the commit.
    `CREATE OR REPLACE FUNCTION ${s}.lock_appending() RETURNS void LANGUAGE plpgsql AS $$
    BEGIN
      PERFORM ${advisoryLock(s, "inter_session_messages")};
    END $$`,

    `CREATE OR REPLACE FUNCTION ${s}.lock_coordination() RETURNS void LANGUAGE plpgsql AS $$
    BEGIN
      PERFORM ${advisoryLock(s, "session_registry")};
    END $$`,

    // Begins a write: returns the time, and the message ids of a committed key.
    // For the coordination lock, locking is none, wait or try. If another
    // transaction holds it, try returns NULL.
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

    // Ends a write without messages. A transaction without changes needs no key.
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

    // Raises an error if the sender has ended. With own, the caller has registered
    // it with the given process, and it must still belong to that.
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

    // Appends one message and returns its id. again: the key may be committed
    // already. own: whether the caller has registered the sender; NULL skips the
    // check of the sender. The check runs under the append lock, so that no
    // message of a session follows its end. As a plain read it waits for no row.
    // Calls are inlined, because this is the most frequent function.
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

    // The same for several messages; the ids are in their order. own_senders: the
    // senders that the caller has registered.
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

    // Appends one message, commits it, and rings the bells in a second
    // transaction, all in one round trip.
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

    // The same for several messages.
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
 * Returns the body of a procedure that appends, commits, and then rings.
 * Notifications need no durability, so their commit does not wait for the disk.
 * Assignments run as expressions, which are not planned as queries.
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

/**
 * Returns the function that sets the id and the times at the commit of a foreign
 * transaction. The default of created_at is the begin of that transaction, which is
 * now().
 */
function orderForeignMessage(s: string): string {
  return `CREATE OR REPLACE FUNCTION ${s}.order_foreign_message() RETURNS trigger
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
    -- A foreign program rings no bells.
    PERFORM pg_notify(${s}.bell('*', ''), '');
    PERFORM pg_notify(${s}.bell(NEW.channel, coalesce(NEW.recipient_id, '*')), '');
    IF NEW.recipient_id IS NOT NULL THEN
      PERFORM pg_notify(${s}.bell(NEW.channel, ''), '');
    END IF;
    RETURN NULL;
  END $$`;
}

/** Returns the triggers that complete and check other programs' rows. */
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

    orderForeignMessage(s),
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

    // Liveness checks of all sessions use the pid.
    `CREATE FUNCTION ${s}.check_pid() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      IF NEW.pid NOT BETWEEN 1 AND ${PID_MAX} THEN NEW.pid := NULL; END IF;
      RETURN NEW;
    END $$`,
    `CREATE TRIGGER registry_pid BEFORE INSERT OR UPDATE OF pid ON ${s}.session_registry
    FOR EACH ROW WHEN (NEW.pid IS NOT NULL) EXECUTE FUNCTION ${s}.check_pid()`,

    // Another program's row gets a token from the sequence, because its own may
    // have been used before, and a default lease.
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
    // Two concurrent inserts do not see each other, so each is checked again at
    // its commit, one after the other.
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

    // The name of a bell, see wake_ups.ts.
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
  // A new schema gets the current functions in the first step. The later steps
  // update those of older schemas.
  migrations: [{
    purpose: "create the tables of a bus",
    statements: (schema) => [
      ...messageTables(schema),
      ...coordinationTables(schema),
      ...functions(schema),
      ...triggers(schema),
    ],
  }, {
    purpose: "reject messages of sessions that have ended",
    statements: (schema) => [
      // Calls would still resolve to these older overloads.
      `DROP FUNCTION IF EXISTS ${schema}.append_one(integer, bigint, uuid, boolean,
        text, text, text, double precision, text, text, bigint)`,
      `DROP FUNCTION IF EXISTS ${schema}.append(integer, bigint, uuid, boolean,
        text[], text[], text[], double precision[], text[], text[], bigint[])`,
      ...functions(schema),
    ],
  }, {
    purpose: "notify readers in the statement that publishes",
    statements: functions,
  }, {
    purpose: "store the keeper of a session",
    statements: (schema) => [
      `ALTER TABLE ${schema}.session_registry ADD COLUMN IF NOT EXISTS keeper text`,
    ],
  }, {
    purpose: "store names and activities of sessions, and keep chat for a day",
    statements: (schema) => [
      `ALTER TABLE ${schema}.session_registry
        ADD COLUMN IF NOT EXISTS name ${KEY} CHECK (length(name) BETWEEN 1 AND 256),
        ADD COLUMN IF NOT EXISTS name_chosen integer NOT NULL DEFAULT 0
          CHECK (name_chosen IN (0, 1)),
        ADD COLUMN IF NOT EXISTS doing text CHECK (length(doing) <= ${DOING_MAX}),
        ADD COLUMN IF NOT EXISTS activity text,
        ADD COLUMN IF NOT EXISTS activity_why text,
        ADD COLUMN IF NOT EXISTS activity_at bigint
          CHECK (activity_at BETWEEN 0 AND ${LAST_DATE_MS})`,
      `CREATE INDEX IF NOT EXISTS idx_registry_name_end
        ON ${schema}.session_registry(right(name, 4))`,
      orderForeignMessage(schema),
    ],
  }, {
    purpose: "store the session that a task is assigned to",
    statements: (schema) => [
      `ALTER TABLE ${schema}.tasks ADD COLUMN IF NOT EXISTS assigned_to ${KEY}`,
    ],
  }],
};
