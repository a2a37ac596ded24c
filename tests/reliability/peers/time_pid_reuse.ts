/**
 * A holder, its death, and another process under the same pid. It runs as the
 * first process of a pid namespace, where no other program takes pids.
 *
 * @module
 */

import { openBus } from "../../../mod.ts";
import { Peer } from "../../peer.ts";

const home = Deno.args[0];
const path = `${home}/a`;
const exclusive = { name: "l", path, type: "exclusive" };

/** Starts a peer whose pid is the next one after `last`. */
function startAfter(last: number): Peer {
  Deno.writeTextFileSync("/proc/sys/kernel/ns_last_pid", String(last));
  return new Peer();
}

const first = startAfter(4_000);
await first.call("open", { home, project: null, session: "first" });
await first.call("acquire", exclusive);
await first.call("post", { id: "T", title: "t" });
await first.call("claim", { id: "T" });
await first.kill();

const second = startAfter(first.pid - 1);
await second.call("open", { home, project: null, session: "second" });
await second.call("register");

// The dead holder's pid now belongs to a live process.
await using bus = await openBus({ home, project: null, session: "looking" });
await bus.locks.list();
let refused = false;
try {
  await second.call("acquire", exclusive);
  await second.call("claim", { id: "T" });
} catch {
  refused = true;
}
const holds = (await bus.locks.list()).map(({ session }) => session);
const task = await bus.tasks.get("T");
console.log(JSON.stringify({
  first: first.pid,
  second: second.pid,
  refused,
  holds,
  claimed: task?.session,
}));
await second.end();
