/**
 * The writes read off git commands, in a repository that git has made.
 *
 * @module
 */

import assert from "node:assert/strict";
import fc from "fast-check";
import { GitRefs } from "../../lib/hooks/shell/git_refs.ts";
import { type ShellWrites, shellWrites } from "../../lib/hooks/shell/shell.ts";
import { diskAt } from "../../lib/hooks/shell/disk.ts";

const TREE = "*";

function git(folder: string, ...args: readonly string[]): boolean {
  const { success } = new Deno.Command("git", {
    args: ["-c", "user.name=t", "-c", "user.email=t@example.org", ...args],
    cwd: folder,
    env: { GIT_CONFIG_GLOBAL: "/dev/null", GIT_CONFIG_SYSTEM: "/dev/null" },
    stdout: "null",
    stderr: "null",
  }).outputSync();
  return success;
}

/** Makes a repository with branches, tags and a remote, some of them packed. */
function makeRepository(): string {
  const root = Deno.realPathSync(Deno.makeTempDirSync({ prefix: "mbus-git-" }));
  const app = `${root}/app`;
  Deno.mkdirSync(`${app}/src/deep`, { recursive: true });
  for (const name of ["a", "both", "src/a.ts", "src/deep/b.ts", "[id].ts"]) {
    Deno.writeTextFileSync(`${app}/${name}`, name);
  }
  const run = (...args: readonly string[]) => assert.ok(git(app, ...args));
  run("init", "-q", "-b", "main");
  run("add", ".");
  run("commit", "-qm", "one");
  for (const branch of ["packed", "old/topic", "both"]) run("branch", branch);
  run("tag", "v1");
  run("tag", "-am", "two", "v2");
  run("update-ref", "refs/remotes/origin/packed-far", "HEAD");
  run("pack-refs", "--all");
  for (const branch of ["loose", "new/topic"]) run("branch", branch);
  run("tag", "v3");
  run("update-ref", "refs/remotes/origin/far", "HEAD");
  run("update-ref", "refs/remotes/origin/a", "HEAD");
  run("symbolic-ref", "refs/remotes/origin/HEAD", "refs/remotes/origin/far");
  run("worktree", "add", "-q", "-b", "side", `${root}/side`);
  Deno.writeTextFileSync(`${app}/list`, "src/a.ts\na\n");
  Deno.writeTextFileSync(
    `${app}/fix.diff`,
    "--- a/src/a.ts\n+++ b/src/a.ts\n@@ -1 +1 @@\n-x\n+y\n",
  );
  return root;
}

/** The command and its writes; `*` is the whole worktree. */
type Row = readonly [string, ...(readonly string[])];

const ROWS: readonly Row[] = [
  // A path, not a revision.
  ["git checkout src/a.ts", "src/a.ts"],
  ["git checkout a", "a"],
  ["git checkout src", "src"],
  ["git checkout gone.ts", "gone.ts"],
  ["git checkout '[id].ts'", "[id].ts"],
  ["git checkout a src/a.ts", "a", "src/a.ts"],
  ["git checkout HEAD src/a.ts", "src/a.ts"],
  ["git checkout HEAD~1 src/a.ts", "src/a.ts"],
  ["git checkout packed a", "a"],
  ["git checkout v2^{} -- a", "a"],
  ["git checkout -f a", "a"],
  ["git checkout --ours both", "both"],
  ["git checkout --theirs -- both", "both"],
  ["git checkout -2 main", "main"],
  ["git checkout -- main", "main"],
  ["git checkout --pathspec-from-file=list", "src/a.ts", "a"],
  ["git checkout main --pathspec-from-file list", "src/a.ts", "a"],
  ["git restore --pathspec-from-file=- <<E\na\nE", "a"],
  ["git checkout .", TREE],
  ["git checkout HEAD -- .", TREE],
  ["git checkout -- '*.ts'", "glob **/*.ts"],
  ["git checkout -- 'src/*.ts'", "glob src/**/*.ts"],
  ["cd src && git checkout a.ts", "src : a.ts"],
  ["cd src && git checkout .", "src : ."],
  ["cd src && git checkout ..", TREE],
  ["cd src && git checkout :/", TREE],
  ["cd src && git checkout :/a", "/ : a"],
  ["cd src && git checkout -- ':(top)src/a.ts'", "/ : src/a.ts"],
  ["git checkout -- . ':!src'", TREE],
  ["git -C src checkout a.ts", "src : a.ts"],
  // A revision.
  ["git checkout main", TREE],
  ["git checkout both", TREE],
  ["git checkout packed", TREE],
  ["git checkout loose", TREE],
  ["git checkout old/topic", TREE],
  ["git checkout v1", TREE],
  ["git checkout v2", TREE],
  ["git checkout origin/far", TREE],
  ["git checkout origin", TREE],
  ["git checkout far", TREE],
  ["git checkout packed-far", TREE],
  ["git checkout -", TREE],
  ["git checkout @{-1}", TREE],
  ["git checkout HEAD~2", TREE],
  ["git checkout main --", TREE],
  ["git checkout -b newer", TREE],
  ["git checkout -f", TREE],
  ["git checkout 0123456789012345678901234567890123456789", TREE],
  ["git checkout deadbeef", TREE],
  ['git checkout "$BRANCH"', TREE],
  ["git checkout"],
  ["git checkout --help"],
  // Other commands with paths.
  ["git restore --source=HEAD~1 src/a.ts", "src/a.ts"],
  ["git restore .", TREE],
  ["git restore --staged ."],
  ["git restore -p", TREE],
  ["git rm -r src", "src"],
  ["git rm -n a"],
  ["git mv a src", "a", "src/a"],
  ["git mv -n a src"],
  ["git clean a", "a"],
  ["git clean -fd src", "src"],
  ["git clean -fdx -e a .", TREE],
  ["git clean -nd src"],
  ["git clean"],
  ["git clean -xdf", TREE],
  ["git stash push src/a.ts", "src/a.ts"],
  ["git stash push -m main -- a", "a"],
  ["git stash -- a", "a"],
  ["git stash push --pathspec-from-file=list", "src/a.ts", "a"],
  ["git checkout-index -f a", "a"],
  ["git checkout-index -a", TREE],
  ["git worktree remove ../side", "../side"],
  ["git worktree list"],
  ["git apply fix.diff", "src/a.ts"],
  ["git apply < fix.diff", "src/a.ts"],
  ["git apply --stat fix.diff"],
  ["patch -p1 < fix.diff", "src/a.ts"],
  ["patch -p1 -i fix.diff", "src/a.ts"],
  ["sudo patch -p1 < fix.diff", "src/a.ts"],
  ["git reset a"],
  ["git reset HEAD src/a.ts"],
  ["git reset --soft HEAD~1"],
  // The whole worktree.
  ["git switch main", TREE],
  ["git switch -c newer", TREE],
  ["git stash", TREE],
  ["git stash -u", TREE],
  ["git stash push -m wip", TREE],
  ["git stash save wip", TREE],
  ["git stash pop", TREE],
  ["git stash apply stash@{1}", TREE],
  ["git stash branch x", TREE],
  ["git stash list"],
  ["git stash show -p"],
  ["git stash drop"],
  ["git reset --hard", TREE],
  ["git reset --hard origin/far", TREE],
  ["git reset --merge", TREE],
  ["git reset --keep HEAD~1", TREE],
  ["git pull", TREE],
  ["git pull --rebase origin main", TREE],
  ["git pull --dry-run"],
  ["git fetch"],
  ["git rebase main", TREE],
  ["git rebase --abort", TREE],
  ["git rebase --continue", TREE],
  ["git rebase --show-current-patch"],
  ["git merge --no-ff packed", TREE],
  ["git merge --abort", TREE],
  ["git cherry-pick v1", TREE],
  ["git revert HEAD", TREE],
  ["git am < x.patch", TREE],
  ["git am --show-current-patch=diff"],
  ["git bisect good", TREE],
  ["git bisect log"],
  ["git read-tree -m -u HEAD", TREE],
  ["git symbolic-ref HEAD refs/heads/packed", TREE],
  ["git symbolic-ref --short HEAD"],
  ["git submodule update --init", TREE],
  ["git submodule"],
  ["git sparse-checkout set src", TREE],
  ["git status; git log -p; git diff; git add a; git commit -m x"],
  ["bash -c 'git switch main'", TREE],
  ["env A=1 git pull", TREE],
];

function spelled({ writes, wholeTree }: ShellWrites, app: string): string[] {
  return [
    ...wholeTree.map(() => TREE),
    ...writes.map(({ path, base, isGlob }) =>
      (isGlob ? "glob " : "") +
      (base === undefined ? path : `${base === app ? "/" : base} : ${path}`)
    ),
  ];
}

Deno.test("shellWrites() reads off the writes of git commands", async (t) => {
  const root = makeRepository();
  const app = `${root}/app`;
  for (const [command, ...expected] of ROWS) {
    await t.step(command, () => {
      const found = shellWrites(command, { disk: diskAt(app) });
      assert.deepEqual(spelled(found, app), expected);
    });
  }
  Deno.removeSync(root, { recursive: true });
});

Deno.test("shellWrites() returns the folder of a command for a whole worktree", () => {
  const root = makeRepository();
  const disk = diskAt(`${root}/app`);
  for (
    const [command, ...wholeTree] of [
      ["git switch 'main'", { command: "git switch main" }],
      ["git checkout $B", { command: "git checkout …" }],
      ["cd ../side && git pull", { command: "git pull", folder: "../side" }],
      ["git -C /x stash", { command: "git stash", folder: "/x" }],
      ["git --work-tree=y reset --hard", {
        command: "git reset --hard",
        folder: "y",
      }],
      [
        "git pull && git -C src rebase main",
        { command: "git pull" },
        { command: "git rebase main", folder: "src" },
      ],
      ['cd "$X" && git pull'],
    ] as const
  ) {
    const found = shellWrites(command, { disk });
    assert.deepEqual(found.wholeTree, wholeTree, command);
    assert.equal(found.unknown, true, command);
  }
  Deno.removeSync(root, { recursive: true });
});

Deno.test("GitRefs takes the same names for revisions as git", () => {
  const root = makeRepository();
  for (const folder of [`${root}/app`, `${root}/app/src`, `${root}/side`]) {
    const refs = GitRefs.of(folder);
    assert.ok(refs !== undefined);
    for (
      const name of [
        "HEAD",
        "ORIG_HEAD",
        "main",
        "packed",
        "loose",
        "old/topic",
        "new/topic",
        "topic",
        "new",
        "old",
        "side",
        "v1",
        "v2",
        "v3",
        "v4",
        "tags/v1",
        "heads/packed",
        "refs/heads/main",
        "refs/heads/none",
        "origin",
        "origin/far",
        "origin/packed-far",
        "far",
        "upstream",
        "main~0",
        "v2^{}",
        "none^",
        "a",
        "src",
        "src/a.ts",
        "config",
        "index",
        "objects",
        "refs/heads",
        "..",
        ".",
        "./a",
        "main.lock",
        "ma in",
        "*",
        "main:a",
      ]
    ) {
      const isGits = git(folder, "rev-parse", "-q", "--verify", name);
      assert.equal(refs.isRevision(name), isGits, `${folder}: ${name}`);
    }
  }
  Deno.removeSync(root, { recursive: true });
});

Deno.test("GitRefs returns undefined for abbreviated ids, and with reftables", () => {
  const root = makeRepository();
  const refs = GitRefs.of(`${root}/app`);
  assert.equal(refs?.isRevision("deadbeef"), undefined);
  assert.equal(refs?.isRevision("v1-3-gdeadbeef"), undefined);
  const later = GitRefs.of(`${root}/app`);
  for (let at = 0; at < 50; at++) {
    assert.equal(later?.isRevision(`none${at}`), false);
  }
  assert.equal(later?.isRevision("loose"), undefined);
  assert.equal(later?.isRevision("none0"), false);
  Deno.mkdirSync(`${root}/app/.git/reftable`);
  assert.equal(refs?.isRevision("none"), undefined);
  assert.equal(GitRefs.of(root), undefined);
  Deno.removeSync(root, { recursive: true });
});

Deno.test("GitRefs reads no link to a device and no endless list of refs", () => {
  const root = makeRepository();
  const app = `${root}/app`;
  for (const target of ["/dev/zero", `${app}/src`]) {
    Deno.removeSync(`${app}/.git/packed-refs`);
    Deno.symlinkSync(target, `${app}/.git/packed-refs`);
    assert.equal(GitRefs.of(app)?.isRevision("packed"), undefined);
    assert.equal(GitRefs.of(app)?.isRevision("loose"), true);
  }
  Deno.removeSync(`${app}/.git/packed-refs`);
  Deno.writeTextFileSync(`${app}/.git/packed-refs`, "");
  Deno.truncateSync(`${app}/.git/packed-refs`, 17 * 1024 * 1024);
  assert.equal(GitRefs.of(app)?.isRevision("packed"), undefined);
  Deno.removeSync(root, { recursive: true });
});

Deno.test("shellWrites() throws for no command in a repository", () => {
  const root = makeRepository();
  const disk = diskAt(`${root}/app`);
  const pieces = fc.constantFrom(
    ..."git cd cp mv cat -C -- && ; | > < * ? [ ] { , } \\ ' \" $ ~ : @ ^ - . .."
      .split(" "),
    ..."checkout restore stash push clean -f rm mv apply -t list".split(" "),
    ..."a main src src/a.ts both fix.diff :/ :(top) HEAD~1".split(" "),
    "--pathspec-from-file=",
    "--work-tree=",
    "x".repeat(300),
    "\n",
    "\0",
    " ",
  );
  const commands = fc.oneof(
    fc.array(pieces, { maxLength: 40 }).map((parts) => parts.join("")),
    fc.array(pieces, { maxLength: 40 }).map((parts) => parts.join(" ")),
  );
  const property = fc.property(commands, (command) => {
    const { writes, wholeTree } = shellWrites(command, { disk });
    assert.ok(writes.every(({ path }) => path !== "" && !path.includes("\0")));
    assert.ok(wholeTree.every(({ command }) => command.length <= 200));
  });
  fc.assert(property, { numRuns: 2000 });
  for (
    const command of [
      "cd $'a\\nb' && git checkout a",
      `git -C ${"x".repeat(5000)} checkout a`,
      `git checkout ${"x".repeat(5000)}`,
      "cd a/b/c && git checkout . && cp x y",
      "git -C '' checkout a; cd '' && git checkout a",
    ]
  ) assert.ok(Array.isArray(shellWrites(command, { disk }).writes), command);
  Deno.removeSync(root, { recursive: true });
});
