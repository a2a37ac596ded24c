/**
 * `mbus install` and people's files: modes, owners, links, backups, and files that
 * cannot be read or written.
 *
 * @module
 */

import assert from "node:assert/strict";
import {
  BROKEN_JSON,
  BROKEN_TOML,
  TOML_SAMPLES,
} from "./agents/config_samples.ts";
import { AgentsHome, EVENTS, read, write } from "./cli/agents_home.ts";

const IS_WINDOWS = Deno.build.os === "windows";
const IS_ROOT = !IS_WINDOWS && Deno.uid() === 0;
const SAMPLE = '{\n  "a": 1\n}\n';

Deno.test("install keeps a file's mode, and gives it to the backup", {
  ignore: IS_WINDOWS,
}, async () => {
  await using home = new AgentsHome();
  const path = home.path("claude");
  write(path, SAMPLE);
  for (const mode of [0o600, 0o644, 0o640, 0o755]) {
    Deno.chmodSync(path, mode);
    const [{ backup }] = await home.told(["install", "claude"]);
    assert.equal(read(backup!), SAMPLE);
    for (const each of [path, backup!]) {
      assert.equal(Deno.statSync(each).mode! & 0o7777, mode, each);
    }
    await home.done(["uninstall", "claude"]);
    assert.equal(Deno.statSync(path).mode! & 0o7777, mode);
    assert.equal(read(backup!), undefined);
  }
});

Deno.test(
  "a file keeps its owner, and files made by root get the folder's owner",
  {
    ignore: !IS_ROOT,
  },
  async () => {
    await using home = new AgentsHome();
    const path = home.path("claude");
    write(path, SAMPLE);
    Deno.chownSync(home.user, 1234, 1235);
    Deno.chownSync(path, 4321, 5321);
    const told = await home.told(["install", "claude", "codex"]);
    const { backup } = told[0];
    const owners = [path, backup!, home.path("codex")].map((each) => {
      const { uid, gid } = Deno.statSync(each);
      return [uid, gid];
    });
    assert.deepEqual(owners, [[4321, 5321], [4321, 5321], [1234, 1235]]);
    const folder = Deno.statSync(home.path("codex").replace(/\/[^/]*$/, ""));
    assert.deepEqual([folder.uid, folder.gid], [1234, 1235]);
  },
);

Deno.test("a project's files are made with the person's umask", {
  ignore: IS_WINDOWS,
}, async () => {
  await using home = new AgentsHome();
  await home.done(["install", "claude", "--project"], {
    through: ["/bin/sh", "-c", 'umask 027; exec "$@"', "sh"],
  });
  const path = home.path("claude", "project");
  assert.equal(Deno.statSync(path).mode! & 0o7777, 0o640);
  const folder = path.replace(/\/[^/]*$/, "");
  assert.equal(Deno.statSync(folder).mode! & 0o7777, 0o750);
});

Deno.test("the target of a link is changed, and the link stays", {
  ignore: IS_WINDOWS,
}, async () => {
  await using home = new AgentsHome();
  const target = `${home.folder}/dotfiles/claude.json`;
  const path = home.path("claude");
  write(target, SAMPLE);
  Deno.mkdirSync(path.replace(/\/[^/]*$/, ""));
  Deno.symlinkSync(target, path);
  Deno.symlinkSync("dotfiles", `${home.folder}/more`);
  write(`${home.folder}/dotfiles/AGENTS.md`, "# Mine\n");
  Deno.symlinkSync(`${home.folder}/more`, `${home.user}/.codex`);
  const before = home.listing();

  const told = await home.told(["install", "claude", "codex", "--guide"]);
  assert.ok(Deno.lstatSync(path).isSymlink);
  assert.match(read(target)!, /mbus hook claude/);
  assert.match(read(`${home.folder}/dotfiles/AGENTS.md`)!, /`mbus sessions`/);
  assert.equal(read(told[0].backup!), SAMPLE);
  assert.ok(told[0].backup!.startsWith(path), "beside what the agent reads");
  assert.deepEqual(told.map((each) => each.target !== undefined), [
    true,
    false,
    false,
    false,
    false,
    false,
  ]);
  assert.equal(told[0].target, target);

  await home.done(["uninstall", "claude", "codex"]);
  assert.deepEqual(home.listing(), before);
  assert.equal(read(target), SAMPLE);
  assert.equal(read(`${home.folder}/dotfiles/AGENTS.md`), "# Mine\n");
  assert.ok(Deno.lstatSync(`${home.user}/.codex`).isSymlink);
});

Deno.test("no path of a project leads to a file outside of it", {
  ignore: IS_WINDOWS,
}, async () => {
  await using home = new AgentsHome();
  const own = `${home.user}/.profile`;
  write(own, "# Mine\n");
  Deno.symlinkSync(own, `${home.project}/CLAUDE.md`);
  Deno.mkdirSync(`${home.user}/.gemini`);
  Deno.symlinkSync(`${home.user}/.gemini`, `${home.project}/.gemini`);
  write(`${home.project}/docs/rules.md`, "# Ours\n");
  Deno.symlinkSync("docs/rules.md", `${home.project}/AGENTS.md`);
  const before = home.listing();
  const agents = ["claude", "gemini", "codex"];
  const project = [...agents, "--project"];
  const { code, stdout, stderr } = await home.run(
    ["install", ...project, "--guide", "--json"],
  );
  const told = stdout.trim().split("\n").map((line) => JSON.parse(line));
  assert.equal(code, 1);
  assert.deepEqual(
    told.map(({ agent, part, done }) => `${agent} ${part} ${done}`),
    [
      "claude hooks installed",
      "claude guide failed",
      "gemini hooks failed",
      "codex hooks installed",
      "codex guide installed",
    ],
  );
  assert.match(stderr, /CLAUDE\.md.*leads out of the project, to .*\.profile/);
  assert.match(read(`${home.project}/docs/rules.md`)!, /`mbus sessions`/);
  assert.equal(read(own), "# Mine\n");
  await home.done(["uninstall", ...project]);
  assert.deepEqual(home.listing(), before);
});

Deno.test("a changed text is backed up once, and the backup stays while it differs", async () => {
  await using home = new AgentsHome();
  const path = home.path("claude");
  write(path, SAMPLE);
  const install = async () => (await home.told(["install", "claude"]))[0];
  const { backup } = await install();
  const ours = read(path)!;
  assert.equal((await install()).backup, undefined, "nothing was changed");

  // The same text needs no second backup.
  Deno.writeTextFileSync(path, SAMPLE);
  assert.equal((await install()).backup, backup);

  // An older version of ours, then a change of the person.
  write(path, ours.replaceAll('"timeout": 2', '"timeout": 9'));
  const older = (await install()).backup!;
  assert.match(read(older)!, /"timeout": 9/);
  assert.notEqual(older, backup);
  write(path, ours.replace('"a": 1', '"a": 2'));
  const told = await home.told(["uninstall", "claude"]);
  assert.equal(read(path), SAMPLE.replace("1", "2"));
  const kept = told.filter(({ part }) => part === "backup");
  assert.deepEqual(
    kept.map((each) => [each.path, each.done]).sort(),
    [backup, older].map((each) => [each, "kept"]).sort(),
  );
  assert.equal(read(backup!), SAMPLE);

  // The file is as it was backed up: the backups contain no further text.
  write(path, SAMPLE);
  await home.done(["uninstall", "claude"]);
  assert.deepEqual([read(backup!), read(older)], [undefined, undefined]);
  assert.equal(read(path), SAMPLE);
});

const BROKEN_ROUNDS = Math.max(BROKEN_JSON.length, BROKEN_TOML.length);
for (let i = 0; i < BROKEN_ROUNDS; i++) {
  const [what, json, why] = BROKEN_JSON[i % BROKEN_JSON.length];
  const [whatElse, toml] = BROKEN_TOML[i % BROKEN_TOML.length];
  Deno.test(`unreadable files are left alone: ${what}, in TOML ${whatElse}`, async () => {
    await using home = new AgentsHome();
    const agents = ["claude", "gemini", "codex"] as const;
    for (const agent of agents) {
      const event = EVENTS[agent] ?? "";
      const text = agent === "codex" ? toml : json.replaceAll("%E", event);
      write(home.path(agent), text);
    }
    const before = home.listing();
    const { code, stdout, stderr } = await home.run([
      "install",
      ...agents,
      "qwen",
      "--writable-root",
      "--guide",
      "--json",
    ]);
    assert.equal(code, 1);
    const told = stdout.trim().split("\n").map((line) => JSON.parse(line));
    assert.deepEqual(
      told.map(({ agent, part, done }) => [agent, part, done]),
      [
        ...agents.map((agent) => [agent, "hooks", "failed"]),
        ["qwen", "hooks", "installed"],
        ["qwen", "guide", "installed"],
      ],
    );
    for (const { line, column } of told.slice(0, 3)) {
      assert.ok(line >= 1 && column >= 1);
    }
    assert.match(told[0].message, why);
    const errors = stderr.trim().split("\n").map((line) => JSON.parse(line))
      .filter(({ error }) => error);
    assert.deepEqual(
      errors.map(({ error }) => [error.kind, error.message]),
      told.slice(0, 3).map(({ message }) => ["state", message]),
    );
    for (const [path, text] of Object.entries(before)) {
      assert.equal(home.listing()[path], text);
    }
    await home.done(["uninstall", "qwen"]);
    assert.deepEqual(home.listing(), before);
    // A file that never had our hooks need not be read.
    await home.done(["uninstall", "--all"]);
    assert.deepEqual(home.listing(), before);
  });
}

const REFUSED: readonly (readonly [
  string,
  (path: string) => void,
  RegExp,
])[] = [
  [
    "is not UTF-8",
    (path) => Deno.writeFileSync(path, new Uint8Array([123, 0xff, 125])),
    /^mbus: Cannot edit ".*": it is not UTF-8\. Convert it, then try again\.$/m,
  ],
  [
    "is a folder",
    (path) => Deno.mkdirSync(path),
    /^mbus: Cannot read ".*": it is not a file\. Move it away/m,
  ],
  [
    "is a link that leads nowhere",
    (path) => Deno.symlinkSync("/nowhere/at/all", path),
    /^mbus: Cannot read ".*": it is a link that leads nowhere\. Remove it/m,
  ],
  [
    "is write-protected",
    (path) => Deno.writeTextFileSync(path, SAMPLE, { mode: 0o444 }),
    /^mbus: Cannot write ".*": it is write-protected\. Make it writable/m,
  ],
];

for (const [what, make, message] of REFUSED) {
  Deno.test(`a file that ${what} is left alone, with an error`, {
    ignore: IS_WINDOWS,
  }, async () => {
    await using home = new AgentsHome();
    const path = home.path("claude");
    Deno.mkdirSync(path.replace(/\/[^/]*$/, ""));
    make(path);
    const before = home.listing();
    const { code, stderr } = await home.run(["install", "claude"]);
    assert.equal(code, 1);
    assert.match(stderr, message);
    assert.deepEqual(home.listing(), before);
    const list = await home.run(["install", "--list"]);
    assert.equal(list.code, 0, list.stderr);
  });
}

Deno.test("a read-only folder is reported, and nothing is left in it", {
  // Root can write everywhere except on a read-only mount of its own.
  ignore: Deno.build.os !== "linux",
}, async () => {
  await using home = new AgentsHome();
  const path = home.path("claude");
  const folder = path.replace(/\/[^/]*$/, "");
  write(path, SAMPLE);
  const before = home.listing();
  const readOnly = IS_ROOT
    ? [
      "unshare",
      "-m",
      "sh",
      "-c",
      `mount --bind '${folder}' '${folder}' && ` +
      `mount -o remount,bind,ro '${folder}' && exec "$@"`,
      "sh",
    ]
    : ["sh", "-c", `chmod 500 '${folder}' && exec "$@"`, "sh"];
  const { code, stdout, stderr } = await home.run(
    ["install", "claude", "gemini", "--json"],
    { through: readOnly },
  );
  Deno.chmodSync(folder, 0o755);
  const told = stdout.trim().split("\n").map((line) => JSON.parse(line));
  assert.equal(code, 1);
  assert.deepEqual(told.map(({ done }) => done), ["failed", "installed"]);
  assert.match(
    stderr,
    /"Cannot write \\".*settings\.json\\": the system denies it \(.*\)\. Get permission to write the file and its folder, then try again\."/,
  );
  await home.done(["uninstall", "gemini"]);
  assert.deepEqual(home.listing(), before);
});

Deno.test("parallel installs all succeed, and lose no text of the person", async () => {
  await using home = new AgentsHome();
  const [, toml] = TOML_SAMPLES.find(([what]) => what === "CRLF")!;
  write(home.path("codex"), toml);
  write(`${home.project}/AGENTS.md`, "# Mine\n");
  const before = home.listing();
  const commands = [
    ["install", "codex"],
    ["install", "codex", "--writable-root"],
    ["install", "codex", "--project", "--guide"],
    ["install", "cursor", "opencode", "--project", "--guide"],
  ];
  const ended = await Promise.all(
    [...commands, ...commands, ...commands].map((args) => home.run(args)),
  );
  assert.deepEqual(ended.map(({ stderr }) => stderr.match(/Cannot.*/)), [
    ...ended.map(() => null),
  ]);
  assert.deepEqual(ended.map(({ code }) => code), ended.map(() => 0));
  const codex = read(home.path("codex"))!;
  assert.ok(codex.startsWith(toml));
  assert.equal(codex.match(/\[\[hooks\.Stop\]\]/g)?.length, 1);
  assert.equal(codex.match(/writable_roots/g)?.length, 1);
  const guide = read(`${home.project}/AGENTS.md`)!;
  assert.ok(guide.startsWith("# Mine\n"));
  assert.equal(guide.match(/message-bus: start/g)?.length, 1);

  const all = ["codex", "cursor", "opencode", "--user", "--project"];
  await Promise.all([1, 2, 3].map(() => home.done(["uninstall", ...all])));
  await home.done(["uninstall", ...all]);
  assert.deepEqual(home.listing(), before);
});
