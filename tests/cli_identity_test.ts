import assert from "node:assert/strict";
import type { AgentProcess } from "../lib/process/host.ts";
import {
  identify,
  type Identity,
  type IdentityFacts,
  onlyName,
} from "../lib/cli/identity.ts";
import type { Session } from "../lib/model/session.ts";

const HOST = "linux:boot:4026531836";
const SHELL = { pid: 10, startTime: "100" };
const AGENT = { pid: 20, startTime: "200" };
const TOOL_SHELL = { pid: 30, startTime: "300" };

function session(
  id: string,
  process: { pid: number; startTime: string } | undefined,
  more: Partial<Session> = {},
): Session {
  return {
    id,
    vendor: "claude",
    ...(process && { pid: process.pid, processStart: process.startTime }),
    host: HOST,
    activeFiles: [],
    status: "active",
    registeredAt: "2026-11-22T00:00:00.000Z",
    heartbeatAt: "2026-11-22T00:00:00.000Z",
    ...more,
  };
}

/** Identifies a command in an agent's tool shell, in a person's terminal. */
function decide(
  facts: Partial<IdentityFacts> & {
    agentVendor?: AgentProcess["vendor"];
    dead?: readonly string[];
  },
): Identity {
  const { agentVendor, dead = [], ...rest } = facts;
  const agent = agentVendor === undefined
    ? undefined
    : { vendor: agentVendor, ...AGENT };
  const all: IdentityFacts = {
    given: undefined,
    inheritedIds: [],
    host: HOST,
    ancestors: [TOOL_SHELL, AGENT, SHELL],
    agent,
    agentAt: (process) => process.pid === agent?.pid ? agent : undefined,
    ownerProcess: { ...SHELL, tty: "pts/3" },
    sessions: [],
    lifeOf: (each) =>
      each.host !== HOST || each.pid === undefined
        ? "unknown"
        : dead.includes(each.id)
        ? "dead"
        : "alive",
    ...rest,
  };
  const identity = identify(all);
  const name = onlyName(all);
  if (name !== undefined) {
    const sessions = all.sessions.filter(({ id }) =>
      id === name || id.startsWith(`${name}~`)
    );
    // Commands load these sessions only.
    assert.deepEqual(identify({ ...all, sessions }), identity);
  }
  return identity;
}

Deno.test("identify() prefers a given name", () => {
  const identity = decide({
    given: "builder",
    inheritedIds: [{ vendor: "claude", id: "c1" }],
    agentVendor: "claude",
    sessions: [session("c1", AGENT)],
  });
  assert.equal(identity.id, "builder");
  assert.equal(identity.joined, undefined);
  assert.deepEqual(identity.process, AGENT);
});

Deno.test("identify() joins any session with the given name", () => {
  for (const process of [AGENT, { pid: 99, startTime: "9" }, undefined]) {
    const identity = decide({
      given: "builder",
      sessions: [session("builder", process)],
    });
    assert.equal(identity.joined?.id, "builder");
  }
});

Deno.test("identify() starts a new session for a name whose process is dead", () => {
  const identity = decide({
    given: "builder",
    agentVendor: "codex",
    sessions: [session("builder", { pid: 99, startTime: "9" })],
    dead: ["builder"],
  });
  assert.equal(identity.joined, undefined);
  assert.deepEqual(identity.process, AGENT);
});

Deno.test("identify() takes the id from the agent's variable, and the agent's process", () => {
  const identity = decide({
    inheritedIds: [{ vendor: "claude", id: "c1" }],
    agentVendor: "claude",
  });
  assert.deepEqual(
    [identity.id, identity.vendor, identity.process],
    ["c1", "claude", AGENT],
  );
});

Deno.test("identify() ignores a variable inherited from an outer agent", () => {
  const identity = decide({
    inheritedIds: [
      { vendor: "claude", id: "c1" },
      { vendor: "codex", id: "x1" },
    ],
    agentVendor: "codex",
  });
  assert.equal(identity.id, "x1");
  const kimi = decide({
    inheritedIds: [{ vendor: "claude", id: "c1" }],
    agentVendor: "kimi",
  });
  assert.equal(kimi.vendor, "kimi");
  assert.match(kimi.id, /^kimi-20-[0-9a-z]{4}$/);
});

Deno.test("identify() takes the variable where no agent is visible, as in a sandbox", () => {
  const elsewhere = session("x1", { pid: 4711, startTime: "1" }, {
    vendor: "codex",
    host: "linux:boot:other",
  });
  const identity = decide({
    inheritedIds: [{ vendor: "codex", id: "x1" }],
    ancestors: [],
    ownerProcess: undefined,
    sessions: [elsewhere],
  });
  assert.equal(identity.joined, elsewhere);
});

Deno.test("identify() starts a new incarnation of a resumed session that is alive", () => {
  const first = session("c1", { pid: 77, startTime: "7" });
  const resumed = decide({
    inheritedIds: [{ vendor: "claude", id: "c1" }],
    agentVendor: "claude",
    sessions: [first],
  });
  assert.equal(resumed.joined, undefined);
  assert.deepEqual([resumed.id, resumed.process], ["c1", AGENT]);
  const second = session("c1~2", AGENT);
  const later = decide({
    inheritedIds: [{ vendor: "claude", id: "c1" }],
    agentVendor: "claude",
    sessions: [first, second],
  });
  assert.equal(later.joined, second);
});

Deno.test("identify() takes the nearest registered process without a variable", () => {
  const shell = session("shell-1", SHELL, { vendor: "shell" });
  const agent = session("kimi-1", AGENT, { vendor: "kimi" });
  assert.equal(decide({ sessions: [agent, shell] }).joined, agent);
  assert.equal(decide({ sessions: [shell] }).joined, shell);
});

Deno.test("identify() prefers an agent to the person's shell above it", () => {
  const identity = decide({
    agentVendor: "kimi",
    sessions: [session("shell-1", SHELL, { vendor: "shell" })],
  });
  assert.equal(identity.joined, undefined);
  assert.deepEqual([identity.vendor, identity.process], ["kimi", AGENT]);
});

Deno.test("identify() joins no session by a reused pid, or by another host's", () => {
  const identity = decide({
    sessions: [
      session("old", { pid: SHELL.pid, startTime: "1" }),
      session("far", SHELL, { host: "linux:boot:other" }),
    ],
  });
  assert.equal(identity.joined, undefined);
  assert.equal(identity.vendor, "shell");
});

Deno.test("identify() takes the terminal's shell, with one id for all its commands", () => {
  const one = decide({});
  assert.match(one.id, /^shell-10-[0-9a-z]{4}$/);
  assert.deepEqual([one.process, one.tty], [SHELL, "pts/3"]);
  assert.equal(decide({}).id, one.id);
  const other = decide({
    ownerProcess: { ...SHELL, startTime: "101", tty: "pts/3" },
  });
  assert.notEqual(other.id, one.id);
});

Deno.test("identify() takes a script without a terminal, and one id without a process", () => {
  assert.equal(decide({ ownerProcess: AGENT }).vendor, "script");
  const bare = decide({ ancestors: [], ownerProcess: undefined });
  assert.equal(bare.process, undefined);
  assert.match(bare.id, /^script-[0-9a-z]{4}$/);
});

Deno.test("identify() gives a new session the named vendor", () => {
  const identity = decide({ vendor: "aider" });
  assert.equal(identity.vendor, "aider");
  assert.match(identity.id, /^aider-10-/);
});

Deno.test("identify() prefers the thread to MBUS_SESSION in a daemon's sandbox", () => {
  const thread = "01a22fb9-97dc";
  const inheritedIds = [{ vendor: "codex", id: thread }];
  const keeper = {
    codex: { home: "/home/dev/.codex", id: thread, daemon: AGENT },
  };
  const row = session(thread, SHELL, { vendor: "codex", keeper });
  const facts = { given: "alpha", inheritedIds, ancestors: [TOOL_SHELL] };
  assert.equal(decide({ ...facts, sessions: [row] }).joined?.id, thread);
  // A typed name, a thread outside of a daemon, and an unregistered thread.
  const typed = { ...facts, isOption: true, sessions: [row] };
  assert.equal(decide(typed).id, "alpha");
  const plain = session(thread, SHELL, { vendor: "codex" });
  assert.equal(decide({ ...facts, sessions: [plain] }).id, "alpha");
  assert.equal(decide(facts).id, "alpha");
});

Deno.test("identify() gives an inner agent no name inherited from an outer one", () => {
  const outer = session("alice", SHELL);
  const inner = { vendor: "claude" as const, ...AGENT };
  const facts: Partial<IdentityFacts> = {
    given: "alice",
    agent: inner,
    agentAt: () => inner,
  };
  const begun = decide({ ...facts, sessions: [outer] });
  assert.equal(begun.joined, undefined);
  assert.deepEqual(begun.process, AGENT);
  const both = [outer, session("alice~2", AGENT)];
  assert.equal(decide({ ...facts, sessions: both }).joined?.id, "alice~2");
  const isOption = true;
  assert.equal(
    decide({ ...facts, isOption, sessions: [outer] }).joined?.id,
    "alice",
  );
});

Deno.test("identify() counts a thread's window as an ancestor", () => {
  const pane = { pid: 77, startTime: "770" };
  const keeper = {
    codex: { home: "/home/dev/.codex", id: "t-1", daemon: AGENT },
  };
  const row = session("t-1", pane, { vendor: "codex", keeper });
  const identity = decide({
    inheritedIds: [{ vendor: "codex", id: "t-1" }],
    agent: { vendor: "codex", ...pane, keeper },
    sessions: [row],
  });
  assert.equal(identity.joined?.id, "t-1");
  const begun = decide({
    inheritedIds: [{ vendor: "codex", id: "t-2" }],
    agent: { vendor: "codex", ...pane, keeper },
    sessions: [],
  });
  assert.deepEqual([begun.process, begun.keeper], [pane, keeper]);
});
