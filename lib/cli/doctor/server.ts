/**
 * Checks of a bus on a PostgreSQL server: connection, version, a write, clock and
 * listeners.
 *
 * The check logs in with the role of sessions. It tries pending migrations, a lock
 * and a message in a transaction that it rolls back.
 *
 * @module
 */

import type { ServerAdmin, ServerState } from "../../postgres/admin.ts";
import { fail, failBy, type Finding, ok, warn } from "./finding.ts";

const CLOCK_AHEAD_MS = 2_000;
const QUEUE_USAGE_HIGH = 0.5;

/** Number of listeners above which a relay is cheaper: see docs/postgres.md. */
const LISTENERS_MANY = 50;

/** Returns the findings about the server and its bus. */
export async function checkServer(admin: ServerAdmin): Promise<Finding[]> {
  const findings: Finding[] = [];
  try {
    findings.push(...await checkSchema(admin));
    const state = await admin.server();
    findings.unshift(
      ok("server", `${admin.location} answers in ${ms(state.answerMs)}`),
    );
    findings.push(
      await checkWrite(admin, state),
      checkTls(state),
      checkClock(state),
      checkListeners(state),
      checkConnections(state),
      ...checkQueue(state),
      ...checkCommits(state),
    );
  } catch (error) {
    findings.push(failBy("server", error));
  }
  return findings;
}

async function checkSchema(admin: ServerAdmin): Promise<Finding[]> {
  const { state, pending } = await admin.schema();
  const version = ok("version", `PostgreSQL ${state.serverVersion}`);
  if (state.compatibleFrom > admin.ownVersion) {
    return [
      version,
      fail(
        "schema",
        `version ${state.version} is unknown to this program`,
        "upgrade mbus",
      ),
    ];
  }
  if (pending.length > 0) {
    const message = state.version === 0
      ? "there is no bus yet"
      : `version ${state.version} is ${pending.length} steps behind`;
    return [
      version,
      warn(
        "schema",
        message,
        'run "mbus migrate", or any other command with a role that may migrate',
      ),
    ];
  }
  return [version, ok("schema", `version ${state.version}`)];
}

async function checkWrite(
  admin: ServerAdmin,
  { role }: ServerState,
): Promise<Finding> {
  try {
    const took = ms(await admin.tryWrite());
    return ok(
      "write",
      `role "${role}" locked a name and sent a message in ${took}, rolled back`,
    );
  } catch (error) {
    return failBy("write", error);
  }
}

function checkTls({ encrypted }: ServerState): Finding {
  return ok("TLS", encrypted ? "on" : "off: MBUS_URL does not ask for it");
}

function checkClock({ clockAheadMs }: ServerState): Finding {
  const away = Math.abs(clockAheadMs);
  const which = clockAheadMs > 0 ? "ahead of" : "behind";
  const message = `the server's is ${ms(away)} ${which} this one`;
  return away < CLOCK_AHEAD_MS ? ok("clock", message) : warn(
    "clock",
    message,
    "set this machine's clock, by which ages and times are shown",
  );
}

function checkListeners({ listeners }: ServerState): Finding {
  const message = `${listeners} processes listen`;
  return listeners <= LISTENERS_MANY ? ok("listeners", message) : warn(
    "listeners",
    message,
    'run "mbus hub" on each host with many sessions',
  );
}

function checkConnections(
  { connections, connectionsMax }: ServerState,
): Finding {
  const message =
    `${connections} of at most ${connectionsMax} connections are of sessions`;
  return connections < connectionsMax * 0.8
    ? ok("connections", message)
    : warn("connections", message, "raise max_connections on the server");
}

/** Returns a warning if a listener does not read and fills the server's queue. */
function checkQueue({ queueUsage }: ServerState): Finding[] {
  if (queueUsage < QUEUE_USAGE_HIGH) return [];
  return [warn(
    "notifications",
    `the server's queue is ${Math.round(queueUsage * 100)} % full`,
    "end the connection that listens and does not read (pg_stat_activity)",
  )];
}

function checkCommits({ settings }: ServerState): Finding[] {
  const off = Object.entries(settings).filter(([, value]) => value === "off");
  return off.map(([name]) =>
    warn(
      "commits",
      `${name} is off, so a crash of the server may lose acknowledged writes`,
      `set ${name} to on at the server`,
    )
  );
}

function ms(value: number): string {
  return `${value.toFixed(value < 10 ? 1 : 0)} ms`;
}
