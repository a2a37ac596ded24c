/**
 * Parses `postgres://` URLs.
 *
 * ```text
 * postgres://user:password@host:5432/database?sslmode=verify-full&schema=message_bus
 * ```
 *
 * A URL may contain a password. So errors, logs and output contain only
 * {@linkcode ServerAddress.shown}, which has none.
 *
 * @module
 */

import { InvalidInputError } from "../model/errors.ts";
import { DEFAULT_SCHEMA } from "./schema_version.ts";

/** The TLS mode of a connection; false for no TLS. */
export type Tls = false | "prefer" | "require" | Readonly<TlsSettings>;

/** The verification of the server's certificate. */
export interface TlsSettings {
  /** Whether a known authority must have signed the certificate. */
  readonly rejectUnauthorized: boolean;
  /** The authority, as PEM; absent for those of the system. */
  readonly ca?: string;
  /** The name in the certificate. */
  readonly host?: string;
  /** Checks the name in the certificate; undefined accepts it. */
  readonly checkServerIdentity?: () => undefined;
}

/** The address of a bus on a server, with the login. */
export interface ServerAddress {
  /** The host name or IP address. */
  readonly host: string;
  /** The port. */
  readonly port: number;
  /** The path of the Unix socket; absent for TCP. */
  readonly path?: string;
  /** The role; `$PGUSER` or the system's user if absent. */
  readonly user?: string;
  /** The password; `$PGPASSWORD` if absent. */
  readonly password?: string;
  /** The database; the role's name if absent. */
  readonly database?: string;
  /** The TLS mode. */
  readonly tls: Tls;
  /** The name of the bus's schema. */
  readonly schema: string;
  /** The URL without secrets. */
  readonly shown: string;
}

const KNOWN = ["sslmode", "sslrootcert", "schema", "host"];

/**
 * Parses a URL.
 *
 * @throws {InvalidInputError} If it is invalid; the message never quotes it.
 */
export function parseUrl(text: string): ServerAddress {
  const url = URL.parse(text);
  if (
    url === null || !["postgres:", "postgresql:"].includes(url.protocol) ||
    url.hash !== ""
  ) throw invalid("the URL is not a postgres:// URL");
  const query = url.searchParams;
  const unknown = [...query.keys()].find((key) => !KNOWN.includes(key));
  if (unknown !== undefined) {
    throw invalid(
      `the URL's option ${JSON.stringify(unknown)} is not one of ` +
        KNOWN.join(", "),
    );
  }
  const database = decode(url.pathname.slice(1)) || undefined;
  const folder = query.get("host");
  const host = url.hostname.replace(/^\[|\]$/g, "") || "localhost";
  const port = Number(url.port || 5432);
  const schema = query.get("schema") ?? DEFAULT_SCHEMA;
  if (!/^[a-z_][a-z0-9_]{0,47}$/.test(schema) || schema.startsWith("pg_")) {
    throw invalid(
      `the schema ${
        JSON.stringify(schema)
      } is not 1 to 48 lower-case letters, ` +
        `digits and _, or begins with a digit or pg_`,
    );
  }
  if (folder !== null && !folder.startsWith("/")) {
    throw invalid("its host= is not the absolute path of a socket's folder");
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
      // As in libpq: with an authority, the certificate is verified.
      return ca === undefined ? "require" : verifyCa(ca);
    case "verify-ca":
      return verifyCa(ca);
    case "verify-full":
      // Explicit, because without `host` the library accepts any name for an IP.
      return {
        rejectUnauthorized: true,
        host,
        ...(ca !== undefined && { ca }),
      };
    default:
      throw invalid(
        "its sslmode is not one of disable, prefer, require, verify-ca, verify-full",
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
    throw invalid("a % in the URL does not begin an encoded byte");
  }
}

function invalid(state: string): InvalidInputError {
  return new InvalidInputError(
    "url",
    `Cannot open the bus: ${state}. Pass ` +
      `postgres://user:password@host:5432/database, see docs/postgres.md.`,
  );
}
