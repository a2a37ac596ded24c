/**
 * Which store a URL means, without loading any.
 *
 * @module
 */

import { InvalidInputError } from "./errors.ts";
import type { ResolvedOptions } from "./options.ts";

/**
 * The bus folder of an SQLite store; undefined for the default one.
 *
 * @throws {InvalidInputError} If the URL means none.
 */
export function sqliteHome(
  options: Pick<ResolvedOptions, "url" | "home">,
): string | undefined {
  const text = options.url ??
    (options.home === undefined ? Deno.env.get("MBUS_URL") : undefined);
  if (text === undefined || text === "") return options.home;
  const url = URL.parse(text);
  const folder = url?.protocol === "sqlite:" ? folderOf(url) : undefined;
  if (folder !== undefined) return folder;
  // The URL may hold a password: only its scheme is repeated.
  throw new InvalidInputError(
    "url",
    `Cannot open the bus: there is no store for "${
      url?.protocol ?? "?"
    }" URLs ` +
      `of this form; pass sqlite:///absolute/bus/folder.`,
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
