/**
 * Cases of the suite, with the capabilities that they need.
 *
 * Every store has the same cases. A case that needs a missing capability is
 * ignored, not left out.
 *
 * @module
 */

import type { StoreCapabilities } from "../store/store.ts";
import type { Scene } from "./scene.ts";
import type { StoreUnderTest } from "./store_under_test.ts";

/** Need of a case: a capability, or a clock that can be moved. */
export type Need = keyof StoreCapabilities | "movesClock";

/** Case, independent of the store that runs it. */
export interface Case {
  /** Name of the case: the behaviour that it shows. */
  readonly name: string;
  /** Needs that a store must meet. */
  readonly needs: readonly Need[];
  /** Needs that a store must not meet. */
  readonly lacks?: Need;
  /** Runs the case, which fails by throwing. */
  run(scene: Scene): Promise<void>;
}

/** Collects the cases of a subject. */
export class Cases {
  /** Added cases, in order. */
  readonly all: Case[];
  readonly #needs: readonly Need[];
  readonly #lacks: Need | undefined;

  /** Makes an empty collection without needs. */
  constructor(all: Case[] = [], needs: readonly Need[] = [], lacks?: Need) {
    this.all = all;
    this.#needs = needs;
    this.#lacks = lacks;
  }

  /** Returns a collector of cases for stores that meet all of these needs. */
  needing(...needs: readonly Need[]): Cases {
    return new Cases(this.all, needs);
  }

  /** Returns a collector of cases for stores that do not meet this need. */
  lacking(lacks: Need): Cases {
    return new Cases(this.all, [], lacks);
  }

  /** Adds a case. */
  test(name: string, run: (scene: Scene) => Promise<void>): void {
    this.all.push({ name, needs: this.#needs, lacks: this.#lacks, run });
  }
}

/** Returns why a store cannot run a case; undefined if it can. */
export function obstacleTo(
  { needs, lacks }: Case,
  store: StoreUnderTest,
): string | undefined {
  const has = (need: Need) =>
    need === "movesClock" ? store.movesClock ?? true : store.capabilities[need];
  const missing = needs.find((need) => !has(need));
  if (store.ignore !== undefined) return store.ignore;
  if (missing !== undefined) return `needs ${missing}`;
  if (lacks !== undefined && has(lacks)) return `for stores without ${lacks}`;
  return undefined;
}
