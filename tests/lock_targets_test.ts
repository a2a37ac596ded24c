import assert from "node:assert/strict";
import {
  overlapKind,
  overlapOnDisk,
  targetPathSets,
} from "../lib/path/lock_overlap.ts";
import { lockTarget } from "../lib/path/lock_target.ts";
import { entryKindOf } from "../lib/path/paths.ts";
import {
  InvalidInputError,
  type MessageBus,
  type PatternMode,
} from "../mod.ts";
import { hasProgram, Home, numbers, run } from "./fixture.ts";

const GIT = hasProgram("git");
const unlessGit = GIT ? "" : " (ignored: needs git)";
const SQLITE = hasProgram("sqlite3");
const EXCLUSIVE = { type: "exclusive" } as const;

/** Opens two sessions, in a folder with files `src/a.ts` and `src/b.ts`. */
async function two(home: Home): Promise<[MessageBus, MessageBus, string]> {
  const folder = Deno.realPathSync(home.root) + "/project";
  Deno.mkdirSync(`${folder}/src/deep`, { recursive: true });
  for (const name of ["a.ts", "b.ts"]) {
    Deno.writeTextFileSync(`${folder}/src/${name}`, "");
  }
  return [
    await home.open({ session: "ann" }),
    await home.open({ session: "bob" }),
    folder,
  ];
}

/** Returns whether bob's request overlaps ann's hold. */
async function meets(held: string, asked: string): Promise<boolean> {
  await using home = new Home();
  const [ann, bob, folder] = await two(home);
  Deno.symlinkSync(`${folder}/src`, `${folder}/link`);
  Deno.symlinkSync(`a.ts`, `${folder}/src/alias.ts`);
  Deno.symlinkSync(`nowhere.ts`, `${folder}/src/dangling.ts`);
  const lock = await ann.locks.acquire(`${folder}/${held}`, EXCLUSIVE);
  const got = await bob.locks.tryAcquire(`${folder}/${asked}`, EXCLUSIVE);
  const holders = await bob.locks.holders(`${folder}/${asked}`);
  const found = holders.some(({ token }) => token === lock.token);
  assert.equal(found, got === undefined, "the list says what locking does");
  return got === undefined;
}

const OVERLAPS: readonly [string, string, boolean][] = [
  ["src/a.ts", "src/a.ts", true],
  ["src/a.ts", "src/b.ts", false],
  ["src", "src/a.ts", true],
  ["src/a.ts", "src", true],
  ["src", "src/deep/new.ts", true],
  ["src/deep", "src/a.ts", false],
  ["src/new.ts", "src/new.ts", true],
  ["new/", "new/x/y.ts", true],
  ["new", "new/x.ts", false],
  ["src/./a.ts", "src/deep/../a.ts", true],
  ["link/a.ts", "src/a.ts", true],
  ["link", "src/a.ts", true],
  ["link/new.ts", "src/new.ts", true],
  ["link/../src/b.ts", "src/b.ts", true],
  ["src/alias.ts", "src/a.ts", true],
  ["src/dangling.ts", "src/nowhere.ts", true],
  ["src/*.ts", "src/a.ts", true],
  ["src/*.ts", "src/new.ts", true],
  ["src/*.ts", "src/a.js", false],
  ["src/*.ts", "src/deep/a.ts", false],
  ["src/**/*.ts", "src/deep/a.ts", true],
  ["src/**/*.ts", "src", true],
  ["link/*.ts", "src/a.ts", true],
  ["src/a*.ts", "src/*b.ts", true],
  ["src/a*.ts", "src/b*.ts", false],
  ["src/{a,b}.ts", "src/[b-c].ts", true],
  ["src/{a,b}.ts", "src/[!ab].ts", false],
  ["**/a.ts", "src/?.ts", true],
];

for (const [held, asked, overlap] of OVERLAPS) {
  Deno.test(`${held} and ${asked} ${overlap ? "overlap" : "do not overlap"}`, async () => {
    assert.equal(await meets(held, asked), overlap);
    assert.equal(await meets(asked, held), overlap);
  });
}

Deno.test("a name with brackets is a path if the file exists", async () => {
  await using home = new Home();
  const [ann, bob, folder] = await two(home);
  Deno.writeTextFileSync(`${folder}/src/[a].ts`, "");
  const lock = await ann.locks.acquire(`${folder}/src/[a].ts`, EXCLUSIVE);
  assert.equal(lock.hold.kind, "file");
  const other = await bob.locks.acquire(`${folder}/src/a.ts`, EXCLUSIVE);
  assert.equal(other.hold.kind, "file");
});

Deno.test("only overlapping locks of many conflict", async () => {
  await using home = new Home();
  const [ann, bob, folder] = await two(home);
  for (const i of numbers(0, 200)) {
    await ann.locks.acquire(`${folder}/many/${i % 10}/${i}`, EXCLUSIVE);
  }
  await bob.locks.acquire(`${folder}/many/3/*4`, EXCLUSIVE);
  const holders = await bob.locks.holders(`${folder}/many/7/1*7`);
  assert.equal(holders.length, 11);
  const all = await bob.locks.holders(`${folder}/many/`);
  assert.equal(all.length, 201);
});

const BAD: readonly [string, string][] = [
  ["an empty path", ""],
  ["a NUL", "a\0b"],
  ["a link loop", "loop/a"],
  ["4,097 bytes", "x".repeat(4_097)],
  ["a file as folder", "src/a.ts/b"],
  ["a glob that does not parse", "src/[a"],
  ["two stars in a name", "src/**.ts"],
];

for (const [what, path] of BAD) {
  Deno.test(`acquire() rejects ${what} and changes nothing`, async () => {
    await using home = new Home();
    const [ann, , folder] = await two(home);
    Deno.symlinkSync("loop", `${folder}/loop`);
    const given = path === "" ? "" : `${folder}/${path}`;
    await assert.rejects(() => ann.locks.acquire(given), (error) => {
      assert.ok(error instanceof InvalidInputError);
      assert.equal(error.field, "path");
      return true;
    });
    assert.deepEqual(await ann.sessions.list(), []);
  });
}

Deno.test("a file name may contain a newline", async () => {
  await using home = new Home();
  const [ann, bob, folder] = await two(home);
  let refused = false;
  try {
    await ann.locks.acquire(`${folder}/a\nb`, EXCLUSIVE);
  } catch (error) {
    assert.ok(error instanceof InvalidInputError);
    refused = true;
  }
  const got = await bob.locks.tryAcquire(`${folder}/a`, EXCLUSIVE);
  assert.ok(got !== undefined);
  assert.equal((await ann.locks.list()).length, refused ? 1 : 2);
});

Deno.test("acquire() rejects a path outside of the session's project", async () => {
  await using home = new Home();
  const [, , folder] = await two(home);
  const bus = await home.open({ project: folder });
  await bus.locks.acquire(`${folder}/src/a.ts`);
  Deno.symlinkSync(home.root, `${folder}/out`);
  for (const path of [`${home.root}/x`, `${folder}/../x`, `${folder}/out/x`]) {
    await assert.rejects(() => bus.locks.acquire(path), (error) => {
      assert.ok(error instanceof InvalidInputError);
      assert.match(error.message, /outside of the project/);
      return true;
    });
  }
  assert.equal((await bus.locks.list()).length, 1);
});

/** Creates a repository with two worktrees. */
async function worktrees(home: Home): Promise<[string, string]> {
  const root = Deno.realPathSync(home.root);
  const [main, tree] = [`${root}/main`, `${root}/tree`];
  Deno.mkdirSync(`${main}/src`, { recursive: true });
  Deno.writeTextFileSync(`${main}/src/a.ts`, "");
  const git = (...args: string[]) => run("git", ["-C", main, ...args]);
  await git("init", "-q");
  await git("add", ".");
  await git(
    "-c",
    "user.name=a",
    "-c",
    "user.email=a@b",
    "commit",
    "-qm",
    "first",
  );
  await git("worktree", "add", "-q", tree);
  return [main, tree];
}

Deno.test({
  name: `the same file in another worktree is a merge risk${unlessGit}`,
  ignore: !GIT,
  async fn() {
    await using home = new Home();
    const [main, tree] = await worktrees(home);
    const ann = await home.open({ session: "ann" });
    const bob = await home.open({ session: "bob" });
    const held = await ann.locks.acquire(`${main}/src/a.ts`, EXCLUSIVE);
    // Without a conflict on disk, even an exclusive lock is granted.
    const lock = await bob.locks.acquire(`${tree}/src/a.ts`, EXCLUSIVE);
    assert.deepEqual(lock.overlaps, [{ risk: "merge-risk", hold: held.hold }]);
    assert.equal(lock.hold.project, held.hold.project);
    assert.notEqual(lock.hold.worktree, held.hold.worktree);
    const [told] = (await ann.poll("file_conflict")).messages;
    const payload = told.payload as Record<string, unknown>;
    assert.equal(payload.event, "merge-risk");
    assert.deepEqual(payload.sessions, ["bob", "ann"]);
    const elsewhere = await bob.locks.acquire(`${tree}/src/b.ts`);
    assert.deepEqual(elsewhere.overlaps, []);
    const glob = await bob.locks.acquire(`${tree}/**/*.ts`, { agent: "x" });
    assert.deepEqual(glob.overlaps.map(({ risk }) => risk).toSorted(), [
      "merge-risk",
      "same-session",
      "same-session",
    ]);
  },
});

Deno.test({
  name:
    `a path through a worktree's link to the other one is a conflict${unlessGit}`,
  ignore: !GIT,
  async fn() {
    await using home = new Home();
    const [main, tree] = await worktrees(home);
    Deno.symlinkSync(`${main}/src`, `${tree}/shared`);
    const ann = await home.open({ session: "ann" });
    const bob = await home.open({ session: "bob" });
    await ann.locks.acquire(`${main}/src/a.ts`);
    const lock = await bob.locks.acquire(`${tree}/shared/a.ts`);
    assert.deepEqual(lock.overlaps.map(({ risk }) => risk), ["conflict"]);
  },
});

Deno.test("another program's row is a lock that blocks, has a token and ends", async () => {
  await using home = new Home();
  const [ann, , folder] = await two(home);
  const path = `${folder}/src/a.ts`;
  const before = await ann.locks.acquire(`${folder}/src/b.ts`);
  home.foreign().prepare(
    `INSERT INTO file_locks(file_path, session_id, lock_type)
     VALUES (?, 'script', 'exclusive')`,
  ).run(path);
  assert.equal(await ann.locks.tryAcquire(path), undefined);
  assert.equal(await ann.locks.tryAcquire(`${folder}/src/*`), undefined);
  const [hold] = await ann.locks.holders(path);
  assert.ok(hold.token > before.token);
  assert.equal(hold.vendor, "unknown");
  const later = await ann.locks.acquire(`${folder}/c`);
  assert.ok(later.token > hold.token);
  const leftMs = Date.parse(hold.expiresAt) - Date.now();
  assert.ok(leftMs > 0 && leftMs <= 600_000);
  // It has no process, so only its lease ends it.
  home.foreign().exec(
    "UPDATE file_locks SET expires_at = 1 WHERE session_id = 'script'",
  );
  await ann.locks.acquire(path, EXCLUSIVE);
});

Deno.test("another program's row over an exclusive lock is rejected", async () => {
  await using home = new Home();
  const [ann, , folder] = await two(home);
  const path = `${folder}/src/a.ts`;
  const lock = await ann.locks.acquire(path, EXCLUSIVE);
  const insert = home.foreign().prepare(
    "INSERT INTO file_locks(file_path, session_id) VALUES (?, 'script')",
  );
  assert.throws(() => insert.run(path), /another session holds this path/);
  await lock.release();
  insert.run(path);
  assert.equal((await ann.locks.list()).length, 1);
});

Deno.test({
  name: `a row from the sqlite3 shell is a lock${
    SQLITE ? "" : " (ignored: needs sqlite3)"
  }`,
  ignore: !SQLITE,
  async fn() {
    await using home = new Home();
    const [ann, , folder] = await two(home);
    const path = `${folder}/src/a.ts`;
    await run("sqlite3", [
      home.database,
      `INSERT INTO file_locks(file_path, session_id, lock_type)
       VALUES ('${path}', 'shell', 'exclusive')`,
    ]);
    assert.equal(await ann.locks.tryAcquire(path), undefined);
  },
});

Deno.test("invalid rows of another program do not break locks", async () => {
  await using home = new Home();
  const [ann, , folder] = await two(home);
  const database = home.foreign();
  const rows = [
    `(file_path, session_id, expires_at) VALUES ('/a', 'x', 'soon')`,
    `(file_path, session_id, expires_at) VALUES ('/b', 'x', 9e300)`,
    `(file_path, session_id, expires_at) VALUES ('/c', 'x', 9000000000000000000)`,
    `(file_path, session_id, holds) VALUES ('/d', 'x', 'many')`,
    `(file_path, session_id, locked_at) VALUES ('/e', 'x', NULL)`,
    `(file_path, session_id, lock_type) VALUES ('/f', 'x', NULL)`,
    `(file_path, session_id) VALUES ('not/absolute', 'x')`,
    `(file_path, session_id) VALUES ('src/[', 'x')`,
    `(file_path, session_id, token) VALUES ('/g', 'x', 9223372036854775807)`,
  ];
  for (const row of rows) database.exec(`INSERT INTO file_locks${row}`);
  const holds = await ann.locks.list();
  assert.equal(holds.length, rows.length);
  for (const hold of holds) {
    assert.ok(Number.isSafeInteger(hold.token));
    assert.equal(hold.count, 1);
    assert.ok(Date.parse(hold.expiresAt) > Date.now());
    assert.ok(Date.parse(hold.since) > 0);
    assert.equal(hold.type, "advisory");
  }
  await ann.locks.acquire(`${folder}/x`, EXCLUSIVE);
  // The same holds before a row is adopted.
  database.exec(
    `INSERT INTO file_locks(file_path, session_id, kind, extent)
     VALUES ('/h', 'y', 'glob', '[')`,
  );
  await ann.sessions.end("x");
  await ann.sessions.end("y");
  assert.deepEqual(
    (await ann.locks.list()).map(({ session }) => session),
    [ann.session],
  );
});

/** Returns the kind of a path's target and its path relative to the folder. */
function meant(
  folder: string,
  path: string,
  pattern?: PatternMode,
): string {
  const { kind, path: whole } = lockTarget(path, folder, { pattern });
  return `${kind} ${whole.replace(`${folder}/`, "")}`;
}

/** Creates a folder with `app/[id]/` and `src/x[1].txt` in it. */
function routes(home: Home): string {
  const folder = `${Deno.realPathSync(home.root)}/routes`;
  Deno.mkdirSync(`${folder}/app/[id]`, { recursive: true });
  Deno.mkdirSync(`${folder}/src`);
  Deno.writeTextFileSync(`${folder}/src/x[1].txt`, "");
  return folder;
}

const ROUTE_NAMES = [
  "app/[id]/page.tsx",
  "app/[id]/[slug].ts",
  "src/[id].ts",
  "src/[...rest].ts",
  "src/[[...opt]].ts",
  "src/{x}.ts",
  "src/{a,b}.ts",
  "src/x[1].txt",
  "src/y[1].txt",
  "src/*.ts",
  "@port/3000",
  "@types/node.d.ts",
];

Deno.test("a literal path is a file for all characters", async () => {
  await using home = new Home();
  const folder = routes(home);
  for (const path of ROUTE_NAMES) {
    assert.equal(meant(folder, path, "literal"), `file ${path}`);
  }
});

const MEANT: Readonly<Record<string, string>> = {
  "app/[id]/page.tsx": "file",
  "app/[id]/[slug].ts": "file",
  "./app/[id]/layout.tsx": "file",
  "src/[id].ts": "glob",
  "src/[...rest].ts": "glob",
  "src/[[...opt]].ts": "file",
  "src/{x}.ts": "file",
  "src/{a,b}.ts": "glob",
  "src/x[1].txt": "file",
  "src/y[1].txt": "glob",
  "app/[slug]/page.tsx": "glob",
  "app/[id]": "folder",
  "app/[id]/*.tsx": "glob",
};

Deno.test("brackets are a pattern only if no entry of that name exists", async () => {
  await using home = new Home();
  const folder = routes(home);
  for (const [path, kind] of Object.entries(MEANT)) {
    const shown = path.replace("./", "");
    assert.equal(meant(folder, path), `${kind} ${shown}`);
    const absolute = `${folder}/${path}`;
    assert.equal(meant("/", absolute), `${kind} ${absolute.replace("./", "")}`);
  }
});

Deno.test("wildcards below an existing bracketed folder match in that folder", async () => {
  await using home = new Home();
  const folder = routes(home);
  const pathSets = targetPathSets(
    lockTarget("app/[id]/*.tsx", folder),
    entryKindOf,
  );
  const meets = (path: string) =>
    overlapOnDisk(
      pathSets,
      targetPathSets(
        lockTarget(path, folder, { pattern: "literal" }),
        entryKindOf,
      ),
    );
  assert.equal(meets("app/[id]/page.tsx"), true);
  assert.equal(meets("app/i/page.tsx"), false);
});

Deno.test("mode glob reads a pattern even if a file of that name exists", async () => {
  await using home = new Home();
  const [ann, bob, folder] = await two(home);
  const name = `${folder}/src/[ab].ts`;
  Deno.writeTextFileSync(name, "");
  const glob = await ann.locks.acquire(name, {
    ...EXCLUSIVE,
    pattern: "glob",
  });
  assert.equal(glob.hold.kind, "glob");
  const tries = (path: string) => bob.locks.tryAcquire(path, EXCLUSIVE);
  assert.equal(await tries(`${folder}/src/a.ts`), undefined);
  assert.notEqual(await tries(name), undefined);
  await ann.locks.release(name, { pattern: "glob" });
  assert.notEqual(await tries(`${folder}/src/a.ts`), undefined);
});

Deno.test("acquire() rejects an unknown pattern mode", async () => {
  await using home = new Home();
  const [ann, , folder] = await two(home);
  await assert.rejects(
    () => ann.locks.acquire(`${folder}/a`, { pattern: "regex" as "glob" }),
    (error) => error instanceof InvalidInputError && error.field === "pattern",
  );
});

Deno.test("two sessions cannot both hold a route that does not exist yet", async () => {
  await using home = new Home();
  const [ann, bob, folder] = await two(home);
  for (const name of ["[id].ts", "[...rest].ts", "y[1].txt", "{a,b}.ts"]) {
    const path = `${folder}/src/${name}`;
    await ann.locks.acquire(path, EXCLUSIVE);
    const literal = { pattern: "literal" } as const;
    const taken = await bob.locks.tryAcquire(path, {
      ...EXCLUSIVE,
      ...literal,
    });
    assert.equal(taken, undefined, name);
    assert.equal((await bob.locks.holders(path, literal)).length, 1, name);
    Deno.writeTextFileSync(path, "");
    assert.equal(await bob.locks.tryAcquire(path, EXCLUSIVE), undefined, name);
    await ann.locks.release(path);
    assert.deepEqual(await ann.locks.held(), [], name);
  }
});

Deno.test("a leading tilde is the home folder", () => {
  const home = Deno.env.get("HOME")!;
  for (const pattern of ["auto", "literal", "glob"] as const) {
    assert.equal(
      lockTarget("~/x-none", "/", { pattern }).path,
      `${Deno.realPathSync(home)}/x-none`,
    );
  }
  assert.equal(lockTarget("./~/x", "/").path, "/~/x");
  assert.equal(lockTarget("~x", "/").path, "/~x");
});

Deno.test(
  `git's names are a worktree's, ports the machine's, others the project's${unlessGit}`,
  {
    ignore: !GIT,
  },
  async () => {
    await using home = new Home();
    const folder = `${Deno.realPathSync(home.root)}/repo`;
    const git = (...args: string[]) => run("git", ["-C", folder, ...args]);
    Deno.mkdirSync(`${folder}/src`, { recursive: true });
    await git("init", "-q");
    await git(
      "-c",
      "user.name=a",
      "-c",
      "user.email=a@b",
      "commit",
      "-q",
      "--allow-empty",
      "-m",
      "1",
    );
    await git("worktree", "add", "-q", "-b", "x", ".trees/x");
    const meets = (name: string, one: string, other: string) =>
      overlapOnDisk(
        targetPathSets(lockTarget(name, one), entryKindOf),
        targetPathSets(lockTarget(name, other), entryKindOf),
      );
    const tree = `${folder}/.trees/x`;
    assert.equal(meets("@git/head", folder, `${folder}/src`), true);
    assert.equal(meets("@git/head", folder, tree), false);
    assert.equal(meets("@deploy", folder, tree), true);
    assert.equal(meets("@deploy", folder, home.root), false);
    assert.equal(meets("@port/3000", folder, home.root), true);
    const [all, inTree] = [
      lockTarget("**/*.ts", folder),
      lockTarget("a.ts", tree),
    ];
    assert.equal(
      overlapKind(
        targetPathSets(all, entryKindOf),
        targetPathSets(inTree, entryKindOf),
      ),
      "merge-risk",
    );
    assert.throws(() => lockTarget("@git/head", home.root), InvalidInputError);
  },
);

const BAD_NAMES = ["@", "@/x", "@a b", "@a/", "@a//b", "@a/../b", "@\u3164"];

for (const name of [...BAD_NAMES, `@${"x".repeat(128)}`]) {
  Deno.test(`${JSON.stringify(name).slice(0, 20)} is not a name`, () => {
    assert.throws(() => lockTarget(name, "/"), (error) => {
      assert.ok(error instanceof InvalidInputError);
      assert.match(error.message, /Write "\.\/@…" for a file/);
      return true;
    });
  });
}

Deno.test("a name that is also a file is rejected with both remedies", async () => {
  await using home = new Home();
  Deno.mkdirSync(`${home.root}/@types`);
  assert.throws(() => lockTarget("@types", home.root), /Write "\.\/@types"/);
  assert.equal(lockTarget("./@types", home.root).kind, "folder");
});
