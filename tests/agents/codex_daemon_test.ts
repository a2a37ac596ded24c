/**
 * Below the daemon of a Codex: the daemon, window and turn are found. A missing,
 * invalid or silent daemon leaves a session as it is without one.
 *
 * @module
 */

import type { Session } from "../../lib/model/session.ts";
import assert from "node:assert/strict";
import { daemonAbove, type Environment } from "../../lib/hooks/codex_daemon.ts";
import {
  ANSWER_MS_MAX,
  askDaemon,
  type DaemonAnswer,
} from "../../lib/hooks/codex_socket.ts";
import { isOver } from "../../lib/hooks/codex_turn.ts";
import {
  findWindow,
  listenerOn,
  portIn,
} from "../../lib/hooks/codex_window.ts";
import { codexHomeOf } from "../../lib/hooks/agents/codex.ts";
import { checkCodex } from "../../lib/cli/doctor/codex.ts";
import type { ProcessEntry } from "../../lib/process/process_entry.ts";

const THREAD = "01a22fb9-97dc-7491-a389-948202f699c8";
const DAEMON: ProcessEntry = {
  pid: 3537,
  ppid: 1,
  startTime: "128186",
  state: "S",
  command: "codex",
  session: 3537,
  tty: "",
  arguments: ["/opt/codex", "app-server", "--managed-daemon"],
  executable: "/opt/codex",
};
const SHELL: ProcessEntry = {
  ...DAEMON,
  pid: 3600,
  ppid: 3537,
  command: "sh",
  arguments: ["sh", "-c", "mbus hook codex"],
};

/** Makes a Codex folder with the files of its daemon, as captured. */
function withHome(pidFile: string | undefined, use: (home: string) => void) {
  const home = Deno.makeTempDirSync({ prefix: "mbus-codex-" });
  try {
    Deno.mkdirSync(`${home}/app-server-daemon`);
    if (pidFile !== undefined) {
      Deno.writeTextFileSync(`${home}/app-server-daemon/daemon.pid`, pidFile);
    }
    use(home);
  } finally {
    Deno.removeSync(home, { recursive: true });
  }
}

const PID_FILE = JSON.stringify({
  pid: 3537,
  processStartTime: "Tue Dec  1 03:48:47 2026",
  processIdentity: { bootId: "cf22c504", startTicks: 128186 },
});

Deno.test("daemonAbove() finds the daemon among the ancestors", () => {
  withHome(PID_FILE, (home) => {
    const daemon = { pid: 3537, startTime: "128186" };
    assert.deepEqual(daemonAbove(home, [SHELL, DAEMON]), daemon);
    assert.equal(daemonAbove(home, [SHELL]), undefined);
    // Another process with the same pid.
    const other = { ...DAEMON, startTime: "999999" };
    assert.equal(daemonAbove(home, [SHELL, other]), undefined);
  });
  withHome('{"pid":3537}', (home) => {
    const daemon = { pid: 3537, startTime: "128186" };
    assert.deepEqual(daemonAbove(home, [SHELL, DAEMON]), daemon);
    const plain = { ...DAEMON, arguments: ["/opt/codex"] };
    assert.equal(daemonAbove(home, [SHELL, plain]), undefined);
  });
});

Deno.test("daemonAbove() ignores a missing or invalid daemon file", () => {
  const texts = [undefined, "", "{", "null", "[]", "7", '{"pid":"3537"}', "{}"];
  for (const text of texts) {
    withHome(text, (home) => {
      assert.equal(daemonAbove(home, [SHELL, DAEMON]), undefined, text);
    });
  }
});

Deno.test("codexHomeOf() reads the folder of a Codex off its transcript", () => {
  const of = (transcript_path: unknown) => codexHomeOf({ transcript_path });
  const day = "sessions/2026/12/01/rollout.jsonl";
  assert.equal(of(`/home/dev/.codex/${day}`), "/home/dev/.codex");
  assert.equal(of(`/home/sessions/.codex/${day}`), "/home/sessions/.codex");
  for (const none of [undefined, null, 7, "", "x", `.codex/${day}`, "/a/b"]) {
    assert.equal(of(none), undefined);
  }
});

const TABLE =
  `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:8135 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 46151 1 0000000000000000 100 0 0 10 0
   1: 0100007F:C0DE 0100007F:8135 01 00000000:00000000 00:00000000 00000000     0        0 46199 1 0000000000000000 20 4 30 10 -1
   2: 00000000:1FBB 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 46200 1 0000000000000000 100 0 0 10 0
`;

Deno.test("listenerOn() finds the socket that listens on a window's port", () => {
  assert.equal(listenerOn(0x8135, TABLE), "46151");
  // A connection, another address, no entry, and no table.
  assert.equal(listenerOn(0xc0de, TABLE), undefined);
  assert.equal(listenerOn(0x1fbb, TABLE), undefined);
  assert.equal(listenerOn(0x8136, TABLE), undefined);
  assert.equal(listenerOn(0x8135, ""), undefined);
});

Deno.test("portIn() returns the port of the window's own tools", () => {
  const servers = (...data: unknown[]) => portIn({ result: { data } });
  const own = { name: "codex_tui", httpOrigin: "http://127.0.0.1:33077" };
  assert.equal(servers({ name: "docs", httpOrigin: "x" }, own), 33077);
  for (
    const answer of [
      undefined,
      { refusal: "{}" },
      { result: null },
      { result: { data: 7 } },
      { result: { data: [] } },
      { result: { data: [null] } },
      { result: { data: [{ name: "codex_tui" }] } },
      { result: { data: [{ ...own, httpOrigin: "http://10.0.0.1:80" }] } },
      { result: { data: [{ ...own, httpOrigin: "http://127.0.0.1:80/x" }] } },
    ] satisfies (DaemonAnswer | undefined)[]
  ) {
    assert.equal(portIn(answer), undefined);
  }
});

Deno.test("isOver() returns true unless the daemon says that the turn goes on", () => {
  const read = (status: unknown) => isOver({ result: { thread: { status } } });
  assert.equal(read({ type: "active", activeFlags: [] }), false);
  assert.equal(read({ type: "idle" }), true);
  assert.equal(read({ type: "notLoaded" }), true);
  const waits = { type: "active", activeFlags: ["waitingOnApproval"] };
  assert.equal(read(waits), true);
  const gone = { refusal: `{"message":"thread not loaded: ${THREAD}"}` };
  assert.equal(isOver(gone), true);
  // An unknown answer leaves the decision to the lease.
  for (
    const answer of [
      undefined,
      { refusal: '{"message":"internal"}' },
      { result: null },
      { result: {} },
      { result: { thread: {} } },
    ]
  ) {
    assert.equal(isOver(answer), false);
  }
  assert.equal(read({ type: "active" }), false);
  assert.equal(read({ type: "new" }), false);
});

/** A daemon's side of a connection, in place of the real protocol. */
type Conduct = (connection: Deno.UnixConn) => Promise<void>;

/** Runs a socket at the daemon's path. */
async function withSocket(
  conduct: Conduct | undefined,
  use: (home: string) => Promise<void>,
): Promise<void> {
  const home = Deno.makeTempDirSync({ prefix: "mbus-codex-" });
  Deno.mkdirSync(`${home}/app-server-control`);
  const path = `${home}/app-server-control/app-server-control.sock`;
  const listener = conduct && Deno.listen({ transport: "unix", path });
  const connections: Deno.UnixConn[] = [];
  const serving = (async () => {
    for await (const connection of listener ?? []) {
      connections.push(connection);
      // A client that has disconnected ends the write to it.
      conduct?.(connection).catch(() => {});
    }
  })();
  try {
    await use(home);
  } finally {
    listener?.close();
    await serving;
    connections.forEach(closeOnce);
    Deno.removeSync(home, { recursive: true });
  }
}

/** Closes a connection that the other side may have closed. */
function closeOnce(connection: Deno.UnixConn): void {
  try {
    connection.close();
  } catch (error) {
    if (!(error instanceof Deno.errors.BadResource)) throw error;
  }
}

const UPGRADE = "HTTP/1.1 101 Switching Protocols\r\n\r\n";

async function say(
  connection: Deno.UnixConn,
  ...parts: (string | Uint8Array)[]
): Promise<void> {
  await connection.read(new Uint8Array(4096));
  for (const part of parts) {
    await connection.write(
      typeof part === "string" ? new TextEncoder().encode(part) : part,
    );
  }
}

/** Makes a frame as a server sends it: unmasked. */
function frame(text: string, first = 0x81): Uint8Array {
  const data = new TextEncoder().encode(text);
  const { length } = data;
  const head = length < 126
    ? [first, length]
    : [first, 126, length >> 8, length & 0xff];
  return new Uint8Array([...head, ...data]);
}

Deno.test("askDaemon() finds the answer among notifications, pings and frames", async () => {
  const result = { text: "x".repeat(500) };
  const text = JSON.stringify({ id: 2, result });
  await withSocket(
    (connection) =>
      say(
        connection,
        UPGRADE,
        frame(JSON.stringify({ method: "thread/started" })),
        frame(JSON.stringify({ id: 1, result: {} })),
        frame("", 0x89),
        frame(text.slice(0, 300), 0x01),
        frame("", 0x89),
        frame(text.slice(300), 0x80),
      ),
    async (home) => {
      assert.deepEqual(await askDaemon(home, "thread/read", {}), { result });
    },
  );
});

const SILENT: Readonly<Record<string, Conduct | undefined>> = {
  "no socket": undefined,
  "a socket that hangs": () => new Promise(() => {}),
  "one that closes": (connection) => {
    connection.close();
    return Promise.resolve();
  },
  "no WebSocket": (connection) =>
    say(connection, "HTTP/1.1 404 Not Found\r\n\r\n"),
  "garbage": (connection) => say(connection, new Uint8Array(2000).fill(7)),
  "an upgrade and silence": (connection) => say(connection, UPGRADE),
  "text that is not JSON": (connection) => say(connection, UPGRADE, frame("{")),
  "a frame that is too long": (connection) =>
    say(
      connection,
      UPGRADE,
      new Uint8Array([0x81, 127, 0, 0, 1, 0, 0, 0, 0, 0]),
    ),
  "a close": (connection) => say(connection, UPGRADE, frame("", 0x88)),
};

for (const [name, conduct] of Object.entries(SILENT)) {
  Deno.test(`askDaemon() returns undefined for ${name}`, () =>
    withSocket(conduct, async (home) => {
      assert.equal(await askDaemon(home, "thread/read", {}), undefined);
      const daemon = { pid: Deno.pid, startTime: "1" };
      const thread = { home, id: THREAD, daemon };
      assert.equal(await findWindow(thread), undefined);
    }));
}

Deno.test("askDaemon() waits the given time for a daemon that hangs", async () => {
  assert.equal(ANSWER_MS_MAX, 200);
  await withSocket(() => new Promise(() => {}), async (home) => {
    let ticks = 0;
    const clock = setInterval(() => ticks++, 10);
    assert.equal(await askDaemon(home, "thread/read", {}, 50), undefined);
    clearInterval(clock);
    // The same clock shows that it did not return at once.
    assert.ok(ticks > 0);
  });
});

Deno.test("askDaemon() returns undefined for a socket that it may not use", () =>
  withSocket(() => new Promise(() => {}), async (home) => {
    const module =
      new URL("../../lib/hooks/codex_socket.ts", import.meta.url).href;
    const script = `${home}/ask.ts`;
    Deno.writeTextFileSync(
      script,
      `import { askDaemon } from "${module}";
       console.log(await askDaemon("${home}", "thread/read", {}));`,
    );
    // As with another user's socket, or in a sandbox: connecting is refused.
    const { stdout } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "--no-config", "--no-prompt", "--quiet", script],
    }).output();
    assert.equal(new TextDecoder().decode(stdout).trim(), "undefined");
  }));

Deno.test("doctor names a window whose bus is not its daemon's", () => {
  const session = (pid: number, tty?: string): Session => ({
    id: THREAD,
    vendor: "codex",
    pid,
    tty,
    keeper: {
      codex: {
        home: "/home/dev/.codex",
        id: THREAD,
        daemon: { pid: 3537, startTime: "128186" },
      },
    },
    activeFiles: [],
    status: "active",
    registeredAt: "2026-12-01T00:00:00.000Z",
    heartbeatAt: "2026-12-01T00:00:00.000Z",
  });
  const homes: Record<number, string> = {
    3537: "/busA",
    10: "/busA",
    20: "/b",
  };
  const check = (...sessions: Session[]) =>
    checkCodex(sessions, (pid): Environment => {
      const home = homes[pid];
      return home === undefined ? {} : { MBUS_HOME: home };
    });
  const [same, other, none, unseen] = check(
    session(10, "pts/1"),
    session(20, "pts/2"),
    session(30),
    session(3537),
  );
  assert.deepEqual([same.status, other.status, none.status, unseen.status], [
    "ok",
    "warn",
    "warn",
    "ok",
  ]);
  assert.match(same.message, /\(pid 10 on pts\/1\) is in daemon 3537$/);
  assert.match(
    other.message,
    /^the Codex daemon \(pid 3537\) runs with MBUS_HOME=\/busA, the window of \S+ \(pid 20 on pts\/2\) with MBUS_HOME=\/b;/,
  );
  assert.match(none.message, /\(pid 30\) with no MBUS_HOME;/);
  const { keeper: _, ...plain } = session(10);
  assert.deepEqual(check(plain), []);
});
