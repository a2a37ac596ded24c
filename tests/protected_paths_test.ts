/**
 * Paths that a lock protects, through the real command: routes with brackets,
 * named resources, and calls of many files.
 *
 * @module
 */

import assert from "node:assert/strict";
import { Mbus } from "./cli/mbus.ts";
import { hasProgram, run } from "./fixture.ts";

const GIT = hasProgram("git");

/** A bus, and a repository in which agents work. */
class Place implements AsyncDisposable {
  readonly mbus = new Mbus();
  readonly project = Deno.realPathSync(`${this.mbus.folder}/project`);

  /** Creates one with a committed `src/a.ts`. */
  static async open(): Promise<Place> {
    const place = new Place();
    await place.git("init", "-q");
    place.write("src/a.ts", "1\n");
    await place.git("add", ".");
    await place.git("commit", "-qm", "first");
    return place;
  }

  async git(...args: string[]): Promise<string> {
    const as = ["-c", "user.name=n", "-c", "user.email=e"];
    return String(await run("git", ["-C", this.project, ...as, ...args]));
  }

  write(path: string, text: string): void {
    const whole = `${this.project}/${path}`;
    Deno.mkdirSync(whole.slice(0, whole.lastIndexOf("/")), { recursive: true });
    Deno.writeTextFileSync(whole, text);
  }

  /** Calls an agent's hook and returns its response. */
  async hook(
    agent: string,
    session: string,
    event: string,
    tool = "x",
    input: unknown = {},
  ): Promise<string> {
    return await this.mbus.done(["hook", agent], {
      cwd: this.project,
      env: { MBUS_SESSION: undefined },
      input: JSON.stringify({
        session_id: session,
        hook_event_name: event,
        cwd: this.project,
        tool_name: tool,
        tool_input: input,
        tool_use_id: "1",
        source: "startup",
      }),
    });
  }

  /** Returns whether Claude's edit of a file is denied. */
  async isDenied(session: string, path: string): Promise<boolean> {
    const answer = await this.hook("claude", session, "PreToolUse", "Edit", {
      file_path: path,
    });
    return answer.includes('"deny"');
  }

  /** Runs a command as a session. */
  async as(session: string, ...args: string[]): Promise<string> {
    return await this.mbus.done(args, {
      cwd: this.project,
      env: { MBUS_SESSION: session },
    });
  }

  /** Returns the sessions that a command lists for a path. */
  async holdersOf(path: string, ...options: string[]): Promise<unknown[]> {
    const touches = await this.mbus.json(["who", path, ...options], {
      cwd: this.project,
      env: { MBUS_SESSION: "reader" },
    });
    return touches.filter(({ does }) => does === "holds")
      .map(({ session }) => session);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.mbus[Symbol.asyncDispose]();
  }
}

function test(name: string, fn: (place: Place) => Promise<void>): void {
  Deno.test(`${name}${GIT ? "" : " (ignored: needs git)"}`, {
    ignore: !GIT,
  }, async () => {
    await using place = await Place.open();
    await fn(place);
  });
}

test("an exclusive lock on a route in a bracketed folder denies its edit", async (place) => {
  await place.hook("claude", "A", "SessionStart");
  Deno.mkdirSync(`${place.project}/app/[id]`, { recursive: true });
  await place.as("A", "lock", "app/[id]/page.tsx", "--exclusive");
  place.write("app/[id]/page.tsx", "1\n");
  const path = `${place.project}/app/[id]/page.tsx`;
  assert.equal(await place.isDenied("B", path), true);
  assert.equal(
    await place.isDenied("B", `${place.project}/app/i/page.tsx`),
    false,
  );
  assert.deepEqual(await place.holdersOf("app/[id]/page.tsx"), ["A"]);
});

const ROUTES = [
  "src/[id].ts",
  "src/routes/[...rest].ts",
  "src/[[...opt]].ts",
  "src/x[1].txt",
  "src/{x}.ts",
  "new/[slug]/+page.svelte",
];

test("an exclusive lock on a route without a folder denies its first write", async (place) => {
  await place.hook("claude", "A", "SessionStart");
  for (const route of ROUTES) {
    await place.as("A", "lock", route, "--exclusive");
    const path = `${place.project}/${route}`;
    assert.equal(await place.isDenied("B", path), true, `new ${route}`);
    place.write(route, "1\n");
    assert.equal(await place.isDenied("B", path), true, route);
    assert.deepEqual(await place.holdersOf(route), ["A"], route);
    assert.deepEqual(await place.holdersOf(route, "--literal"), ["A"], route);
  }
  assert.equal(await place.isDenied("B", `${place.project}/src/i.ts`), false);
});

test("an agent's edit of a route holds the file, not a pattern", async (place) => {
  await place.hook("claude", "A", "SessionStart");
  assert.equal(await place.isDenied("A", "src/[id].ts"), false);
  const [hold] = await place.mbus.json(["locks", "--all-projects"]);
  assert.equal(hold.kind, "file");
  assert.equal(hold.path, `${place.project}/src/[id].ts`);
  assert.equal(await place.isDenied("B", `${place.project}/src/i.ts`), false);
});

test("the git guard rejects a route that another session holds", async (place) => {
  await place.as("A", "lock", "src/[id].ts", "--exclusive");
  place.write("src/[id].ts", "1\n");
  place.write("src/i.ts", "1\n");
  await place.git("add", "src/i.ts");
  const check = () =>
    place.mbus.run(["guard", "check"], {
      cwd: place.project,
      env: { MBUS_SESSION: "B" },
    });
  assert.equal((await check()).code, 0);
  await place.git("add", "src/[[]id].ts");
  const { code, stderr } = await check();
  assert.equal(code, 1);
  assert.match(stderr, /src\/\[id\]\.ts/);
});

test("--glob and --literal select the reading of a path with brackets", async (place) => {
  place.write("src/[ab].ts", "1\n");
  await place.as("A", "lock", "src/[ab].ts", "--exclusive", "--glob");
  assert.deepEqual(await place.holdersOf("src/a.ts"), ["A"]);
  assert.deepEqual(await place.holdersOf("src/[ab].ts"), []);
  await place.as("A", "unlock", "src/[ab].ts", "--glob");
  await place.as("A", "lock", "src/{a,b}.ts", "--exclusive", "--literal");
  assert.deepEqual(await place.holdersOf("src/a.ts"), []);
  assert.deepEqual(await place.holdersOf("src/{a,b}.ts", "--literal"), ["A"]);
  await place.as("A", "unlock", "src/{a,b}.ts", "--literal");
  for (const command of ["lock", "unlock", "who", "locks"]) {
    const { code, stderr } = await place.mbus.run(
      [command, "a", "--glob", "--literal"],
      { cwd: place.project },
    );
    assert.equal(code, 2);
    assert.match(stderr, /--glob and --literal exclude each other/);
  }
});

test("a lock on all files does not cover a worktree below", async (place) => {
  await place.git("worktree", "add", "-q", ".claude/worktrees/x");
  await place.as("A", "lock", "**/*.ts", "--exclusive");
  await place.as("A", "lock", ".", "--exclusive");
  const tree = `${place.project}/.claude/worktrees/x`;
  assert.equal(await place.isDenied("B", `${tree}/src/a.ts`), false);
  assert.equal(await place.isDenied("B", `${place.project}/src/a.ts`), true);
  // A hold in the worktree below does not conflict above.
  await place.mbus.done(["lock", "lib", "--exclusive"], {
    cwd: tree,
    env: { MBUS_SESSION: "C" },
  });
});

test("a home path in an edit or a lock is the file in the home folder", async (place) => {
  const home = Deno.realPathSync(`${place.mbus.folder}/home`);
  await place.hook("claude", "A", "SessionStart");
  assert.equal(await place.isDenied("A", "~/notes.md"), false);
  const [hold] = await place.mbus.json(["locks", "--all-projects"]);
  assert.equal(hold.path, `${home}/notes.md`);
  const outside = { cwd: home, env: { MBUS_SESSION: "C" } };
  await place.mbus.done(["lock", "~/todo.md", "--exclusive"], outside);
  assert.equal(await place.isDenied("B", `${home}/todo.md`), true);
  assert.equal(await place.isDenied("B", "~/todo.md"), true);
});

test("a named resource is locked, shown, waited for and released", async (place) => {
  const locked = await place.as("A", "lock", "@git/head", "--exclusive");
  assert.match(locked, /^@git\/head +exclusive/m);
  assert.match(await place.as("B", "who", "@git/head"), /A +holds exclusively/);
  assert.match(await place.as("B", "locks", "@git/head"), /@git\/head/);
  assert.equal(
    await place.as("B", "locks", "src"),
    "No locks.\n",
  );
  const refused = await place.mbus.run(
    ["with-lock", "@git/head", "--exclusive", "--", "true"],
    { cwd: `${place.project}/src`, env: { MBUS_SESSION: "B" } },
  );
  assert.equal(refused.code, 1);
  assert.match(refused.stderr, /A \(.*\) holds @git\/head exclusively/);
  const waiting = place.mbus.start(
    ["lock", "@git/head", "--exclusive", "--wait", "1m", "--json"],
    { cwd: place.project, env: { MBUS_SESSION: "B" } },
  );
  await waiting.errorLine();
  assert.equal(
    await place.as("A", "unlock", "@git/head"),
    "Released @git/head.\n",
  );
  const hold = JSON.parse((await waiting.line())!);
  assert.equal(hold.kind, "name");
  assert.equal(hold.worktree, place.project);
  await place.as(
    "C",
    "with-lock",
    "@port/3000",
    "@db",
    "--exclusive",
    "--",
    "true",
  );
  const held = await place.mbus.json(["locks"], { cwd: place.project });
  assert.deepEqual(held.map(({ path }) => path), ["@git/head"]);
});

test("git's names belong to a worktree, a port to the machine", async (place) => {
  await place.git("worktree", "add", "-q", "../tree");
  const tree = { cwd: `${place.mbus.folder}/tree` };
  await place.as("A", "lock", "@git/head", "@port/3000", "@db", "--exclusive");
  const other = { ...tree, env: { MBUS_SESSION: "B" } };
  await place.mbus.done(["lock", "@git/head", "--exclusive"], other);
  for (const name of ["@port/3000", "@db"]) {
    const { code } = await place.mbus.run(["lock", name, "--exclusive"], other);
    assert.equal(code, 1, name);
  }
  const elsewhere = {
    cwd: `${place.mbus.folder}/home`,
    env: { MBUS_SESSION: "C" },
  };
  await place.mbus.done(["lock", "@db", "--exclusive"], elsewhere);
  const port = await place.mbus.run(["lock", "@port/3000"], elsewhere);
  assert.equal(port.code, 1);
  const head = await place.mbus.run(["lock", "@git/head"], elsewhere);
  assert.equal(head.code, 2);
  assert.match(head.stderr, /is not in a git repository/);
});

/** Returns a patch that adds files and then changes the held one. */
function patchOf(count: number, last?: string): { readonly command: string } {
  const lines = Array.from(
    { length: count },
    (_, i) => `*** Add File: g/${i % 50}/${i}.ts\n+x`,
  );
  if (last !== undefined) lines.push(`*** Update File: ${last}`);
  return {
    command: ["*** Begin Patch", ...lines, "*** End Patch"].join("\n"),
  };
}

for (const count of [100, 5_000]) {
  test(`a patch of ${count} files and a held one is denied`, async (place) => {
    await place.hook("claude", "A", "SessionStart");
    await place.as("A", "lock", "src/a.ts", "--exclusive");
    const patch = (last?: string) =>
      place.hook(
        "codex",
        "C",
        "PreToolUse",
        "apply_patch",
        patchOf(count, last),
      );
    assert.match(await patch("src/a.ts"), /"deny".*A \(claude\) holds/);
    assert.deepEqual(
      (await place.mbus.json(["locks", "--all-projects"])).length,
      1,
    );
    assert.doesNotMatch(await patch(), /"deny"/);
    // Past the limit of a session's locks, an exclusive hold still denies.
    assert.match(await patch("src/a.ts"), /"deny".*A \(claude\) holds/);
  });
}

test("a holder of hundreds of files is found on the last one", async (place) => {
  await place.hook("codex", "C", "PreToolUse", "apply_patch", patchOf(400));
  assert.match(
    await place.hook("claude", "B", "PreToolUse", "Edit", {
      file_path: `${place.project}/g/49/399.ts`,
    }),
    /"deny".*C \(codex\) is editing/,
  );
});

test("a patch of too many files is denied with the reason", async (place) => {
  const answer = await place.hook(
    "codex",
    "C",
    "PreToolUse",
    "apply_patch",
    patchOf(10_001),
  );
  assert.match(answer, /"deny".*more than 10000 files/);
  assert.match(answer, /Split it into smaller calls/);
});

test("an edit of many parts is checked for each of its files", async (place) => {
  await place.as("A", "lock", "src/a.ts", "--exclusive");
  const edits = Array.from({ length: 150 }, (_, i) => ({
    file_path: i === 149 ? "src/a.ts" : `src/${i}.ts`,
  }));
  assert.match(
    await place.hook("claude", "B", "PreToolUse", "MultiEdit", { edits }),
    /"deny"/,
  );
});

test("a command that changes many files is checked for each of them", async (place) => {
  await place.as("A", "lock", "src/a.ts", "--exclusive");
  const files = Array.from({ length: 4_000 }, (_, i) => `src/${i}.ts`);
  const command = `sed -i s/a/b/ ${files.join(" ")}`;
  const run = (command: string) =>
    place.hook("claude", "B", "PreToolUse", "Bash", { command });
  assert.match(await run(`${command} src/a.ts`), /"deny".*A \(/);
  assert.doesNotMatch(await run(command), /"deny"/);
});

test("a command after a long text is checked", async (place) => {
  await place.as("A", "lock", "src/a.ts", "--exclusive");
  const text = "a line of the document\n".repeat(5_000);
  const command = `cat >new.md <<'END'\n${text}END\nrm src/a.ts`;
  assert.match(
    await place.hook("claude", "B", "PreToolUse", "Bash", { command }),
    /"deny".*A \(/,
  );
});

test("a command that is too long is denied with the reason", async (place) => {
  const command = `echo ${"x".repeat(263_000)}; rm src/a.ts`;
  assert.match(
    await place.hook("claude", "B", "PreToolUse", "Bash", { command }),
    /"deny".*a command of more than 256 Ki characters/,
  );
});
