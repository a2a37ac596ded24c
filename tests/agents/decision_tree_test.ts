/**
 * Git commands that change a whole worktree, on real repositories: the concerned
 * sessions, and the notices of a changed branch.
 *
 * @module
 */

import assert from "node:assert/strict";
import { lockTarget } from "../../lib/path/lock_target.ts";
import { run } from "../fixture.ts";
import { contextOf, reasonOf, Scene } from "./scene.ts";

const MINUTE_MS = 60_000;

/** Runs git in the project, or in a folder below it. */
async function git(scene: Scene, ...args: string[]): Promise<void> {
  const identity = ["-c", "user.name=n", "-c", "user.email=e"];
  await run("git", ["-C", scene.project, ...identity, ...args]);
}

/** Makes a scene whose project is a real repository with a branch `next`. */
async function openScene(): Promise<Scene> {
  const scene = await Scene.open();
  Deno.removeSync(scene.path(".git"), { recursive: true });
  await git(scene, "init", "-q", "-b", "main");
  for (const name of ["a", "b", "c"]) scene.write(name, name);
  await git(scene, "add", ".");
  await git(scene, "commit", "-q", "-m", "first");
  await git(scene, "branch", "next");
  return scene;
}

/** Edits a file, as a session's tool does. */
async function edit(scene: Scene, session: string, name: string) {
  const path = scene.path(name);
  await scene.before(session, [path]);
  scene.write(name, `${session} ${scene.clock.nowMs}`);
  await scene.after(session, [path]);
}

/** Whether a command is stopped. */
async function isStopped(scene: Scene, session: string, command: string) {
  const { verdict } = await scene.beforeShell(session, command);
  return verdict === "deny";
}

Deno.test("a branch switch under another session's edits is denied once, and names them", async () => {
  await using scene = await openScene();
  for (const name of ["a", "b", "c", "d", "e", "f", "g"]) {
    await edit(scene, "ann", name);
  }
  scene.clock.advance(2 * MINUTE_MS);
  const reason = reasonOf(await scene.beforeShell("bob", "git switch next"));
  assert.ok(
    reason.startsWith(
      `[message-bus] \`git switch next\` changes the whole worktree ` +
        `${scene.project} (branch main), where ann (claude) is working on ` +
        `a, b, c, d, e and 2 more (the latest 2 min ago).\n` +
        `Wait until they are done, ask them, or use a worktree of your own ` +
        `(git worktree add). If it must run now, retry: the retry passes`,
    ),
    reason,
  );
  assert.equal(await isStopped(scene, "bob", "git switch next"), false);
  assert.equal(await isStopped(scene, "bob", "git stash"), false);
  // Her own commands pass.
  assert.equal(await isStopped(scene, "ann", "git switch next"), false);
  // She is told at her next step, once.
  const told = contextOf(await scene.after("ann", ["x"], {}, "read"));
  assert.match(
    told,
    /\| wanted to run a git command that changes all of \S+\/project \d+ s ago and was stopped, because you work there\.\n/,
  );
  assert.equal(contextOf(await scene.after("ann", ["x"], {}, "read")), "");
});

for (
  const command of [
    "git switch next",
    "git checkout next",
    "git checkout -b more",
    "git stash",
    "git stash pop",
    "git reset --hard",
    "git pull",
    "git rebase next",
    "git merge next",
    "git cherry-pick next",
    "git revert HEAD",
    "git am x.patch",
    "git clean -fd",
    "cd /tmp && git -C PROJECT switch next",
    "npm test && git reset --hard HEAD~1",
    "bash -c 'git stash -u'",
  ]
) {
  Deno.test(`\`${command}\` is denied while another session works in the worktree`, async () => {
    await using scene = await openScene();
    await edit(scene, "ann", "a");
    const placed = command.replace("PROJECT", scene.project);
    assert.equal(await isStopped(scene, "bob", placed), true);
    assert.equal(await isStopped(scene, "bob", placed), false);
  });
}

for (
  const command of [
    "git status",
    "git stash list",
    "git checkout -- c",
    "git log next",
    "git reset c",
    "git commit -m x",
    "git fetch",
    "git clean -n",
  ]
) {
  Deno.test(`\`${command}\` passes while another session works in the worktree`, async () => {
    await using scene = await openScene();
    await edit(scene, "ann", "a");
    assert.equal(await isStopped(scene, "bob", command), false);
  });
}

Deno.test("a session that only reads, has ended or worked long ago denies nothing", async () => {
  await using scene = await openScene();
  await scene.after("reader", [scene.path("a")], {}, "read");
  assert.equal(await isStopped(scene, "bob", "git switch next"), false);
  await edit(scene, "ann", "a");
  await scene.call("ann", { kind: "session-end" });
  assert.equal(await isStopped(scene, "bob", "git switch next"), false);
  await edit(scene, "eve", "b");
  scene.clock.advance(11 * MINUTE_MS);
  assert.equal(await isStopped(scene, "bob", "git switch next"), false);
});

Deno.test("a change whose lock was released counts for ten minutes", async () => {
  await using scene = await openScene();
  await edit(scene, "ann", "a");
  const [hold] = await scene.store.locks({ project: null, session: "ann" });
  await scene.store.releaseLock(hold);
  scene.clock.advance(9 * MINUTE_MS);
  const reason = reasonOf(await scene.beforeShell("bob", "git switch next"));
  assert.match(reason, /ann \(claude\) is working on a \(/);
  scene.clock.advance(2 * MINUTE_MS);
  assert.equal(await isStopped(scene, "eve", "git switch next"), false);
});

Deno.test("a switch is denied again after new work, not after work that ended", async () => {
  await using scene = await openScene();
  await edit(scene, "ann", "a");
  await edit(scene, "eve", "b");
  const stopped = async (options = {}) =>
    (await scene.beforeShell("bob", "git stash", options)).verdict === "deny";
  assert.equal(await stopped(), true);
  // The same files again, a session that leaves, a lock that is released.
  scene.clock.advance(MINUTE_MS);
  await edit(scene, "ann", "a");
  await scene.call("eve", { kind: "session-end" });
  assert.equal(await stopped(), false);
  const [hold] = await scene.store.locks({ project: null, session: "ann" });
  scene.clock.advance(MINUTE_MS);
  await edit(scene, "ann", "c");
  const reason = reasonOf(await scene.beforeShell("bob", "git stash"));
  assert.match(reason, /ann \(claude\) is working on a, c \(/);
  await scene.store.releaseLock(hold);
  assert.equal(await stopped(), false);
  // Each agent of a session is told separately.
  assert.equal(await stopped({ agentId: "sub" }), true);
  assert.equal(await stopped({ agentId: "sub" }), false);
});

Deno.test("an exclusive lock in the worktree, or on its head, denies as long as it is held", async () => {
  await using scene = await openScene();
  await scene.session("ann");
  for (const name of ["a", "@git/head", "@git/index"]) {
    const hold = await scene.hold("ann", name, {
      type: "exclusive",
      why: "releasing",
    });
    for (let i = 0; i < 2; i++) {
      const decision = await scene.beforeShell("bob", "git switch next");
      const reason = reasonOf(decision);
      assert.match(reason, /holds exclusively \S+, locked .* "releasing"/);
      assert.ok(reason.includes(`(mbus lock ${hold.path} --wait 60s)`), reason);
      assert.doesNotMatch(reason, /retry/);
    }
    await scene.store.releaseLock(hold);
    assert.equal(await isStopped(scene, "bob", "git switch next"), false);
  }
  scene.clock.advance(1);
  await scene.hold("ann", "@git/head");
  assert.equal(await isStopped(scene, "bob", "git switch next"), true);
  assert.equal(await isStopped(scene, "bob", "git switch next"), false);
  assert.equal(
    await isStopped(scene, "eve", "git checkout -- c"),
    false,
    "a lock on the head does not cover single files",
  );
});

Deno.test("the policy decides on another session's work in the worktree", async () => {
  await using scene = await openScene();
  await edit(scene, "ann", "a");
  const block = { policy: { onOverlap: "block" as const } };
  for (let i = 0; i < 2; i++) {
    const { verdict } = await scene.beforeShell("bob", "git stash", block);
    assert.equal(verdict, "deny");
  }
  const inform = { policy: { onOverlap: "inform" as const } };
  const { verdict } = await scene.beforeShell("eve", "git stash", inform);
  assert.equal(verdict, "allow");
  const told = contextOf(await scene.after("eve", ["x"], {}, "read"));
  assert.match(told, /\| Your git command changes the whole worktree/);
  const actingFor = await scene.beforeShell("joe", "git stash", {
    actingFor: ["ann"],
  });
  assert.equal(actingFor.verdict, "allow");
});

Deno.test("a linked worktree below the root of another is separate from it", async () => {
  await using scene = await openScene();
  await git(scene, "worktree", "add", "-q", ".claude/worktrees/w", "next");
  const inner = ".claude/worktrees/w";
  await edit(scene, "ann", `${inner}/a`);
  assert.equal(await isStopped(scene, "bob", "git stash"), false);
  assert.equal(await isStopped(scene, "bob", `git -C ${inner} stash`), true);
  await edit(scene, "eve", "a");
  const folder = { folder: inner };
  const { verdict } = await scene.beforeShell("joe", "git stash", folder);
  assert.equal(verdict, "deny");
  const reason = reasonOf(await scene.beforeShell("joe", "git stash"));
  assert.match(reason, /where eve /);
  assert.doesNotMatch(reason, /ann/);
  // A folder lock above covers both.
  const target = lockTarget(scene.project, "/");
  assert.equal(target.kind, "folder");
});

Deno.test("each session of the worktree is told of a branch change once, at its next step", async () => {
  await using scene = await openScene();
  for (const id of ["ann", "bob", "eve"]) await scene.session(id);
  const linked = await scene.store.registerSession({
    id: "linked",
    vendor: "claude",
    project: scene.project,
    worktree: `${scene.project}/w`,
    branch: "main",
  });
  await scene.beforeShell("bob", "git switch next");
  await git(scene, "switch", "-q", "next");
  assert.equal(contextOf(await scene.afterShell("bob", "git switch next")), "");
  for (const id of ["ann", "bob", "eve"]) {
    assert.equal((await scene.store.session(id))?.branch, "next");
  }
  assert.equal((await scene.store.session(linked.id))?.branch, "main");
  scene.clock.advance(2 * MINUTE_MS);
  const ann = contextOf(await scene.after("ann", ["x"], {}, "read"));
  assert.match(ann, /\[message-bus: branch notice from bob, /);
  assert.ok(
    ann.includes(
      `| The branch of ${scene.project} is now next (was main), changed by bob ` +
        `2 min ago: check git status before you edit or commit.\n`,
    ),
    ann,
  );
  assert.equal(contextOf(await scene.call("ann", prompt())), "");
  // An hour later, and by a prompt.
  scene.clock.advance(60 * MINUTE_MS);
  const eve = contextOf(await scene.call("eve", prompt()));
  assert.match(eve, /changed by bob 62 min ago/);
  assert.equal(contextOf(await scene.afterShell("bob", "ls")), "");
});

Deno.test("a branch changed by an unknown process is announced without an author", async () => {
  await using scene = await openScene();
  await scene.session("ann");
  await scene.session("bob");
  await git(scene, "switch", "-q", "next");
  const found = `The branch of ${scene.project} is now next (was main), ` +
    `changed by an unknown process, found 0 s ago: `;
  const ann = contextOf(await scene.afterShell("ann", "make"));
  assert.ok(ann.includes(found), ann);
  assert.ok(contextOf(await scene.call("bob", prompt())).includes(found));
  // A detached HEAD, and commits on it.
  await git(scene, "checkout", "-q", "--detach");
  const detached = contextOf(await scene.call("bob", prompt()));
  assert.match(detached, /is now a detached head \(was next\)/);
  assert.match(
    contextOf(await scene.afterShell("ann", "ls")),
    /is now a detached head \(was next\)/,
  );
  await git(scene, "commit", "-q", "--allow-empty", "-m", "on no branch");
  assert.equal(contextOf(await scene.afterShell("ann", "git commit")), "");
  await git(scene, "switch", "-q", "main");
  // A command that cannot change the branch is not its author.
  const back = contextOf(await scene.afterShell("ann", "git stash"));
  assert.match(back, /is now main \(was a detached head\), .* unknown process/);
});

Deno.test("a branch change is announced to the sessions of its worktree only", async () => {
  await using scene = await openScene();
  await git(scene, "worktree", "add", "-q", "w", "next");
  const other = await scene.store.registerSession({
    id: "other",
    vendor: "claude",
    project: scene.project,
    worktree: scene.path("w"),
    branch: "next",
  });
  await scene.session("ann");
  const command = "cd w && git switch -c more";
  await git(scene, "-C", "w", "switch", "-q", "-c", "more");
  await scene.afterShell("bob", command);
  assert.equal((await scene.store.session(other.id))?.branch, "more");
  assert.equal((await scene.store.session("ann"))?.branch, "main");
  const told = contextOf(await scene.after("other", ["x"], {}, "read"));
  assert.ok(told.includes(`${scene.path("w")} is now more (was next)`), told);
  assert.equal(contextOf(await scene.call("ann", prompt())), "");
});

Deno.test("the work of a thousand sessions is checked", async () => {
  await using scene = await openScene();
  for (let i = 0; i < 1_000; i++) {
    const id = `s${i}`;
    await scene.session(id);
    await scene.store.noteActivity(id, { touched: [scene.path(`f${i}`)] });
    await scene.hold(id, `g${i}`);
  }
  const reason = reasonOf(await scene.beforeShell("bob", "git switch next"));
  assert.match(reason, /where s\d+ \(claude\) is working on g\d+, f\d+ \(/);
  assert.match(reason, /; and 990 more sessions work there\.\n/);
  assert.equal(await isStopped(scene, "bob", "git switch next"), false);
});

function prompt() {
  return { kind: "prompt" as const, isRepeatPrompt: false };
}
