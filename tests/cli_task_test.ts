import assert from "node:assert/strict";
import { type Ended, Mbus } from "./cli/mbus.ts";
import { Shell } from "./cli/shell.ts";

const AS_TWO = { env: { MBUS_SESSION: "two" } };

function refused({ code, stdout, stderr }: Ended, exit: number): string {
  assert.equal(code, exit, stderr);
  assert.equal(stdout, "");
  assert.match(stderr, /^mbus: Cannot [^\n]+\n$/);
  return stderr;
}

/** Returns the tasks as `id status session`. */
async function tasks(mbus: Mbus): Promise<string[]> {
  const all = await mbus.json(["task", "list"]);
  return all.map(({ id, status, session }) => `${id} ${status} ${session}`);
}

Deno.test("task posts, lists, claims and ends tasks", async () => {
  await using mbus = new Mbus();
  const posted = await mbus.done(
    ["task", "post", "write it", "--id", "T-1", "--kind", "code"],
  );
  assert.equal(posted, "T-1\n");
  const [second] = await mbus.json([
    ...["task", "post", "test it", "--id", "T-2", "--depends", "T-1"],
    ...["--priority", "5", "--payload", '{"on":"a.ts"}'],
  ]);
  assert.deepEqual(
    [second.dependsOn, second.waitsFor, second.payload, second.priority],
    [["T-1"], 1, { on: "a.ts" }, 5],
  );
  await mbus.done([
    "task",
    "post",
    "ship it",
    "--id",
    "T-3",
    "--priority",
    "-1",
  ]);
  await mbus.done([
    ...["task", "post", "rest", "--id", "T-4", "--priority", "-2"],
    ...["--depends", "T-1,T-2", "--depends", "T-3", "--payload", "-"],
  ], { input: "[1]" });
  const [last] = await mbus.json(["task", "show", "T-4"]);
  assert.deepEqual(last.dependsOn, ["T-1", "T-2", "T-3"]);
  assert.deepEqual(last.payload, [1]);

  refused(await mbus.run(["task", "next", "--kind", "docs"]), 1);
  refused(await mbus.run(["task", "next", "--priority-min", "1"]), 1);
  const [claimed] = await mbus.json(["task", "next", "--for", "1h"]);
  assert.deepEqual([claimed.id, claimed.session], ["T-1", "tester"]);
  const leaseMs = Date.parse(String(claimed.leaseExpiresAt)) -
    Date.parse(String(claimed.changedAt));
  assert.equal(leaseMs, 3_600_000);
  assert.match(
    refused(await mbus.run(["task", "claim", "T-1"], AS_TWO), 1),
    /tester has it/,
  );
  const [done] = await mbus.json(["task", "done", "T-1", '{"lines":120}']);
  assert.deepEqual([done.status, done.result], ["done", { lines: 120 }]);

  assert.match(
    await mbus.done(["task", "next"], AS_TWO),
    /^Claimed T-2: test it\n {2}\{"on":"a\.ts"\}\n {2}token \d+, /,
  );
  assert.equal(
    await mbus.done(["task", "fail", "T-2", "no time"], AS_TWO),
    "Failed T-2: test it\n",
  );
  assert.equal((await mbus.json(["task", "show", "T-2"]))[0].result, "no time");
  await mbus.done(["task", "claim", "T-3"], AS_TWO);
  await mbus.done(["task", "release", "T-3"], AS_TWO);
  assert.deepEqual(await tasks(mbus), [
    "T-2 failed two",
    "T-1 done tester",
    "T-3 open undefined",
    "T-4 open undefined",
  ]);
  const open = await mbus.json(["task", "list", "--status", "open"]);
  assert.deepEqual(open.map(({ id }) => id), ["T-3", "T-4"]);
});

Deno.test("task renews or ends a task only for its holder, under its token", async () => {
  await using mbus = new Mbus();
  await mbus.done(["task", "post", "one", "--id", "T-1"]);
  const ends = ["renew", "done", "fail", "release"];
  for (const act of ends) refused(await mbus.run(["task", act, "T-1"]), 1);
  for (const act of ends) refused(await mbus.run(["task", act, "T-9"]), 1);

  const [{ token }] = await mbus.json(["task", "claim", "T-1"]);
  const before = await mbus.json(["task", "show", "T-1"]);
  for (const act of ends) {
    assert.match(
      refused(await mbus.run(["task", act, "T-1"], AS_TWO), 1),
      /claimed by tester, and this session is two/,
    );
    const old = String(Number(token) + 100);
    assert.match(
      refused(await mbus.run(["task", act, "T-1", "--token", old]), 1),
      new RegExp(`token ${old}`),
    );
  }
  assert.deepEqual(await mbus.json(["task", "show", "T-1"]), before);
  const [renewed] = await mbus.json(
    ["task", "renew", "T-1", "--for", "2h", "--token", `${token}`],
  );
  assert.ok(String(renewed.leaseExpiresAt) > String(before[0].leaseExpiresAt));
  await mbus.done(["task", "done", "T-1"]);
  for (const act of ends) {
    assert.match(
      refused(await mbus.run(["task", act, "T-1"]), 1),
      /the task is done/,
    );
  }
});

Deno.test("task next claims a task again whose claim expired", async () => {
  await using mbus = new Mbus();
  await mbus.done(["task", "post", "one", "--id", "T-1"]);
  // Expired before the next process has started.
  await mbus.done(["task", "claim", "T-1", "--for", "1ms"]);
  refused(await mbus.run(["task", "renew", "T-1"]), 1);
  refused(await mbus.run(["task", "done", "T-1"]), 1);
  assert.deepEqual(await tasks(mbus), ["T-1 open undefined"]);
  const [again] = await mbus.json(["task", "next"], AS_TWO);
  assert.deepEqual([again.id, again.attempts], ["T-1", 2]);
});

Deno.test("tasks of a session that ended or was killed are open again", async () => {
  await using mbus = new Mbus();
  for (const id of ["T-1", "T-2"]) {
    await mbus.done(["task", "post", id, "--id", id]);
  }
  await using mine = await Shell.open(mbus, "mine");
  await using yours = await Shell.open(mbus, "yours");
  assert.equal((await mine.run("mbus task claim T-1")).code, 0);
  assert.equal((await yours.run("mbus task claim T-2")).code, 0);
  assert.deepEqual(await tasks(mbus), [
    "T-1 claimed mine",
    "T-2 claimed yours",
  ]);
  await mine.kill();
  await yours.run("mbus end");
  assert.deepEqual(await tasks(mbus), [
    "T-1 open undefined",
    "T-2 open undefined",
  ]);
  // Registered again, the session does not get them back.
  assert.equal((await yours.run("mbus task done T-2 2>&1")).code, 1);
  assert.deepEqual(await tasks(mbus), [
    "T-1 open undefined",
    "T-2 open undefined",
  ]);
});

Deno.test("task next gives each task to one of many sessions at once", async () => {
  await using mbus = new Mbus();
  const ids = ["T-1", "T-2", "T-3"];
  for (const id of ids) await mbus.done(["task", "post", id, "--id", id]);
  const ended = await Promise.all(
    Array.from({ length: 8 }, (_, i) =>
      mbus.run(["task", "next", "--json"], {
        env: { MBUS_SESSION: `racer-${i}` },
      })),
  );
  const won = ended.filter(({ code }) => code === 0)
    .map(({ stdout }) => JSON.parse(stdout));
  assert.deepEqual(won.map(({ id }) => id).sort(), ids);
  assert.equal(new Set(won.map(({ session }) => session)).size, 3);
  assert.deepEqual(
    ended.map(({ code }) => code).sort(),
    [0, 0, 0, 1, 1, 1, 1, 1],
  );
});

Deno.test("task refuses wrong input and posts no task", async () => {
  await using mbus = new Mbus();
  await mbus.done(["task", "post", "one", "--id", "T-1"]);
  const post = (...args: string[]) => mbus.run(["task", "post", ...args]);
  assert.match(
    refused(await post("again", "--id", "T-1"), 1),
    /another task has that id/,
  );
  for (
    const args of [
      [],
      [""],
      ["x".repeat(501)],
      ["two", "three"],
      ["two", "--id", "a b"],
      ["two", "--id", "T-2", "--depends", "T-2"],
      ["two", "--depends", "T-9"],
      ["two", "--depends", "T-1,"],
      ["two", "--priority", "high"],
      ["two", "--payload", "{on: a.ts}"],
      ["two", "--payload", ""],
    ]
  ) refused(await post(...args), 2);
  refused(await mbus.run(["guard"]), 2);
  assert.match(
    refused(await mbus.run(["task", "clam", "T-1"]), 2),
    /Did you mean "claim"/,
  );
  refused(await mbus.run(["task", "claim", "T-1", "--for", "25h"]), 2);
  refused(await mbus.run(["task", "claim", "no such"]), 2);
  refused(await mbus.run(["task", "claim", "T-9"]), 1);
  refused(await mbus.run(["task", "show", "T-9"]), 1);
  refused(await mbus.run(["task", "list", "--status", "lost"]), 2);
  refused(await mbus.run(["task", "done", "T-1", "not json"]), 2);
  assert.deepEqual(await tasks(mbus), ["T-1 open undefined"]);
});

Deno.test("task list and task show print escaped text", async () => {
  await using mbus = new Mbus();
  assert.equal(await mbus.done(["task", "list"]), "No tasks.\n");
  await mbus.done(["task", "post", "\x1b[2Jclear", "--id", "T-1"]);
  await mbus.done(["task", "post", "later", "--id", "T-2", "--depends", "T-1"]);
  await mbus.done(["task", "claim", "T-1"]);
  const lines = (await mbus.done(["task", "list"])).trimEnd().split("\n");
  assert.match(
    lines[0],
    /^TASK +STATUS +PRIO +KIND +SESSION +LEASE +TRIES +TITLE$/,
  );
  assert.match(
    lines[1],
    /^T-1 +claimed +0 +- +tester +in 29m 5\ds +1 +\\x1b\[2Jclear$/,
  );
  assert.match(lines[2], /^T-2 +waits for 1 +0 +- +- +- +0 +later$/);
  const shown = await mbus.done(["task", "show", "T-1"]);
  assert.match(shown, /^title +\\x1b\[2Jclear$/m);
  assert.match(shown, /^token +\d+$/m);
  for (const args of [["help", "task"], ["task", "--help"]]) {
    assert.match(await mbus.done(args), /\n {2}task post \(add\) +Post a task/);
  }
  const help = await mbus.json(["help", "task", "done"]);
  assert.equal(help[0].command, "task done");
  refused(await mbus.run(["help", "task", "nothing"]), 2);
});

Deno.test("task post - posts the titles and JSON objects of its input", async () => {
  await using mbus = new Mbus();
  const input = [
    "  write the parser  ",
    "",
    '{"title":"test it","id":"T-1","priority":7,"payload":{"on":"a.ts"}}',
    '{"title":"ship it","id":"T-2","kind":"ops","dependsOn":["T-1"]}',
  ].join("\r\n");
  const args = ["task", "add", "-", "--kind", "code", "--priority", "2"];
  const posted = await mbus.json(args, { input });
  assert.deepEqual(
    posted.map((
      { title, kind, priority, payload, waitsFor },
    ) => [title, kind, priority, payload, waitsFor]),
    [
      ["write the parser", "code", 2, null, 0],
      ["test it", "code", 7, { on: "a.ts" }, 0],
      ["ship it", "ops", 2, null, 1],
    ],
  );
  const again = await mbus.done(
    ["task", "post", "-", "--if-absent"],
    { input: '{"title":"other","id":"T-1"}\n{"title":"new","id":"T-3"}' },
  );
  assert.equal(again, "T-1\nT-3\n");
  assert.equal((await mbus.json(["task", "show", "T-1"]))[0].title, "test it");
  const body = await mbus.json(
    ["task", "post", "read it", "--body", "-"],
    { input: "two\nlines\n" },
  );
  assert.equal(body[0].payload, "two\nlines");
});

Deno.test("task post - posts all tasks or none", async () => {
  await using mbus = new Mbus();
  await mbus.done(["task", "post", "one", "--id", "T-1"]);
  const WRONG: readonly [input: string, exit: number, told: RegExp][] = [
    ["", 2, /standard input is empty/],
    [" \n\n", 2, /standard input is empty/],
    ["good\n{title", 2, /line 2 is not a task.*not a JSON object/],
    ['good\n\n{"title":5}', 2, /line 3 is not a task.*title is empty/],
    ['good\n{"titel":"x"}', 2, /line 2 .*Did you mean "title"/],
    ['good\n{"title":"x","kind":5}', 2, /line 2 .*kind is not a string/],
    ['good\n{"title":"x","dependsOn":"T-1"}', 2, /line 2 .*not a list/],
    [`good\n${"x".repeat(501)}`, 2, /line 2 .*longer than 500/],
    ['good\n{"title":"x","dependsOn":["T-9"]}', 2, /"T-9", which is not/],
    ['good\n{"title":"x","id":"T-1"}', 1, /another task has that id/],
  ];
  for (const [input, exit, told] of WRONG) {
    const ended = await mbus.run(["task", "post", "-"], { input });
    assert.match(refused(ended, exit), told);
  }
  for (
    const args of [["--id", "T-2"], ["--payload", "-"], ["--body", "-"]]
  ) refused(await mbus.run(["task", "post", "-", ...args], { input: "x" }), 2);
  const both = ["task", "post", "x", "--body", "a", "--payload", "1"];
  refused(await mbus.run(both), 2);
  assert.deepEqual(await tasks(mbus), ["T-1 open undefined"]);
});

Deno.test("task edits an open task, and cancels an unfinished one", async () => {
  await using mbus = new Mbus();
  for (const id of ["T-1", "T-2"]) {
    await mbus.done(["task", "post", "one", "--id", id]);
  }
  assert.equal(
    await mbus.done(["task", "edit", "T-1", "--title", "two"]),
    "Edited T-1: two\n",
  );
  const [edited] = await mbus.json([
    ...["task", "edit", "T-1", "--kind", "code", "--priority", "-3"],
    ...["--body", "as text"],
  ], AS_TWO);
  assert.deepEqual(
    [edited.title, edited.kind, edited.priority, edited.payload],
    ["two", "code", -3, "as text"],
  );
  refused(await mbus.run(["task", "edit", "T-1"]), 2);
  refused(await mbus.run(["task", "edit", "T-1", "--title", " "]), 2);

  await mbus.done(["task", "claim", "T-1"]);
  const again = ["task", "edit", "T-1", "--priority", "1"];
  assert.match(refused(await mbus.run(again), 1), /tester has it/);
  assert.equal(
    await mbus.done(["task", "cancel", "T-1", "no longer needed"], AS_TWO),
    "Cancelled T-1: two\n",
  );
  refused(await mbus.run(["task", "done", "T-1"]), 1);
  const [cancelled] = await mbus.json(["task", "cancel", "T-2"]);
  assert.deepEqual(
    [cancelled.status, cancelled.result],
    ["failed", "cancelled"],
  );
  const shown = await mbus.json(["task", "show", "T-1"]);
  assert.equal(shown[0].result, "no longer needed");
  for (const act of [["cancel", "T-1"], ["cancel", "T-9"]]) {
    refused(await mbus.run(["task", ...act]), 1);
  }
});

Deno.test("task assigns a task to one session", async () => {
  await using mbus = new Mbus();
  await mbus.done(["register", "--vendor", "codex"], AS_TWO);
  const [task] = await mbus.json(
    ["task", "post", "review", "--id", "T-1", "--assign", "tw"],
  );
  assert.equal(task.assignedTo, "two");
  assert.match(await mbus.done(["task", "list"]), /T-1 +assigned +0 +- +two/);
  refused(await mbus.run(["task", "next"]), 1);
  assert.match(
    refused(await mbus.run(["task", "claim", "T-1"]), 1),
    /it is assigned to two/,
  );
  const [piped] = await mbus.json(
    ["task", "post", "-"],
    { input: '{"title":"x","id":"T-2","assign":"two"}' },
  );
  assert.equal(piped.assignedTo, "two");
  assert.match(await mbus.done(["task", "next"], AS_TWO), /^Claimed T-1/);
  await mbus.done(["task", "edit", "T-2", "--unassign"]);
  assert.match(await mbus.done(["task", "next"]), /^Claimed T-2/);
  const both = ["task", "edit", "T-2", "--unassign", "--assign", "two"];
  refused(await mbus.run(both), 2);
  refused(await mbus.run(["task", "post", "x", "--assign", "none"]), 2);
});
