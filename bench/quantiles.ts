/**
 * Quantiles: what many measurements come to.
 *
 * A distribution describes the operations of one round, a spread the rounds of
 * one figure: the median stands for it, least and most say how far to trust it.
 *
 * @module
 */

/** The operations of one round. */
export interface Distribution {
  /** How many there were. */
  readonly count: number;
  /** Half were not above it. */
  readonly p50: number;
  /** Nine of ten were not above it. */
  readonly p90: number;
  /** 99 of 100 were not above it. */
  readonly p99: number;
  /** The worst. */
  readonly max: number;
}

/** One figure over several rounds. */
export interface Spread {
  /** The figure. */
  readonly median: number;
  /** The least of any round. */
  readonly least: number;
  /** The most of any round. */
  readonly most: number;
}

/** The smallest of `sorted` that at least the share `q` is not above. */
export function quantile(sorted: readonly number[], q: number): number {
  if (sorted.length === 0) return NaN;
  return sorted[Math.max(0, Math.ceil(q * sorted.length) - 1)];
}

/** What the values of one round come to. */
export function distributionOf(values: readonly number[]): Distribution {
  const sorted = values.toSorted((a, b) => a - b);
  return {
    count: sorted.length,
    p50: quantile(sorted, 0.5),
    p90: quantile(sorted, 0.9),
    p99: quantile(sorted, 0.99),
    max: quantile(sorted, 1),
  };
}

/** What the rounds of one figure come to. */
export function spreadOf(rounds: readonly number[]): Spread {
  const sorted = rounds.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return {
    median: sorted.length % 2 === 1
      ? sorted[middle]
      : (sorted[middle - 1] + sorted[middle]) / 2,
    least: sorted[0],
    most: sorted[sorted.length - 1],
  };
}
