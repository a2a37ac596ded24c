/**
 * What who watches is given.
 *
 * @module
 */

import type { Watch, WatchMode } from "./store.ts";

/** A watch that runs until `close`; `mode` tells how it learns just now. */
export function openWatch(mode: () => WatchMode, close: () => void): Watch {
  return {
    get mode(): WatchMode {
      return mode();
    },
    close,
    [Symbol.dispose]: close,
  };
}
