/**
 * Standard input of a hook: one JSON value.
 *
 * Most agents write one value and close the pipe. Some leave the pipe open, so
 * reading ends at the end of the value. Bytes behind the value are left alone.
 *
 * Each read is bounded: {@linkcode STALL_MS} without a byte is an error.
 * `Atomics.waitAsync` is the timer, because the first `setTimeout` of a process
 * takes milliseconds to load.
 *
 * @module
 */

/** Maximum wait for the next bytes, in milliseconds. */
export const STALL_MS = 1_000;

// The maximum size of a value.
const BYTES_MAX = 16 * 1024 * 1024;
const BYTES_FIRST = 16 * 1024;
// Up to this size, parsing costs less than a search for the value's end.
const TRIED_BYTES_MAX = 64 * 1024;
const PLAIN_BYTES_MAX = 4096;

const LINE_END = 0x0a;
const BLANK = 0x20;
const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const OPEN_LIST = 0x5b;
const CLOSE_LIST = 0x5d;
const OPEN = 0x7b;
const CLOSE = 0x7d;

/** A source of bytes, such as `Deno.stdin`. */
export interface ByteSource {
  /** Reads some bytes; `null` at the end. */
  read(into: Uint8Array): Promise<number | null>;
}

let isReading = false;

/** Whether a read was abandoned; it would keep the process alive. */
export function isInputPending(): boolean {
  return isReading;
}

/**
 * Reads the text of one JSON value.
 *
 * @param from The source.
 * @param stallMs Maximum wait for the next bytes, in milliseconds.
 * @returns The value's text; all of the input if it has no object or list.
 * @throws {RangeError} If the value is larger than 16 MiB.
 * @throws {Error} If no byte comes in time before the value is complete.
 */
export async function readInput(
  from: ByteSource = Deno.stdin,
  stallMs: number = STALL_MS,
): Promise<string> {
  let bytes = new Uint8Array(BYTES_FIRST);
  let size = 0;
  const end = new ValueEnd();
  for (;;) {
    const read = await readSome(from, bytes.subarray(size), stallMs);
    if (read === undefined) throw stalledError(size, stallMs);
    if (read === null) return textOf(bytes.subarray(0, size));
    size += read;
    const text = valueIn(bytes.subarray(0, size), end);
    if (text !== undefined) return text;
    if (size > BYTES_MAX) {
      throw new RangeError(
        `Cannot read the hook's input: it is larger than ${BYTES_MAX} bytes.`,
      );
    }
    if (size === bytes.length) {
      const larger = new Uint8Array(2 * size);
      larger.set(bytes);
      bytes = larger;
    }
  }
}

/** Reads some bytes; `undefined` if none come in time. */
async function readSome(
  from: ByteSource,
  into: Uint8Array,
  stallMs: number,
): Promise<number | null | undefined> {
  const cell = new Int32Array(new SharedArrayBuffer(4));
  const late = Atomics.waitAsync(cell, 0, 0, stallMs);
  isReading = true;
  const read = await Promise.race([
    from.read(into),
    Promise.resolve(late.value).then(() => undefined),
  ]);
  if (read === undefined) return undefined;
  isReading = false;
  Atomics.notify(cell, 0);
  return read;
}

/** Returns the text of the value, if it is complete. */
function valueIn(bytes: Uint8Array, end: ValueEnd): string | undefined {
  if (bytes.length <= TRIED_BYTES_MAX && lastOf(bytes) === CLOSE) {
    const text = textOf(bytes);
    if (isJson(text)) return text;
  }
  const at = end.find(bytes);
  return at < 0 ? undefined : textOf(bytes.subarray(0, at));
}

function lastOf(bytes: Uint8Array): number | undefined {
  let at = bytes.length - 1;
  while (at >= 0 && isBlank(bytes[at])) at--;
  return bytes[at];
}

function isBlank(byte: number): boolean {
  return byte === BLANK || byte === LINE_END || byte === 0x0d || byte === 0x09;
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    // Incomplete, or more than one value.
    return false;
  }
}

/** Searches for the end of an object or list, reading each byte once. */
class ValueEnd {
  #at = 0;
  #depth = 0;
  #inString = false;

  /** Returns the end of the value; negative if it goes on, or has no end mark. */
  find(bytes: Uint8Array): number {
    let at = this.#at;
    let depth = this.#depth;
    let inString = this.#inString;
    for (; at < bytes.length; at++) {
      const byte = bytes[at];
      if (inString) {
        if (byte === QUOTE) inString = false;
        else if (byte === BACKSLASH) at++;
      } else if (byte === QUOTE) inString = true;
      else if (byte === OPEN || byte === OPEN_LIST) depth++;
      else if (byte === CLOSE || byte === CLOSE_LIST) {
        if (--depth === 0) return at + 1;
      }
    }
    // `at` is past the end if the last byte was a backslash.
    this.#at = at;
    this.#depth = depth;
    this.#inString = inString;
    return -1;
  }
}

/** Decodes UTF-8. For a short ASCII text, making a decoder costs more. */
function textOf(bytes: Uint8Array): string {
  const isPlain = bytes.length <= PLAIN_BYTES_MAX &&
    bytes.findLast((byte) => byte >= 0x80) === undefined;
  return isPlain
    ? String.fromCharCode.apply(null, bytes as unknown as number[])
    : new TextDecoder().decode(bytes);
}

function stalledError(size: number, stallMs: number): Error {
  return new Error(
    `Cannot read the hook's input: its JSON is incomplete (${size} bytes) ` +
      `and no byte came for ${stallMs} ms.`,
  );
}
