/**
 * JSON files in folders: each session watches its inbox. A message is a file in
 * the inbox of each reader, written aside and renamed.
 *
 * Claude Code's Agent Teams keep an inbox as one JSON array that each sender
 * rewrites under a lock. A file per message is faster and needs no lock.
 *
 * @module
 */

import type { OpenPeer, Recipient } from "../contestant.ts";
import type { Payload } from "../workload.ts";

/** Opens a session. */
export const openPeer: OpenPeer = (config, receive) => {
  const inboxOf = (session: number) => `${config.folder}/inbox-${session}`;
  for (let session = 0; session < config.sessions; session++) {
    for (const place of ["new", "aside"]) {
      Deno.mkdirSync(`${inboxOf(session)}/${place}`, { recursive: true });
    }
  }
  const own = `${inboxOf(config.session)}/new`;
  const watch = Deno.watchFs(own, { recursive: false });
  const others = Array.from({ length: config.sessions }, (_, i) => i)
    .filter((session) => session !== config.session);
  let written = 0;
  const readAll = () => {
    // The order of one sender's names is the order of its writes.
    const names = [...Deno.readDirSync(own)].map(({ name }) => name).sort();
    for (const name of names) {
      const payload: Payload = JSON.parse(
        Deno.readTextFileSync(`${own}/${name}`),
      );
      Deno.removeSync(`${own}/${name}`);
      receive(payload);
    }
  };
  const write = (payload: Payload, to: Recipient): void => {
    const text = JSON.stringify(payload);
    const name = `${String(written++).padStart(9, "0")}-${config.session}.json`;
    for (const session of to === "all" ? others : [to]) {
      const aside = `${inboxOf(session)}/aside/${name}`;
      Deno.writeTextFileSync(aside, text);
      Deno.renameSync(aside, `${inboxOf(session)}/new/${name}`);
    }
  };
  const watching = (async () => {
    for await (const { kind } of watch) {
      // A sender renames a file into the folder. Removals are the reader's own.
      if (kind !== "remove" && kind !== "access") readAll();
    }
  })();
  if (config.from === "start") readAll();
  return Promise.resolve({
    async publish(_channel, payload, to): Promise<void> {
      write(payload, to);
      await Promise.resolve();
    },
    async publishMany(_channel, many, to): Promise<void> {
      for (const payload of many) write(payload, to);
      await Promise.resolve();
    },
    async [Symbol.asyncDispose](): Promise<void> {
      watch.close();
      await watching;
    },
  });
};
