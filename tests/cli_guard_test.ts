import assert from "node:assert/strict";
import { type Ended, Mbus, ROOT } from "./cli/mbus.ts";
import { Shell } from "./cli/shell.ts";

const AS_HOLDER = { env: { MBUS_SESSION: "holder" } };

/** A bus, a repository in its working folder, and `mbus` on the PATH. */
class Repository extends Mbus {
  /** The repository. */
  readonly root: string = `${this.folder}/work`;
  /** Where the program `mbus` is. */
  readonly programs: string = `${this.folder}/bin`;

  /** Makes one with a first commit. */
  static async make(): Promise<Repository> {
    const repository = new Repository();
    const { programs } = repository;
    await Deno.mkdir(programs);
    const program = `#!/bin/sh\nexec '${Deno.execPath()}' run -q ` +
      `--cached-only -A '${ROOT}/cli.ts' "$@"\n`;
    await repository.script(`${programs}/mbus`, program);
    await repository.git("init", "-q", "-b", "main");
    await repository.write("first", "1");
    await repository.git("commit", "-q", "-m", "first");
    return repository;
  }

  /** Runs git to its end, wherever it is told to. */
  async tryGit(
    args: readonly string[],
    options: { cwd?: string; env?: Record<string, string> } = {},
  ): Promise<Ended> {
    const env = this.environment(options.env);
    const { code, stdout, stderr } = await new Deno.Command("git", {
      args: [...args],
      cwd: options.cwd ?? this.root,
      env: {
        PATH: `${this.programs}:${env.PATH}`,
        GIT_CONFIG_GLOBAL: "/dev/null",
        GIT_CONFIG_NOSYSTEM: "1",
        GIT_AUTHOR_NAME: "n",
        GIT_AUTHOR_EMAIL: "e",
        GIT_COMMITTER_NAME: "n",
        GIT_COMMITTER_EMAIL: "e",
        ...env,
        ...(options.env?.PATH === undefined && {
          PATH: `${this.programs}:${env.PATH}`,
        }),
      },
      clearEnv: true,
      stdin: "null",
    }).output();
    const text = new TextDecoder();
    return { code, stdout: text.decode(stdout), stderr: text.decode(stderr) };
  }

  /** Runs git, which must do its work; returns what it printed. */
  async git(...args: string[]): Promise<string> {
    const { code, stdout, stderr } = await this.tryGit(args);
    assert.equal(code, 0, `git ${args.join(" ")}: ${stderr}`);
    return stdout;
  }

  /** Writes files and stages them. */
  async write(path: string, text: string): Promise<void> {
    const folder = path.slice(0, path.lastIndexOf("/") + 1);
    await Deno.mkdir(`${this.root}/${folder}`, { recursive: true });
    await Deno.writeTextFile(`${this.root}/${path}`, text);
    await this.git("add", "--", path);
  }

  /** Writes a script that can be run. */
  async script(path: string, text: string, mode = 0o755): Promise<void> {
    await Deno.writeTextFile(path, text);
    await Deno.chmod(path, mode);
  }

  /** How many commits there are. */
  async commits(): Promise<number> {
    return Number(await this.git("rev-list", "--count", "--all"));
  }
}

/** What is in a folder: names, modes, and what they hold. */
async function contents(folder: string): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  for await (const { name } of Deno.readDir(folder)) {
    const { mode } = await Deno.lstat(`${folder}/${name}`);
    found[name] = `${(mode! & 0o7777).toString(8)} ` +
      await Deno.readTextFile(`${folder}/${name}`);
  }
  return found;
}

Deno.test("a file that another session holds exclusively is not committed", async () => {
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
    /^mbus: Cannot commit src\/ä b\.ts: holder \(codex\) holds src\/\*\.ts exclusively since \d\d:\d\d:\d\d until \d\d:\d\d:\d\d, on task T-7 \("moving it"\); wait for it \(mbus lock '\S+\/src\/\*\.ts' --exclusive --wait 10m\), ask its holder \(mbus ask holder '"…"'\), or leave the file out \(git restore --staged\)\.\n$/,
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
  assert.equal("covers" in found.hold, false);

  // Its holder may, and so may everybody once it is dead.
  await repository.git("reset", "-q");
  await repository.git("add", "--", "src");
  assert.equal(
    (await repository.tryGit([...commit, "--dry-run"])).code,
    0,
  );
  await holder.kill();
  assert.equal((await repository.tryGit(commit)).stderr, "");
  assert.equal(await repository.commits(), 2);
});

Deno.test("the holder commits, also within its own with-lock", async () => {
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

Deno.test("advisory locks, and locks in other worktrees, are only warned of", async () => {
  await using repository = await Repository.make();
  const other = `${repository.folder}/other`;
  await repository.git("worktree", "add", "-q", other);
  // One repository, one folder of hooks.
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

  // In that worktree it is the same file on disk.
  await Deno.mkdir(`${other}/src`);
  await Deno.writeTextFile(`${other}/src/b.ts`, "2");
  await repository.git("-C", other, "add", "src/b.ts");
  const there = await repository.tryGit(["commit", "-q", "-m", "3"], {
    cwd: other,
  });
  assert.equal(there.code, 1);
  assert.match(there.stderr, /^mbus: Cannot commit src\/b\.ts: /);
});

Deno.test("both names of a renamed file count, and what is not staged does not", async () => {
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
  // A commit of one path has an index of its own.
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

Deno.test("commits that change a locked file are not pushed", async () => {
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
    "what the remote has is no matter",
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
  // Deleting pushes nothing.
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

Deno.test("what keeps the guard from checking stops nobody", async () => {
  await using repository = await Repository.make();
  await repository.done(["guard", "install"]);
  await repository.done(["lock", "a.ts", "--exclusive"], AS_HOLDER);
  await repository.write("a.ts", "1");
  const commit = ["commit", "-q", "--allow-empty", "-m", "n"];
  assert.equal((await repository.tryGit(commit)).code, 1);
  // No mbus; a bus that is none; a session that can be none.
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
  for (const env of [{ MBUS_HOME: broken }, { MBUS_SESSION: "a b" }]) {
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

Deno.test("thousands of staged files are checked in one look", async () => {
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

function existsIn(folder: string, name: string): boolean {
  try {
    Deno.statSync(`${folder}/${name}`);
    return true;
  } catch {
    return false;
  }
}
