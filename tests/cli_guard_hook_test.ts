import assert from "node:assert/strict";
import { contents, existsIn, Repository } from "./cli/repository.ts";

const AS_HOLDER = { env: { MBUS_SESSION: "holder" } };

Deno.test("existing hooks run first, and are restored on removal", async () => {
  await using repository = await Repository.make();
  const hooks = `${repository.root}/.git/hooks`;
  await Deno.mkdir(hooks, { recursive: true });
  for await (const { name } of Deno.readDir(hooks)) {
    await Deno.remove(`${hooks}/${name}`);
  }
  const log = `${repository.folder}/log`;
  // With an invalid byte, and without a final line end.
  await repository.script(
    `${hooks}/pre-commit`,
    `#!/bin/sh\necho "commit $#" >> '${log}' #\xff\nexit \${STOP:-0}`,
    0o751,
  );
  await repository.script(
    `${hooks}/pre-push`,
    `#!/bin/sh\n{ echo "push $1"; cat; } >> '${log}'\n`,
    0o700,
  );
  const before = await contents(hooks);
  const [commit, , , push] = await repository.json(["guard", "install"]);
  assert.deepEqual(commit, {
    hook: "pre-commit",
    path: `${hooks}/pre-commit`,
    done: "installed",
    chained: `${hooks}/pre-commit.before-mbus`,
  });
  assert.equal(push.done, "installed");
  const installed = await contents(hooks);
  const again = await repository.json(["guard", "install"]);
  assert.deepEqual(again.map(({ done }) => done), Array(4).fill("unchanged"));
  assert.deepEqual(await contents(hooks), installed);

  await repository.write("a.ts", "1");
  const stopped = await repository.tryGit(["commit", "-q", "-m", "2"], {
    env: { STOP: "3" },
  });
  assert.equal(stopped.code, 1, "git's own code of a hook that fails");
  await repository.done(["lock", "a.ts", "--exclusive"], AS_HOLDER);
  assert.match(
    (await repository.tryGit(["commit", "-q", "-m", "2"])).stderr,
    /Cannot commit a\.ts/,
  );
  await repository.done(["unlock", "a.ts"], AS_HOLDER);
  await repository.git("commit", "-q", "-m", "2");
  const remote = `${repository.folder}/remote.git`;
  await repository.git("init", "-q", "--bare", remote);
  await repository.git("push", "-q", remote, "main");
  const head = (await repository.git("rev-parse", "main")).trim();
  assert.equal(
    await Deno.readTextFile(log),
    "commit 0\n".repeat(3) + `push ${remote}\n` +
      `refs/heads/main ${head} refs/heads/main ${"0".repeat(head.length)}\n`,
  );

  const removed = await repository.json(["guard", "remove"]);
  assert.deepEqual(removed.map(({ done }) => done), Array(4).fill("removed"));
  assert.deepEqual(await contents(hooks), before);
  const gone = await repository.json(["guard", "remove"]);
  assert.deepEqual(gone.map(({ done }) => done), Array(4).fill("absent"));
  assert.deepEqual(await contents(hooks), before);
});

Deno.test("the guard goes to the folder that git uses", async () => {
  await using repository = await Repository.make();
  await Deno.mkdir(`${repository.root}/deep/er`, { recursive: true });
  const cwd = `${repository.root}/deep/er`;
  await repository.git("config", "core.hooksPath", ".hooks");
  const [relative] = await repository.json(["guard", "install"], { cwd });
  assert.equal(relative.path, `${repository.root}/.hooks/pre-commit`);
  await repository.done(["lock", "a.ts", "--exclusive"], AS_HOLDER);
  await repository.write("a.ts", "1");
  assert.equal(
    (await repository.tryGit(["commit", "-q", "-m", "2"], { cwd })).code,
    1,
  );
  await repository.done(["guard", "remove"], { cwd });
  assert.deepEqual(await contents(`${repository.root}/.hooks`), {});

  const shared = `${repository.folder}/shared`;
  await repository.git("config", "core.hooksPath", shared);
  const { code, stdout, stderr } = await repository.run(["guard", "install"]);
  assert.equal(code, 0);
  assert.match(stdout, new RegExp(`^${shared}/pre-commit: installed`));
  assert.match(stderr, /outside of this repository/);

  await repository.git("config", "core.hooksPath", "/dev/null");
  for (const act of ["install", "remove"]) {
    const refused = await repository.run(["guard", act]);
    assert.equal(refused.code, act === "install" ? 1 : 0, refused.stderr);
  }
});

Deno.test("a hook that replaced the guard stays, and so does the earlier one", async () => {
  await using repository = await Repository.make();
  const hooks = `${repository.root}/.git/hooks`;
  await Deno.mkdir(hooks, { recursive: true });
  const put = (text: string) =>
    repository.script(`${hooks}/pre-commit`, `#!/bin/sh\n# ${text}\n`);
  await put("one");
  await repository.done(["guard", "install"]);
  await put("two");
  const before = `${hooks}/pre-commit.before-mbus`;
  const [removed] = await repository.json(["guard", "remove"]);
  assert.deepEqual([removed.done, removed.kept], ["absent", before]);
  const text = async (name: string) =>
    (await contents(hooks))[name]?.split("# ")[1];
  assert.deepEqual(
    [await text("pre-commit"), await text("pre-commit.before-mbus")],
    ["two\n", "one\n"],
  );

  const { code, stdout, stderr } = await repository.run(["guard", "install"]);
  assert.equal(code, 0);
  assert.match(stdout, /pre-commit: installed, after the previous hook/);
  assert.match(stderr, /pre-commit\.before-mbus\.1 is the hook from before/);
  assert.deepEqual(
    [
      await text("pre-commit.before-mbus"),
      await text("pre-commit.before-mbus.1"),
    ],
    ["two\n", "one\n"],
  );
  await repository.done(["guard", "remove"]);
  assert.equal(await text("pre-commit"), "two\n");

  // An interruption between the two steps is repaired by either command.
  await repository.done(["guard", "install"]);
  await Deno.remove(`${hooks}/pre-commit`);
  await repository.done(["guard", "install"]);
  await Deno.remove(`${hooks}/pre-commit`);
  await repository.done(["guard", "remove"]);
  assert.equal((await contents(hooks))["pre-commit"], "755 #!/bin/sh\n# two\n");
});

Deno.test("status names the hook that git runs, with any setting of its folder", async () => {
  await using repository = await Repository.make();
  const { PATH } = repository.environment();
  const global = `${repository.folder}/global`;
  const env = {
    PATH: `${repository.programs}:${PATH}`,
    GIT_CONFIG_GLOBAL: `${repository.folder}/gitconfig`,
  };
  const status = async (cwd?: string) => {
    const ended = await repository.run(["guard", "status", "--json"], {
      env,
      cwd,
    });
    const lines = ended.stdout.trim().split("\n");
    const [commit] = lines.map((line) => JSON.parse(line));
    return { ...commit, code: ended.code };
  };
  const none = await status();
  assert.deepEqual([none.runs, none.message, none.code], [
    false,
    "git finds no hook",
    1,
  ]);
  await repository.done(["guard", "install"]);
  const on = await status();
  assert.deepEqual([on.runs, on.message, on.code, on.idle], [
    true,
    "git runs the guard",
    0,
    undefined,
  ]);

  const hook = `${repository.root}/.git/hooks/pre-commit`;
  await Deno.chmod(hook, 0o644);
  const inert = await status();
  assert.deepEqual([inert.runs, inert.message], [
    false,
    "git does not run this file: it is not executable",
  ]);
  await repository.done(["guard", "install"]);
  assert.equal((await status()).runs, true);

  // The user's setting, then the repository's: the nearer one counts.
  await Deno.writeTextFile(
    env.GIT_CONFIG_GLOBAL,
    `[core]\n\thooksPath = ${global}\n`,
  );
  const shared = await status();
  assert.deepEqual([shared.runs, shared.path, shared.message, shared.idle], [
    false,
    `${global}/pre-commit`,
    `git finds no hook (core.hooksPath (global) is ${global})`,
    [hook],
  ]);
  await Deno.mkdir(global);
  await repository.script(`${global}/pre-commit`, "#!/bin/sh\nexit 0\n");
  assert.match(
    (await status()).message,
    /^git runs another hook, without the guard \(core\.hooksPath \(global\)/,
  );
  await repository.git("config", "core.hooksPath", ".hooks/");
  assert.deepEqual(
    [(await status()).path, (await status()).message],
    [
      `${repository.root}/.hooks/pre-commit`,
      "git finds no hook (core.hooksPath (local) is .hooks/)",
    ],
  );
  await repository.done(["guard", "install"], { env });
  assert.equal((await status()).runs, true);

  // A relative folder is below each worktree.
  const other = `${repository.folder}/other`;
  await repository.git("worktree", "add", "-q", other);
  const linked = await status(other);
  assert.deepEqual([linked.runs, linked.path], [
    false,
    `${other}/.hooks/pre-commit`,
  ]);
  await repository.done(["guard", "install"], { env, cwd: other });
  assert.equal((await status(other)).runs, true);
  await repository.done(["guard", "remove"], { env });
  assert.deepEqual(
    [`${repository.root}/.hooks`, `${other}/.hooks`].map((
      folder,
    ) => [...Deno.readDirSync(folder)]),
    [[], []],
  );
  assert.equal(existsIn(`${repository.root}/.git/hooks`, "pre-commit"), false);
  assert.deepEqual(
    [...Deno.readDirSync(global)].map(({ name }) => name),
    ["pre-commit"],
    "the folder of all repositories is left alone",
  );
});

Deno.test("no link and no device of a repository misleads the guard", async () => {
  await using repository = await Repository.make();
  const outside = `${repository.folder}/outside`;
  await Deno.mkdir(outside);
  await Deno.writeTextFile(`${outside}/theirs`, "as it was");
  await Deno.mkdir(`${repository.root}/.husky`);
  await repository.git("config", "core.hooksPath", ".husky");
  for (const hook of ["pre-commit", "pre-push"]) {
    for (const target of [`${outside}/theirs`, `${outside}/new-${hook}`]) {
      const fresh = `${repository.root}/.husky/${hook}.mbus-new`;
      await Deno.symlink(target, fresh);
      await repository.done(["guard", "install"]);
      const { isSymlink, mode } = await Deno.lstat(
        `${repository.root}/.husky/${hook}`,
      );
      assert.deepEqual([isSymlink, mode! & 0o777], [false, 0o755]);
      await repository.done(["guard", "remove"]);
    }
  }
  assert.deepEqual(await contents(outside), { theirs: "644 as it was" });

  // A pipe and a device in the folder of hooks: no command blocks on them.
  await new Deno.Command("mkfifo", {
    args: [`${repository.root}/.husky/pre-commit`],
  }).output();
  await Deno.symlink("/dev/zero", `${repository.root}/.husky/pre-push.legacy`);
  await Deno.symlink("/dev/zero", `${repository.root}/.husky/pre-push`);
  const { code, stdout } = await repository.run(["guard", "status"]);
  assert.equal(code, 1);
  assert.match(stdout, /^pre-commit: off, git does not run this file/);
  await repository.done(["guard", "install"]);
  await repository.done(["guard", "remove"]);

  // The folder is a link out of the repository.
  await Deno.remove(`${repository.root}/.husky`, { recursive: true });
  await Deno.symlink(outside, `${repository.root}/.husky`);
  for (const path of [".husky", ".husky/_"]) {
    await repository.git("config", "core.hooksPath", path);
    const refused = await repository.run(["guard", "install"]);
    assert.equal(refused.code, 1);
    assert.match(
      refused.stderr,
      /^mbus: Cannot install the guard: \S+ is a link to \S+\/outside(\/_)?, outside of this repository\. [^\n]+\n$/,
    );
  }
  assert.deepEqual(await contents(outside), { theirs: "644 as it was" });
});
