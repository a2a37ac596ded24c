/**
 * Which store a URL or the environment means.
 *
 * Whoever needs a store without a bus around it (a command that first has to
 * find out which session it is) opens it here; all others use `openBus`.
 *
 * @module
 */

import type { ResolvedOptions } from "../bus/options.ts";
import { Operations } from "../bus/operations.ts";
import { storePlace } from "./place.ts";
import type { Store } from "./store.ts";

/**
 * Opens the store that the options name, making it if it is new.
 *
 * @throws {InvalidInputError} If there is no store for the URL.
 * @throws {StoreError} If it cannot be used.
 */
export async function openOperations(
  options: ResolvedOptions,
): Promise<Operations> {
  return new Operations(await openStore(options), options, options.warn);
}

async function openStore(options: ResolvedOptions): Promise<Store> {
  if (options.store !== undefined) return options.store;
  return await storePlace(options).open(options);
}
