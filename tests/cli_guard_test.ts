import assert from "node:assert/strict";
import { existsIn, Repository } from "./cli/repository.ts";
import { Shell } from "./cli/shell.ts";

const AS_HOLDER = { env: { MBUS_SESSION: "holder" } };

Deno.test("git commit fails for a file that another session holds exclusively", async () => {
  await using repository = await Repository.make();
  await repository.done(["guard", "install"]);
  await using holder = await Shell.open(repository, "holder", {
    vendor: "codex",
    task: "T-7",
  });
  await holder.run("mbus lock 'src/*.ts' --exclusive --why 'moving it'");
  await repository.write("src/ä b.ts", "1");
  const commit = ["commit", "-q", "-m", "second"];
  const refused = await repository.tryGit(commit);
  assert.equal(refused.code, 1);
  assert.match(
    refused.stderr,
    /^mbus: Cannot commit src\/ä b\.ts: holder \(codex\) holds src\/\*\.ts exclusively since \d\d:\d\d:\d\d until \d\d:\d\d:\d\d, on task T-7 \("moving it"\); wait for it \(mbus lock '\S+\/src\/\*\.ts' --exclusive --wait 10m\), ask its holder \(mbus ask holder "…"\), or leave the file out \(git restore --staged\)\.\n$/,
  );
  assert.equal(await repository.commits(), 1);
  const [found] = await repository.run(["guard", "check", "--json"])
    .then(({ stdout }) =>
      stdout.trim().split("\n").map((line) => JSON.parse(line))
    );
  assert.deepEqual(
    [found.verdict, found.risk, found.files, found.hold.session],
    ["refused", "conflict", ["src/ä b.ts"], "holder"],
  );
  assert.equal("pathSets" in found.hold, false);

  // Its holder may commit it, and every session once the holder is dead.
  assert.deepEqual(await holder.run("mbus guard check 2>&1"), {
    code: 0,
    lines: [],
  });
  await holder.kill();
  assert.equal((await repository.tryGit(commit)).stderr, "");
  assert.equal(await repository.commits(), 2);
});

Deno.test("git commit succeeds for the holder, also inside its own with-lock", async () => {
  await using repository = await Repository.make();
  await repository.done(["guard", "install"]);
  await repository.done(["lock", "src/a.ts", "--exclusive"]);
  await repository.write("src/a.ts", "1");
  assert.deepEqual(await repository.tryGit(["commit", "-q", "-m", "2"]), {
    code: 0,
    stdout: "",
    stderr: "",
  });
  await repository.write("src/b.ts", "1");
  const { code, stderr } = await repository.run(
    ["with-lock", "src", "--exclusive", "--", "git", "commit", "-q", "-m", "3"],
    {
      env: {
        PATH: `${repository.programs}:${Deno.env.get("PATH")}`,
        GIT_AUTHOR_NAME: "n",
        GIT_AUTHOR_EMAIL: "e",
        GIT_COMMITTER_NAME: "n",
        GIT_COMMITTER_EMAIL: "e",
      },
    },
  );
  assert.deepEqual([code, stderr], [0, ""]);
  assert.equal(await repository.commits(), 3);
});

Deno.test("advisory locks, and locks in other worktrees, only cause a warning", async () => {
  await using repository = await Repository.make();
  const other = `${repository.folder}/other`;
  await repository.git("worktree", "add", "-q", other);
  // Worktrees of one repository share one folder of hooks.
  await repository.done(["guard", "install"], { cwd: other });
  await repository.done(["lock", "src/a.ts"], AS_HOLDER);
  await repository.done(["lock", "src/b.ts", "--exclusive"], {
    ...AS_HOLDER,
    cwd: other,
  });
  for (const name of ["a", "b", "c"]) {
    await repository.write(`src/${name}.ts`, "1");
  }
  const { code, stderr } = await repository.tryGit(["commit", "-q", "-m", "2"]);
  assert.equal(code, 0);
  const [advisory, risk, ...rest] = stderr.trimEnd().split("\n");
  assert.match(
    advisory,
    /^mbus: src\/a\.ts: holder .* as an advisory lock .*; talk to it before you commit\.$/,
  );
  assert.match(
    risk,
    /^mbus: src\/b\.ts: holder .* in another worktree; there will be a merge\.$/,
  );
  assert.deepEqual(rest, []);

  // In that worktree the lock is on the same file on disk.
  await Deno.mkdir(`${other}/src`);
  await Deno.writeTextFile(`${other}/src/b.ts`, "2");
  await repository.git("-C", other, "add", "src/b.ts");
  const there = await repository.tryGit(["commit", "-q", "-m", "3"], {
    cwd: other,
  });
  assert.equal(there.code, 1);
  assert.match(there.stderr, /^mbus: Cannot commit src\/b\.ts: /);
});

Deno.test("both names of a renamed file count, and unstaged files do not", async () => {
  await using repository = await Repository.make();
  await repository.write("old.ts", "a\nb\nc\nd\n");
  await repository.write("keep.ts", "1");
  await repository.git("commit", "-q", "-m", "2");
  await repository.done(["guard", "install"]);
  await repository.done(
    ["lock", "old.ts", "keep.ts", "--exclusive"],
    AS_HOLDER,
  );
  await repository.git("mv", "old.ts", "new.ts");
  await Deno.writeTextFile(`${repository.root}/keep.ts`, "2");
  const renamed = await repository.tryGit(["commit", "-q", "-m", "3"]);
  assert.equal(renamed.code, 1);
  assert.match(renamed.stderr, /^mbus: Cannot commit old\.ts: [^\n]*\n$/);
  await repository.done(["unlock", "old.ts"], AS_HOLDER);
  assert.deepEqual(
    await repository.tryGit(["commit", "-q", "-m", "3"]),
    { code: 0, stdout: "", stderr: "" },
  );
  // git uses a temporary index for a commit of one path.
  await repository.write("other.ts", "1");
  const only = await repository.tryGit([
    "commit",
    "-q",
    "-m",
    "4",
    "--only",
    "keep.ts",
  ]);
  assert.match(only.stderr, /Cannot commit keep\.ts/);
  const all = await repository.tryGit(["commit", "-q", "-a", "-m", "4"]);
  assert.match(all.stderr, /Cannot commit keep\.ts/);
  assert.equal((await repository.tryGit(["commit", "-q", "-m", "4"])).code, 0);
});

Deno.test("git push fails for commits that change a locked file", async () => {
  await using repository = await Repository.make();
  const remote = `${repository.folder}/remote.git`;
  await repository.git("init", "-q", "--bare", remote);
  await repository.git("remote", "add", "origin", remote);
  await repository.write("there.ts", "1");
  await repository.git("commit", "-q", "-m", "2");
  await repository.git("push", "-q", "-u", "origin", "main");
  await repository.done(["guard", "install"]);
  await repository.done(["lock", "a.ts", "there.ts", "--exclusive"], AS_HOLDER);

  await repository.write("b.ts", "1");
  await repository.git("commit", "-q", "-m", "3");
  assert.deepEqual(
    await repository.tryGit(["push", "-q"]),
    { code: 0, stdout: "", stderr: "" },
    "commits of the remote do not count",
  );
  assert.equal(
    (await repository.tryGit(["push", "-q", "origin", "main:fresh"])).code,
    0,
    "nor under another name",
  );
  await repository.write("a.ts", "1");
  await repository.git("commit", "-q", "--no-verify", "-m", "4");
  await repository.write("c.ts", "1");
  await repository.git("commit", "-q", "-m", "5");
  for (const ref of ["main", "main:refs/heads/new", "HEAD:refs/tags/v1"]) {
    const { code, stderr } = await repository.tryGit([
      "push",
      "-q",
      "origin",
      ref,
    ]);
    assert.equal(code, 1);
    assert.match(stderr, /^mbus: Cannot push a\.ts: holder [^\n]*\n/);
  }
  // Deleting a ref pushes no commit.
  await repository.git("push", "-q", "--no-verify", "origin", "main:gone");
  await repository.git("update-ref", "-d", "refs/remotes/origin/gone");
  assert.equal(
    (await repository.tryGit(["push", "-q", "origin", ":gone"])).code,
    0,
  );
  assert.equal(
    (await repository.tryGit(["push", "-q"], AS_HOLDER)).code,
    0,
  );
});

Deno.test("a merge is checked for its resolved files, not for the merged commits", async () => {
  await using repository = await Repository.make();
  const remote = `${repository.folder}/remote.git`;
  await repository.git("init", "-q", "--bare", remote);
  await repository.git("remote", "add", "origin", remote);
  for (const branch of ["one", "two"]) {
    await repository.git("checkout", "-q", "-b", branch, "main");
    await repository.write("both.ts", branch);
    await repository.write(`${branch}.ts`, branch);
    await repository.git("commit", "-q", "-m", branch);
    await repository.git("push", "-q", "origin", branch);
  }
  assert.equal((await repository.tryGit(["merge", "-q", "one"])).code, 1);
  await repository.write("both.ts", "three");
  await repository.git("commit", "-q", "-m", "merged");
  await repository.done(["guard", "install"]);

  await repository.done(["lock", "one.ts", "two.ts", "--exclusive"], AS_HOLDER);
  const dry = ["push", "-q", "--dry-run", "origin", "two"];
  assert.equal((await repository.tryGit(dry)).code, 0);
  await repository.done(["lock", "both.ts", "--exclusive"], AS_HOLDER);
  const refused = await repository.tryGit(["push", "-q", "origin", "two"]);
  assert.equal(refused.code, 1);
  assert.match(refused.stderr, /^mbus: Cannot push both\.ts: [^\n]*\n/);
});

Deno.test("a guard that cannot check blocks no commit", async () => {
  await using repository = await Repository.make();
  await repository.done(["guard", "install"]);
  await repository.done(["lock", "a.ts", "--exclusive"], AS_HOLDER);
  await repository.write("a.ts", "1");
  const commit = ["commit", "-q", "--allow-empty", "-m", "n"];
  assert.equal((await repository.tryGit(commit)).code, 1);
  // No mbus; an invalid bus; an invalid session.
  const without = await repository.tryGit(commit, {
    env: {
      PATH: Deno.env.get("PATH")!.split(":")
        .filter((folder) => !existsIn(folder, "mbus")).join(":"),
    },
  });
  assert.deepEqual(without, { code: 0, stdout: "", stderr: "" });
  const broken = `${repository.folder}/broken`;
  await Deno.mkdir(`${broken}/db`, { recursive: true });
  await Deno.writeTextFile(
    `${broken}/db/messaging.db`,
    "no database ".repeat(99),
  );
  const wrong: Record<string, string>[] = [
    { MBUS_HOME: broken },
    { MBUS_SESSION: "a b" },
  ];
  for (const env of wrong) {
    const { code, stderr } = await repository.tryGit(commit, { env });
    assert.equal(code, 0, stderr);
    assert.match(stderr, /^mbus: Cannot [^\n]* Locks were not checked\.\n$/);
  }
  const outside = await repository.run(["guard", "check"], { cwd: "/" });
  assert.equal(outside.code, 0);
  for (const act of ["install", "remove"]) {
    const refused = await repository.run(["guard", act], { cwd: "/" });
    assert.equal(refused.code, 1);
    assert.match(
      refused.stderr,
      /^mbus: Cannot (install|remove) the guard: [^\n]*\n$/,
    );
  }
});

Deno.test("thousands of staged files are checked in one query", async () => {
  await using repository = await Repository.make();
  const count = 3_000;
  await Deno.mkdir(`${repository.root}/many`);
  for (let i = 0; i < count; i++) {
    Deno.writeTextFileSync(`${repository.root}/many/${i}.ts`, "");
  }
  await repository.git("add", ".");
  await repository.done(["lock", "many/", "--exclusive"], AS_HOLDER);
  const { code, stderr } = await repository.run(["guard", "check"]);
  assert.equal(code, 1);
  assert.match(
    stderr,
    /Cannot commit many\/0\.ts, many\/1\.ts, many\/10\.ts and 2997 more: holder/,
  );
  await repository.done(["unlock", "--all"], AS_HOLDER);
  await repository.done(["lock", "many/{12,34}.ts", "--exclusive"], AS_HOLDER);
  const two = await repository.run(["guard", "check"]);
  assert.match(two.stderr, /Cannot commit many\/12\.ts, many\/34\.ts: holder/);
});

Deno.test("the guard checks a merge, a patch and an amended commit before git makes it", async () => {
  await using repository = await Repository.make();
  await repository.git("checkout", "-q", "-b", "side");
  await repository.write("locked.ts", "1");
  await repository.git("commit", "-q", "-m", "side");
  const patch = `${repository.folder}/patch`;
  await Deno.writeTextFile(
    patch,
    await repository.git("format-patch", "--stdout", "-1"),
  );
  await repository.git("checkout", "-q", "main");
  await repository.write("own.ts", "1");
  await repository.git("commit", "-q", "-m", "own");
  await repository.done(["guard", "install"]);
  await repository.done(["lock", "locked.ts", "--exclusive"], AS_HOLDER);
  const head = async () => await repository.git("rev-parse", "HEAD");
  const before = await head();

  const merge = await repository.tryGit(["merge", "-q", "--no-edit", "side"]);
  assert.equal(merge.code, 1);
  assert.match(
    merge.stderr,
    /^mbus: Cannot merge locked\.ts: holder .* or end the merge \(git merge --abort\)\.$/m,
  );
  const concluded = await repository.tryGit(["commit", "-q", "--no-edit"]);
  assert.match(concluded.stderr, /^mbus: Cannot commit locked\.ts/m);
  await repository.git("merge", "--abort");

  const applied = await repository.tryGit(["am", "-q", patch]);
  assert.notEqual(applied.code, 0);
  assert.match(
    applied.stderr,
    /^mbus: Cannot apply locked\.ts: holder .* or end it \(git am --abort, git rebase --abort\)\.$/m,
  );
  await repository.git("am", "--abort");

  await repository.write("locked.ts", "2");
  const amended = await repository.tryGit(
    ["commit", "-q", "--amend", "--no-edit"],
  );
  assert.match(amended.stderr, /^mbus: Cannot commit locked\.ts/m);
  await repository.git("reset", "-q", "--hard");
  assert.equal(await head(), before);

  // The holder may merge and apply.
  const own = await repository.tryGit(["merge", "-q", "--no-edit", "side"], {
    env: { MBUS_SESSION: "holder" },
  });
  assert.equal(own.code, 0, own.stderr);
});

Deno.test("pre-push finds commits for which git runs no other hook, as the help says", async () => {
  await using repository = await Repository.make();
  const remote = `${repository.folder}/remote.git`;
  await repository.git("init", "-q", "--bare", remote);
  await repository.git("remote", "add", "origin", remote);
  await repository.git("push", "-q", "-u", "origin", "main");
  await repository.git("checkout", "-q", "-b", "side");
  await repository.write("locked.ts", "1");
  await repository.git("commit", "-q", "-m", "side");
  await repository.git("checkout", "-q", "main");
  await repository.write("own.ts", "1");
  await repository.git("commit", "-q", "-m", "own");
  await repository.done(["guard", "install"]);
  await repository.done(["lock", "locked.ts", "--exclusive"], AS_HOLDER);
  const { stdout: help } = await repository.run(["help", "guard"]);
  const only = help.replace(/\s+/g, " ").match(
    /Commits of .*? found by pre-push only/,
  );
  assert.ok(only, help);
  const acts: readonly (readonly string[])[] = [
    ["cherry-pick", "side"],
    ["revert", "--no-edit", "HEAD"],
    ["rebase", "-q", "side"],
  ];
  for (const act of acts) {
    const { code, stderr } = await repository.tryGit(act);
    assert.equal(code, 0, stderr);
    assert.ok(only[0].includes(`git ${act[0]}`), only[0]);
    const pushed = await repository.tryGit(["push", "-q", "origin", "main"]);
    assert.equal(pushed.code, 1);
    assert.match(pushed.stderr, /^mbus: Cannot push locked\.ts: /);
  }
});
