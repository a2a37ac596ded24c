/**
 * Opens the store that the options and the environment name.
 *
 * A command that needs a store before it knows its session uses this. All other
 * callers use `openBus`.
 *
 * @module
 */

import type { ResolvedOptions } from "../bus/options.ts";
import { Operations } from "../bus/operations.ts";
import { storePlace } from "./place.ts";
import type { Store } from "./store.ts";

/**
 * Opens the store that the options name, and makes it if there is none.
 *
 * @throws {InvalidInputError} If there is no store for the URL.
 * @throws {StoreError} If the store cannot be used.
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
