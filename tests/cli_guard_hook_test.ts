import assert from "node:assert/strict";
import { contents, Repository } from "./cli/repository.ts";

const AS_HOLDER = { env: { MBUS_SESSION: "holder" } };

Deno.test("hooks that were there run first, and come back as they were", async () => {
  await using repository = await Repository.make();
  const hooks = `${repository.root}/.git/hooks`;
  await Deno.mkdir(hooks, { recursive: true });
  for await (const { name } of Deno.readDir(hooks)) {
    await Deno.remove(`${hooks}/${name}`);
  }
  const log = `${repository.folder}/log`;
  // Not one's own line ends, nor one at the end.
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
  const [commit, push] = await repository.json(["guard", "install"]);
  assert.deepEqual(commit, {
    hook: "pre-commit",
    path: `${hooks}/pre-commit`,
    done: "installed",
    chained: `${hooks}/pre-commit.before-mbus`,
  });
  assert.equal(push.done, "installed");
  const installed = await contents(hooks);
  const again = await repository.json(["guard", "install"]);
  assert.deepEqual(again.map(({ done }) => done), ["unchanged", "unchanged"]);
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
  assert.deepEqual(removed.map(({ done }) => done), ["removed", "removed"]);
  assert.deepEqual(await contents(hooks), before);
  const gone = await repository.json(["guard", "remove"]);
  assert.deepEqual(gone.map(({ done }) => done), ["absent", "absent"]);
  assert.deepEqual(await contents(hooks), before);
});

Deno.test("the folder that git really uses has the hooks", async () => {
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

Deno.test("a hook that was put over the guard is left to a person", async () => {
  await using repository = await Repository.make();
  const hooks = `${repository.root}/.git/hooks`;
  await Deno.mkdir(hooks, { recursive: true });
  await repository.script(`${hooks}/pre-commit`, "#!/bin/sh\n# one\n");
  await repository.done(["guard", "install"]);
  await repository.script(`${hooks}/pre-commit`, "#!/bin/sh\n# two\n");
  const before = await contents(hooks);
  for (const act of ["install", "remove"]) {
    const { code, stderr } = await repository.run(["guard", act]);
    assert.equal(code, 1);
    assert.match(stderr, /^mbus: Cannot (install|remove) the guard: [^\n]*\n$/);
    assert.deepEqual(await contents(hooks), before);
  }
  // Interrupted between the two steps, either goes on.
  await Deno.remove(`${hooks}/pre-commit`);
  await repository.done(["guard", "install"]);
  await Deno.remove(`${hooks}/pre-commit`);
  await repository.done(["guard", "remove"]);
  assert.equal((await contents(hooks))["pre-commit"], "755 #!/bin/sh\n# one\n");
});
