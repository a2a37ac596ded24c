/**
 * The guard beside the real programs that manage git's hooks.
 *
 * @module
 */

import assert from "node:assert/strict";
import { HOOK_PROGRAMS, husky } from "./cli/hook_programs.ts";
import { existsIn, Repository } from "./cli/repository.ts";

const AS_HOLDER = { env: { MBUS_SESSION: "holder" } };

/** Commits a file that another session holds exclusively. */
async function commitLocked(
  repository: Repository,
): Promise<{ isRefused: boolean; ownRuns: number }> {
  const own = `${repository.folder}/own-ran`;
  const count = () =>
    existsIn(repository.folder, "own-ran")
      ? Deno.readTextFileSync(own).length
      : 0;
  const before = count();
  await repository.write("locked.ts", crypto.randomUUID());
  const { code, stderr } = await repository.tryGit([
    "commit",
    "-q",
    "-m",
    "locked",
  ]);
  const isRefused = /Cannot commit locked\.ts/.test(stderr);
  assert.equal(code, isRefused ? 1 : 0, stderr);
  return { isRefused, ownRuns: count() - before };
}

/** Returns whether the guard runs before a commit, by `guard status`. */
async function isOn(repository: Repository): Promise<boolean> {
  const { PATH } = repository.environment();
  const { stdout } = await repository.run(["guard", "status", "--json"], {
    env: { PATH: `${repository.programs}:${PATH}` },
  });
  const lines = stdout.trim().split("\n").map((line) => JSON.parse(line));
  const commit = lines.find(({ hook }) => hook === "pre-commit");
  return commit.runs;
}

/** Lists the files of the guard in the folders of hooks. */
function piecesIn(repository: Repository): string[] {
  return [".git/hooks", ".husky/_", ".husky"].flatMap((name) => {
    const folder = `${repository.root}/${name}`;
    if (!existsIn(repository.root, name)) return [];
    return [...Deno.readDirSync(folder)].filter((entry) => !entry.isDirectory)
      .filter((entry) =>
        entry.name.includes("mbus") ||
        Deno.readTextFileSync(`${folder}/${entry.name}`).includes("mbus guard")
      ).map((entry) => `${name}/${entry.name}`);
  });
}

for (const program of HOOK_PROGRAMS) {
  const { name } = program;
  const unlessHere = program.isHere ? "" : " (needs the program)";

  Deno.test({
    name:
      `the guard runs after the hooks of ${name}, put up before${unlessHere}`,
    ignore: !program.isHere,
    async fn() {
      await using repository = await Repository.make();
      await program.configure(
        repository,
        `printf x >> '${repository.folder}/own-ran'`,
      );
      await program.install(repository);
      assert.equal(await isOn(repository), false);
      await repository.done(["guard", "install"]);
      await repository.done(["lock", "locked.ts", "--exclusive"], AS_HOLDER);
      assert.deepEqual(await commitLocked(repository), {
        isRefused: true,
        ownRuns: 1,
      });
      assert.equal(await isOn(repository), true);

      // Installed again, as by each installation of packages.
      await program.install(repository);
      const { isRefused, ownRuns } = await commitLocked(repository);
      assert.equal(ownRuns, 1);
      assert.equal(await isOn(repository), isRefused);
      await repository.done(["guard", "install"]);
      assert.deepEqual(await commitLocked(repository), {
        isRefused: true,
        ownRuns: 1,
      });

      await program.install(repository);
      await repository.done(["guard", "remove"]);
      assert.deepEqual(piecesIn(repository), []);
      assert.deepEqual(await commitLocked(repository), {
        isRefused: false,
        ownRuns: 1,
      });
    },
  });

  Deno.test({
    name:
      `the guard can be put up again and removed after ${name}${unlessHere}`,
    ignore: !program.isHere,
    async fn() {
      await using repository = await Repository.make();
      await repository.script(
        `${repository.root}/.git/hooks/pre-commit`,
        "#!/bin/sh\n# from before\n",
      );
      await repository.done(["guard", "install"]);
      await program.configure(
        repository,
        `printf x >> '${repository.folder}/own-ran'`,
      );
      await program.install(repository);
      await repository.done(["lock", "locked.ts", "--exclusive"], AS_HOLDER);
      const after = await commitLocked(repository);
      assert.equal(after.ownRuns, 1);
      assert.equal(await isOn(repository), after.isRefused);
      await repository.done(["guard", "install"]);
      assert.deepEqual(await commitLocked(repository), {
        isRefused: true,
        ownRuns: 1,
      });
      assert.equal(await isOn(repository), true);
      await repository.done(["guard", "remove"]);
      assert.deepEqual(await commitLocked(repository), {
        isRefused: false,
        ownRuns: 1,
      });
    },
  });
}

Deno.test({
  name:
    "remove takes the guard out where husky came later, and doctor reports it",
  ignore: !husky.isHere,
  async fn() {
    await using repository = await Repository.make();
    const { PATH } = repository.environment();
    const env = { PATH: `${repository.programs}:${PATH}` };
    await repository.done(["guard", "install"]);
    const healthy = await repository.json(["doctor"], { env });
    assert.equal(healthy.find(({ check }) => check === "guard")?.status, "ok");
    await husky.install(repository);
    const told = (await repository.json(["doctor"], { env }))
      .filter(({ check }) => check === "guard");
    assert.equal(told.length, 4);
    const [{ status, message, remedy }] = told;
    assert.deepEqual(
      [status, message, remedy],
      [
        "warn",
        `off at pre-commit: git runs husky's hook, without the guard ` +
        `(core.hooksPath (local) is .husky/_): ` +
        `${repository.root}/.husky/_/pre-commit; the guard is in ` +
        `${repository.root}/.git/hooks/pre-commit`,
        'run "mbus guard install"',
      ],
    );
    await repository.done(["guard", "remove"]);
    assert.deepEqual(piecesIn(repository), []);
    const after = await repository.json(["doctor"], { env });
    assert.equal(after.some(({ check }) => check === "guard"), false);
  },
});

Deno.test({
  name: "the guard in husky's own hook counts as one that git runs",
  ignore: !husky.isHere,
  async fn() {
    await using repository = await Repository.make();
    await husky.configure(repository, "mbus guard check");
    await husky.install(repository);
    await repository.done(["lock", "locked.ts", "--exclusive"], AS_HOLDER);
    assert.equal((await commitLocked(repository)).isRefused, true);
    assert.equal(await isOn(repository), true);
    await husky.configure(repository, "mbus guard check --pre-push");
    assert.equal(await isOn(repository), false);
  },
});
