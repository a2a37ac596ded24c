import assert from "node:assert/strict";
import { openBus } from "../mod.ts";
import { Mbus } from "./cli/mbus.ts";
import { Shell } from "./cli/shell.ts";
import { run } from "./fixture.ts";

const AS_TWO = { env: { MBUS_SESSION: "two" } };

Deno.test("who lists holders, waiters and editors, also of other worktrees", async () => {
  await using mbus = new Mbus();
  const work = `${mbus.folder}/project`;
  const other = `${mbus.folder}/other`;
  assert.equal(await mbus.done(["who", "src/a.ts"]), "No session uses it.\n");
  const git = (...args: string[]) =>
    run("git", [
      "-C",
      work,
      "-c",
      "user.name=n",
      "-c",
      "user.email=e",
      ...args,
    ]);
  await git("init", "-q");
  await git("commit", "-q", "--allow-empty", "-m", "first");
  await git("worktree", "add", "-q", other);

  await mbus.done(["lock", "src/", "--why", "tidying"]);
  await mbus.done(["lock", "src/a.ts"], {
    env: { MBUS_SESSION: "far" },
    cwd: other,
  });
  await mbus.done(["lock", "src/b.ts"], { env: { MBUS_SESSION: "beside" } });
  const waiting = mbus.start(
    ["lock", "src/a.ts", "--exclusive", "--wait", "1m"],
    AS_TWO,
  );
  await waiting.errorLine();
  await using _editor = await Shell.open(mbus, "editor", { task: "T-7" });
  await using gone = await Shell.open(mbus, "gone");
  const edit = async (session: string, files: string[]) => {
    const { stdout } = await mbus.run(["sessions", "--json"]);
    const { pid } = stdout.trim().split("\n").map((line) => JSON.parse(line))
      .find(({ id }) => id === session);
    await using bus = await openBus({
      home: mbus.home,
      session,
      pid,
      project: work,
    });
    await bus.sessions.register();
    await bus.sessions.update({ activeFiles: files });
  };
  await edit("editor", [`${work}/src/a.ts`, `${work}/src/c.ts`, "\n"]);
  await edit("gone", [`${work}/src/a.ts`]);
  await gone.kill();

  const touches = await mbus.json(["who", "src/a.ts"]);
  const seen = touches.filter(({ does }) => does !== "conflict")
    .map(({ does, where, session, self }) => [does, where, session, self]);
  assert.deepEqual(seen, [
    ["holds", "here", "tester", true],
    ["holds", "other-worktree", "far", false],
    ["waits", "here", "two", false],
    ["edits", "here", "editor", false],
  ]);
  const conflicts = touches.filter(({ does }) => does === "conflict");
  assert.deepEqual(
    conflicts.map(({ event, sessions, where }) => [event, sessions, where]),
    [
      ["wanted", ["two", "tester"], "here"],
      ["merge-risk", ["far", "tester"], "other-worktree"],
    ],
  );
  assert.equal(touches.some(({ pathSets }) => pathSets !== undefined), false);

  const lines = (await mbus.done(["who", "src/a.ts"])).trimEnd().split("\n");
  assert.match(lines[0], /^ +SESSION +DOES +PATH +FOR +TASK +WHY$/);
  assert.match(lines[1], /^\* +tester +holds advisory +src +\S+ +- +tidying$/);
  assert.match(
    lines[2],
    /^ +far +holds advisory in another worktree +\S+\/other\/src\/a\.ts /,
  );
  assert.match(lines[4], /^ +editor +edits +src\/a\.ts +- +T-7 +-$/);

  // Seen from the other worktree, here and there are swapped.
  const there = await mbus.json(["who", "src/a.ts"], { cwd: other });
  assert.deepEqual(
    there.filter(({ does }) => does === "holds")
      .map(({ where, session }) => `${where} ${session}`).sort(),
    ["here far", "other-worktree tester"],
  );
  assert.equal(await waiting.end("SIGINT"), 130);
  assert.equal(await mbus.done(["who", "docs/x.md"]), "No session uses it.\n");
});

Deno.test("who lists denied edits, which hooks report once", async () => {
  await using mbus = new Mbus();
  const cwd = `${mbus.folder}/project`;
  const path = `${cwd}/a.ts`;
  Deno.writeTextFileSync(path, "a");
  const hook = (session: string, callId: string, tool = "Edit") =>
    mbus.done(["hook", "claude"], {
      env: { MBUS_SESSION: undefined },
      input: JSON.stringify({
        session_id: session,
        cwd,
        hook_event_name: tool === "" ? "UserPromptSubmit" : "PreToolUse",
        tool_name: tool,
        tool_input: { file_path: path },
        tool_use_id: callId,
      }),
    });
  assert.equal((await hook("bob", "1")).trim(), "");
  assert.match(await hook("ada", "2"), /"deny".*bob \(claude\) is editing/s);
  assert.match(await hook("ada", "2"), /"deny"/);
  assert.match(await hook("bob", "", ""), /wanted to edit \S*a\.ts \d+ s ago/);
  assert.doesNotMatch(await hook("bob", "", ""), /wanted/);
  assert.equal((await hook("ada", "3")).trim(), "");

  const denied = (await mbus.json(["who", "a.ts"]))
    .filter(({ event }) => event === "denied");
  assert.deepEqual(
    denied.map(({ does, where, path, sessions }) => [
      does,
      where,
      String(path).split("/").at(-1),
      sessions,
    ]),
    [["conflict", "here", "a.ts", ["ada", "bob"]]],
  );
  const text = await mbus.done(["who", "a.ts"]);
  assert.match(text, /^ +ada +edit denied: bob held it +a\.ts +\d+\S+ /m);
});
