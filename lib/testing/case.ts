/**
 * Cases: what is tested, by name, and what it needs of a store.
 *
 * A case that needs what a store does not have is ignored, not left out: all
 * stores have the same cases.
 *
 * @module
 */

import type { StoreCapabilities } from "../store.ts";
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
  readonly lacks: readonly Need[];
  /** Runs it; it fails by throwing. */
  run(scene: Scene): Promise<void>;
}

/** Takes the cases of a subject. */
export class Cases {
  /** Those that were added, in order. */
  readonly all: Case[];
  readonly #needs: readonly Need[];
  readonly #lacks: readonly Need[];

  /** Made for each subject, with no cases and no needs. */
  constructor(
    all: Case[] = [],
    needs: readonly Need[] = [],
    lacks: readonly Need[] = [],
  ) {
    this.all = all;
    this.#needs = needs;
    this.#lacks = lacks;
  }

  /** Takes cases of the same subject for stores that have all of these. */
  needing(...needs: readonly Need[]): Cases {
    return new Cases(this.all, needs, []);
  }

  /** Takes cases of the same subject for stores that have none of these. */
  lacking(...lacks: readonly Need[]): Cases {
    return new Cases(this.all, [], lacks);
  }

  /** Adds a case. */
  test(name: string, run: (scene: Scene) => Promise<void>): void {
    this.all.push({ name, needs: this.#needs, lacks: this.#lacks, run });
  }
}

/** Whether a store can run a case. */
export function canRun(store: StoreUnderTest, { needs, lacks }: Case): boolean {
  const has = (need: Need) =>
    need === "movesClock" ? store.movesClock ?? true : store.capabilities[need];
  return needs.every(has) && !lacks.some(has);
}
