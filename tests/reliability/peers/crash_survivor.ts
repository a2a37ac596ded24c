/**
 * A session that starts after the death of all others. It looks at everything,
 * reads the durable names to their end, and prints the objects that dead
 * sessions still hold.
 *
 * @module
 */

import { Recorder } from "../history.ts";
import {
  type CrashPeerStart,
  END,
  errorText,
  NAMES,
  PATHS,
} from "../crash_workload.ts";

const start: CrashPeerStart = JSON.parse(Deno.args[0]);
using recorder = new Recorder(`${start.histories}/${start.peer}.jsonl`);
const library: typeof import("../../../mod.ts") = await import(start.library);

const held: string[] = [];
try {
  await using bus = await library.openBus({
    home: start.home,
    project: null,
    session: start.session,
    busyTimeoutMs: 1_000,
    channelMessagesMax: 1e6,
  });
  await bus.sessions.register();
  for (let i = 0; i < PATHS; i++) {
    const path = `${start.home}/file-${i}`;
    const lock = await bus.locks.tryAcquire(path, { type: "exclusive" });
    if (lock === undefined) held.push(`${path} cannot be locked`);
    else await lock.release();
  }
  for (const hold of await bus.locks.list()) {
    held.push(`${hold.session} holds ${hold.path}`);
  }
  for (const task of await bus.tasks.list({ status: "claimed" })) {
    held.push(`${task.session} has ${task.id}`);
  }
  for (const session of await bus.sessions.list()) {
    if (session.id !== bus.session) held.push(`${session.id} is on the bus`);
  }
  let number = 0;
  for (const [durable, channel] of Object.entries(NAMES)) {
    const subscription = `${start.peer}/${number++}`;
    try {
      await using reader = bus.subscribe(channel, { durable, from: "start" });
      await reader.ready;
      const { cursor } = reader;
      recorder.record({
        action: "subscribed",
        subscription,
        channel,
        cursor,
        durable,
      });
      // Reading ends at this message, which is the last one.
      const last = `${END}${durable}`;
      await bus.publish(channel, last, { ttlSeconds: 3600 });
      for await (const { id, payload } of reader) {
        const key = String(payload);
        if (key === last) break;
        if (key.startsWith(END)) continue;
        recorder.record({ action: "delivered", subscription, id, key });
      }
    } catch (error) {
      if (!(error instanceof library.DurableNameInUseError)) throw error;
      held.push(error.message);
    }
  }
  await bus.purge();
} catch (error) {
  recorder.record({ action: "failed", act: "look", error: errorText(error) });
}
console.log(JSON.stringify(held));
