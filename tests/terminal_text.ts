/**
 * Text that a program wrote to a terminal.
 *
 * @module
 */

// The runtime prints this at a terminal while another process has its cache.
const RUNTIME_NOTE =
  /^Failed to open cache file .*, opening in-memory cache\.\n/gm;

/** Returns the text with line feeds, and without notes of the runtime. */
export function terminalText(written: Uint8Array): string {
  return new TextDecoder().decode(written)
    .replaceAll("\r\n", "\n")
    .replaceAll(RUNTIME_NOTE, "");
}
