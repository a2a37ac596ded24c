/**
 * The liveness of real processes: stopped, ended, hidden, of another user, in
 * other namespaces, and without permissions.
 */

import { mayShareDisk } from "../lib/model/process.ts";
import assert from "node:assert/strict";
import {
  hostId,
  processAlive,
  processStart,
  startTimesReadable,
} from "../lib/process/host.ts";
import { program, sleeper, valueOf, works } from "./probe.ts";
import { terminalText } from "./terminal_text.ts";

const LINUX = Deno.build.os === "linux";
const NAMESPACES = LINUX && works("unshare", "--pid", "--fork", "true");
const TIME_NAMESPACES = LINUX &&
  works("unshare", "--time", "--boottime", "1000", "--fork", "true");
const HIDING = NAMESPACES &&
  works("setpriv", "--reuid", "65534", Deno.execPath(), "--version") &&
  works(
    "unshare",
    "--mount",
    "mount",
    "-t",
    "proc",
    "-o",
    "hidepid=2",
    "proc",
    "/proc",
  );
const SCRIPT = LINUX && works("script", "-qec", "true", "/dev/null");

/** Waits until the system shows the process in that state. */
async function inState(pid: number, state: string): Promise<void> {
  for (let tries = 0; tries < 10_000; tries++) {
    const line = await Deno.readTextFile(`/proc/${pid}/stat`);
    if (line.slice(line.lastIndexOf(")") + 2).startsWith(state)) return;
  }
  assert.fail(`process ${pid} never came into state ${state}`);
}

function identityOf(pid: number): { pid: number; startTime: string } {
  const startTime = processStart(pid);
  assert.ok(startTime, `process ${pid} should be seen`);
  return { pid, startTime };
}

Deno.test("this process is alive on its own host", () => {
  assert.equal(processAlive(identityOf(Deno.pid), hostId()), "alive");
  assert.equal(startTimesReadable(), true);
});

Deno.test("hosts of one machine share a disk", () => {
  const one = "linux:8f1c:4026531836";
  assert.ok(mayShareDisk(one, "linux:8f1c:4026532201:4026531834"));
  assert.ok(!mayShareDisk(one, "linux:77ab:4026531836"));
  assert.ok(!mayShareDisk(one, "darwin:8f1c"));
  assert.ok(mayShareDisk("windows:desk:482113", "windows:desk:482114"));
  for (const unknown of [null, "", "private:8f1c"]) {
    assert.ok(mayShareDisk(unknown, one));
  }
  assert.ok(mayShareDisk(hostId(), hostId()));
});

Deno.test("a process of another host is neither alive nor dead", () => {
  const self = identityOf(Deno.pid);
  assert.equal(processAlive(self, "linux:other:1"), "unknown");
  assert.equal(processAlive({ ...self, startTime: "0" }, ""), "unknown");
});

Deno.test("the liveness of an invalid pid is unknown", () => {
  // In a system call most of these name whole groups of processes.
  for (const pid of [0, -1, -Deno.pid, 1.5, NaN, Infinity, 2 ** 31, 2 ** 32]) {
    const life = processAlive({ pid, startTime: "" }, hostId());
    assert.equal(life, "unknown", `${pid}`);
    assert.equal(processStart(pid), undefined, `${pid}`);
  }
});

Deno.test("a child is alive until it ends, and dead afterwards", async () => {
  const child = new Deno.Command("sleep", { args: ["1000"] }).spawn();
  const identity = identityOf(child.pid);
  assert.equal(processAlive(identity, hostId()), "alive");
  child.kill("SIGKILL");
  await child.status;
  assert.equal(processAlive(identity, hostId()), "dead");
  const pidOnly = { ...identity, startTime: "" };
  assert.equal(processAlive(pidOnly, hostId()), "dead");
});

Deno.test("a pid that another process reuses is dead", async () => {
  await using child = sleeper();
  const { pid, startTime } = identityOf(child.pid);
  const before = { pid, startTime: `${Number(startTime) - 1}` };
  assert.equal(processAlive(before, hostId()), "dead");
});

Deno.test("liveness without a start time is decided by the pid alone", async () => {
  await using child = sleeper();
  const identity = { pid: child.pid, startTime: "" };
  assert.equal(processAlive(identity, hostId()), "alive");
});

Deno.test({
  name: "a stopped process is alive",
  ignore: !LINUX,
  async fn() {
    await using child = sleeper();
    const identity = identityOf(child.pid);
    Deno.kill(child.pid, "SIGSTOP");
    await inState(child.pid, "T");
    assert.equal(processAlive(identity, hostId()), "alive");
  },
});

Deno.test({
  name: "a killed process whose parent does not wait for it is dead",
  ignore: !LINUX,
  async fn() {
    // The shell becomes a program that never waits for its inherited child.
    const parent = new Deno.Command("sh", {
      args: ["-c", "sleep 1000 & echo $!; exec sleep 1000 >&-"],
      stdout: "piped",
    }).spawn();
    let pid = 0;
    for await (const chunk of parent.stdout) {
      pid = Number(new TextDecoder().decode(chunk));
      break;
    }
    const identity = identityOf(pid);
    assert.equal(processAlive(identity, hostId()), "alive");
    Deno.kill(pid, "SIGKILL");
    await inState(pid, "Z");
    assert.equal(processAlive(identity, hostId()), "dead");
    const pidOnly = { pid, startTime: "" };
    assert.equal(processAlive(pidOnly, hostId()), "dead");
    parent.kill("SIGKILL");
    await parent.status;
  },
});

Deno.test("processes of one host have the same host id", async () => {
  assert.equal(await valueOf("host.hostId()"), hostId());
});

Deno.test({
  name:
    "a pid namespace is another host, and liveness across is unknown (needs unshare)",
  ignore: !NAMESPACES,
  async fn() {
    await using outside = sleeper();
    const outer = identityOf(outside.pid);
    const inner = await valueOf<{
      host: string;
      pid: number;
      startTime: string;
      self: string;
      outer: string;
      seen: boolean;
    }>(
      `{
        host: host.hostId(),
        pid: Deno.pid,
        startTime: host.processStart(Deno.pid),
        self: host.processAlive({
          pid: Deno.pid,
          startTime: host.processStart(Deno.pid),
        }, host.hostId()),
        outer: host.processAlive(${JSON.stringify(outer)}, ${
        JSON.stringify(hostId())
      }),
        seen: host.processStart(${outer.pid}) !== undefined,
      }`,
      { wrapper: ["unshare", "--pid", "--fork", "--mount-proc"] },
    );
    assert.notEqual(inner.host, hostId());
    assert.equal(inner.self, "alive");
    // Inside, the outer process is not visible, and is not dead.
    assert.equal(inner.seen, false);
    assert.equal(inner.outer, "unknown");
    assert.equal(processAlive(inner, inner.host), "unknown");
  },
});

Deno.test({
  name:
    "a /proc of another pid namespace is not read by number (needs unshare)",
  ignore: !NAMESPACES,
  async fn() {
    const inner = await valueOf<Record<string, unknown>>(
      `{
        host: host.hostId(),
        start: host.processStart(Deno.pid) ?? null,
        readable: host.startTimesReadable(),
        self: host.processAlive({ pid: Deno.pid, startTime: "1" }, host.hostId()),
        none: host.processAlive({ pid: 4000000, startTime: "1" }, host.hostId()),
        ancestors: [...host.ancestors()].length,
      }`,
      { wrapper: ["unshare", "--pid", "--fork"] },
    );
    assert.match(String(inner.host), /^linux:/);
    assert.notEqual(inner.host, hostId());
    delete inner.host;
    assert.deepEqual(inner, {
      start: null,
      readable: false,
      self: "alive",
      none: "dead",
      ancestors: 0,
    });
  },
});

Deno.test({
  name:
    "a time namespace is another host because start times differ (needs unshare)",
  ignore: !TIME_NAMESPACES,
  async fn() {
    await using outside = sleeper();
    const outer = identityOf(outside.pid);
    const inner = await valueOf<{ host: string; start: string; life: string }>(
      `{
        host: host.hostId(),
        start: host.processStart(${outer.pid}),
        life: host.processAlive(${JSON.stringify(outer)}, ${
        JSON.stringify(hostId())
      }),
      }`,
      { wrapper: ["unshare", "--time", "--boottime", "1000", "--fork"] },
    );
    // It reads another start time of the process, as if the pid were reused.
    assert.notEqual(inner.start, outer.startTime);
    assert.notEqual(inner.host, hostId());
    assert.equal(inner.life, "unknown");
  },
});

Deno.test({
  name: "a live process that /proc hides is alive (needs unshare, setpriv)",
  ignore: !HIDING,
  async fn() {
    await using hidden = sleeper();
    const identity = identityOf(hidden.pid);
    // A copy of the modules that any user may read.
    const folder = await Deno.makeTempDir({ prefix: "mbus-hidden-" });
    try {
      await Deno.chmod(folder, 0o755);
      const bundle = `${folder}/probe.js`;
      await using probe = await program(
        `console.log(JSON.stringify({
          before: host.startTimesReadable(),
          seen: host.processStart(${hidden.pid}) !== undefined,
          life: host.processAlive(${JSON.stringify(identity)}, ${
          JSON.stringify(hostId())
        }),
          none: host.processAlive({ pid: 4000000, startTime: "1" }, host.hostId()),
          after: host.startTimesReadable(),
        }));`,
      );
      assert.ok(works(
        Deno.execPath(),
        "bundle",
        "--quiet",
        "--no-config",
        "--output",
        bundle,
        probe.file,
      ));
      const line = `mount -t proc -o hidepid=2 proc /proc && exec setpriv ` +
        `--reuid 65534 --regid 65534 --clear-groups ` +
        `"$0" run --no-config --no-lock -A "$1"`;
      const { stdout, stderr } = await new Deno.Command("unshare", {
        args: ["--mount", "sh", "-c", line, Deno.execPath(), bundle],
        env: { DENO_DIR: `${folder}/none`, HOME: folder },
        stdin: "null",
      }).output();
      const text = new TextDecoder().decode(stdout);
      assert.notEqual(text, "", new TextDecoder().decode(stderr));
      assert.deepEqual(JSON.parse(text), {
        before: true,
        seen: false,
        life: "alive",
        none: "dead",
        after: false,
      });
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
});

const LIMITED = (pid: number): string =>
  `{
    host: host.hostId(),
    same: host.hostId() === host.hostId(),
    start: host.processStart(${pid}) ?? null,
    life: host.processAlive({ pid: ${pid}, startTime: "" }, host.hostId()),
    readable: host.startTimesReadable(),
    ancestors: [...host.ancestors()].length > 0,
    agent: host.nearestAgent([], undefined) ?? null,
    leader: host.terminalLeader() ?? null,
  }`;

Deno.test({
  name: "with --allow-run alone commands read the same entries",
  ignore: !LINUX,
  async fn() {
    await using child = sleeper();
    const permissions = ["--allow-run"];
    assert.deepEqual(await valueOf(LIMITED(child.pid), { permissions }), {
      host: hostId(),
      same: true,
      start: processStart(child.pid),
      life: "alive",
      readable: true,
      ancestors: true,
      agent: null,
      leader: null,
    });
  },
});

Deno.test("without permissions liveness is unknown, and nothing is thrown", async () => {
  const permissions: string[] = [];
  const first = await valueOf<{ host: string }>(LIMITED(Deno.pid), {
    permissions,
  });
  const second = await valueOf<{ host: string }>(LIMITED(Deno.pid), {
    permissions,
  });
  // Each is a host of its own, so neither knows the other's liveness.
  assert.notEqual(first.host, hostId());
  assert.notEqual(first.host, second.host);
  assert.deepEqual({ ...first, host: "" }, {
    host: "",
    same: true,
    start: null,
    life: "unknown",
    readable: false,
    ancestors: false,
    agent: null,
    leader: null,
  });
});

Deno.test({
  name: "at a terminal no permission prompt appears (needs script)",
  ignore: !SCRIPT,
  async fn() {
    await using probe = await program(
      `console.log("judged", host.processAlive({ pid: 1, startTime: "" }, host.hostId()));
       console.log("agent", host.nearestAgent());`,
    );
    const line =
      `'${Deno.execPath()}' run --quiet --no-config --no-lock '${probe.file}'`;
    const child = new Deno.Command("script", {
      args: ["-qec", line, "/dev/null"],
      env: { NO_COLOR: "1" },
      stdin: "piped",
      stdout: "piped",
    }).spawn();
    let text = "";
    for await (const chunk of child.stdout) {
      text += new TextDecoder().decode(chunk);
      // A prompt would wait for an answer for ever.
      if (/Allow\?|requests/.test(text)) child.kill("SIGKILL");
    }
    await child.stdin.close();
    await child.status;
    const shown = terminalText(new TextEncoder().encode(text));
    assert.equal(shown, "judged unknown\nagent undefined\n");
  },
});
