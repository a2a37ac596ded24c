/**
 * Bare bells: each session watches one file and touches the files of the
 * others.
 *
 * Nothing is stored, looked up or read. No bus with wake-ups by the file system
 * can be faster on the same machine.
 *
 * A touch carries no message, so a message counts as received at the reader's
 * first wake-up after it was published.
 *
 * @module
 */

import { sharedNowMs } from "../clock.ts";
import type { OpenPeer, Recipient } from "../contestant.ts";
import { FileMesh } from "../file_mesh.ts";

/** Opens a session. */
export const openPeer: OpenPeer = (config, _hear, woken) => {
  const mesh = new FileMesh(config, woken);
  const touch = (to: Recipient): number => {
    const beganAt = sharedNowMs();
    mesh.wake(to);
    return beganAt;
  };
  return Promise.resolve({
    publish: (_channel, _said, to) => Promise.resolve(touch(to)),
    publishMany: (_channel, _many, to) => Promise.resolve(void touch(to)),
    [Symbol.asyncDispose]: () => mesh.close(),
  });
};
