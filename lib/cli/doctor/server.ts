/**
 * Whether a bus on a PostgreSQL server can be used from here: that it answers,
 * its version, rights, clock, and how many listen.
 *
 * It makes no bus, and logs in as sessions do.
 *
 * @module
 */

import type { ServerAdmin, ServerState } from "../../postgres/admin.ts";
import { fail, failBy, type Finding, ok, warn } from "./finding.ts";

const CLOCK_AHEAD_MS = 2_000;
const QUEUE_USAGE_HIGH = 0.5;

/** The number of listeners from which a relay is cheaper (docs/postgres.md). */
const LISTENERS_MANY = 50;

/** Looks at the server and the bus on it. */
export async function checkServer(admin: ServerAdmin): Promise<Finding[]> {
  const findings: Finding[] = [];
  try {
    findings.push(...await checkSchema(admin));
    const state = await admin.server();
    findings.unshift(
      ok("server", `${admin.location} answers in ${ms(state.answerMs)}`),
    );
    findings.push(
      checkRights(state),
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
        `it is of version ${state.version}, which this program does not know`,
        "update this program",
      ),
    ];
  }
  if (pending.length > 0) {
    const message = state.version === 0
      ? "there is no bus yet"
      : `it is of version ${state.version}, ${pending.length} steps behind`;
    return [
      version,
      warn(
        "schema",
        message,
        'run "mbus migrate", or any other command if its role may do it',
      ),
    ];
  }
  return [version, ok("schema", `version ${state.version}`)];
}

function checkRights(
  { role, mayCreate, mayUse, isStandby }: ServerState,
): Finding {
  if (isStandby) {
    return fail(
      "rights",
      "the server is a standby, which may only be read",
      "pass the address of the primary server in MBUS_URL",
    );
  }
  if (mayUse) return ok("rights", `"${role}" may use the bus`);
  return mayCreate ? ok("rights", `"${role}" may make the bus`) : fail(
    "rights",
    `"${role}" may neither use nor make the bus`,
    'let who may run "CREATE SCHEMA message_bus AUTHORIZATION <role>"',
  );
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
    "nothing goes by this one, but what you see does: set it",
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
    `${connections} of sessions, ${connectionsMax} at the most of all`;
  return connections < connectionsMax * 0.8
    ? ok("connections", message)
    : warn("connections", message, "raise max_connections on the server");
}

/** Some listener has stopped reading, and the server keeps all since for it. */
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
      `${name} is off: what was acknowledged may be lost with the server`,
      `set ${name} to on there`,
    )
  );
}

function ms(value: number): string {
  return `${value.toFixed(value < 10 ? 1 : 0)} ms`;
}
