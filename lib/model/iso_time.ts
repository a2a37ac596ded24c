/**
 * ISO 8601 text of times, equal to `Date.prototype.toISOString` and faster,
 * because each message is written and read with two times.
 *
 * @module
 */

const SECOND_MS = 1_000;
const MINUTE_MS = 60 * SECOND_MS;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;

// From here on years have more than four digits.
const PLAIN_MS_MAX = Date.UTC(10_000, 0, 1);

// Last day used; its text ends before the time of day: "2026-11-29T".
let day = { sinceMs: NaN, text: "" };

/**
 * Returns ISO 8601 text in UTC for a time in milliseconds since 1970.
 *
 * @throws {RangeError} If `ms` is outside the range of `Date`.
 */
export function isoOf(ms: number): string {
  if (!(Number.isInteger(ms) && ms >= 0 && ms < PLAIN_MS_MAX)) {
    return new Date(ms).toISOString();
  }
  const inDayMs = ms % DAY_MS;
  if (day.sinceMs !== ms - inDayMs) day = dayFrom(ms - inDayMs);
  const hour = Math.trunc(inDayMs / HOUR_MS);
  const minute = Math.trunc(inDayMs / MINUTE_MS) % 60;
  const second = Math.trunc(inDayMs / SECOND_MS) % 60;
  const part = inDayMs % SECOND_MS;
  return day.text +
    (hour < 10 ? "0" : "") + hour +
    (minute < 10 ? ":0" : ":") + minute +
    (second < 10 ? ":0" : ":") + second +
    (part < 10 ? ".00" : part < 100 ? ".0" : ".") + part + "Z";
}

function dayFrom(sinceMs: number): typeof day {
  return { sinceMs, text: new Date(sinceMs).toISOString().slice(0, -13) };
}
