/**
 * Many sessions in one process, each with a bus and a subscription of its own;
 * run by growth.ts.
 *
 * @module
 */

import { type MessageBus, openBus } from "../mod.ts";
import { argumentOfChild, say, words } from "./children.ts";

const { home, first, sessions } = argumentOfChild<
  { readonly home: string; readonly first: number; readonly sessions: number }
>();

const crowd: MessageBus[] = [];
for (let session = first; session < first + sessions; session++) {
  const bus = await openBus({
    home,
    project: home,
    session: `crowd-${session}`,
    // It is there, not at work: what its own polling costs is not asked here.
    pollIntervalMs: 60_000,
    // Past the system's limit of watches it falls back to polling.
    warn: () => {},
  });
  await bus.sessions.register();
  await bus.subscribe(`session.${session}`).ready;
  crowd.push(bus);
}
say("standing");
for await (const _ of words());
await Promise.all(crowd.map((bus) => bus.close()));
