/** The sets of Deno's permissions in docs/permissions.md, with real programs. */

import assert from "node:assert/strict";
import { Home, run } from "./fixture.ts";
import { TextLineStream } from "./text_lines.ts";

const PAGE = Deno.readTextFileSync(
  new URL("../docs/permissions.md", import.meta.url),
);
const PROGRAM = new URL("./peers/permitted.ts", import.meta.url).pathname;
const WARNING = /^mbus: the death of .+ is not noticed .+--allow-run.+leases/;

/** One row of the table: the flags, and its claims. */
interface Row {
  readonly flags: string;
  readonly opens: boolean;
  readonly isSeen: boolean;
  readonly sees: boolean;
}

const ROWS: readonly Row[] = [
  ...PAGE.matchAll(
    /^\| `(--allow[^`]*)` +\| (yes|no) +\| (yes|no)? +\| (yes|no)? +\|$/gm,
  ),
].map(([, flags, ...claims]) => {
  const [opens, isSeen, sees] = claims.map((claim) => claim === "yes");
  return { flags, opens, isSeen, sees };
});

/** Starts the program with permissions; it locks a file beside the bus folder. */
function start(flags: string, { path, root }: Home, file: string): Program {
  const allowed = flags.replaceAll("BUS", path).split(" ");
  return new Program(
    new Deno.Command(Deno.execPath(), {
      args: ["run", "--quiet", "--no-prompt", "--no-check", "--cached-only"]
        .concat(allowed, PROGRAM, `${root}/${file}`),
      cwd: root,
      env: { MBUS_HOME: path, NO_COLOR: "1" },
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    }).spawn(),
  );
}

/** A running program. */
class Program {
  readonly #child: Deno.ChildProcess;
  readonly #lines: ReadableStreamDefaultReader<string>;
  readonly #stderr: Promise<string>;

  constructor(child: Deno.ChildProcess) {
    this.#child = child;
    this.#lines = child.stdout.pipeThrough(new TextDecoderStream())
      .pipeThrough(new TextLineStream()).getReader();
    this.#stderr = new Response(child.stderr).text();
  }

  /** Returns its line; undefined if it ends without one. */
  async line(): Promise<string | undefined> {
    return (await this.#lines.read()).value;
  }

  /** Kills it, unless it has ended; returns its lines on standard error. */
  async kill(): Promise<string[]> {
    try {
      this.#child.kill("SIGKILL");
    } catch {
      // It has ended.
    }
    await this.#child.status;
    await this.#lines.cancel();
    return (await this.#stderr).trim().split("\n").filter((line) => line);
  }
}

Deno.test("the page on permissions has rows of each kind", () => {
  const kinds = ROWS.map(({ opens, isSeen, sees }) => [opens, isSeen, sees]);
  assert.deepEqual(
    [...new Set(kinds.map(String))],
    [
      "false,false,false",
      "true,false,false",
      "true,true,false",
      "true,true,true",
    ],
  );
});

for (const { flags, opens, isSeen, sees } of ROWS) {
  Deno.test({
    name: `a program with ${flags} ${
      !opens
        ? "is told the missing permission at open"
        : `${sees ? "notices" : "does not notice"} deaths, and its own is ${
          isSeen ? "noticed" : "not noticed"
        }`
    }`,
    // The page says what differs on other systems.
    ignore: Deno.build.os !== "linux",
    async fn() {
      await using home = new Home();
      const holder = start(flags, home, "a.ts");
      const line = await holder.line();
      const told = await holder.kill();
      if (!opens) {
        assert.equal(line, undefined);
        const all = ["read", "write", "env", "sys"].map((name) =>
          `--allow-${name}`
        );
        const missing = all.find((flag) => !flags.includes(flag));
        const [sentence] = told;
        assert.match(sentence, /StoreError: Cannot open the bus: this program/);
        assert.ok(sentence.includes(`permission ${missing}`), sentence);
        return;
      }
      assert.equal(line, "held", told.join("\n"));
      assert.equal(told.length, isSeen && sees ? 0 : 1, told.join("\n"));
      told.forEach((warning) => assert.match(warning, WARNING));

      const bus = await home.open();
      const lock = await bus.locks.tryAcquire(`${home.root}/a.ts`);
      assert.equal(lock !== undefined, isSeen, "its lock is free");

      const other = start("--allow-all", home, "b.ts");
      assert.equal(await other.line(), "held");
      await other.kill();
      const looker = start(flags, home, "b.ts");
      assert.equal(await looker.line(), sees ? "held" : "blocked");
      await looker.kill();
    },
  });
}

Deno.test("acquire() names the permission that a path needs", async () => {
  await using home = new Home();
  await run("git", ["init", "-q", home.root]);
  const flags = `--allow-read=${home.root} --allow-write=BUS --allow-env ` +
    "--allow-sys";
  const program = start(flags, home, "new/a.ts");
  assert.equal(await program.line(), undefined);
  const told = (await program.kill()).join("\n");
  assert.match(
    told,
    /StoreError: Cannot read ".+a\.ts": this program lacks .+ --allow-read for /,
  );
});
