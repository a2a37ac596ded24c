/**
 * Bare bells: each session watches one file and touches those of all others.
 * Nothing is stored, looked up or read: it is the floor of whatever is pushed by
 * the file system. No bus that is can be sooner on the same machine.
 *
 * A touch carries nothing, so a message has come when its reader is woken for
 * the first time after it was said.
 *
 * @module
 */

import { sharedNowMs } from "../clock.ts";
import type { OpenPeer, Recipient } from "../contestant.ts";
import { FileMesh } from "../file_mesh.ts";

/** Opens a session. */
export const openPeer: OpenPeer = (seat, _hear, woken) => {
  const mesh = new FileMesh(seat, woken);
  const touch = (to: Recipient): number => {
    const beganAt = sharedNowMs();
    mesh.wake(to);
    return beganAt;
  };
  return Promise.resolve({
    say: (_channel, _said, to) => Promise.resolve(touch(to)),
    sayMany: (_channel, _many, to) => Promise.resolve(void touch(to)),
    [Symbol.asyncDispose]: () => mesh.close(),
  });
};
