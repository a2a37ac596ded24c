/**
 * Which store a URL means, without loading any.
 *
 * @module
 */

import { InvalidInputError } from "../model/errors.ts";
import type { ResolvedOptions } from "../bus/options.ts";

/** What says where the rows live. */
export type StoreLocator = Pick<ResolvedOptions, "url" | "home">;

/** Which store is meant. */
export type StoreAddress =
  /** SQLite in a bus folder; undefined for the default one. */
  | { readonly kind: "sqlite"; readonly home: string | undefined }
  /** PostgreSQL at a URL, which may hold a password. */
  | { readonly kind: "postgres"; readonly url: string };

/**
 * Which store the options and the environment mean: the URL that is given,
 * else the folder, else `$MBUS_URL`, else SQLite in the default folder.
 *
 * @throws {InvalidInputError} If the URL means none.
 */
export function storeAddress(options: StoreLocator): StoreAddress {
  const text = options.url ??
    (options.home === undefined ? Deno.env.get("MBUS_URL") : undefined);
  if (text === undefined || text === "") {
    return { kind: "sqlite", home: options.home };
  }
  const url = URL.parse(text);
  if (/^postgres(ql)?:\/\//.test(text)) return { kind: "postgres", url: text };
  const home = url?.protocol === "sqlite:" ? folderOf(url) : undefined;
  if (home !== undefined) return { kind: "sqlite", home };
  // The URL may hold a password: only its scheme is repeated.
  throw new InvalidInputError(
    "url",
    `Cannot open the bus: there is no store for "${
      url?.protocol ?? "?"
    }" URLs ` +
      `of this form; pass sqlite:///absolute/bus/folder or ` +
      `postgres://user:password@host:5432/database.`,
  );
}

/**
 * The bus folder of an SQLite store; undefined for the default one.
 *
 * @throws {InvalidInputError} If the URL means none, or another store.
 */
export function sqliteHome(options: StoreLocator): string | undefined {
  const address = storeAddress(options);
  if (address.kind === "sqlite") return address.home;
  throw new InvalidInputError(
    "url",
    `Cannot use the bus folder: MBUS_URL means a server, which has none; unset ` +
      `it or pass --home.`,
  );
}

/** The absolute path that a URL is; undefined if it is more than that. */
function folderOf(url: URL): string | undefined {
  if (`${url.host}${url.search}${url.hash}` !== "") return undefined;
  if (!/^\/./.test(url.pathname)) return undefined;
  try {
    return decodeURIComponent(url.pathname);
  } catch {
    // A % that begins no byte.
    return undefined;
  }
}
