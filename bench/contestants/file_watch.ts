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

/** Opens a session. */
export const openPeer: OpenPeer = async (seat, _hear, woken) => {
  const bellOf = (session: number) => `${seat.folder}/${session}.bell`;
  await Deno.writeTextFile(bellOf(seat.session), "");
  const watch = Deno.watchFs(bellOf(seat.session), { recursive: false });
  const listening = (async () => {
    for await (const _ of watch) woken();
  })();
  const others = Array.from({ length: seat.sessions }, (_, i) => i)
    .filter((session) => session !== seat.session);
  const touch = (to: Recipient): number => {
    const beganAt = sharedNowMs();
    const now = Date.now() / 1_000;
    for (const session of to === "all" ? others : [to]) {
      Deno.utimeSync(bellOf(session), now, now);
    }
    return beganAt;
  };
  return {
    say: (_channel, _said, to) => Promise.resolve(touch(to)),
    sayMany: (_channel, _many, to) => Promise.resolve(void touch(to)),
    async [Symbol.asyncDispose](): Promise<void> {
      watch.close();
      await listening;
    },
  };
};
