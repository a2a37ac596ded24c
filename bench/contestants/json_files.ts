/**
 * JSON files in folders: each session has an inbox and watches it; a message is
 * a file in the inbox of each of its readers, written aside and renamed.
 *
 * Claude Code's Agent Teams keep an inbox as one JSON array, rewritten by each
 * sender under a lock; a file for each message is the quicker form of that, and
 * needs no lock.
 *
 * @module
 */

import type { OpenPeer, Recipient } from "../contestant.ts";
import type { Said } from "../workload.ts";

/** Opens a session. */
export const openPeer: OpenPeer = (seat, hear) => {
  const inboxOf = (session: number) => `${seat.folder}/inbox-${session}`;
  for (let session = 0; session < seat.sessions; session++) {
    for (const place of ["new", "aside"]) {
      Deno.mkdirSync(`${inboxOf(session)}/${place}`, { recursive: true });
    }
  }
  const own = `${inboxOf(seat.session)}/new`;
  const watch = Deno.watchFs(own, { recursive: false });
  const others = Array.from({ length: seat.sessions }, (_, i) => i)
    .filter((session) => session !== seat.session);
  let written = 0;
  const readAll = () => {
    // Named so that the order of names is that of writing, for each sender.
    const names = [...Deno.readDirSync(own)].map(({ name }) => name).sort();
    for (const name of names) {
      const said: Said = JSON.parse(Deno.readTextFileSync(`${own}/${name}`));
      Deno.removeSync(`${own}/${name}`);
      hear(said);
    }
  };
  const write = (said: Said, to: Recipient): void => {
    const text = JSON.stringify(said);
    const name = `${String(written++).padStart(9, "0")}-${seat.session}.json`;
    for (const session of to === "all" ? others : [to]) {
      const aside = `${inboxOf(session)}/aside/${name}`;
      Deno.writeTextFileSync(aside, text);
      Deno.renameSync(aside, `${inboxOf(session)}/new/${name}`);
    }
  };
  const watching = (async () => {
    for await (const { kind } of watch) {
      // A rename into the folder; removing is our own.
      if (kind !== "remove" && kind !== "access") readAll();
    }
  })();
  if (seat.from === "start") readAll();
  return Promise.resolve({
    async say(_channel, said, to): Promise<void> {
      write(said, to);
      await Promise.resolve();
    },
    async sayMany(_channel, many, to): Promise<void> {
      for (const said of many) write(said, to);
      await Promise.resolve();
    },
    async [Symbol.asyncDispose](): Promise<void> {
      watch.close();
      await watching;
    },
  });
};
