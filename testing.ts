/**
 * The suite that every store of the bus passes, for whoever writes one.
 *
 * @module
 */

export {
  conformance,
  type ConformanceCase,
} from "./lib/testing/conformance.ts";
export type {
  ForeignRow,
  StoreUnderTest,
  TestStorage,
  TestStoreOptions,
} from "./lib/testing/store_under_test.ts";
