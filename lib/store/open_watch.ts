/**
 * Makes the watches that stores return.
 *
 * @module
 */

import type { Watch, WatchMode } from "./store.ts";

/** Returns a watch. `mode` returns its current mode, and `close` ends it. */
export function openWatch(mode: () => WatchMode, close: () => void): Watch {
  return {
    get mode(): WatchMode {
      return mode();
    },
    close,
    [Symbol.dispose]: close,
  };
}
