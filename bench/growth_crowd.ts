/**
 * Many sessions in one process, each with its own bus and subscription; run by
 * growth.ts.
 *
 * @module
 */

import { type MessageBus, openBus } from "../mod.ts";
import { argumentOfChild, print, words } from "./children.ts";

const { home, first, sessions } = argumentOfChild<
  { readonly home: string; readonly first: number; readonly sessions: number }
>();

const crowd: MessageBus[] = [];
for (let session = first; session < first + sessions; session++) {
  const bus = await openBus({
    home,
    project: home,
    session: `crowd-${session}`,
    // The bench does not measure polling.
    pollIntervalMs: 60_000,
    // Past the system's limit of watches the bus warns and polls.
    warn: () => {},
  });
  await bus.sessions.register();
  await bus.subscribe(`session.${session}`).ready;
  crowd.push(bus);
}
print("ready");
for await (const _ of words());
await Promise.all(crowd.map((bus) => bus.close()));
