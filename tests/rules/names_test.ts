import assert from "node:assert/strict";
import {
  InvalidInputError,
  NameTakenError,
  UnknownSessionError,
} from "../../lib/model/errors.ts";
import { AGENT_NAMES } from "../../lib/hooks/agents/agent.ts";
import { CHANNEL_TTL_SECONDS } from "../../lib/model/channels.ts";
import { VENDORS } from "../../lib/model/session.ts";
import {
  assertNameChoosable,
  assertNoName,
  defaultNames,
  resolveSession,
} from "../../lib/rules/names.ts";
import { move } from "../../lib/rules/deliveries.ts";
import { endSession, renameSession } from "../../lib/rules/sessions.ts";
import { type Start, World } from "./world.ts";

const UUID = "0190aaaa-bbbb-7ccc-8ddd-eeeeffff";

function end(world: World, id: string): void {
  world.run((records, at) => endSession(records, at, id));
}

function rename(world: World, id: string, name: string): void {
  world.run((records, at) => renameSession(records, at, id, name));
}

/** Default names of ids, as the first session on a bus gets them. */
const DEFAULTS: readonly [id: string, vendor: string, name: RegExp][] = [
  ["tester", "script", /^tester$/],
  ["claude-0001", "claude", /^claude-0001$/],
  [`${UUID}0a1b`, "claude", /^claude-0a1b$/],
  [`${UUID}0A1B`, "codex", /^codex-0a1b$/],
  ["shell-4711-ab3d", "shell", /^shell-ab3d$/],
  [`${UUID}~2`, "claude", /^claude-[0-9a-z]{4}$/],
  ["all", "script", /^script-[0-9a-z]{4}$/],
  ["chat", "script", /^script-[0-9a-z]{4}$/],
];

for (const [id, vendor, name] of DEFAULTS) {
  Deno.test(`names: a ${vendor} with the id ${id} is called ${name.source}`, () => {
    const session = new World().join(id, { vendor });
    assert.match(session.name!, name);
    assert.equal(session.nameIsChosen, undefined);
  });
}

Deno.test("names: the four characters of made names differ among living sessions", () => {
  const world = new World();
  const ids = Array.from({ length: 200 }, (_, i) => `${i}-${UUID}-0001`);
  const ends = ids.map((id, i) => {
    const { name } = world.join(id, { vendor: i % 2 ? "claude" : "codex" });
    return name!.slice(-4);
  });
  assert.equal(ends[0], "0001");
  assert.equal(new Set(ends).size, ids.length);
});

Deno.test("names: candidates end in four letters and digits, and go on", () => {
  const names = [...defaultNames("x".repeat(40), "v").take(500)]
    .map(({ name }) => name);
  for (const name of names) assert.match(name, /^v-[0-9a-z]{4}$/);
  assert.ok(new Set(names).size > 490);
});

Deno.test("names: a session keeps its name when it registers again or is resumed", () => {
  const world = new World();
  const id = `${UUID}-0001`;
  const start = { vendor: "claude", pid: 7, processStart: "s" };
  assert.equal(world.join(id, start).name, "claude-0001");
  assert.equal(world.join(id, start).name, "claude-0001");
  end(world, id);
  assert.equal(world.join(id, { vendor: "claude" }).name, "claude-0001");
});

Deno.test("names: a resumed session gets another name while a living one has its own", () => {
  const world = new World();
  world.join(`1-${UUID}-0001`, { vendor: "claude" });
  end(world, `1-${UUID}-0001`);
  world.join(`2-${UUID}-0001`, { vendor: "claude" });
  const { name } = world.join(`1-${UUID}-0001`, { vendor: "claude" });
  assert.match(name!, /^claude-(?!0001)[0-9a-z]{4}$/);
});

/** Names that cannot be chosen, with a part of the error. */
const REFUSED: readonly [name: string, part: string][] = [
  ["", "is empty"],
  ["back end", "is not a name"],
  ["back\nend", "is not a name"],
  ["\x1b[31mred", "is not a name"],
  ["a\0b", "is not a name"],
  ["\u202eevil", "is not a name"],
  ["-x", "is not a name"],
  ["a/b", "is not a name"],
  ["@git/head", "is not a name"],
  ["a".repeat(33), "is 33 characters long"],
  ["a".repeat(1_000), "is 1000 characters long"],
  ["all", "is the address of all sessions"],
  ["All", "is the address of all sessions"],
  ["codex", "is a kind of agent"],
  ["Claude", "is a kind of agent"],
  ...Object.keys(CHANNEL_TTL_SECONDS).map((
    channel,
  ): [string, string] => [channel, "is a channel"]),
];

for (const [name, part] of REFUSED) {
  Deno.test(`names: ${JSON.stringify(name.slice(0, 40))} ${part}`, () => {
    assert.throws(() => assertNameChoosable(name), (error) => {
      assert.ok(error instanceof InvalidInputError);
      assert.equal(error.field, "name");
      assert.ok(error.message.includes(`: it ${part}. `), error.message);
      assert.ok(error.message.length < 250);
      return true;
    });
  });
}

Deno.test("names: letters of any script, digits, dots and hyphens can be chosen", () => {
  for (
    const name of ["backend", "Küche", "前端", "a", "v1.2_x-y", "a".repeat(32)]
  ) {
    assertNameChoosable(name);
  }
});

Deno.test("names: no agent's name can be chosen", () => {
  for (const agent of AGENT_NAMES) assert.ok(VENDORS.includes(agent), agent);
});

Deno.test("names: two living sessions of a project cannot have one chosen name", () => {
  const world = new World();
  const join = (id: string, start: Start) => world.join(id, start);
  join("ann", { project: "/one", name: "backend" });
  for (const project of ["/one", null]) {
    assert.throws(
      () => join("bob", { project, name: "backend" }),
      NameTakenError,
    );
  }
  assert.equal(
    join("bob", { project: "/one", wishedName: "backend" }).name,
    "bob",
  );
  assert.throws(() => rename(world, "bob", "backend"), NameTakenError);
  assert.throws(() => rename(world, "bob", "ann"), NameTakenError);
  assert.equal(
    join("eve", { project: "/two", name: "backend" }).name,
    "backend",
  );
  rename(world, "ann", "backend");
  rename(world, "ann", "frontend");
  rename(world, "bob", "backend");
  assert.deepEqual(world.events("heartbeat").slice(-2), [
    "renamed ann",
    "renamed bob",
  ]);
});

Deno.test("names: a chosen name of a dead session is free, and it is reaped", () => {
  const world = new World();
  world.join("ann", { name: "backend" });
  world.end("ann");
  assert.equal(world.join("bob", { wishedName: "backend" }).name, "backend");
  assert.equal(world.session("ann").status, "terminated");
});

Deno.test("names: the next session with a chosen name gets the messages that wait", () => {
  const world = new World();
  const recipients = () =>
    [...world.memory.records.delivery.values()]
      .map(({ to, state }) => `${to} ${state}`);
  world.join("ann", { project: "/one", name: "backend" });
  world.join("bob", { project: "/one" });
  const write = (to: string) =>
    world.publish("bob", "hi", { to, project: "/one" });
  const read = write("backend").id;
  write("backend");
  world.run((records, at) => move(records, at, "ann", [read], "acked"));
  end(world, "ann");
  assert.equal(write("backend").notRunning, true);
  world.join("eve", { project: "/two", name: "backend" });
  assert.deepEqual(recipients(), ["ann acked", "ann queued", "ann queued"]);
  world.join("joe", { project: "/one" });
  rename(world, "joe", "backend");
  assert.deepEqual(recipients(), ["ann acked", "joe queued", "joe queued"]);
  assert.equal(write("backend").to, "joe");
  // The first session is resumed under another name.
  assert.equal(world.join("ann", { project: "/one" }).name, "ann");
});

/**
 * Sessions that a text means to `me` in /one: claude-1, claude-2 and a Claude with
 * a long id run in /one, as do the only Codex and the session "claude". codex-1 has
 * ended. gemini-1 and the chosen name "far" are in /two.
 */
const MEANINGS: readonly [text: string, means: string | readonly string[]][] = [
  ["claude-1", "claude-1"],
  ["claude", "claude"],
  ["claude-", ["claude-1", "claude-2", "claude-cccc"]],
  ["codex-1", "codex-1"],
  ["codex", "0191aaaa-bbbb-cccc-dddd"],
  ["codex-d", "0191aaaa-bbbb-cccc-dddd"],
  ["codex-1z", []],
  ["0190aaaa", "0190aaaa-bbbb-cccc"],
  ["claude-cccc", "0190aaaa-bbbb-cccc"],
  ["backend", "named"],
  ["back", "named"],
  ["gone", "left"],
  ["go", "left"],
  ["gemini-1", "gemini-1"],
  ["gemini", []],
  ["far", []],
  ["none", []],
];

function peopled(): World {
  const world = new World();
  const project = "/one";
  world.join("me", { project });
  world.join("named", { project, name: "backend" });
  for (const id of ["claude-1", "claude-2", "codex-1", "claude"]) {
    world.join(id, { project });
  }
  world.join("0190aaaa-bbbb-cccc", { project, vendor: "claude" });
  world.join("0191aaaa-bbbb-cccc-dddd", { project, vendor: "codex" });
  world.join("gemini-1", { project: "/two", vendor: "gemini" });
  world.join("distant", { project: "/two", name: "far" });
  world.join("left", { project, name: "gone" });
  end(world, "codex-1");
  end(world, "left");
  return world;
}

for (const [text, means] of MEANINGS) {
  Deno.test(`names: "${text}" means ${means.length === 0 ? "no session" : means}`, () => {
    const resolve = () =>
      peopled().run((records) =>
        resolveSession(records, "find", text, { project: "/one", self: "me" })
      );
    if (typeof means === "string") return assert.equal(resolve().id, means);
    assert.throws(resolve, (error) => {
      assert.ok(error instanceof UnknownSessionError);
      assert.deepEqual(error.candidates, means);
      return true;
    });
  });
}

/** Addresses without a session, with the error. */
const ERRORS: readonly [text: string, message: RegExp][] = [
  ["none", /: no session "none" is on this bus\. Choose one of backend, /],
  [
    "script",
    /: "script" fits 4 sessions \(backend, claude-1, claude-2, claude\)\. Write more/,
  ],
  ["", /: "" fits 7 sessions \(.*, .*, .*, .*, .* and 2 more\)/],
  ["far", /: session "far" is in another project, \/two\. Add --all-projects/],
  ["gemini", /: session "gemini" is in another project, \/two\./],
];

for (const [text, message] of ERRORS) {
  Deno.test(`names: the address "${text}" is refused: ${message.source}`, () => {
    const options = { project: "/one", self: "me" };
    assert.throws(
      () =>
        peopled().run((records) =>
          resolveSession(records, "find", text, options)
        ),
      { name: "UnknownSessionError", message },
    );
  });
}

Deno.test("names: a beginning of an ended and a running session means the running one", () => {
  const world = new World();
  world.join("claude-1");
  end(world, "claude-1");
  world.join("claude-2");
  const { id } = world.run((records) =>
    resolveSession(records, "find", "claude-")
  );
  assert.equal(id, "claude-2");
});

Deno.test("names: a channel that is the name of a living session is refused", () => {
  const world = peopled();
  const check = (channel: string, project: string | null = "/one") =>
    world.run((records) => assertNoName(records, channel, project));
  for (const channel of ["state", "builds", "left", "far", "gone"]) {
    check(channel);
  }
  for (const channel of ["backend", "claude-1", "claude-cccc"]) {
    assert.throws(() => check(channel), {
      field: "channel",
      message: new RegExp(`mbus tell ${channel} TEXT`),
    });
  }
  assert.throws(() => check("far", null), { field: "channel" });
});
