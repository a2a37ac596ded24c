/**
 * Quantiles of measurements.
 *
 * A distribution describes the operations of one round. A spread describes the
 * rounds of one figure: its median, and its range.
 *
 * @module
 */

/** The operations of one round. */
export interface Distribution {
  /** The number of operations. */
  readonly count: number;
  /** The median. */
  readonly p50: number;
  /** The 90th percentile. */
  readonly p90: number;
  /** The 99th percentile. */
  readonly p99: number;
  /** The maximum. */
  readonly max: number;
}

/** One figure over several rounds. */
export interface Spread {
  /** The median of the rounds. */
  readonly median: number;
  /** The minimum of the rounds. */
  readonly min: number;
  /** The maximum of the rounds. */
  readonly max: number;
}

/** Returns the quantile `q` of sorted values; NaN without values. */
export function quantile(sorted: readonly number[], q: number): number {
  if (sorted.length === 0) return NaN;
  return sorted[Math.max(0, Math.ceil(q * sorted.length) - 1)];
}

/** Returns the distribution of the values of one round. */
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

/** Returns the spread of the rounds of one figure. */
export function spreadOf(rounds: readonly number[]): Spread {
  const sorted = rounds.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return {
    median: sorted.length % 2 === 1
      ? sorted[middle]
      : (sorted[middle - 1] + sorted[middle]) / 2,
    min: sorted[0],
    max: sorted[sorted.length - 1],
  };
}
