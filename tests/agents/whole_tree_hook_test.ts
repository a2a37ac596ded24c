/**
 * A branch switch under another session, in real processes: hooks, git, and the
 * commands that show branches and locks.
 *
 * @module
 */

import assert from "node:assert/strict";
import { Repository } from "../cli/repository.ts";
import { type HookCall, inputOf } from "./calls.ts";

/** Returns the response to Claude Code; empty if there is none. */
async function answer(
  repository: Repository,
  call: Omit<HookCall, "cwd"> & { readonly cwd?: string },
): Promise<string> {
  const { root } = repository;
  const { stdout } = await repository.run(["hook", "claude"], {
    input: JSON.stringify(inputOf("claude", { cwd: root, ...call })),
    env: { MBUS_SESSION: undefined },
    cwd: root,
  });
  if (stdout.trim() === "") return "";
  const { hookSpecificOutput: said } = JSON.parse(stdout);
  return said.permissionDecisionReason ?? said.additionalContext ?? "";
}

/** Returns the branches that `mbus sessions` shows. */
async function branches(
  repository: Repository,
): Promise<Record<string, unknown>> {
  const sessions = await repository.json(["sessions"]);
  return Object.fromEntries(
    sessions.map(({ id, branch }) => [String(id), branch]),
  );
}

Deno.test("a branch switch is denied, told to the others, and shown", async () => {
  await using repository = await Repository.make();
  await repository.git("branch", "next");
  const path = `${repository.root}/first`;
  for (const session of ["ann", "bob"]) {
    await answer(repository, { point: "start", session });
  }
  await answer(repository, { point: "before-edit", session: "ann", path });
  await Deno.writeTextFile(path, "2");
  await answer(repository, { point: "after-edit", session: "ann", path });

  const command = "git switch next";
  const shell = { session: "bob", command } as const;
  const before = (callId: string) =>
    answer(repository, { point: "before-shell", callId, ...shell });
  const denied = await before("1");
  assert.match(
    denied,
    /^\[message-bus\] `git switch next` changes the whole worktree \S+\/project \(branch main\), where ann \(claude\) is working on first \(/,
  );
  const untimed = (text: string) => text.replace(/\d+ s ago/, "");
  assert.equal(untimed(await before("1")), untimed(denied), "the same call");
  assert.equal(await before("2"), "", "the retry");
  await repository.git("switch", "-q", "next");
  await answer(repository, { point: "after-shell", callId: "2", ...shell });
  assert.deepEqual(await branches(repository), { ann: "next", bob: "next" });
  const told = await answer(repository, { point: "prompt", session: "ann" });
  assert.match(told, /is now next \(was main\), changed by bob \d+ s ago/);
  assert.match(told, /wanted to run a git command that changes all of/);
  assert.equal(
    await answer(repository, { point: "prompt", session: "ann" }),
    "",
  );

  // A person's switch is found at the next prompt.
  await repository.git("switch", "-q", "main");
  const found = await answer(repository, { point: "prompt", session: "ann" });
  assert.match(
    found,
    /is now main \(was next\), changed by an unknown process/,
  );
  assert.deepEqual(await branches(repository), { ann: "main", bob: "main" });
  await answer(repository, { point: "prompt", session: "bob" });

  // It is also found when a session goes on, such as after a compaction.
  await repository.git("checkout", "-q", "--detach");
  const resumed = await answer(repository, {
    point: "start",
    session: "bob",
    source: "compact",
  });
  assert.match(
    resumed,
    /is now a detached head \(was main\), .* unknown process/,
  );
  assert.deepEqual(await branches(repository), {
    ann: undefined,
    bob: undefined,
  });
  const fresh = await answer(repository, { point: "start", session: "eve" });
  assert.doesNotMatch(fresh, /branch/);
});

Deno.test("mbus lock @git/head --exclusive denies a branch switch until it is unlocked", async () => {
  await using repository = await Repository.make();
  const before = async () =>
    await answer(repository, {
      point: "before-shell",
      session: "bob",
      command: "git stash",
    });
  const holder = { env: { MBUS_SESSION: "holder" } };
  await repository.done(
    ["lock", "@git/head", "--exclusive", "--why", "bisecting"],
    holder,
  );
  for (let i = 0; i < 2; i++) {
    assert.match(
      await before(),
      /where holder \(\S+\) holds exclusively @git\/head, locked .*"bisecting"\. Do not run it now: wait for it \(mbus lock @git\/head --wait 60s\)/,
    );
  }
  await repository.done(["unlock", "@git/head"], holder);
  assert.equal(await before(), "");
});
