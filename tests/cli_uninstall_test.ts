/**
 * `mbus uninstall`: a person's changes stay, and all our parts are removed.
 *
 * @module
 */

import assert from "node:assert/strict";
import { AGENT_NAMES } from "../lib/hooks/agents/agent.ts";
import { AgentsHome, listingOf, read, write } from "./cli/agents_home.ts";
import { ROOT } from "./cli/mbus.ts";
import { openBus } from "../mod.ts";
import { run } from "./fixture.ts";

/** The bus at its usual place: in the home folder. */
const OWN_BUS = { env: { MBUS_HOME: undefined } } as const;

Deno.test("a person's changes after installing stay", async () => {
  await using home = new AgentsHome();
  const json = home.path("claude");
  const toml = home.path("codex");
  write(json, '{\n  // mine\n  "a": 1\n}\n');
  write(toml, "a = 1\n");
  await home.done(["install", "claude", "codex", "--writable-root"]);
  write(json, read(json)!.replace('"a": 1', '"a": [2]'));
  write(
    toml,
    read(toml)!.replace("a = 1", "a = 2 # two") + "\n[more]\nb = 1\n",
  );
  await home.done(["uninstall", "claude", "codex"]);
  assert.equal(read(json), '{\n  // mine\n  "a": [2]\n}\n');
  assert.equal(read(toml), "a = 2 # two\n\n[more]\nb = 1\n");
});

Deno.test("a guide that another agent reads stays until that agent is uninstalled", async () => {
  await using home = new AgentsHome();
  const guide = `${home.project}/AGENTS.md`;
  write(guide, "# Mine");
  const agents = ["codex", "opencode"];
  await home.done(["install", ...agents, "--project", "--guide"]);
  const [kept] = await home.told(["uninstall", "codex", "--project"]);
  assert.deepEqual(
    [kept.part, kept.done, kept.message],
    ["guide", "skipped", "opencode reads the guide there, too"],
  );
  assert.match(read(guide)!, /`mbus sessions`/);
  await home.done(["uninstall", "opencode", "--project"]);
  assert.equal(read(guide), "# Mine");
});

Deno.test("uninstall --all removes every agent in both scopes, and the git guard", async () => {
  await using home = new AgentsHome();
  await run("git", ["init", "--quiet", home.project]);
  const hook = `${home.project}/.git/hooks/pre-commit`;
  write(hook, "#!/bin/sh\nexit 0\n");
  write(home.path("gemini"), '{ "theme": "x" }');
  const before = home.listing();
  await home.done(["guard", "install"]);
  await home.done([
    "install",
    ...AGENT_NAMES,
    "--user",
    "--project",
    "--guide",
    "--writable-root",
  ]);
  const looked = await home.told(["uninstall", "--all", "--dry-run"]);
  const told = await home.told(["uninstall", "--all"]);
  assert.deepEqual(home.listing(), before);
  assert.deepEqual(
    told.filter(({ part }) => part === "guard").map((each) => each.path),
    ["pre-commit", "pre-merge-commit", "pre-applypatch", "pre-push"]
      .map((name) => `${home.project}/.git/hooks/${name}`),
  );
  // The first of several agents that read a file removes the guide.
  const removed = (all: typeof told) =>
    new Set(
      all.filter(({ part, done }) => part !== "backup" && done === "removed")
        .map(({ part, path }) => `${part} ${path}`),
    );
  assert.deepEqual(removed(looked), removed(told));
  assert.equal(await home.done(["uninstall", "--all"]), "Nothing to do.\n");
});

Deno.test("uninstall --all --purge leaves an empty home", {
  ignore: Deno.build.os === "windows",
}, async () => {
  await using home = new AgentsHome();
  const program = `${ROOT}/lib/packaging/package_install.ts`;
  const { code, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "--cached-only", "--allow-all", program],
    env: home.environment(OWN_BUS.env),
    clearEnv: true,
    stdout: "null",
  }).output();
  assert.equal(code, 0, new TextDecoder().decode(stderr));
  const launcher = `${home.user}/.local/bin/mbus`;
  const nowhere = `${home.folder}/nothing-fetched`;
  const env = home.environment({ ...OWN_BUS.env, DENO_DIR: nowhere });
  const launch = async (...args: string[]): Promise<string> => {
    const ended = await new Deno.Command(launcher, {
      args,
      cwd: home.project,
      env,
      clearEnv: true,
    }).output();
    assert.equal(ended.code, 0, new TextDecoder().decode(ended.stderr));
    return new TextDecoder().decode(ended.stdout);
  };
  const all = [...AGENT_NAMES, "--user", "--project", "--guide"];
  assert.match(
    await launch("install", ...all, "--writable-root"),
    /^codex: put the bus folder as a writable root into /m,
  );
  await launch("send", "state", "1");
  await launch("end");
  // A backup with further text is removed, too.
  const claude = home.path("claude");
  write(claude, '{ "a": 1 }');
  await launch("install", "claude");
  write(claude, read(claude)!.replace('"a": 1', '"a": 2'));
  assert.ok(Object.keys(home.listing()).length > 30);

  const told = await launch("uninstall", "--all", "--purge", "--yes");
  assert.match(told, /^bus: .*\/message-bus removed\.$/m);
  assert.match(told, /^launcher: .*\/\.local\/bin\/mbus removed\.$/m);
  const { [`${home.user}/.claude`]: folder, ...rest } = home.listing();
  // A change of the person.
  assert.match(folder, /^folder/);
  assert.deepEqual(Object.keys(rest), [claude]);
  assert.equal(read(claude), '{ "a": 2 }');
  Deno.removeSync(`${home.user}/.claude`, { recursive: true });
  assert.deepEqual(home.listing(), {});
});

Deno.test("uninstall --purge needs a yes, --all, and no live session", async () => {
  await using home = new AgentsHome();
  await home.done(["install", "claude"]);
  await home.done(["send", "state", "1"]);
  await using bus = await openBus({ home: home.home, session: "living" });
  await bus.sessions.register();
  const before = home.listing();
  const refusals: [string[], number, RegExp][] = [
    [["--all", "--purge"], 1, /1 living session is on it \(living\)/],
    [["--all", "--purge", "--yes"], 1, /End them, or write --force\.$/m],
    [["--all", "--purge", "--force"], 2, /needs consent\. Write --yes/],
    [["--purge", "--yes", "claude"], 2, /--purge needs --all/],
    [["--all", "--force"], 2, /--force needs --purge/],
    [["--all", "--purge", "--yes", "--user"], 2, /for both scopes/],
    [["--all", "claude"], 2, /--all and agents exclude each other/],
    [[], 2, /the agent is missing/],
    [["cladue"], 2, /Did you mean "claude"\?/],
  ];
  for (const [args, code, message] of refusals) {
    const ended = await home.run(["uninstall", ...args]);
    assert.deepEqual([ended.code, ended.stdout], [code, ""], args.join(" "));
    assert.match(ended.stderr, message);
  }
  assert.deepEqual(home.listing(), before);

  const looked = await home.told([
    "uninstall",
    "--all",
    "--purge",
    "--force",
    "--dry-run",
  ]);
  assert.equal(looked.find(({ part }) => part === "bus")?.done, "removed");
  assert.ok(Deno.statSync(home.database).isFile);
  const [own] = await home.json(["sessions"]);
  assert.equal(
    own.id,
    "tester",
    "the purging session itself does not block the purge",
  );
  await bus.close();
  await home.done(["uninstall", "--all", "--purge", "--yes"]);
  assert.deepEqual(home.listing(), {});
  assert.throws(() => Deno.statSync(home.home), Deno.errors.NotFound);
});

Deno.test("a purge is refused while a process waits for messages", async () => {
  await using home = new AgentsHome();
  const purge = ["uninstall", "--all", "--purge", "--yes"];
  const tail = home.start(["tail", "ready"]);
  await home.reach(tail);
  const refused = await home.run(purge);
  assert.equal(refused.code, 1, refused.stdout);
  assert.match(
    refused.stderr,
    new RegExp(
      `Cannot purge the bus: 1 process waits .+ \\(pid ${tail.pid}\\)`,
    ),
  );
  await home.done(["send", "ready", "1"]);
  assert.match((await tail.line())!, /ready/);

  // A killed process waits no more, though its bell is still there.
  assert.equal(await tail.end("SIGKILL"), 137);
  assert.equal([...Deno.readDirSync(`${home.home}/bells`)].length, 1);
  await home.done(purge);
  assert.throws(() => Deno.statSync(home.home), Deno.errors.NotFound);
});

Deno.test("a process that waits is told of a forced purge", async () => {
  await using home = new AgentsHome();
  const tail = home.start(["tail", "ready"]);
  await home.reach(tail);
  await home.done(["uninstall", "--all", "--purge", "--yes", "--force"]);
  const told: string[] = [];
  for (let line; (line = await tail.errorLine()) !== undefined;) {
    told.push(line);
  }
  assert.match(told.at(-1)!, /^mbus: Cannot .+was moved, deleted or replaced/);
  assert.equal(await tail.end(), 3);
  assert.throws(() => Deno.statSync(home.home), Deno.errors.NotFound);
});

Deno.test("a purge removes only our files, and follows no link", {
  ignore: Deno.build.os === "windows",
}, async () => {
  await using home = new AgentsHome();
  await home.done(["init"]);
  const elsewhere = `${home.folder}/elsewhere`;
  write(`${elsewhere}/messaging.db`, "theirs");
  write(`${home.home}/db/notes.txt`, "theirs");
  Deno.symlinkSync(elsewhere, `${home.home}/bells/1-01234567`);
  const purge = ["uninstall", "--all", "--purge", "--yes"];
  const told = await home.told(purge);
  const bus = told.find(({ part }) => part === "bus");
  assert.equal(bus?.done, "kept");
  assert.match(bus.message!, /db\/notes\.txt/);
  assert.match(bus.message!, /bells\/1-01234567/);
  assert.deepEqual(
    Object.keys(listingOf(home.home)).map((path) =>
      path.slice(home.home.length)
    ).sort(),
    ["/bells", "/bells/1-01234567", "/db", "/db/notes.txt"],
  );
  assert.equal(read(`${elsewhere}/messaging.db`), "theirs");

  // The bus folder, then that of the database, is a link.
  const link = `${home.folder}/link`;
  Deno.symlinkSync(elsewhere, link);
  const { code, stderr } = await home.run([...purge, "--home", link]);
  assert.equal(code, 1);
  assert.match(stderr, /is a link\. Purge its target with --home/);
  const other = `${home.folder}/other`;
  Deno.mkdirSync(other);
  Deno.symlinkSync(elsewhere, `${other}/db`);
  await home.done([...purge, "--force", "--home", other]);
  assert.equal(read(`${elsewhere}/messaging.db`), "theirs");
  assert.ok(Deno.lstatSync(`${other}/db`).isSymlink);
});

Deno.test(
  "another program's mbus stays, and so does a bus while hooks remain",
  {
    ignore: Deno.build.os === "windows",
  },
  async () => {
    await using home = new AgentsHome();
    await home.done(["init"]);
    const theirs = `${home.user}/.local/bin/mbus`;
    write(theirs, "#!/bin/sh\necho theirs\n");
    const purge = ["uninstall", "--all", "--purge", "--yes", "--json"];
    await home.done(["install", "claude"]);
    const path = home.path("claude");
    write(path, read(path)! + "}");
    const { code, stdout, stderr } = await home.run(purge);
    assert.equal(code, 1);
    assert.match(stderr, /The bus and mbus itself were kept, because a part/);
    assert.doesNotMatch(stdout, /"part":"(bus|launcher)"/);
    assert.ok(Deno.statSync(home.database).isFile);

    write(path, read(path)!.slice(0, -1));
    const told = await home.told(purge.slice(0, -1));
    assert.deepEqual(
      told.filter(({ part }) => part === "launcher").map((each) => [
        each.path,
        each.done,
        each.message,
      ]),
      [[theirs, "kept", "it is another program's"]],
    );
    assert.equal(read(theirs), "#!/bin/sh\necho theirs\n");
    assert.throws(() => Deno.statSync(home.home), Deno.errors.NotFound);
  },
);
