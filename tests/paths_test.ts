/**
 * Canonical paths, compared with the system: it opens the file at the canonical
 * path, and one file has one key.
 */

import assert from "node:assert/strict";
import fc from "fast-check";
import { foldsCase } from "../lib/path/case_rules.ts";
import {
  canonicalPath,
  canonicalPattern,
  PathError,
  type PathProblem,
} from "../lib/path/project.ts";
import { works } from "./probe.ts";

const UNIX = Deno.build.os !== "windows";
const EXFAT = Deno.build.os === "linux" && works("losetup", "--find") &&
  works("sh", "-c", "command -v mkfs.exfat && command -v mount.exfat-fuse");

interface Folder extends Disposable {
  /** The real path of a temporary folder. */
  path: string;
}

function temporaryFolder(): Folder {
  const path = Deno.realPathSync(
    Deno.makeTempDirSync({ prefix: "mbus-path-" }),
  );
  return {
    path,
    [Symbol.dispose]: () => Deno.removeSync(path, { recursive: true }),
  };
}

/** Creates a tree with every kind of link. */
function tree(): Folder {
  const folder = temporaryFolder();
  const at = (name: string) => `${folder.path}/${name}`;
  Deno.mkdirSync(at("a/b/c"), { recursive: true });
  Deno.mkdirSync(at("d"));
  Deno.writeTextFileSync(at("a/file"), "");
  Deno.writeTextFileSync(at("a/b/file"), "");
  Deno.writeTextFileSync(at("d/file"), "");
  Deno.symlinkSync("b", at("a/down"));
  Deno.symlinkSync("../d", at("a/side"));
  Deno.symlinkSync(at("a/b/c"), at("d/deep"));
  Deno.symlinkSync("../a/file", at("d/tofile"));
  Deno.symlinkSync("a/new", at("dangling"));
  Deno.symlinkSync("dangling", at("chain"));
  Deno.symlinkSync("missing/new", at("lost"));
  Deno.symlinkSync("..", at("a/b/up"));
  Deno.symlinkSync("loop2", at("loop1"));
  Deno.symlinkSync("loop1", at("loop2"));
  return folder;
}

const NAMES = [
  ...["a", "b", "c", "d", "file", "down", "side", "deep", "tofile", "new"],
  ...["dangling", "chain", "lost", "up", "loop1", "missing", ".", "..", ""],
];

const somePath = fc.array(fc.constantFrom(...NAMES), {
  minLength: 1,
  maxLength: 8,
}).map((names) => names.join("/")).filter((path) => !/^\/*$/.test(path));

/** Paths to every entry of the tree, besides the random ones. */
const TO_ALL: [string][] = [
  ...["a", "a/b", "a/b/c", "d", "a/file", "a/b/file", "d/file", "."],
  ...["a/down/up", "a/down", "d/deep", "a/side", "d/tofile"],
  ...["d/deep/../file", "a/side/file", "a/.."],
].map((path) => [path]);

/** Paths at which a file can be created. */
const TO_NEW: [string][] = [
  ...["new", "a/down/new", "a/side/../new", "dangling", "chain"],
  ...["d/deep/../up/side/new", "x"],
].map((path) => [path]);

/** Returns the result of `read`; undefined if it throws. */
function attempt<Answer>(read: () => Answer): Answer | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}

function refusal(path: string, base = "/"): PathError {
  try {
    canonicalPath(path, base);
  } catch (error) {
    if (error instanceof PathError) return error;
    throw error;
  }
  return assert.fail(`${JSON.stringify(path)} was taken`);
}

Deno.test({
  name: "canonicalPath() is idempotent",
  ignore: !UNIX,
  fn() {
    using folder = tree();
    fc.assert(
      fc.property(somePath, (path) => {
        const relative = path.replace(/^\/+/, "./");
        const once = attempt(() => canonicalPath(relative, folder.path));
        if (once === undefined) return;
        assert.deepEqual(canonicalPath(once.absolute, "/elsewhere"), once);
      }),
      { numRuns: 1000 },
    );
  },
});

Deno.test({
  name: "two spellings have one key exactly if the system finds one file",
  ignore: !UNIX,
  fn() {
    using folder = tree();
    const inodes = new Map<string, number>();
    const keys = new Map<number, string>();
    fc.assert(
      fc.property(somePath, (path) => {
        const relative = path.replace(/^\/+/, "./");
        const info = attempt(() => Deno.statSync(`${folder.path}/${relative}`));
        if (info === undefined) return;
        const { absolute, key } = canonicalPath(relative, folder.path);
        const inode = info.ino ?? assert.fail("no inodes here");
        assert.equal(Deno.lstatSync(absolute).ino, inode);
        assert.equal(keys.get(inode) ?? key, key);
        assert.equal(inodes.get(key) ?? inode, inode);
        keys.set(inode, key);
        inodes.set(key, inode);
      }),
      { numRuns: 2000, examples: TO_ALL },
    );
    assert.ok(keys.size >= 8, `only ${keys.size} files were met`);
  },
});

Deno.test({
  name: "a missing file has the path at which it is created",
  ignore: !UNIX,
  fn() {
    using folder = tree();
    let created = 0;
    fc.assert(
      fc.property(somePath, (path) => {
        const relative = path.replace(/^\/+/, "./");
        const whole = `${folder.path}/${relative}`;
        if (relative.endsWith("/")) return;
        const before = attempt(() => canonicalPath(relative, folder.path));
        if (attempt(() => Deno.statSync(whole)) !== undefined) return;
        const file = attempt(() =>
          Deno.openSync(whole, { write: true, create: true })
        );
        if (file === undefined) return;
        file.close();
        created++;
        const real = Deno.realPathSync(whole);
        const after = canonicalPath(relative, folder.path);
        Deno.removeSync(real);
        assert.equal(before?.absolute, real);
        assert.deepEqual(after, before);
      }),
      { numRuns: 3000, examples: TO_NEW },
    );
    assert.ok(created >= TO_NEW.length, `only ${created} could be created`);
  },
});

Deno.test({
  name: "canonicalPath() accepts every path that the system opens",
  ignore: !UNIX,
  fn() {
    using folder = tree();
    fc.assert(
      fc.property(somePath, (path) => {
        const relative = path.replace(/^\/+/, "./");
        const opened = attempt(() =>
          Deno.statSync(`${folder.path}/${relative}`)
        );
        if (opened !== undefined) canonicalPath(relative, folder.path);
      }),
      { numRuns: 1000 },
    );
  },
});

Deno.test("a relative path is resolved against its base, an absolute one is not", () => {
  using folder = tree();
  const { absolute } = canonicalPath("b/../file", `${folder.path}/a`);
  assert.equal(absolute, `${folder.path}/a/file`);
  assert.equal(canonicalPath(absolute, "relative").absolute, absolute);
  assert.equal(canonicalPath("/", "/").absolute, "/");
  assert.equal(canonicalPath("/../..", "/").key, "/");
});

Deno.test("`..` after a link is the parent of the link's target", () => {
  using folder = tree();
  const { absolute } = canonicalPath("d/deep/../file", folder.path);
  assert.equal(absolute, `${folder.path}/a/b/file`);
  const missing = canonicalPath("d/deep/../x/y", folder.path);
  assert.equal(missing.absolute, `${folder.path}/a/b/x/y`);
});

Deno.test("dots among missing names are resolved as text", () => {
  using folder = tree();
  const { absolute } = canonicalPath("x/./y/../../a/down/file", folder.path);
  assert.equal(absolute, `${folder.path}/a/b/file`);
});

Deno.test("a slash at the end changes nothing", () => {
  using folder = tree();
  for (const path of ["a", "a/side", "missing", "a/file"]) {
    assert.deepEqual(
      canonicalPath(`${path}//`, folder.path),
      canonicalPath(path, folder.path),
    );
  }
});

const LONG_NAME = "é".repeat(128);

for (
  const [path, reason] of [
    ["", "empty"],
    ["a\0b", "control-character"],
    ["a\nb", "control-character"],
    ["a\x1b[2Jb", "control-character"],
    ["a\x7fb", "control-character"],
    ["a\x9bb", "control-character"],
    ["a\u2028b", "control-character"],
    ["a\ud800b", "not-unicode"],
    // 256 bytes of UTF-8 in 128 letters.
    [LONG_NAME, "too-long"],
    [`x/${LONG_NAME}/y`, "too-long"],
    ["x/".repeat(2049), "too-long"],
    [`${"é".repeat(120)}/`.repeat(18), "too-long"],
    ["loop1", "loop"],
    ["loop2/x", "loop"],
    ["a/file/x", "not-a-folder"],
    ["a/file/..", "not-a-folder"],
    ["a/file/.", "not-a-folder"],
    ["d/tofile/x", "not-a-folder"],
  ] satisfies [string, PathProblem][]
) {
  const name = JSON.stringify(path.slice(0, 20));
  Deno.test(`path ${name} (${path.length} units) is rejected: ${reason}`, () => {
    using folder = tree();
    const error = refusal(path, folder.path);
    assert.equal(error.reason, reason);
    assert.equal(error.path, path);
    assert.match(
      error.message,
      /^Cannot use path "[^\n]*": [^;\n]+\. [A-Z][^;\n]+\.$/,
    );
    // deno-lint-ignore no-control-regex
    assert.doesNotMatch(error.message, /[\0-\x1f\x7f-\x9f\u2028]/);
    assert.ok(error.message.isWellFormed());
    assert.ok(error.message.length < 500);
  });
}

Deno.test("a path exactly at the limits is accepted", () => {
  using folder = temporaryFolder();
  const name = "é".repeat(127) + "x";
  assert.ok(canonicalPath(name, folder.path).absolute.endsWith(name));
  const room = 4096 - new TextEncoder().encode(folder.path).length;
  const rest = "/y".repeat(Math.floor(room / 2));
  canonicalPath(folder.path + rest, "/");
  assert.equal(refusal(`${folder.path}${rest}/yy`).reason, "too-long");
});

Deno.test("a relative path and its base together may be too long", () => {
  const base = "/y".repeat(2000);
  assert.equal(refusal("x/".repeat(100), base).reason, "too-long");
});

Deno.test("a relative path needs an absolute base", () => {
  for (const base of ["", ".", "src"]) {
    assert.equal(refusal("a", base).reason, "relative-base");
  }
});

Deno.test("a control character in a link's target is rejected", () => {
  using folder = temporaryFolder();
  Deno.symlinkSync("two\nlines", `${folder.path}/link`);
  const error = refusal("link", folder.path);
  assert.equal(error.reason, "control-character");
  assert.equal(error.path, "link");
});

Deno.test("a chain of 40 links is followed, a chain of 41 is not", () => {
  using folder = temporaryFolder();
  for (let i = 1; i <= 41; i++) {
    Deno.symlinkSync(i === 1 ? "target" : `${i - 1}`, `${folder.path}/${i}`);
  }
  const { absolute } = canonicalPath("40", folder.path);
  assert.equal(absolute, `${folder.path}/target`);
  assert.equal(refusal("41", folder.path).reason, "loop");
});

Deno.test({
  name:
    "an error names the folder that may not be searched (needs root and setpriv)",
  ignore: !UNIX || Deno.uid() !== 0 ||
    !works("setpriv", "--reuid", "65534", Deno.execPath(), "--version"),
  async fn() {
    using folder = temporaryFolder();
    Deno.chmodSync(folder.path, 0o755);
    Deno.mkdirSync(`${folder.path}/private/inner`, { recursive: true });
    Deno.chmodSync(`${folder.path}/private`, 0o700);
    const source = `${folder.path}/source.ts`;
    const module = new URL("../lib/path/project.ts", import.meta.url).href;
    Deno.writeTextFileSync(
      source,
      `import { canonicalPath } from ${JSON.stringify(module)};
       try { canonicalPath("private/inner/x", ${
        JSON.stringify(folder.path)
      }); } catch (error) { console.log(error.reason, error.message); }`,
    );
    const probe = `${folder.path}/probe.js`;
    const bundle = ["bundle", "--quiet", "--no-config", "--output", probe];
    assert.ok(works(Deno.execPath(), ...bundle, source));
    const { stdout } = await new Deno.Command("setpriv", {
      args: [
        ...["--reuid", "65534", "--regid", "65534", "--clear-groups"],
        ...[Deno.execPath(), "run", "--no-config", "--no-lock", "-A", probe],
      ],
      env: { DENO_DIR: `${folder.path}/none`, HOME: folder.path },
    }).output();
    const text = new TextDecoder().decode(stdout);
    assert.match(text, /^denied Cannot use path "private\/inner\/x": /);
    assert.ok(text.includes(`"${folder.path}/private" may not be searched`));
  },
});

Deno.test({
  name: "keys differ in case on a case-sensitive disk",
  ignore: Deno.build.os !== "linux",
  fn() {
    using folder = temporaryFolder();
    // Two names that differ in case only: two files, then two links to one.
    Deno.writeTextFileSync(`${folder.path}/File`, "");
    Deno.writeTextFileSync(`${folder.path}/fILE`, "");
    Deno.mkdirSync(`${folder.path}/linked`);
    Deno.writeTextFileSync(`${folder.path}/linked/Name`, "");
    Deno.linkSync(`${folder.path}/linked/Name`, `${folder.path}/linked/nAME`);
    for (const path of ["File", "linked/Name", "New", "linked/New"]) {
      const { absolute, key } = canonicalPath(path, folder.path);
      assert.equal(key, absolute);
    }
    assert.equal(foldsCase(folder.path), false);
  },
});

/** Mounts a case-insensitive file system until it is disposed. */
function foldingDisk(): Folder & { root: string } {
  const folder = temporaryFolder();
  const run = (command: string, ...args: string[]): string => {
    const output = new Deno.Command(command, { args }).outputSync();
    assert.ok(output.success, new TextDecoder().decode(output.stderr));
    return new TextDecoder().decode(output.stdout).trim();
  };
  const [image, root] = [`${folder.path}/image`, `${folder.path}/Disk`];
  Deno.mkdirSync(root);
  Deno.writeFileSync(image, new Uint8Array(8 << 20));
  run("mkfs.exfat", image);
  const device = run("losetup", "--find", "--show", image);
  run("mount.exfat-fuse", device, root);
  return {
    path: folder.path,
    root,
    [Symbol.dispose]() {
      run("umount", root);
      run("losetup", "--detach", device);
      folder[Symbol.dispose]();
    },
  };
}

Deno.test({
  name:
    "keys fold case on a case-insensitive disk (needs exfat-fuse and losetup)",
  ignore: !EXFAT,
  fn() {
    using disk = foldingDisk();
    Deno.mkdirSync(`${disk.root}/Src/Größe`, { recursive: true });
    Deno.writeTextFileSync(`${disk.root}/Src/Größe/Main.ts`, "here");
    for (
      const [one, other] of [
        // First, while no rule is cached yet.
        ["New.ts", "new.TS"],
        ["Src", "sRC"],
        ["Src/Größe/Main.ts", "src/GRÖßE/mAIN.TS"],
        ["Src/Größe/New.ts", "SRC/größe/nEW.TS"],
        ["Src/New/Newer", "src/new/newer"],
      ]
    ) {
      const [a, b] = [one, other].map((path) => canonicalPath(path, disk.root));
      assert.equal(a.key, b.key, one);
      // The folders above the mount point keep their case.
      assert.ok(a.key.startsWith(`${disk.root}/`), a.key);
      if (!one.includes("New")) {
        const info = Deno.statSync(a.absolute);
        assert.equal(info.size, Deno.statSync(b.absolute).size);
      }
    }
    const pattern = canonicalPattern("Src/*.TS", 4, disk.root);
    assert.equal(pattern.caseInsensitive, true);
    assert.equal(pattern.rest, "*.TS");
    assert.equal(pattern.folder.key, `${disk.root}/src`);
  },
});

Deno.test("canonicalPattern() resolves only the leading folders", () => {
  using folder = tree();
  const pattern = canonicalPattern("a/down/*/side/**", 7, folder.path);
  assert.deepEqual(pattern.folder, canonicalPath("a/b", folder.path));
  assert.equal(pattern.rest, "*/side/**");
  assert.equal(
    canonicalPattern("**/x", 0, `${folder.path}/a/side`).folder.absolute,
    `${folder.path}/d`,
  );
  assert.equal(canonicalPattern("/*", 1, "").folder.absolute, "/");
  const toCome = canonicalPattern("x/y/*.ts", 4, folder.path);
  assert.equal(toCome.folder.absolute, `${folder.path}/x/y`);
});

Deno.test("canonicalPattern() rejects a pattern that matches no path", () => {
  using folder = tree();
  const reasonOf = (pattern: string, end: number): string | undefined => {
    try {
      canonicalPattern(pattern, end, folder.path);
    } catch (error) {
      if (error instanceof PathError) return error.reason;
      throw error;
    }
    return undefined;
  };
  assert.equal(reasonOf("a/*/../b", 2), "wildcard-parent");
  assert.equal(reasonOf("a/*/.", 2), "wildcard-parent");
  assert.equal(reasonOf("..", 0), "wildcard-parent");
  assert.equal(reasonOf("*/..x/.y/z..", 0), undefined);
  assert.equal(reasonOf("a/file/*", 7), "not-a-folder");
  assert.equal(reasonOf("a/*\n", 2), "control-character");
  assert.equal(reasonOf("loop1/*", 6), "loop");
  assert.equal(reasonOf("", 0), "empty");
});

Deno.test("canonicalPattern() splits a pattern only at a slash", () => {
  for (const end of [1, 3, -1, 99, 1.5, NaN]) {
    assert.throws(() => canonicalPattern("src/*", end, "/"), RangeError);
  }
});
