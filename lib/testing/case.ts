/**
 * Cases: what is tested, by name, and what it needs of a store.
 *
 * A case that needs what a store does not have is ignored, not left out: all
 * stores have the same cases.
 *
 * @module
 */

import type { StoreCapabilities } from "../store/store.ts";
import type { Scene } from "./scene.ts";
import type { StoreUnderTest } from "./store_under_test.ts";

/** What a case may need: a capability, or a clock that can be moved. */
export type Need = keyof StoreCapabilities | "movesClock";

/** One case, before it is known which store runs it. */
export interface Case {
  /** What it shows, in words. */
  readonly name: string;
  /** What a store must have for it. */
  readonly needs: readonly Need[];
  /** What a store must not have for it. */
  readonly lacks?: Need;
  /** Runs it; it fails by throwing. */
  run(scene: Scene): Promise<void>;
}

/** Takes the cases of a subject. */
export class Cases {
  /** Those that were added, in order. */
  readonly all: Case[];
  readonly #needs: readonly Need[];
  readonly #lacks: Need | undefined;

  /** Made for each subject, with no cases and no needs. */
  constructor(all: Case[] = [], needs: readonly Need[] = [], lacks?: Need) {
    this.all = all;
    this.#needs = needs;
    this.#lacks = lacks;
  }

  /** Takes cases of the same subject for stores that have all of these. */
  needing(...needs: readonly Need[]): Cases {
    return new Cases(this.all, needs);
  }

  /** Takes cases of the same subject for stores that do not have this. */
  lacking(lacks: Need): Cases {
    return new Cases(this.all, [], lacks);
  }

  /** Adds a case. */
  test(name: string, run: (scene: Scene) => Promise<void>): void {
    this.all.push({ name, needs: this.#needs, lacks: this.#lacks, run });
  }
}

/** Why a store can't run a case; undefined if it can. */
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
