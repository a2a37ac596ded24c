/**
 * What PostgreSQL takes for text: everything but the NUL character.
 *
 * @module
 */

/** A text without NUL characters; `null` for none. */
export function storable(text: string | null | undefined): string | null {
  return text?.replaceAll("\0", "\uFFFD") ?? null;
}
