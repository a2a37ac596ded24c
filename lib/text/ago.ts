/**
 * Durations in words for people and models, relative to the moment of telling.
 *
 * @module
 */

const MINUTE_S = 60;
const HOUR_S = 60 * MINUTE_S;
const DAY_S = 24 * HOUR_S;

/** Returns a duration in milliseconds in words, such as `4 min ago`. */
export function ago(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000));
  if (seconds < 2 * MINUTE_S) return `${seconds} s ago`;
  if (seconds < 2 * HOUR_S) return `${Math.round(seconds / MINUTE_S)} min ago`;
  if (seconds < 2 * DAY_S) return `${Math.round(seconds / HOUR_S)} h ago`;
  return `${Math.round(seconds / DAY_S)} days ago`;
}
