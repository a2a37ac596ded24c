/**
 * Reads one untrusted JSON object field by field.
 *
 * Agents differ in spelling (`session_id`, `sessionId`), and their versions in
 * types; a broken one sends any value. So a field is read under all its names. It
 * counts only with the expected type and a valid size: names and ids up to 1,024
 * characters, paths up to 4,096, without NUL. Other fields are `undefined`; no
 * function throws.
 *
 * @module
 */

/** A JSON object of unknown content. */
export type Payload = Readonly<Record<string, unknown>>;

const NAME_CHARS_MAX = 1024;
const PATH_CHARS_MAX = 4096;
const EMPTY: Payload = Object.freeze({});

/**
 * Returns a value as an object.
 *
 * @param value Any value.
 * @returns The value if it is an object, otherwise an empty one.
 */
export function payloadOf(value: unknown): Payload {
  return typeof value === "object" && value !== null && !Array.isArray(value)
    ? value as Payload
    : EMPTY;
}

/**
 * Reads a string of any length.
 *
 * @param payload The object.
 * @param names The field's names; the first one present is read.
 * @returns The string, which may be empty.
 */
export function textField(
  payload: Payload,
  ...names: readonly string[]
): string | undefined {
  for (const name of names) {
    const value = Object.hasOwn(payload, name) ? payload[name] : undefined;
    if (typeof value === "string") return value;
  }
}

/**
 * Reads a name or an id: not empty, without control characters.
 *
 * @param payload The object.
 * @param names The field's names; the first one present is read.
 * @returns The name, cut to 1,024 characters.
 */
export function nameField(
  payload: Payload,
  ...names: readonly string[]
): string | undefined {
  for (const name of names) {
    const value = Object.hasOwn(payload, name) ? payload[name] : undefined;
    if (typeof value === "string" && value !== "") return cleanName(value);
  }
}

/**
 * Reads an object.
 *
 * @param payload The object that holds it.
 * @param names The field's names; the first one present is read.
 * @returns The object, empty if there is none.
 */
export function objectField(
  payload: Payload,
  ...names: readonly string[]
): Payload {
  for (const name of names) {
    const value = Object.hasOwn(payload, name) ? payload[name] : undefined;
    if (value !== undefined) return payloadOf(value);
  }
  return EMPTY;
}

/**
 * Whether a field is `true`.
 *
 * @param payload The object.
 * @param names The field's names.
 * @returns Whether one of them is `true`.
 */
export function isTrue(payload: Payload, ...names: readonly string[]): boolean {
  return names.some((name) =>
    Object.hasOwn(payload, name) && payload[name] === true
  );
}

/**
 * Whether a value can be a path.
 *
 * @param value Any value.
 * @returns Whether it is a string of valid size without NUL.
 */
export function isPath(value: unknown): value is string {
  return typeof value === "string" && value !== "" &&
    value.length <= PATH_CHARS_MAX && !value.includes("\0");
}

/** Ids go to tables and terminals, so control characters are replaced. */
function cleanName(value: string): string {
  const name = value.slice(0, NAME_CHARS_MAX);
  // A loop, because compiling a pattern costs more.
  for (let at = 0; at < name.length; at++) {
    const code = name.charCodeAt(at);
    if (code < 0x20 || code === 0x7f) return withoutControls(name);
  }
  return name;
}

function withoutControls(name: string): string {
  // deno-lint-ignore no-control-regex
  return name.replace(/[\x00-\x1f\x7f]/g, "?");
}
