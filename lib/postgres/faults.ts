/**
 * Translates errors of PostgreSQL into errors of a bus with a remedy.
 *
 * Errors are distinguished by SQLSTATE, else by the client's or the system's
 * code. Messages name the server and the role, never a password.
 *
 * @module
 */

import {
  BusyError,
  InvalidInputError,
  MessageBusError,
  SessionEndedError,
  StoreError,
  type StoreFault,
} from "../model/errors.ts";
import { ENDED_STATE, NEWER_SCHEMA_STATE, TAKEN_OVER_STATE } from "./schema.ts";
import type { ServerAddress } from "./url.ts";

/** The kind of a transient error. */
export type Transience =
  /** The connection was cut, and the outcome is unknown. */
  | "cut"
  /** The statement had no effect, and a retry may succeed. */
  | "again";

const CUT = new Set([
  "CONNECTION_CLOSED",
  "CONNECTION_DESTROYED",
  "ECONNRESET",
  "EPIPE",
  "ETIMEDOUT",
  "ECONNABORTED",
  "ENETDOWN",
  "57P01", // admin_shutdown
  "57P02", // crash_shutdown
  "57P05", // idle_session_timeout
  "25P04", // transaction_timeout
  "25P03", // idle_in_transaction_session_timeout
  "08006",
  "08003",
  "08000",
]);

const AGAIN = new Set([
  "CONNECT_TIMEOUT",
  "ECONNREFUSED",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "ENOENT",
  "EAI_AGAIN",
  "57P03", // cannot_connect_now: the server starts or recovers
  "53300", // too_many_connections
  "40001", // serialization_failure
  "40P01", // deadlock_detected
  "08001",
  "08004",
]);

/** Returns the code of an error of the server, the client or the system. */
export function codeOf(error: unknown): string {
  const code = (error as { code?: unknown } | null)?.code;
  return typeof code === "string" ? code : "";
}

/** Returns the kind of a transient error; undefined for any other error. */
export function transience(error: unknown): Transience | undefined {
  const code = codeOf(error);
  if (CUT.has(code)) return "cut";
  return AGAIN.has(code) ? "again" : undefined;
}

/** Returns whether an earlier attempt has committed the same idempotency key. */
export function isKeyTaken(error: unknown): boolean {
  return codeOf(error) === "23505" &&
    (error as { constraint_name?: unknown }).constraint_name ===
      "idempotency_keys_pkey";
}

/** Returns whether the data of a row was rejected. */
export function isDataError(error: unknown): boolean {
  const cause = error instanceof StoreError ? error.cause : error;
  return /^(22|23|MB002)/.test(codeOf(cause));
}

/**
 * Returns the error for a caller: a typed one with a remedy for each error of
 * the server, the connection and TLS, else the error itself.
 */
export function storeError(
  act: string,
  address: ServerAddress,
  error: unknown,
  waitedMs: number,
): unknown {
  if (error instanceof MessageBusError) return error;
  const { shown, schema } = address;
  const role = address.user === undefined ? "your role" : `"${address.user}"`;
  const said = firstLine(error);
  const make = (fault: StoreFault, state: string, remedy: string) =>
    new StoreError(fault, shown, `Cannot ${act}: ${state}. ${remedy}.`, {
      cause: error,
    });
  const code = codeOf(error);
  switch (code) {
    case "28P01":
    case "28000":
      return make(
        "permission",
        `${shown} rejects the login of ${role} (${said})`,
        `Check the role and the password in MBUS_URL, and pg_hba.conf`,
      );
    case "3D000":
      return make(
        "missing",
        `the database of ${shown} does not exist`,
        `Create it ("createdb") or correct MBUS_URL`,
      );
    case "42501":
      return make(
        "permission",
        `${role} lacks a right on the schema "${schema}" of ${shown} (${said})`,
        `Let an administrator run "CREATE SCHEMA ${schema} AUTHORIZATION ` +
          `<role>": a role that owns the schema needs no other right`,
      );
    case NEWER_SCHEMA_STATE:
      return make(
        "newer",
        `a newer version made the schema "${schema}" of ${shown}`,
        `Update this program`,
      );
    case ENDED_STATE:
    case TAKEN_OVER_STATE:
      return new SessionEndedError(
        act,
        String((error as { detail?: unknown }).detail),
        { takenOver: code === TAKEN_OVER_STATE },
      );
    case "42P01":
    case "42703":
    case "42883":
    case "3F000":
      return make(
        "foreign",
        `the schema "${schema}" of ${shown} lacks tables of a bus (${said})`,
        `Run "mbus migrate", or name another schema with ?schema= in MBUS_URL`,
      );
    case "25006":
      return make(
        "read-only",
        `${shown} is read-only, as a standby or by its settings`,
        `Pass the address of the primary server, or turn ` +
          `default_transaction_read_only off there`,
      );
    case "53100":
    case "53200":
    case "54000":
      return make(
        "full",
        `${shown} has no space left (${said})`,
        `Free some on the server and try again`,
      );
    case "55P03":
      return new BusyError(act, waitedMs, { cause: error });
    case "57014":
      return make(
        "server",
        `${shown} canceled a statement (${said})`,
        `Raise statement_timeout for ${role} if the server sets a low one, and ` +
          `try again`,
      );
    case "22021":
      return new InvalidInputError(
        "text",
        `Cannot ${act}: a text contains the character U+0000, which ` +
          `PostgreSQL does not store. Leave it out.`,
        { cause: error },
      );
    case "XX001":
    case "XX002":
      return make(
        "corrupt",
        `the database at ${shown} is damaged (${said})`,
        `Look at the server's log and restore it from a backup`,
      );
    case "58030":
      return make(
        "io",
        `the disk of ${shown} fails (${said})`,
        `Look at the server's log and at the disk's health`,
      );
    case "53300":
      return make(
        "unreachable",
        `${shown} has no free connections`,
        `Raise max_connections there, or run "mbus hub" on hosts with many ` +
          `sessions`,
      );
  }
  if (isTlsFault(error)) {
    return make(
      "unreachable",
      `TLS with ${shown} fails (${said})`,
      `Check sslmode and sslrootcert in MBUS_URL, and ssl in the server's ` +
        `postgresql.conf`,
    );
  }
  if (
    transience(error) !== undefined ||
    /^(E[A-Z]+|CONNECTION_.*|08...)$/.test(code)
  ) {
    return make(
      "unreachable",
      `${shown} does not answer (${said}), tried for ${
        Math.round(waitedMs)
      } ms`,
      `Check that the server runs, and the address in MBUS_URL`,
    );
  }
  if (isFromServer(error)) {
    return make(
      "server",
      `${shown} rejects a statement (${said}, SQLSTATE ${code})`,
      `Look at the server's log and settings`,
    );
  }
  return error;
}

/** Returns whether the server, or a pooler, has sent an error. */
function isFromServer(error: unknown): boolean {
  return error instanceof Error && "severity" in error;
}

/** Returns whether an error comes from the TLS handshake or a certificate. */
function isTlsFault(error: unknown): boolean {
  return codeOf(error) === "TLS_REFUSED" ||
    /CERT|SELF_SIGNED|UNABLE_TO|ERR_TLS|ERR_SSL|EPROTO/.test(codeOf(error)) ||
    /certificate|UnknownIssuer|NotValidForName|TLS|handshake/i.test(
      error instanceof Error ? error.message : "",
    );
}

function firstLine(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return (text || codeOf(error)).split("\n")[0];
}
