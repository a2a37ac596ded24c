/**
 * JSON payloads: encoding and decoding.
 *
 * Encoding is strict. It throws for a value that JSON drops or changes: a
 * function, a bigint, NaN, a cycle, an undefined member of an array.
 *
 * Decoding is lenient, because any program may have written the row. Text that
 * does not parse becomes `{ raw: text }`.
 *
 * @module
 */

import { InvalidInputError, PayloadTooLargeError } from "./errors.ts";

/** Any value that JSON can represent. */
export type Json =
  | null
  | boolean
  | number
  | string
  | readonly Json[]
  | { readonly [key: string]: Json | undefined };

/** Deepest nesting of arrays and objects in a payload. */
const JSON_DEPTH_MAX = 64;

// More values than the largest payload has bytes. JSON repeats a shared object
// at each reference, so a small object can have a huge text.
const VALUES_MAX = 4 << 20;

const utf8 = new TextEncoder();

/**
 * Returns the JSON text of a payload.
 *
 * @throws {InvalidInputError} If it is not JSON or nested deeper than
 * {@linkcode JSON_DEPTH_MAX}.
 * @throws {PayloadTooLargeError} If the text has more than `bytesMax` bytes.
 */
export function encodePayload(
  channel: string,
  payload: Json,
  bytesMax: number,
): string {
  const flaw = flawIn(payload, 1, { values: VALUES_MAX });
  if (flaw !== undefined) {
    throw new InvalidInputError(
      "payload",
      `Cannot publish on "${channel}": the payload ${flaw}. Pass plain JSON ` +
        `(null, booleans, finite numbers, strings, arrays, objects).`,
    );
  }
  const text = JSON.stringify(payload);
  // A UTF-16 unit takes 1 to 3 bytes, so only a long text is encoded.
  if (text.length * 3 > bytesMax) {
    const bytes = utf8.encode(text).length;
    if (bytes > bytesMax) {
      throw new PayloadTooLargeError(channel, bytes, bytesMax);
    }
  }
  return text;
}

/** Returns why `value` is not plain JSON, or undefined. */
function flawIn(
  value: unknown,
  depth: number,
  left: { values: number },
): string | undefined {
  if (--left.values < 0) return `holds more than ${VALUES_MAX} values`;
  switch (typeof value) {
    case "string":
    case "boolean":
      return undefined;
    case "number":
      return Number.isFinite(value) ? undefined : `holds ${value}`;
    case "object":
      return value === null ? undefined : flawInObject(value, depth, left);
    default:
      return value === undefined
        ? "is or holds undefined"
        : `holds a ${typeof value}`;
  }
}

function flawInObject(
  value: object,
  depth: number,
  left: { values: number },
): string | undefined {
  // The limit also ends a cycle.
  if (depth > JSON_DEPTH_MAX) {
    return `is nested deeper than ${JSON_DEPTH_MAX} or refers to itself`;
  }
  if (Array.isArray(value)) {
    for (let i = 0; i < value.length; i++) {
      const flaw = flawIn(value[i], depth + 1, left);
      if (flaw !== undefined) return flaw;
    }
    return undefined;
  }
  const prototype = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null) {
    return `holds a ${prototype.constructor?.name ?? "class instance"}`;
  }
  if (Object.getOwnPropertySymbols(value).length > 0) {
    return "holds a member that is named by a symbol";
  }
  for (const key in value) {
    const member = (value as Record<string, unknown>)[key];
    // JSON leaves out an undefined member of an object.
    if (member === undefined) continue;
    const flaw = flawIn(member, depth + 1, left);
    if (flaw !== undefined) return flaw;
  }
  return undefined;
}

/** Returns the value of a stored payload; text that does not parse becomes `{ raw }`. */
export function decodePayload(stored: unknown): Json {
  const text = stored instanceof Uint8Array
    ? new TextDecoder().decode(stored)
    : String(stored);
  try {
    return JSON.parse(text);
  } catch {
    return { raw: text };
  }
}
