/**
 * Repeatable randomness: every random choice of a run follows from its seed. A
 * failure names the seed and the command.
 *
 * The same seed makes the same choices, but processes race. A rare race may
 * take several runs to occur again.
 *
 * @module
 */

/** A pseudorandom generator with a seed (mulberry32). */
export class Chance {
  #state: number;

  /** Starts at a seed, an integer of 32 bits. */
  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** Returns a number from 0, below 1. */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = this.#state;
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }

  /** Returns an integer from `first`, below `end`. */
  whole(first: number, end: number): number {
    return first + Math.floor(this.next() * (end - first));
  }

  /** Returns one of several items. */
  of<T>(items: readonly T[]): T {
    return items[this.whole(0, items.length)];
  }

  /** Returns true with a probability. */
  happens(probability: number): boolean {
    return this.next() < probability;
  }

  /** Returns a seed for another generator. */
  seed(): number {
    return this.whole(0, 2 ** 32);
  }
}

/**
 * Returns the seed in `MBUS_SEED` (default: a random one).
 *
 * @throws {Error} If `MBUS_SEED` is not an integer of 32 bits.
 */
export function chosenSeed(): number {
  const asked = Deno.env.get("MBUS_SEED");
  if (asked === undefined) return crypto.getRandomValues(new Uint32Array(1))[0];
  const seed = Number(asked);
  if (Number.isInteger(seed) && seed >= 0 && seed < 2 ** 32) return seed;
  throw new Error(
    `Cannot use MBUS_SEED: "${asked}" is not a seed. Set an integer below 2^32.`,
  );
}

/** Whether to run the long forms of tests, as `deno task test:soak` does. */
export const LONG: boolean = Deno.env.get("MBUS_SOAK") === "1";

/**
 * Runs `body` with a seed. A failure names the seed and the command.
 *
 * @param file The `import.meta.url` of the test.
 * @param test The name of the test, or a part of it.
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
