/**
 * Shell commands on real folders: which of them are stopped by an exclusive
 * hold of another session.
 *
 * @module
 */

import assert from "node:assert/strict";
import { Scene } from "./scene.ts";

/** A project with files, folders and links that commands name. */
async function openScene(): Promise<Scene> {
  const scene = await Scene.open();
  for (const folder of ["src", "out", "out/src", "empty"]) {
    Deno.mkdirSync(scene.path(folder));
  }
  for (
    const file of ["new", "held", "other", "src/a.ts", "src/b.ts", "out/new"]
  ) scene.write(file, file);
  Deno.symlinkSync("out", scene.path("link"));
  Deno.symlinkSync("held", scene.path("alias"));
  return scene;
}

/** What is held, the command, and whether it is stopped. */
type Row = readonly [string, string, "stopped" | "passes"];

const ROWS: readonly Row[] = [
  // Onto a file.
  ["held", "mv new held", "stopped"],
  ["held", "cp new held", "stopped"],
  ["held", "cp -f -- new held", "stopped"],
  ["held", "ln new held", "stopped"],
  ["held", "ln -sf new held", "stopped"],
  ["held", "install -m 644 new held", "stopped"],
  ["held", "git mv -f new held", "stopped"],
  ["held", "rsync -a new held", "stopped"],
  ["held", "scp host:new held", "stopped"],
  ["held", "cp new ./held", "stopped"],
  ["held", "cp new $PWD_/held", "stopped"],
  ["held", "cp new alias", "stopped"],
  ["held", "cp -T new held", "stopped"],
  ["held", "cd src && cp ../new ../held", "stopped"],
  ["held", "mv held elsewhere", "stopped"],
  ["held", "cp held elsewhere", "passes"],
  ["held", "cp new other", "passes"],
  // A file that is not there yet.
  ["later", "mv new later", "stopped"],
  ["later", "cp new later", "stopped"],
  ["src/later", "cp new src/later", "stopped"],
  ["src/new", "cp new src", "stopped"],
  // Into a folder.
  ["out/new", "mv new out", "stopped"],
  ["out/new", "cp new out/", "stopped"],
  ["out/new", "cp new link", "stopped"],
  ["out/new", "cp -t out other new", "stopped"],
  ["out/new", "cp other new out", "stopped"],
  ["out/new", "cd out && cp ../new .", "stopped"],
  ["out/new", "ln -s ../new out", "stopped"],
  ["out/new", "cd out; ln -sf ../new", "stopped"],
  ["out/new", "rsync new out", "stopped"],
  ["out/new", "cp other out", "passes"],
  ["out/new", "cp new src", "passes"],
  ["out/new", "mkdir -p made && mv new made", "passes"],
  ["made/new", "mkdir -p made && mv new made", "stopped"],
  ["made/new", "install -d made; install new made", "stopped"],
  // The link itself is replaced, not what it leads to.
  ["out/later", "ln -sf ../later link", "stopped"],
  // Read off git's commands.
  ["src/a.ts", "git checkout src/a.ts", "stopped"],
  ["src/a.ts", "git checkout HEAD src/a.ts", "stopped"],
  ["src/a.ts", "git checkout .", "stopped"],
  ["src/a.ts", "git restore --source=HEAD~1 src/a.ts", "stopped"],
  ["src/a.ts", "git stash push src/a.ts", "stopped"],
  ["src/a.ts", "git stash -- src", "stopped"],
  ["src/a.ts", "git clean -f src", "stopped"],
  ["src/a.ts", "git clean src/a.ts", "stopped"],
  ["src/a.ts", "cd src && git checkout --theirs a.ts", "stopped"],
  ["src/a.ts", "git checkout -- 'src/*.ts'", "stopped"],
  ["src/a.ts", "cd out && git checkout :/src", "stopped"],
  ["src/a.ts", "git checkout src/b.ts", "passes"],
  ["src/a.ts", "git checkout -- '*.md'", "passes"],
  ["src/a.ts", "git reset HEAD src/a.ts", "passes"],
  ["src/a.ts", "git clean -n src", "passes"],
  // Whole folders.
  ["out/src", "cp -r src out", "stopped"],
  ["src/a.ts", "rm -r src", "stopped"],
  ["src/a.ts", "mv src elsewhere", "stopped"],
  ["src/a.ts", "rmdir src", "stopped"],
  ["src/a.ts", "cp -r empty other src", "passes"],
  ["copy/a.ts", "cp -r src copy", "stopped"],
  ["out/new", "rsync -a src/ out", "stopped"],
  ["out/new", "rsync -an src/ out", "passes"],
];

for (const [held, command, outcome] of ROWS) {
  Deno.test(`while another session holds ${held}: \`${command}\` ${outcome === "passes" ? "passes" : "is stopped"}`, async () => {
    await using scene = await openScene();
    await scene.hold("bob", held, { type: "exclusive" });
    const run = command.replaceAll("$PWD_", scene.project);
    const decision = await scene.beforeShell("ada", run, { callId: "1" });
    assert.equal(
      decision.verdict,
      outcome === "stopped" ? "deny" : "allow",
      JSON.stringify(decision),
    );
    if (outcome === "passes") {
      await scene.afterShell("ada", run, { callId: "1" });
    }
    assert.deepEqual(scene.logged, []);
  });
}

Deno.test("a command runs in the folder that its call names", async () => {
  await using scene = await openScene();
  await scene.hold("bob", "src/a.ts", { type: "exclusive" });
  for (
    const [folder, command, verdict] of [
      ["src", "echo 2 > a.ts", "deny"],
      [scene.path("src"), "echo 2 > a.ts", "deny"],
      ["out/../src/", "cp b.ts a.ts", "deny"],
      ["out", "cd ../src && rm a.ts", "deny"],
      ["out", "echo 2 > a.ts", "allow"],
      [undefined, "echo 2 > a.ts", "allow"],
    ] as const
  ) {
    const decision = await scene.beforeShell("ada", command, { folder });
    assert.equal(decision.verdict, verdict, `${folder}: ${command}`);
  }
  const held = await scene.held("ada");
  assert.deepEqual(held.toSorted(), ["a.ts", "out/a.ts"]);
});

Deno.test("what a command wrote is the session's own in the folder that its call names", async () => {
  await using scene = await openScene();
  await scene.beforeShell("ada", "echo 2 > a.ts", { folder: "src" });
  scene.write("src/a.ts", "2");
  await scene.afterShell("ada", "echo 2 > a.ts", { folder: "src" });
  const touches = await scene.store.touchesOf(scene.path("src/a.ts"), 0);
  assert.deepEqual(touches.map(({ session }) => session), ["ada"]);
});
