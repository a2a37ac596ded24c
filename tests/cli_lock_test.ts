import assert from "node:assert/strict";
import { type Ended, Mbus } from "./cli/mbus.ts";
import { Shell } from "./cli/shell.ts";

/** Runs a command as a session. */
function as(mbus: Mbus, session: string) {
  const env = { MBUS_SESSION: session };
  return {
    run: (...args: string[]) => mbus.run(args, { env }),
    done: (...args: string[]) => mbus.done(args, { env }),
    json: (...args: string[]) => mbus.json(args, { env }),
    start: (...args: string[]) => mbus.start(args, { env }),
  };
}

/** Returns the holds as `session path type`, by paths. */
async function held(mbus: Mbus): Promise<string[]> {
  const holds = await mbus.json(["locks"]);
  return holds.map(({ session, path, type }) =>
    `${session} ${String(path).split("/").at(-1)} ${type}`
  ).sort();
}

function refused({ code, stdout, stderr }: Ended, exit: number): string {
  assert.equal(code, exit, stderr);
  assert.equal(stdout, "");
  assert.match(stderr, /^mbus: Cannot [^\n]+\n$/);
  return stderr;
}

Deno.test("a waiter in one terminal gets the lock when the other unlocks", async () => {
  await using mbus = new Mbus();
  await using mine = await Shell.open(mbus, "mine", {
    vendor: "claude",
    task: "T-7\x1b[2J",
  });
  await using yours = await Shell.open(mbus, "yours");
  const { code } = await mine.run(
    "mbus lock src/a.ts --exclusive --why 'moving it'",
  );
  assert.equal(code, 0);
  await yours.start("mbus lock src/a.ts --wait 30s");
  assert.match(
    await yours.errorLine(),
    /^mbus: waiting for src\/a\.ts: mine \(claude\) holds src\/a\.ts exclusively since \d\d:\d\d:\d\d until \d\d:\d\d:\d\d, on task T-7\\x1b\[2J \("moving it"\)$/,
  );
  assert.equal((await mine.run("mbus unlock src/a.ts")).code, 0);
  const got = await yours.ended();
  assert.equal(got.code, 0);
  assert.match(got.lines[1], /^src\/a\.ts +advisory +\d+ +in 9m 5\ds$/);
  assert.deepEqual(await held(mbus), ["yours a.ts advisory"]);
});

Deno.test("a waiter gets the lock when the holder's session ends", async () => {
  await using mbus = new Mbus();
  await using mine = await Shell.open(mbus, "mine");
  await using yours = await Shell.open(mbus, "yours");
  await mine.run("mbus lock src/ --exclusive");
  await yours.start("mbus lock src/a.ts --wait 30s --exclusive");
  await yours.errorLine();
  assert.equal((await mine.run("mbus end")).code, 0);
  assert.equal((await yours.ended()).code, 0);
  assert.deepEqual(await held(mbus), ["yours a.ts exclusive"]);
});

Deno.test("a waiter gets the lock when the holder's process is killed", async () => {
  await using mbus = new Mbus();
  await using mine = await Shell.open(mbus, "mine");
  await using yours = await Shell.open(mbus, "yours");
  await mine.run("mbus lock 'src/*.ts' --exclusive");
  await yours.start("mbus lock src/a.ts --wait 30s");
  await yours.errorLine();
  await mine.kill();
  assert.equal((await yours.ended()).code, 0);
  assert.deepEqual(await held(mbus), ["yours a.ts advisory"]);
});

Deno.test("a refused lock names the holder, its task, its lease and the remedy", async () => {
  await using mbus = new Mbus();
  await using mine = await Shell.open(mbus, "mine", { task: "T-7" });
  await mine.run("mbus lock src/a.ts --exclusive --for 1h --why 'moving it'");
  const yours = as(mbus, "yours");
  const [hold] = await yours.json("locks", "src/");
  const said = refused(await yours.run("lock", "src/"), 1);
  for (
    const part of [
      "mine (script)",
      "exclusively",
      "on task T-7",
      '"moving it"',
      String(hold.expiresAt),
      "Wait for it, ask its holder",
    ]
  ) assert.ok(said.includes(part), `${part} in ${said}`);
  assert.deepEqual(await held(mbus), ["mine a.ts exclusive"]);
});

Deno.test("a waiter prints its blockers again when they change", async () => {
  await using mbus = new Mbus();
  const [one, two, three] = ["one", "two", "three"].map((id) => as(mbus, id));
  await one.done("lock", "a.ts", "--exclusive");
  const second = two.start("lock", "a.ts", "--exclusive", "--wait", "30s");
  assert.match((await second.errorLine())!, /: one .* holds a\.ts/);
  const third = three.start("lock", "a.ts", "--wait", "30s", "--json");
  const waiting = JSON.parse((await third.errorLine())!).waiting;
  assert.deepEqual(
    waiting.blockers.map((each: Record<string, unknown>) => [
      each.session,
      each.state,
    ]),
    [["one", "holds"], ["two", "waits"]],
  );
  await one.done("unlock", "a.ts");
  assert.equal(await second.end(), 0);
  const next = JSON.parse((await third.errorLine())!).waiting;
  assert.deepEqual([next.path, next.blockers[0].session], ["a.ts", "two"]);
  await two.done("unlock", "a.ts");
  const got = JSON.parse((await third.line())!);
  assert.deepEqual([got.session, got.overlaps], ["three", []]);
  assert.equal(await third.end(), 0);
});

Deno.test("a waiter leaves the queue at Ctrl-C and SIGTERM", async () => {
  await using mbus = new Mbus();
  const [one, two] = ["one", "two"].map((id) => as(mbus, id));
  await one.done("lock", "z.ts", "--exclusive");
  for (const [signal, code] of [["SIGINT", 130], ["SIGTERM", 143]] as const) {
    const waiting = two.start("lock", "a.ts", "z.ts", "--wait", "30s");
    await waiting.errorLine();
    assert.equal(await waiting.end(signal), code);
    const touches = await one.json("who", "z.ts");
    assert.deepEqual(touches.map(({ does }) => does), ["holds"]);
    assert.deepEqual(await held(mbus), ["one z.ts exclusive"]);
  }
});

Deno.test("lock refuses a cycle of waiters and prints it", async () => {
  await using mbus = new Mbus();
  const [one, two] = ["one", "two"].map((id) => as(mbus, id));
  await one.done("lock", "a.ts", "--exclusive");
  await two.done("lock", "b.ts", "--exclusive");
  const waiting = one.start("lock", "b.ts", "--wait", "30s");
  await waiting.errorLine();
  const said = refused(await two.run("lock", "a.ts", "--wait", "30s"), 1);
  assert.match(said, /two waits for one on .*one waits for two on/);
  await two.done("unlock", "b.ts");
  assert.equal(await waiting.end(), 0);
});

Deno.test("lock acquires several paths in one order, in any written order", async () => {
  await using mbus = new Mbus();
  const [one, two] = ["one", "two"].map((id) => as(mbus, id));
  const paths = ["z.ts", "./sub/../a.ts", "a.ts"];
  await one.done("lock", "a.ts", "--exclusive");
  const first = two.start("lock", ...paths, "--exclusive", "--wait", "30s");
  await first.errorLine();
  assert.deepEqual(await held(mbus), ["one a.ts exclusive"], "a is first");
  await one.done("unlock", "a.ts");
  assert.equal(await first.end(), 0);
  await two.done("unlock", "--all");

  await one.done("lock", "z.ts", "--exclusive");
  const second = two.start("lock", ...paths, "--exclusive", "--wait", "30s");
  await second.errorLine();
  assert.deepEqual(await held(mbus), [
    "one z.ts exclusive",
    "two a.ts exclusive",
  ]);
  await one.done("unlock", "--all");
  assert.equal(await second.end(), 0);
});

Deno.test("lock acquires all of several paths, or none", async () => {
  await using mbus = new Mbus();
  const [one, two] = ["one", "two"].map((id) => as(mbus, id));
  await one.done("lock", "b.ts", "--exclusive");
  await two.done("lock", "a.ts", "--why", "before");
  const before = await two.json("locks", "a.ts");
  refused(
    await two.run(
      ...["lock", "a.ts", "b.ts", "0.ts", "--exclusive"],
      ...["--for", "2h", "--why", "after"],
    ),
    1,
  );
  assert.deepEqual(await two.json("locks", "a.ts"), before);
  assert.deepEqual(await held(mbus), [
    "one b.ts exclusive",
    "two a.ts advisory",
  ]);
  // No lock is acquired if one text is not a path.
  refused(await two.run("lock", "0.ts", "b\n.ts"), 2);
  refused(await two.run("lock", "0.ts", "/etc/hosts"), 2);
  assert.equal((await held(mbus)).length, 2);
});

Deno.test("lock refuses text that is not a path, and holds no lock", async () => {
  await using mbus = new Mbus();
  const work = `${mbus.folder}/project`;
  await Deno.symlink("loop-b", `${work}/loop-a`);
  await Deno.symlink("loop-a", `${work}/loop-b`);
  await Deno.writeTextFile(`${work}/file`, "");
  const wrong = [
    "",
    "/",
    "..",
    "/etc/passwd",
    "../elsewhere.ts",
    "loop-a",
    "loop-a/x.ts",
    "file/x.ts",
    "a\nb.ts",
    "a\x1b[2J.ts",
    "x".repeat(256),
    "d/".repeat(2048) + "x",
    "src/[ab",
    "src/{a,b",
    "src/**.ts",
    "*/../x",
  ];
  for (const path of wrong) {
    refused(await mbus.run(["lock", "--", path]), 2);
    refused(await mbus.run(["lock", "ok.ts", path, "--wait", "30s"]), 2);
  }
  refused(await mbus.run(["lock"]), 2);
  refused(await mbus.run(["lock", "a.ts", "--for", "25h"]), 2);
  refused(await mbus.run(["lock", "a.ts", "--wait", "soon"]), 2);
  for (const act of ["who", "locks", "unlock"]) {
    refused(await mbus.run([act, "a\nb"]), 2);
    refused(await mbus.run([act, "src/[ab"]), 2);
  }
  assert.deepEqual(await held(mbus), []);
  assert.deepEqual(await mbus.json(["poll", "file_conflict"]), []);
});

Deno.test("a missing path is a file, or a folder with a slash at its end", async () => {
  await using mbus = new Mbus();
  const ann = as(mbus, "ann");
  const bob = as(mbus, "bob");
  const file = await ann.run("lock", "src/new", "--exclusive");
  assert.equal(file.code, 0);
  assert.match(
    file.stderr,
    /^mbus: src\/new does not exist yet and is locked as a file\. Write it with \//,
  );
  await bob.done("lock", "src/new/a.ts");
  await bob.done("unlock", "src/new/a.ts");
  await ann.done("unlock", "src/new");
  const folder = await ann.run("lock", "src/new/", "--exclusive");
  assert.deepEqual([folder.code, folder.stderr], [0, ""]);
  refused(await bob.run("lock", "src/new/a.ts"), 1);
  // A name like a file's, and an existing path, cause no warning.
  for (const path of ["src/other.ts", "a.ts"]) {
    assert.equal((await ann.run("lock", path)).stderr, "");
  }
});
