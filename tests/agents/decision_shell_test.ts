/**
 * Shell commands on real folders, while another session holds a path exclusively.
 *
 * @module
 */

import assert from "node:assert/strict";
import { contextOf, reasonOf, Scene } from "./scene.ts";

/** Makes a project with files, folders and links that commands name. */
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

/** The held path, the command, and its outcome. */
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
  // The command replaces the link itself, not its target.
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
  // Braces and wildcards.
  ["src/a.ts", "sed -i s/x/y/ src/*.ts", "stopped"],
  ["src/a.ts", "rm src/{a,c}.ts", "stopped"],
  ["src/a.ts", "cp new src/a{.js,.ts}", "passes"],
  ["out/a.ts", "cp src/[ab].ts out", "stopped"],
  ["src/a.ts", "rm src/b*", "passes"],
  ["src/a.ts", "rm '*.ts'", "passes"],
  ["src/a.ts", "cd src && rm *", "stopped"],
  ["src/later.x", "rm -f src/*.x", "stopped"],
  ["out/held", "mv h* out", "stopped"],
  ["app/[id].ts", "cp new app/[id].ts", "stopped"],
  ["app/i.ts", "cp new app/[id].ts", "passes"],
  // Impossible paths cause no error of ours.
  ["src/a.ts", "echo x > held/x; rm $'a\\nb' '' held/y/z", "passes"],
  ["src/a.ts", `touch ${"x".repeat(300)} src/[*`, "passes"],
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

Deno.test("a command's write in the folder of its call is recorded as the session's", async () => {
  await using scene = await openScene();
  await scene.beforeShell("ada", "echo 2 > a.ts", { folder: "src" });
  scene.write("src/a.ts", "2");
  await scene.afterShell("ada", "echo 2 > a.ts", { folder: "src" });
  const touches = await scene.store.touchesOf(scene.path("src/a.ts"), 0);
  assert.deepEqual(touches.map(({ session }) => session), ["ada"]);
});

/** Lets `ada` read a file by a command, and `bob` then change it. */
async function changedSinceShown(
  scene: Scene,
  command: string,
): Promise<string> {
  const path = scene.path("src/a.ts");
  await scene.beforeShell("ada", command);
  await scene.afterShell("ada", command);
  scene.clock.advance(60_000);
  await scene.before("bob", [path]);
  scene.write("src/a.ts", "2");
  await scene.after("bob", [path]);
  await scene.store.endSession("bob");
  scene.clock.advance(30_000);
  return path;
}

for (
  const command of [
    "cat src/a.ts",
    "head -n 5 src/a.ts",
    "sed -n 1,5p src/a.ts",
    "cd src && nl a.ts",
    "rg -n x src/*.ts",
    "cat < src/a.ts",
    "cat src/b.ts src/a.ts | head",
  ]
) {
  Deno.test(`\`${command}\` is a read: a later change is told until the file is read again`, async () => {
    await using scene = await openScene();
    const path = await changedSinceShown(scene, command);
    const reason = reasonOf(await scene.before("ada", [path], { callId: "1" }));
    assert.match(reason, /bob has changed \S+a\.ts/);
    await scene.afterShell("ada", command);
    contextOf(await scene.before("ada", [path], { callId: "2" }));
    assert.deepEqual(scene.logged, []);
  });
}

for (
  const command of [
    "cat src",
    "cat src/b.ts",
    "cat src/a.ts > other",
    "grep -l x src/a.ts",
    "cat src/none.ts",
    "echo src/a.ts",
  ]
) {
  Deno.test(`\`${command}\` is not a read of src/a.ts`, async () => {
    await using scene = await openScene();
    const path = await changedSinceShown(scene, command);
    contextOf(await scene.before("ada", [path]));
  });
}

Deno.test("a command that failed has read nothing", async () => {
  await using scene = await openScene();
  const path = await changedSinceShown(scene, "cat src/a.ts");
  reasonOf(await scene.before("ada", [path], { callId: "1" }));
  const tool = { name: "S", kind: "shell", paths: [] } as const;
  await scene.call("ada", {
    kind: "after-tool",
    tool: { ...tool, command: "false && cat src/a.ts" },
    succeeded: false,
  });
  const notes = await scene.store.readNotes("ada", []);
  assert.equal(notes.size, 0);
  reasonOf(await scene.before("ada", [path], { callId: "1" }));
});

Deno.test("a tool called PowerShell is read as PowerShell", async () => {
  await using scene = await openScene();
  await scene.hold("bob", "src/a.ts", { type: "exclusive" });
  for (const shell of ["PowerShell", "powershell", "pwsh"]) {
    for (
      const command of [
        "sc src\\a.ts 'x'",
        "Copy-Item -Path src/b.ts -Destination src/a.ts",
        "cd src; 'x' > a.ts",
      ]
    ) reasonOf(await scene.beforeShell("ada", command, { shell }));
  }
  contextOf(await scene.beforeShell("ada", "sc src\\a.ts 'x'"));
});

Deno.test("a FIFO that a command reads is not opened", async () => {
  await using scene = await openScene();
  const fifo = scene.path("fifo");
  const { success } = new Deno.Command("mkfifo", { args: [fifo] }).outputSync();
  assert.ok(success);
  for (const command of ["cat fifo", "patch -p1 < fifo", "git apply fifo"]) {
    contextOf(await scene.beforeShell("ada", command));
    await scene.afterShell("ada", command);
  }
});
