import assert from "node:assert/strict";
import { type Ended, Mbus } from "./cli/mbus.ts";
import { Shell } from "./cli/shell.ts";
import { run } from "./fixture.ts";

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

Deno.test("unlock refuses a path that is not held, or has another token", async () => {
  await using mbus = new Mbus();
  const [one, two] = ["one", "two"].map((id) => as(mbus, id));
  await one.done("lock", "a.ts", "b.ts", "src/");
  const [{ token }] = await one.json("locks", "a.ts");
  refused(await two.run("unlock", "a.ts"), 1);
  refused(await one.run("unlock", "a.ts", "c.ts"), 1);
  refused(await one.run("unlock", "src/x.ts"), 1);
  const old = String(Number(token) + 100);
  assert.match(
    refused(await one.run("unlock", "a.ts", "--token", old), 1),
    new RegExp(`token ${old}`),
  );
  refused(await one.run("unlock"), 2);
  refused(await one.run("unlock", "a.ts", "--all"), 2);
  assert.equal((await held(mbus)).length, 3, "nothing was released");

  const [released] = await one.json("unlock", "a.ts", "--token", `${token}`);
  assert.deepEqual(released, {
    path: `${mbus.folder}/project/a.ts`,
    token,
    session: "one",
    released: true,
  });
  // A path that was locked twice is released at once.
  await one.done("lock", "b.ts");
  await one.done("unlock", "b.ts");
  assert.deepEqual(await held(mbus), ["one src advisory"]);
  assert.equal(await one.done("unlock", "--all"), "Released src.\n");
  assert.equal(
    await one.done("unlock", "--all"),
    "This session holds no lock.\n",
  );
});

Deno.test("lock takes over an overdue lock only with --take-over", async () => {
  await using mbus = new Mbus();
  const [one, two] = ["one", "two"].map((id) => as(mbus, id));
  const [{ token }] = await one.json(
    "lock",
    "a.ts",
    "--for",
    "1ms",
    "--exclusive",
  );
  const [shown] = await two.json("locks");
  assert.deepEqual([shown.overdue, shown.self], [true, false]);
  assert.match(
    refused(await two.run("lock", "a.ts"), 1),
    /overdue since .*--take-over/,
  );
  const [taken] = await two.json("lock", "a.ts", "--take-over");
  assert.ok(Number(taken.token) > Number(token));
  refused(await one.run("unlock", "a.ts", "--token", `${token}`), 1);
  assert.deepEqual(await held(mbus), ["two a.ts advisory"]);
});

Deno.test("lock warns of overlapping advisory locks, also in other worktrees", async () => {
  await using mbus = new Mbus();
  const work = `${mbus.folder}/project`;
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
  await git("worktree", "add", "-q", `${mbus.folder}/other`);
  const [one, two] = ["one", "two"].map((id) => as(mbus, id));
  await one.done("lock", "src/a.ts", "--why", "\x1b[2Jlooking\n");

  const here = await two.run("lock", "src/");
  assert.equal(here.code, 0);
  assert.match(
    here.stderr,
    /^mbus: conflict: one \(script\) holds src\/a\.ts as an advisory lock [^\n]*\n$/,
  );
  // deno-lint-ignore no-control-regex
  assert.doesNotMatch(here.stderr, /\x1b/);
  const [there] = await mbus.json(["lock", "src/a.ts"], {
    env: { MBUS_SESSION: "three" },
    cwd: `${mbus.folder}/other`,
  });
  assert.equal(there.path, `${mbus.folder}/other/src/a.ts`);
  assert.deepEqual(
    (there.overlaps as { risk: string; hold: { session: string } }[])
      .map(({ risk, hold }) => `${risk} ${hold.session}`).sort(),
    ["merge-risk one", "merge-risk two"],
  );
  const elsewhere = await mbus.run(["lock", "src/a.ts"], {
    env: { MBUS_SESSION: "four" },
    cwd: `${mbus.folder}/other`,
  });
  assert.match(elsewhere.stderr, /merge risk, in another worktree: one /);
});

Deno.test("locks prints escaped text, and JSON", async () => {
  await using mbus = new Mbus();
  assert.equal(await mbus.done(["locks"]), "No locks.\n");
  await using mine = await Shell.open(mbus, "mine", { task: "T-\x1b[2J" });
  await mine.run("mbus lock src/ --exclusive --why '\x1b]0;title\x07'");
  const shown = await mbus.done(["locks"]);
  const [heading, line, ...rest] = shown.trimEnd().split("\n");
  assert.match(
    heading,
    /^ +PATH +TYPE +SESSION +TASK +HELD +EXPIRES +TOKEN +WHY$/,
  );
  assert.match(
    line,
    /^ +src\/ +exclusive +mine +T-\\x1b\[2J .* in 9m 5\ds .*\\x1b\]0;title\\x07$/,
  );
  assert.deepEqual(rest, []);
  const [hold] = await mbus.json(["locks", "src/deep/file.ts"]);
  assert.deepEqual(
    Object.keys(hold),
    [
      ...[
        "token",
        "kind",
        "path",
        "type",
        "session",
        "name",
        "vendor",
        "task",
        "why",
      ],
      ...["since", "expiresAt", "overdue", "count", "project", "worktree"],
      "self",
    ].filter((key) => key in hold),
  );
  assert.deepEqual([hold.kind, hold.why], ["folder", "\x1b]0;title\x07"]);
  assert.match((await mine.run("mbus locks")).lines[1], /^\* +src\//);
  assert.deepEqual(await mbus.json(["locks", "other"]), []);
});

Deno.test("locks lists the holds of projects below the session's folder", async () => {
  await using mbus = new Mbus();
  const one = as(mbus, "one");
  for (const below of ["r", "r/sub", "s"]) {
    const git = `${mbus.folder}/project/${below}/.git`;
    Deno.mkdirSync(git, { recursive: true });
    Deno.writeTextFileSync(`${git}/HEAD`, "ref: refs/heads/x\n");
  }
  await one.done("lock", "r/a.ts", "r/sub/b.ts", "s/c.ts");
  const listed = async (folder: string, ...more: string[]) => {
    const cwd = `${mbus.folder}/project/${folder}`;
    const holds = await mbus.json(["locks", ...more], {
      cwd,
      env: { MBUS_SESSION: undefined },
    });
    return holds.map(({ path }) => String(path).split("/").at(-1)).sort();
  };
  assert.deepEqual(await listed(""), ["a.ts", "b.ts", "c.ts"]);
  assert.deepEqual(await listed("r"), ["a.ts", "b.ts"]);
  assert.deepEqual(await listed("r/sub"), ["b.ts"]);
  assert.deepEqual(await listed("s"), ["c.ts"]);
  assert.deepEqual(await listed("s", "--all-projects"), [
    "a.ts",
    "b.ts",
    "c.ts",
  ]);
  await mbus.done(["lock", "@git/head"], {
    cwd: `${mbus.folder}/project/r/sub`,
    env: { MBUS_SESSION: "two" },
  });
  assert.deepEqual(await listed("r"), ["a.ts", "b.ts", "head"]);
  assert.deepEqual(await listed("s"), ["c.ts"]);
});
