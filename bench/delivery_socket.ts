/**
 * One session of the delivery benchmark, over a mesh of Unix sockets; run by
 * delivery.ts. Nothing is stored: this is what a wake-up alone costs, with the
 * message in it.
 *
 * @module
 */

import { argumentOfChild, say, words } from "./children.ts";
import { sharedNowMs } from "./clock.ts";
import {
  type Said,
  saySomeWhile,
  type SessionAccount,
  type SessionTask,
} from "./workload.ts";

const task = argumentOfChild<SessionTask>();
const orders = words();
const heard: [number, number, number][] = [];
const utf8 = new TextEncoder();

const server = Deno.listen({ transport: "unix", path: socketOf(task.session) });
const accepting = accept();
say("standing");
await orders.next();
const others = new Map<number, Deno.UnixConn>();
for (let session = 0; session < task.sessions; session++) {
  if (session === task.session) continue;
  const path = socketOf(session);
  others.set(session, await Deno.connect({ transport: "unix", path }));
}
say("joined");
await orders.next();
const said = await saySomeWhile(task, async (channel, said, to) => {
  const beganAt = sharedNowMs();
  const line = utf8.encode(`${JSON.stringify({ channel, ...said })}\n`);
  const readers = to === "all" ? [...others.values()] : [others.get(to)!];
  await Promise.all(readers.map((reader) => reader.write(line)));
  return beganAt;
});
const account: SessionAccount = { said, heard };
say(account);
await orders.next();
for (const other of others.values()) other.close();
server.close();
await accepting;

function socketOf(session: number): string {
  return `${task.folder}/${session}.sock`;
}

async function accept(): Promise<void> {
  const hearing: Promise<void>[] = [];
  for await (const connection of server) hearing.push(hear(connection));
  await Promise.all(hearing);
}

async function hear(connection: Deno.Conn): Promise<void> {
  let rest = "";
  const utf8 = new TextDecoder();
  const buffer = new Uint8Array(64 * 1024);
  for (;;) {
    const length = await connection.read(buffer);
    if (length === null) break;
    rest += utf8.decode(buffer.subarray(0, length), { stream: true });
    const lines = rest.split("\n");
    rest = lines.pop()!;
    for (const line of lines) {
      const { session, number } = JSON.parse(line) as Said;
      heard.push([session, number, sharedNowMs()]);
    }
  }
  connection.close();
}
