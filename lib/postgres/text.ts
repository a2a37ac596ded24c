/**
 * Text for PostgreSQL, which cannot store the NUL character.
 *
 * @module
 */

/** Returns a text with NUL characters replaced; null for a missing text. */
export function storable(text: string | null | undefined): string | null {
  return text?.replaceAll("\0", "\uFFFD") ?? null;
}
