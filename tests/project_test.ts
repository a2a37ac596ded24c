/**
 * Projects in real repositories that git creates: with worktrees, submodules,
 * bare ones, and broken ones.
 */

import assert from "node:assert/strict";
import fc from "fast-check";
import { ExpiringCache } from "../lib/path/expiring_cache.ts";
import { canonicalPath, type Project, projectOf } from "../lib/path/project.ts";
import { works } from "./probe.ts";

const GIT = works("git", "--version");

/** A folder for one test; results are compared with git's. */
class Sandbox implements Disposable {
  /** Its real path. */
  readonly path: string = Deno.realPathSync(
    Deno.makeTempDirSync({ prefix: "mbus-project-" }),
  );

  /** Returns the path of an entry in it. */
  at(name: string): string {
    return `${this.path}/${name}`;
  }

  /** Creates a folder in it, with its parents. */
  folder(name: string): string {
    Deno.mkdirSync(this.at(name), { recursive: true });
    return this.at(name);
  }

  /** Runs git in a folder of it and returns its output. */
  git(folder: string, ...args: string[]): string {
    const output = this.#run(folder, args);
    assert.ok(output.success, new TextDecoder().decode(output.stderr));
    return new TextDecoder().decode(output.stdout).trim();
  }

  /** Returns git's common directory there; undefined if there is none. */
  commonDirectory(folder: string): string | undefined {
    const output = this.#run(folder, [
      "rev-parse",
      "--path-format=absolute",
      "--git-common-dir",
    ]);
    if (!output.success) return undefined;
    return Deno.realPathSync(new TextDecoder().decode(output.stdout).trim());
  }

  /** Creates a repository with one commit on the branch `main`. */
  repository(name: string, ...options: string[]): string {
    const folder = this.folder(name);
    this.git(folder, "init", "--quiet", "--initial-branch=main", ...options);
    this.git(folder, "commit", "--quiet", "--allow-empty", "--message=first");
    return folder;
  }

  [Symbol.dispose](): void {
    Deno.removeSync(this.path, { recursive: true });
  }

  #run(folder: string, args: string[]): Deno.CommandOutput {
    return new Deno.Command("git", {
      args: [
        ...["-c", "user.name=Somebody", "-c", "user.email=some@body.example"],
        ...["-c", "protocol.file.allow=always", "-c", "advice.detachedHead=0"],
        ...args,
      ],
      cwd: folder,
      env: {
        GIT_CONFIG_GLOBAL: "/dev/null",
        GIT_CONFIG_NOSYSTEM: "1",
        GIT_CEILING_DIRECTORIES: this.path,
        LC_ALL: "C",
      },
    }).outputSync();
  }
}

/** Registers a test with a sandbox, ignored without git. */
function withGit(name: string, body: (sandbox: Sandbox) => void): void {
  Deno.test({
    name: `${name} (needs git)`,
    ignore: !GIT,
    fn() {
      using sandbox = new Sandbox();
      body(sandbox);
    },
  });
}

let laterMs = 0;

/** Runs `body` once every cached entry is expired. */
function later(body: () => void): void {
  const now = performance.now;
  laterMs += 20_000;
  performance.now = () => now.call(performance) + laterMs;
  try {
    body();
  } finally {
    performance.now = now;
  }
}

/** Returns the project by definition: the common directory without `/.git`. */
function projectByGit(sandbox: Sandbox, folder: string): string | undefined {
  return sandbox.commonDirectory(folder)?.replace(/\/\.git$/, "");
}

function checkAgainstGit(sandbox: Sandbox, folder: string): Project {
  const project = projectOf(folder);
  assert.equal(project.project, projectByGit(sandbox, folder));
  const root = sandbox.git(folder, "rev-parse", "--show-toplevel");
  assert.equal(project.worktree, Deno.realPathSync(root));
  return project;
}

withGit("a repository's project is its folder, for every path in it", (box) => {
  const repository = box.repository("app");
  box.folder("app/src/deep");
  for (
    const folder of [repository, box.at("app/src"), box.at("app/src/deep")]
  ) {
    assert.deepEqual(checkAgainstGit(box, folder), {
      project: repository,
      worktree: repository,
      branch: "main",
    });
  }
  // From a file, and from a folder that does not exist yet.
  Deno.writeTextFileSync(box.at("app/src/a.ts"), "");
  for (const path of ["app/src/a.ts", "app/src/to/come", "app/.git/refs"]) {
    assert.equal(projectOf(box.at(path)).project, repository, path);
    assert.equal(projectOf(box.at(path)).worktree, repository, path);
  }
});

withGit("all worktrees have one project, and each its branch", (box) => {
  const repository = box.repository("app");
  box.git(repository, "worktree", "add", "--quiet", "-b", "topic/x", "../side");
  box.git(repository, "worktree", "add", "--quiet", "--detach", "inner/loose");
  const side = checkAgainstGit(box, box.at("side"));
  assert.deepEqual(side, {
    project: repository,
    worktree: box.at("side"),
    branch: "topic/x",
  });
  const loose = checkAgainstGit(box, box.at("app/inner/loose"));
  assert.deepEqual(loose, {
    project: repository,
    worktree: box.at("app/inner/loose"),
  });
});

withGit("the branch is read again for a cached folder", (box) => {
  const repository = box.repository("app");
  assert.equal(projectOf(repository).branch, "main");
  box.git(repository, "checkout", "--quiet", "-b", "next");
  assert.equal(projectOf(repository).branch, "next");
  box.git(repository, "checkout", "--quiet", "--detach");
  assert.equal(projectOf(repository).branch, undefined);
});

withGit("a branch without a commit is returned by name", (box) => {
  box.folder("app");
  box.git(box.at("app"), "init", "--quiet", "--initial-branch=born");
  assert.equal(projectOf(box.at("app")).branch, "born");
});

withGit("the branch is undefined in a repository with reftables", (box) => {
  const repository = box.repository("app");
  Deno.writeTextFileSync(
    `${repository}/.git/HEAD`,
    "ref: refs/heads/.invalid\n",
  );
  assert.deepEqual(projectOf(repository), {
    project: repository,
    worktree: repository,
  });
});

withGit(
  "a submodule is a project of its own, and so are its worktrees",
  (box) => {
    const library = box.repository("library");
    const repository = box.repository("app");
    box.git(repository, "submodule", "--quiet", "add", library, "lib/it");
    const inner = checkAgainstGit(box, box.at("app/lib/it"));
    assert.equal(inner.project, box.at("app/.git/modules/lib/it"));
    assert.equal(projectOf(repository).project, repository);
    box.git(box.at("app/lib/it"), "worktree", "add", "--quiet", box.at("fix"));
    const fix = checkAgainstGit(box, box.at("fix"));
    assert.equal(fix.project, inner.project);
    assert.equal(fix.branch, "fix");
  },
);

withGit("bare repositories side by side are different projects", (box) => {
  const source = box.repository("source");
  for (const bare of ["a.git", "b.git", "plain", "hub/.bare", "hub2/.git"]) {
    box.git(box.path, "clone", "--quiet", "--bare", source, bare);
  }
  for (const bare of ["a.git", "b.git", "plain", "hub/.bare"]) {
    const project = projectOf(box.at(bare));
    assert.deepEqual(project, {
      project: box.at(bare),
      worktree: box.at(bare),
      branch: "main",
    });
    assert.equal(project.project, projectByGit(box, box.at(bare)));
    assert.equal(projectOf(box.at(`${bare}/refs/heads`)).project, box.at(bare));
    // Its worktrees have the same project.
    box.git(box.at(bare), "worktree", "add", "--quiet", "-b", "w", "tree");
    const tree = checkAgainstGit(box, box.at(`${bare}/tree`));
    assert.deepEqual(tree, {
      project: box.at(bare),
      worktree: box.at(`${bare}/tree`),
      branch: "w",
    });
  }
  const hub = box.at("hub2");
  box.git(box.at("hub2/.git"), "worktree", "add", "--quiet", "../main");
  assert.equal(projectOf(`${hub}/main`).project, hub);
  assert.equal(projectOf(`${hub}/.git`).project, hub);
});

withGit("a bare repository inside of a worktree is not part of it", (box) => {
  const repository = box.repository("app");
  box.git(repository, "init", "--quiet", "--bare", "fixtures/remote.git");
  const bare = box.at("app/fixtures/remote.git");
  assert.equal(projectOf(bare).project, bare);
  assert.equal(projectOf(`${bare}/hooks`).project, bare);
  assert.equal(projectOf(box.at("app/fixtures")).project, repository);
});

withGit("a separate git directory is the project", (box) => {
  const repository = box.repository("app", `--separate-git-dir=${box.at("g")}`);
  const project = checkAgainstGit(box, repository);
  assert.equal(project.project, box.at("g"));
  assert.equal(project.worktree, repository);
});

withGit("a repository inside of another is a project of its own", (box) => {
  box.repository("outer");
  const inner = box.repository("outer/inner");
  assert.equal(checkAgainstGit(box, inner).project, inner);
  assert.equal(checkAgainstGit(box, box.at("outer")).project, box.at("outer"));
});

withGit(
  "links to a repository and a linked .git lead to its project",
  (box) => {
    const repository = box.repository("app");
    box.folder("app/src");
    Deno.symlinkSync(box.at("app/src"), box.at("link"));
    const linked = projectOf(box.at("link"));
    assert.equal(linked.project, repository);
    assert.equal(linked.worktree, repository);
    box.folder("other");
    Deno.symlinkSync(box.at("app/.git"), box.at("other/.git"));
    assert.equal(checkAgainstGit(box, box.at("other")).project, repository);
  },
);

withGit("the environment does not change the project", (box) => {
  const repository = box.repository("app");
  const other = box.repository("other");
  Deno.env.set("GIT_DIR", `${other}/.git`);
  Deno.env.set("GIT_WORK_TREE", other);
  try {
    assert.equal(projectOf(repository).project, repository);
  } finally {
    Deno.env.delete("GIT_DIR");
    Deno.env.delete("GIT_WORK_TREE");
  }
});

withGit("an empty .git folder is skipped, as in git", (box) => {
  const repository = box.repository("app");
  box.folder("app/part/.git");
  const { project } = checkAgainstGit(box, box.at("app/part"));
  assert.equal(project, repository);
});

withGit("a broken .git file ends the search, as in git", (box) => {
  box.repository("app");
  for (
    const [name, text] of [
      ["gone", `gitdir: ${box.at("nowhere")}\n`],
      ["garbage", "something else\n"],
      ["nothing", ""],
    ]
  ) {
    const folder = box.folder(`app/${name}`);
    Deno.writeTextFileSync(`${folder}/.git`, text);
    Deno.mkdirSync(`${folder}/src`);
    assert.equal(box.commonDirectory(folder), undefined, name);
    const project = { project: folder, worktree: folder };
    assert.deepEqual(projectOf(folder), project, name);
    assert.deepEqual(projectOf(`${folder}/src`), project, name);
    assert.equal(canonicalPath("src", folder).repositoryKey, undefined, name);
  }
});

withGit(
  "a folder does not belong to a repository that does not list it",
  (box) => {
    const victim = box.repository("victim");
    const worktree = box.at("worktree");
    box.git(victim, "worktree", "add", "--quiet", worktree);
    const bare = box.folder("bare.git");
    box.git(bare, "init", "--quiet", "--bare");
    box.repository("module");
    box.git(victim, "submodule", "--quiet", "add", box.at("module"), "sub");

    // A cloned folder looks like a bare repository.
    const planted = box.folder("clone/x.git");
    for (const name of ["objects", "refs"]) box.folder(`clone/x.git/${name}`);
    Deno.writeTextFileSync(`${planted}/HEAD`, "ref: refs/heads/main\n");
    for (const common of [`${victim}/.git`, "../../victim/.git", bare]) {
      Deno.writeTextFileSync(`${planted}/commondir`, `${common}\n`);
      later(() => assert.equal(projectOf(planted).project, planted, common));
    }
    // The same, below a folder named like git's for worktrees.
    const worktrees = box.folder("clone/y/.git/worktrees/a");
    Deno.writeTextFileSync(`${worktrees}/HEAD`, "ref: refs/heads/main\n");
    Deno.writeTextFileSync(`${worktrees}/commondir`, `${victim}/.git\n`);
    Deno.writeTextFileSync(
      `${worktrees}/gitdir`,
      `${box.at("clone/z")}/.git\n`,
    );

    // An unpacked package brings its own `.git` file.
    const unpacked = box.folder("clone/z");
    const targets = [
      worktrees,
      `${victim}/.git`,
      `${victim}/.git/worktrees/worktree`,
      `${victim}/.git/modules/sub`,
      bare,
    ];
    for (const target of targets) {
      Deno.writeTextFileSync(`${unpacked}/.git`, `gitdir: ${target}\n`);
      later(() =>
        assert.deepEqual(projectOf(unpacked), {
          project: unpacked,
          worktree: unpacked,
        }, target)
      );
    }
    // A folder `.git` names a foreign common directory.
    const own = box.folder("own/.git");
    Deno.writeTextFileSync(`${own}/HEAD`, "ref: refs/heads/main\n");
    Deno.writeTextFileSync(`${own}/commondir`, `${victim}/.git\n`);
    later(() => assert.equal(projectOf(box.at("own")).project, box.at("own")));

    // The listed working copies still belong to their repositories.
    later(() => {
      assert.equal(projectOf(worktree).project, victim);
      assert.equal(
        projectOf(`${victim}/sub`).project,
        `${victim}/.git/modules/sub`,
      );
    });
  },
);

withGit(
  "a repository finds its working copies in every notation of git",
  (box) => {
    const repository = box.repository("app");
    // `git worktree add --relative-paths` of a newer git writes this.
    const tree = box.at("tree");
    box.git(repository, "worktree", "add", "--quiet", tree);
    const known = `${repository}/.git/worktrees/tree`;
    Deno.writeTextFileSync(`${known}/gitdir`, "../../../../tree/.git\n");
    later(() => assert.equal(projectOf(tree).project, repository));
    // Worktrees beside a bare repository to which their parent points.
    const above = box.folder("hub");
    box.git(box.path, "clone", "--quiet", "--bare", repository, "hub/.bare");
    Deno.writeTextFileSync(`${above}/.git`, "gitdir: ./.bare\n");
    box.git(above, "worktree", "add", "--quiet", "../hub/main", "main");
    later(() => {
      assert.equal(projectOf(above).project, box.at("hub/.bare"));
      assert.equal(projectOf(box.at("hub/main")).project, box.at("hub/.bare"));
    });
    // A submodule's worktree is quoted in `config.worktree`.
    box.git(repository, "submodule", "--quiet", "add", above, "sub");
    const module = `${repository}/.git/modules/sub`;
    box.git(`${repository}/sub`, "config", "extensions.worktreeConfig", "true");
    box.git(`${repository}/sub`, "config", "--unset", "core.worktree");
    Deno.writeTextFileSync(
      `${module}/config.worktree`,
      '[CORE] # as git reads it\n\tWorkTree = "../../../sub" ; there\n',
    );
    later(() => checkAgainstGit(box, `${repository}/sub`));
    Deno.writeTextFileSync(
      `${module}/config.worktree`,
      '[core "x"]\n\tworktree = ../../../sub\n[core]\n\tworktree = /nowhere\n',
    );
    const sub = `${repository}/sub`;
    later(() => assert.equal(projectOf(sub).project, sub));
  },
);

Deno.test("a folder outside of a repository is its own project", () => {
  using box = new Sandbox();
  const folder = box.folder("plain");
  Deno.writeTextFileSync(`${folder}/a.ts`, "");
  const plain = { project: folder, worktree: folder };
  assert.deepEqual(projectOf(folder), plain);
  assert.deepEqual(projectOf(`${folder}/a.ts`), plain);
  assert.deepEqual(projectOf(`${folder}/a.ts/`), plain);
  assert.deepEqual(projectOf(`${folder}/../plain/`), plain);
  const toCome = `${folder}/to/come`;
  assert.deepEqual(projectOf(toCome), { project: toCome, worktree: toCome });
  const { absolute, key, ...rest } = canonicalPath("a.ts", folder);
  assert.equal(absolute, `${folder}/a.ts`);
  assert.equal(key, absolute);
  assert.deepEqual(rest, {});
});

Deno.test("a folder with only a file HEAD is not a repository", () => {
  using box = new Sandbox();
  for (const name of ["novel", ".novel", "novel.git"]) {
    const folder = box.folder(name);
    Deno.writeTextFileSync(`${folder}/HEAD`, "ref: refs/heads/main\n");
    const plain = { project: folder, worktree: folder };
    assert.deepEqual(projectOf(folder), plain);
  }
});

Deno.test("projectOf() rejects a relative folder", () => {
  assert.throws(() => projectOf("."), { name: "PathError" });
});

withGit("a folder keeps its name when it becomes a repository", (box) => {
  const folder = box.folder("app");
  const before = projectOf(folder).project;
  box.repository("app");
  later(() => {
    const { project, branch } = projectOf(folder);
    assert.equal(project, before);
    assert.equal(branch, "main");
  });
});

withGit("the same file in two worktrees has one repository key", (box) => {
  const repository = box.repository("app");
  box.git(repository, "worktree", "add", "--quiet", "../side");
  box.folder("app/src");
  Deno.symlinkSync("src", box.at("app/code"));
  const here = canonicalPath("code/a.ts", repository);
  const there = canonicalPath("src/a.ts", box.at("side"));
  assert.deepEqual(here, {
    absolute: box.at("app/src/a.ts"),
    key: box.at("app/src/a.ts"),
    repositoryKey: `${repository}/:/src/a.ts`,
    project: repository,
    worktree: repository,
  });
  assert.equal(there.repositoryKey, here.repositoryKey);
  assert.equal(there.project, here.project);
  assert.notEqual(there.key, here.key);
  assert.equal(
    canonicalPath(".", box.at("side")).repositoryKey,
    `${repository}/:`,
  );
  // The target of a link belongs to its own worktree.
  Deno.symlinkSync(box.at("side/b.ts"), box.at("app/b.ts"));
  assert.equal(canonicalPath("b.ts", repository).worktree, box.at("side"));
});

withGit("repository keys are equal exactly for equal paths", (box) => {
  const trees = [box.repository("app"), box.at("side")];
  box.git(trees[0], "worktree", "add", "--quiet", trees[1]);
  box.folder("app/a/b");
  box.folder("side/b");
  const names = fc.array(fc.constantFrom("a", "b", ":", "x y", ".gitx"), {
    minLength: 1,
    maxLength: 4,
  }).map((list) => list.join("/"));
  fc.assert(fc.property(names, names, (one, other) => {
    const a = canonicalPath(one, trees[0]).repositoryKey;
    const b = canonicalPath(other, trees[1]).repositoryKey;
    assert.ok(a !== undefined && b !== undefined);
    assert.equal(a === b, one === other);
    assert.equal(a, `${trees[0]}/:/${one}`);
  }));
});

withGit("a path below .git has no repository key", (box) => {
  const repository = box.repository("app");
  box.git(repository, "worktree", "add", "--quiet", "../side");
  box.git(box.path, "clone", "--quiet", "--bare", repository, "b.git");
  for (const path of ["app/.git/HEAD", "side/.git", "b.git/HEAD"]) {
    const { project, repositoryKey } = canonicalPath(path, box.path);
    assert.notEqual(project, undefined, path);
    assert.equal(repositoryKey, undefined, path);
  }
});

withGit("a cached folder is read again after expiry", (box) => {
  const folder = box.folder("app/src");
  assert.equal(canonicalPath("a", folder).worktree, undefined);
  box.repository("app");
  assert.equal(canonicalPath("a", folder).worktree, undefined);
  later(() => {
    assert.equal(canonicalPath("a", folder).worktree, box.at("app"));
  });
});

Deno.test("a cache drops all entries once the first of them expires", () => {
  const now = performance.now;
  let at = 1_000_000;
  try {
    performance.now = () => at;
    const cache = new ExpiringCache<number | null>({ ttlMs: 100 });
    cache.set("one", 1);
    at += 60;
    cache.set("none", null);
    at += 40;
    assert.equal(cache.get("one"), 1);
    assert.equal(cache.get("none"), null);
    at += 1;
    assert.equal(cache.get("none"), undefined);
    cache.set("one", 2);
    at += 100;
    assert.equal(cache.get("one"), 2);
  } finally {
    performance.now = now;
  }
});
