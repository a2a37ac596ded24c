/**
 * Checks of the database: integrity, WAL, sessions, bells, clock and writer lock.
 *
 * The file is opened read-only first. If all checks pass, an empty write
 * transaction tests the writer lock.
 *
 * @module
 */

import { lifeOf } from "../../sql/session_rows.ts";
import { StoreError } from "../../model/errors.ts";
import { processAlive } from "../../process/host.ts";
import { STALE_AFTER_MS } from "../../model/session.ts";
import { Connection, journalMode } from "../../sqlite/connection.ts";
import type { Library } from "../../sqlite/driver.ts";
import type { BusLocation } from "../../sqlite/location.ts";
import { SCHEMA_VERSION } from "../../sqlite/schema.ts";
import { listSessions } from "../../sqlite/sessions.ts";
import { renderBytes } from "../output/bytes.ts";
import { fail, failBy, type Finding, ok, warn } from "./finding.ts";

// Checkpoints begin at about 2 MB, so a WAL of this size means that none succeeds.
const WAL_BYTES_HIGH = 64 << 20;
const BUSY_TIMEOUT_MS = 1_000;
const CLOCK_AHEAD_MS = 5_000;
const FLAWS_SHOWN_MAX = 3;

/** Returns the findings about the database. */
export async function checkDatabase(
  location: BusLocation,
  library: Library,
): Promise<Finding[]> {
  const size = sizeOf(location.databasePath);
  if (!size) {
    return [warn(
      "database",
      `there is no bus yet at ${location.databasePath}`,
      'run "mbus init", or any other command, to create it',
    )];
  }
  let connection: Connection;
  try {
    connection = Connection.open(location, {
      library,
      readOnly: true,
      busyTimeoutMs: BUSY_TIMEOUT_MS,
    });
  } catch (error) {
    return [
      error instanceof StoreError && error.fault === "missing"
        ? warn("database", error.message, 'run "mbus init"')
        : failBy("database", error),
    ];
  }
  const findings: Finding[] = [];
  const attempts: readonly [string, () => Finding | readonly Finding[]][] = [
    ["database", () => identity(connection, size)],
    ["integrity", () => integrity(connection)],
    ["journal", () => checkJournal(connection)],
    ["wal", () => checkWal(location)],
    ["sessions", () => sessions(connection)],
    ["bells", () => bells(connection)],
    ["clock", () => clock(connection)],
  ];
  try {
    for (const [check, attempt] of attempts) {
      // The connection retries on a busy file, and explains SQLite's errors.
      const act = `check the ${check}`;
      try {
        const found = await connection.read(act, () => [attempt()].flat());
        findings.push(...found);
      } catch (error) {
        findings.push(failBy(check, error));
      }
    }
  } finally {
    connection.close();
  }
  if (!findings.some(({ status }) => status === "fail")) {
    findings.push(await tryWrite(location, library));
  }
  return findings;
}

function identity(connection: Connection, size: number): Finding {
  const row = connection.sql(
    "SELECT version, compatible_from FROM _schema_version",
  ).get()!;
  const message = `${connection.location.databasePath}, ` +
    `${renderBytes(size)}, schema version ${row.version}`;
  return Number(row.version) > SCHEMA_VERSION
    ? warn(
      "database",
      `${message}, newer than this program's ${SCHEMA_VERSION}, but compatible`,
      "upgrade mbus",
    )
    : ok("database", message);
}

function integrity(connection: Connection): Finding {
  const flaws = [
    ...connection.sql("PRAGMA quick_check(10)").all()
      .map((row) => String(Object.values(row)[0]))
      .filter((text) => text !== "ok"),
    ...connection.sql("PRAGMA foreign_key_check").all()
      .map((row) => `a row of ${row.table} has no parent in ${row.parent}`),
  ];
  return flaws.length === 0
    ? ok("integrity", "quick_check and foreign_key_check passed")
    : fail(
      "integrity",
      [...new Set(flaws)].slice(0, FLAWS_SHOWN_MAX).join("; "),
      "end the programs that use it, copy its folder, and restore the file " +
        'with "sqlite3 messaging.db .recover" or move it away',
    );
}

/** Returns a warning if another program changed the journal mode. */
function checkJournal(connection: Connection): Finding {
  const mode = journalMode(connection.db);
  return mode === "wal" ? ok("journal", "WAL") : warn(
    "journal",
    `another program set the journal mode to "${mode}", and the next command that ` +
      `opens the bus sets it back to WAL`,
    "remove PRAGMA journal_mode from that program",
  );
}

function checkWal(location: BusLocation): Finding {
  const size = sizeOf(`${location.databasePath}-wal`) ?? 0;
  const state = `the WAL is ${renderBytes(size)}`;
  return size < WAL_BYTES_HIGH ? ok("wal", state) : warn(
    "wal",
    `${state}: a long read transaction keeps it from being reset`,
    "end the program that keeps a transaction open; the WAL then shrinks by itself",
  );
}

function sessions(connection: Connection): Finding {
  const now = Date.now();
  const all = listSessions(connection, { project: null, ended: false });
  const dead = all.filter((session) => lifeOf(session) === "dead");
  const stale = all.filter((session) =>
    !(now - Date.parse(session.heartbeatAt) < STALE_AFTER_MS)
  );
  const message = `${all.length} registered, ${stale.length} stale ` +
    `(no heartbeat for ${STALE_AFTER_MS / 1000} s), ${dead.length} dead`;
  return dead.length === 0 ? ok("sessions", message) : warn(
    "sessions",
    `${message}: ${dead.slice(0, 5).map(({ id }) => id).join(", ")}`,
    'run "mbus purge", which reaps dead sessions',
  );
}

function bells(connection: Connection): Finding {
  const rows = connection.sql(
    "SELECT bell, host, pid, process_start FROM bells",
  ).all();
  const dead = rows.filter((row) =>
    processAlive(
      { pid: Number(row.pid), startTime: String(row.process_start ?? "") },
      String(row.host),
    ) === "dead"
  ).length;
  const message = `${rows.length} readers, ${dead} of them dead`;
  return dead === 0
    ? ok("bells", message)
    : warn("bells", message, 'run "mbus purge", which removes their bells');
}

function clock(connection: Connection): Finding {
  const row = connection.sql(
    `SELECT CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER) AS now,
       max(CAST((julianday(created_at) - 2440587.5) * 86400000 AS INTEGER)) AS last
     FROM inter_session_messages`,
  ).get()!;
  const ahead = row.last === null ? 0 : Number(row.last) - Number(row.now);
  return ahead <= CLOCK_AHEAD_MS
    ? ok("clock", "no message is from the future")
    : warn(
      "clock",
      `the last message is ${
        Math.round(ahead / 1000)
      } s ahead: the clock was set back`,
      "check the clock; until it catches up, messages expire too late",
    );
}

async function tryWrite(
  location: BusLocation,
  library: Library,
): Promise<Finding> {
  let connection: Connection | undefined;
  try {
    connection = Connection.open(location, {
      library,
      busyTimeoutMs: BUSY_TIMEOUT_MS,
    });
    const began = performance.now();
    await connection.write("try a write", () => {});
    const took = (performance.now() - began).toFixed(1);
    return ok("write", `acquired the write lock in ${took} ms`);
  } catch (error) {
    return failBy("write", error);
  } finally {
    connection?.close();
  }
}

function sizeOf(path: string): number | undefined {
  try {
    return Deno.statSync(path).size;
  } catch {
    // checkPlace() reports the reason.
    return undefined;
  }
}
