/**
 * Runs a program beside a port that forwards to a socket file.
 *
 * `gate.ts SOCKET PORT COMMAND ARGUMENT…` listens on the port of loopback,
 * forwards each connection to the socket, starts the command, and ends with it.
 *
 * @module
 */

const [path, port, command, ...args] = Deno.args;

using listener = Deno.listen({ hostname: "127.0.0.1", port: Number(port) });
void accept();
const child = new Deno.Command(command, { args, stdin: "null" }).spawn();
const { code } = await child.status;
Deno.exit(code);

async function accept(): Promise<void> {
  for await (const connection of listener) void join(connection);
}

async function join(near: Deno.TcpConn): Promise<void> {
  const far = await Deno.connect({ transport: "unix", path });
  try {
    await Promise.all([
      near.readable.pipeTo(far.writable),
      far.readable.pipeTo(near.writable),
    ]);
  } catch {
    // Either side may close at any time, which closes the other.
  }
}
