/**
 * Chance that can be had again: every random choice of a run follows from one
 * number, its seed, which each failure names together with the command.
 *
 * What the machine does is not repeated by it, as processes race: the same
 * seed makes the same choices, and a rare race may take some runs to come.
 *
 * @module
 */

/** Numbers that look random and follow from a seed (mulberry32). */
export class Chance {
  #state: number;

  /** Begins at a seed, a whole number of 32 bits. */
  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** At least 0 and below 1. */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = this.#state;
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }

  /** A whole number from `first`, below `end`. */
  whole(first: number, end: number): number {
    return first + Math.floor(this.next() * (end - first));
  }

  /** One of several. */
  of<T>(items: readonly T[]): T {
    return items[this.whole(0, items.length)];
  }

  /** Whether something of this probability happens. */
  happens(probability: number): boolean {
    return this.next() < probability;
  }

  /** A seed for something of its own. */
  seed(): number {
    return this.whole(0, 2 ** 32);
  }
}

/** The seed that the environment asks for, else a new one. */
export function chosenSeed(): number {
  const asked = Deno.env.get("MBUS_SEED");
  if (asked === undefined) return crypto.getRandomValues(new Uint32Array(1))[0];
  const seed = Number(asked);
  if (Number.isInteger(seed) && seed >= 0 && seed < 2 ** 32) return seed;
  throw new Error(`MBUS_SEED is "${asked}": pass a whole number below 2^32`);
}

/** Whether the long forms were asked for, as `deno task test:soak` does. */
export const LONG: boolean = Deno.env.get("MBUS_SOAK") === "1";

/**
 * Runs `body` with a seed, and names the seed and the command in its failure.
 *
 * @param file The file of the test, as `import.meta.url` has it.
 * @param test The name of the test.
 */
export async function seeded(
  file: string,
  test: string,
  body: (chance: Chance, seed: number) => Promise<void>,
): Promise<void> {
  const seed = chosenSeed();
  try {
    await body(new Chance(seed), seed);
  } catch (error) {
    const path = file.slice(file.indexOf("/tests/") + 1);
    const form = LONG ? "MBUS_SOAK=1 " : "";
    throw new Error(
      `Seed ${seed}. To run it again: ${form}MBUS_SEED=${seed} deno test ` +
        `--allow-all ${path} --filter ${JSON.stringify(test)}\n` +
        (error as Error).message,
      { cause: error },
    );
  }
}
