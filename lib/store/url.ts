/**
 * Finds the store that a URL names, without loading it.
 *
 * @module
 */

import { InvalidInputError } from "../model/errors.ts";
import type { ResolvedOptions } from "../bus/options.ts";

/** The options that name a store. */
export type StoreLocator = Pick<ResolvedOptions, "url" | "home">;

/** The address of a store. */
export type StoreAddress =
  /** SQLite in a bus folder; undefined is the default folder. */
  | { readonly kind: "sqlite"; readonly home: string | undefined }
  /** PostgreSQL at a URL, which may hold a password. */
  | { readonly kind: "postgres"; readonly url: string };

/**
 * Returns the address of the store: the first of the option `url`, the option `home`,
 * `$MBUS_URL` and SQLite in the default folder.
 *
 * @throws {InvalidInputError} If there is no store for the URL.
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
  if (home !== undefined && /^\/~(\/|$)/.test(home)) {
    const user = Deno.env.get("HOME") ?? "/home/you";
    throw new InvalidInputError(
      "url",
      `Cannot open the bus: a "~" in ${text} is not replaced. Write ` +
        `sqlite://${user}${home.slice(2)}.`,
    );
  }
  if (home !== undefined) return { kind: "sqlite", home };
  // Only the scheme is shown, because the URL may hold a password.
  throw new InvalidInputError(
    "url",
    `Cannot open the bus: there is no store for "${
      url?.protocol ?? "?"
    }" URLs ` +
      `of this form. Pass sqlite:///absolute/bus/folder or ` +
      `postgres://user:password@host:5432/database.`,
  );
}

/**
 * Returns the bus folder of an SQLite store; undefined is the default folder.
 *
 * @throws {InvalidInputError} If there is no store for the URL, or it is a server.
 */
export function sqliteHome(options: StoreLocator): string | undefined {
  const address = storeAddress(options);
  if (address.kind === "sqlite") return address.home;
  throw new InvalidInputError(
    "url",
    `Cannot use the bus folder: MBUS_URL names a server, which has none. Unset ` +
      `it or pass --home.`,
  );
}

/** Returns the path of a URL; undefined if the URL has other parts. */
function folderOf(url: URL): string | undefined {
  if (`${url.host}${url.search}${url.hash}` !== "") return undefined;
  if (!/^\/./.test(url.pathname)) return undefined;
  try {
    return decodeURIComponent(url.pathname);
  } catch {
    // Invalid percent-encoding.
    return undefined;
  }
}
