/**
 * What a `postgres://` URL means, and how it may be shown.
 *
 * ```text
 * postgres://user:password@host:5432/database?sslmode=verify-full&schema=message_bus
 * ```
 *
 * A URL holds a password: nothing but {@linkcode ServerAddress.shown} ever
 * reaches an error, a log or an output, and it holds none.
 *
 * @module
 */

import { InvalidInputError } from "../model/errors.ts";
import { DEFAULT_SCHEMA } from "./schema_version.ts";

/** What TLS is asked for; false for none. */
export type Tls = false | "prefer" | "require" | Readonly<TlsSettings>;

/** How a server proves who it is. */
export interface TlsSettings {
  /** Whether its certificate must be of a known authority. */
  readonly rejectUnauthorized: boolean;
  /** The authority, as PEM; absent for those of the system. */
  readonly ca?: string;
  /** The name that it must be for. */
  readonly host?: string;
  /** Looks at the name in it; undefined is fine. */
  readonly checkServerIdentity?: () => undefined;
}

/** Where a server is, and how to log in. */
export interface ServerAddress {
  /** Its name or address. */
  readonly host: string;
  /** Its port. */
  readonly port: number;
  /** The path of its Unix socket, if it is that. */
  readonly path?: string;
  /** The role to log in as; `$PGUSER` or the system's user if absent. */
  readonly user?: string;
  /** Its password; `$PGPASSWORD` if absent. */
  readonly password?: string;
  /** The database; the role's name if absent. */
  readonly database?: string;
  /** What TLS is asked for. */
  readonly tls: Tls;
  /** The schema that the bus lives in. */
  readonly schema: string;
  /** The URL without anything that is secret. */
  readonly shown: string;
}

const KNOWN = ["sslmode", "sslrootcert", "schema", "host"];

/**
 * The address that a URL means.
 *
 * @throws {InvalidInputError} If it is none; the message does not repeat it.
 */
export function parseUrl(text: string): ServerAddress {
  const url = URL.parse(text);
  if (
    url === null || !["postgres:", "postgresql:"].includes(url.protocol) ||
    url.hash !== ""
  ) throw invalid("it is no postgres:// URL");
  const query = url.searchParams;
  const strange = [...query.keys()].find((key) => !KNOWN.includes(key));
  if (strange !== undefined) {
    throw invalid(
      `${JSON.stringify(strange)} is none of ${KNOWN.join(", ")}`,
    );
  }
  const database = decode(url.pathname.slice(1)) || undefined;
  const folder = query.get("host");
  const host = url.hostname.replace(/^\[|\]$/g, "") || "localhost";
  const port = Number(url.port || 5432);
  const schema = query.get("schema") ?? DEFAULT_SCHEMA;
  if (!/^[a-z_][a-z0-9_]{0,47}$/.test(schema) || schema.startsWith("pg_")) {
    throw invalid(
      `${JSON.stringify(schema)} is no schema for a bus: it is 1 to 48 small ` +
        `letters, digits and _, and does not begin with a digit or pg_`,
    );
  }
  if (folder !== null && !folder.startsWith("/")) {
    throw invalid("its host= is no absolute path of a folder with a socket");
  }
  const where = folder ?? (url.port === "" ? url.host : `${url.host}`);
  return {
    host,
    port,
    ...(folder !== null && { path: `${folder}/.s.PGSQL.${port}` }),
    user: decode(url.username) || undefined,
    password: decode(url.password) || undefined,
    database,
    tls: tlsOf(host, query.get("sslmode"), query.get("sslrootcert")),
    schema,
    shown: `postgres://${where || "localhost"}/${database ?? ""}` +
      (schema === DEFAULT_SCHEMA ? "" : `?schema=${schema}`),
  };
}

function tlsOf(
  host: string,
  mode: string | null,
  rootCert: string | null,
): Tls {
  const ca = rootCert === null || rootCert === "system"
    ? undefined
    : readCertificate(rootCert);
  switch (mode ?? (rootCert === null ? "disable" : "verify-full")) {
    case "disable":
      return false;
    case "prefer":
      return "prefer";
    case "require":
      // As PostgreSQL's own programs take it: with an authority, it is checked.
      return ca === undefined ? "require" : verifyCa(ca);
    case "verify-ca":
      return verifyCa(ca);
    case "verify-full":
      // Said, as the client library leaves an address out: any name would do.
      return {
        rejectUnauthorized: true,
        host,
        ...(ca !== undefined && { ca }),
      };
    default:
      throw invalid(
        "its sslmode is none of disable, prefer, require, verify-ca, verify-full",
      );
  }
}

function verifyCa(ca: string | undefined): TlsSettings {
  return {
    rejectUnauthorized: true,
    ...(ca !== undefined && { ca }),
    checkServerIdentity: () => undefined,
  };
}

function readCertificate(path: string): string {
  try {
    return Deno.readTextFileSync(path);
  } catch (error) {
    throw invalid(
      `its sslrootcert ${path} cannot be read (${(error as Error).message})`,
    );
  }
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw invalid("a % in it begins no byte");
  }
}

function invalid(state: string): InvalidInputError {
  return new InvalidInputError(
    "url",
    `Cannot open the bus: ${state}; pass ` +
      `postgres://user:password@host:5432/database, see docs/postgres.md.`,
  );
}
