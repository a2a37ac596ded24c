/**
 * A store of a third party passes the conformance suite, whether it loads only the
 * records of a query or all records.
 */

import {
  conformance,
  type StoreUnderTest,
  type TestStorage,
} from "../../testing.ts";
import { Clock } from "../fixture.ts";
import type { Extent } from "./memory.ts";
import { MemoryStore, Shared } from "./memory_store.ts";

function memory(extent: Extent): StoreUnderTest {
  return {
    name: `memory (${extent})`,
    capabilities: {
      pushesWakeUps: true,
      atomicBatches: true,
      exactLossCounts: true,
      acceptsForeignRows: false,
    },
    storage(): Promise<TestStorage> {
      const shared = new Shared();
      const clock = new Clock();
      return Promise.resolve({
        now: clock.now,
        advance: (ms) => clock.advance(ms),
        open: () => Promise.resolve(new MemoryStore(shared, clock.now, extent)),
        [Symbol.asyncDispose]: () => Promise.resolve(),
      });
    },
  };
}

for (const extent of ["all", "asked"] as const) {
  conformance(Deno.test, memory(extent));
}
