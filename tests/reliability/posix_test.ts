/**
 * SQLite's POSIX locks and rows survive every command. (A trace of the library
 * with every watch: posix_lock_test.)
 */

import assert from "node:assert/strict";
import type { Message } from "../../mod.ts";
import { Mbus, type Running } from "../cli/mbus.ts";
import { Repository } from "../cli/repository.ts";
import { Home, until } from "../fixture.ts";
import { canTrace, checkTrace, lockedBy, tracing } from "../posix_trace.ts";
import { LONG, seeded } from "./seed.ts";

const isLinux = Deno.build.os === "linux";
const unlessTraced = canTrace
  ? ""
  : " (ignored: needs strace: apt-get install strace)";
const unlessLinux = isLinux ? "" : " (ignored: needs /proc)";
const HELD = ["messaging.db", "messaging.db-shm"];

/** Returns a hook's input for an event of an edit. */
function hookInput(event: string, session: string, file: string): string {
  return JSON.stringify({
    session_id: session,
    transcript_path: "/nowhere",
    cwd: file.slice(0, file.lastIndexOf("/")),
    hook_event_name: event,
    tool_name: "Write",
    tool_input: { file_path: file, content: "x" },
    tool_response: {},
  });
}

/** Commands that end, each with its stdin. */
const COMMANDS: readonly (readonly [readonly string[], string?])[] = [
  [["init"]],
  [["send", "state", "1"]],
  [["tail", "--from", "start", "--count", "1"]],
  [["tail", "--durable", "d", "--from", "start", "--count", "1"]],
  [["poll", "state"]],
  [["sessions"]],
  [["register", "--vendor", "v"]],
  [["stats"]],
  [["purge"]],
  [["doctor"]],
  [["who", "first"]],
  [["lock", "first"]],
  [["lock", "first", "--wait", "1s"]],
  [["with-lock", "first", "--", "true"]],
  [["unlock", "first"]],
  [["task", "post", "title"]],
  [["task", "next"]],
  [["inbox"]],
  [["guard", "check"]],
  ...["SessionStart", "PreToolUse", "PreToolUse", "PostToolUse", "Stop"].map(
    (event) =>
      [
        ["hook", "claude"],
        hookInput(event, "agent", "/tmp/mbus-nowhere.txt"),
      ] as const,
  ),
  [["end"]],
];

Deno.test({
  name: `commands open the database only by SQLite${unlessTraced}`,
  ignore: !canTrace,
  async fn() {
    await using bus = await Repository.make();
    await bus.done(["send", "state", "0"]);
    for (const [i, [args, input]] of COMMANDS.entries()) {
      const file = `${bus.folder}/trace-${i}`;
      await bus.run(args, { input, through: tracing(file) });
      const trace = Deno.readTextFileSync(file);
      // A command that does not touch the database is fine.
      if (!trace.includes(`${bus.home}/db`)) continue;
      try {
        checkTrace(trace, bus.home);
      } catch (error) {
        throw new Error(`mbus ${args.join(" ")}: ${(error as Error).message}`);
      }
    }
  },
});

Deno.test({
  name: `running commands keep SQLite's locks during traffic${unlessLinux}`,
  ignore: !isLinux,
  async fn() {
    await using mbus = new Mbus();
    await mbus.done(["send", "state", "0"]);
    const file = `${mbus.folder}/project/file`;
    const holder = mbus.start([
      "with-lock",
      file,
      "--exclusive",
      "--",
      ...["sh", "-c", "echo here; exec sleep 600"],
    ]);
    assert.equal(await holder.line(), "here");
    const running: Record<string, Running> = {
      holder,
      tail: mbus.start(["tail"]),
      durable: mbus.start(["tail", "state", "--durable", "d"]),
      inbox: mbus.start(["inbox", "--wait"]),
      waiter: mbus.start(["lock", file, "--exclusive", "--wait", "10m"]),
    };
    try {
      await keepLocks(mbus, running, file);
    } finally {
      // Its command would outlive it, and keep our pipes open.
      await holder.end("SIGTERM");
    }
  },
});

async function keepLocks(
  mbus: Mbus,
  running: Readonly<Record<string, Running>>,
  file: string,
): Promise<void> {
  const check = (when: string) => {
    for (const [name, { pid }] of Object.entries(running)) {
      assert.deepEqual(lockedBy(mbus.database, pid), HELD, `${name} ${when}`);
    }
  };
  await until("all locks to be held", () => {
    try {
      check("at first");
      return true;
    } catch {
      return false;
    }
  });
  for (let i = 0; i < (LONG ? 100 : 3); i++) {
    await Promise.all([
      mbus.run(["send", "state", String(i)]),
      mbus.run(["doctor"]),
      mbus.run(["hook", "claude"], {
        env: { MBUS_SESSION: undefined },
        input: hookInput("PreToolUse", `agent-${i}`, file),
      }),
    ]);
    check(`after round ${i}`);
  }
}

const HOOKS = LONG ? 2_000 : 60;

Deno.test({
  name:
    `three sessions keep their locks while ${HOOKS} hooks run${unlessLinux}`,
  ignore: !isLinux,
  async fn() {
    await seeded(import.meta.url, "three sessions keep", async (chance) => {
      await using mbus = new Mbus();
      await using home = new Home();
      const sessions = await Promise.all(
        [1, 2, 3].map(() =>
          home.start({ pollIntervalMs: 20, home: mbus.home })
        ),
      );
      for (const [i, peer] of sessions.entries()) {
        await peer.call("subscribe", { name: "all", channels: "a" });
        await peer.call("subscribe", {
          name: "durable",
          channels: "a",
          durable: `d${i}`,
          ack: true,
        });
      }
      const published: string[] = [];
      const agents = new Set<string>();
      let left = HOOKS;
      const runHooks = async () => {
        while (left-- > 0) {
          const agent = `agent-${chance.whole(0, 20)}`;
          const event = chance.of(["PreToolUse", "PostToolUse", "Stop"]);
          const file = `${mbus.folder}/project/${chance.whole(0, 10)}`;
          agents.add(agent);
          const { code } = await mbus.run(["hook", "claude"], {
            env: { MBUS_SESSION: undefined },
            input: hookInput(event, agent, file),
          });
          assert.equal(code, 0);
        }
      };
      let done = false;
      const publish = async () => {
        for (let i = 0; !done; i++) {
          const payload = `m${i}`;
          await chance.of(sessions).call("publish", {
            channel: "a",
            payload,
            ttlSeconds: 3_600,
          });
          published.push(payload);
          await new Promise((resolve) => setTimeout(resolve, 5));
        }
      };
      const publishing = publish();
      await Promise.all([runHooks(), runHooks()]);
      done = true;
      await publishing;
      for (const peer of sessions) {
        assert.deepEqual(lockedBy(mbus.database, peer.pid), HELD);
        for (const reader of ["all", "durable"]) {
          const seen = await peer.wait<Message>(reader, published.length);
          assert.deepEqual(seen.map(({ payload }) => payload), published);
        }
      }
      const listed = await mbus.json(["sessions", "--all-projects"]);
      const ids = new Set(listed.map(({ id }) => id));
      for (const agent of agents) assert.ok(ids.has(agent), agent);
      const log = await mbus.run(["doctor", "--json"]);
      const integrity = log.stdout.split("\n").filter((line) =>
        line.includes('"integrity"')
      );
      assert.match(integrity.join(), /"status":"ok"/);
      await Promise.all(sessions.map((peer) => peer.end()));
    });
  },
});

const TRAFFIC_MS = LONG ? 60_000 : 1_000;

Deno.test({
  name: `a session with every watch keeps SQLite's locks for ${
    TRAFFIC_MS / 1_000
  } s of traffic${unlessLinux}`,
  ignore: !isLinux,
  async fn() {
    await using home = new Home();
    const busy = await home.start({ pollIntervalMs: 20 });
    await busy.call("subscribe", { name: "all", channels: null });
    await busy.call("watchLocks", "locks");
    await busy.call("readInbox", { name: "inbox", ack: true });
    await busy.call("subscribe", {
      name: "durable",
      channels: "a",
      durable: "d",
      ack: true,
    });
    const leaders = home.foreign().prepare("SELECT count(*) AS n FROM duties");
    await until("a leader", () => leaders.get()!.n === 1);
    const other = await home.start();
    const path = home.database;
    let published = 0;
    const endsAt = performance.now() + TRAFFIC_MS;
    do {
      const flood = { channel: "a", first: 0, count: 20, apart: true };
      await Promise.all([
        busy.call("flood", flood),
        other.call("flood", flood),
        other.call("comeAndGo", { path, times: 5 }),
        other.call("sql", {
          path,
          sql: `INSERT INTO inter_session_messages
            (sender_id, channel, payload) VALUES ('x', 'a', '1')`,
        }),
      ]);
      await other.call("closeSql", "sql");
      published += 41;
      assert.deepEqual(lockedBy(home.database, busy.pid), HELD);
    } while (performance.now() < endsAt);
    await busy.wait("durable", published);
    const check = home.foreign().prepare("PRAGMA integrity_check").get()!;
    assert.equal(check.integrity_check, "ok");
  },
});
