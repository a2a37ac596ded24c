/**
 * Only its user can read and write a bus, and no command uses a folder that
 * other users can change. (The library, and permissions under each umask:
 * place_test.)
 */

import assert from "node:assert/strict";
import { Mbus } from "../cli/mbus.ts";
import { COMMANDS, contents } from "../cli/opening_commands.ts";
import { hasProgram } from "../fixture.ts";

const isRoot = Deno.build.os === "linux" && Deno.uid() === 0;
const canBeOthers = isRoot && hasProgram("setpriv");
const unlessOthers = canBeOthers ? "" : " (ignored: needs root and setpriv)";
const OTHER = 12_345;

/** Changes of the folder by other users. */
const PLANTED: readonly (readonly [string, (mbus: Mbus) => void])[] = [
  ["a folder of another user", (mbus) => {
    redirectLog(mbus);
    Deno.chownSync(mbus.home, OTHER, OTHER);
  }],
  ["a subfolder of another user", (mbus) => {
    Deno.chownSync(`${mbus.home}/db`, OTHER, OTHER);
  }],
  ["a folder that its group may write to", (mbus) => {
    redirectLog(mbus);
    Deno.chmodSync(mbus.home, 0o770);
  }],
  ["bells that every user may write to", (mbus) => {
    Deno.chmodSync(`${mbus.home}/bells`, 0o777);
  }],
  ["a link of another user to the user's bus", (mbus) => {
    Deno.renameSync(mbus.home, `${mbus.folder}/elsewhere`);
    Deno.symlinkSync(`${mbus.folder}/elsewhere`, mbus.home);
    chownLink(mbus.home);
  }],
  ["a link of another user in the folder", (mbus) => {
    Deno.renameSync(`${mbus.home}/db`, `${mbus.folder}/db`);
    Deno.symlinkSync(`${mbus.folder}/db`, `${mbus.home}/db`);
    chownLink(`${mbus.home}/db`);
  }],
];

/** Replaces the log of hooks by a link to another file. */
function redirectLog({ folder, home }: Mbus): void {
  Deno.writeTextFileSync(`${folder}/precious`, "mine");
  Deno.symlinkSync(`${folder}/precious`, `${home}/hooks.log`);
}

function chownLink(path: string): void {
  const { success } = new Deno.Command("chown", {
    args: ["--no-dereference", `${OTHER}:${OTHER}`, path],
  }).outputSync();
  assert.ok(success);
}

for (const [name, plant] of PLANTED) {
  Deno.test({
    name: `every command rejects ${name}${unlessOthers}`,
    ignore: !canBeOthers,
    async fn() {
      await using mbus = new Mbus();
      await mbus.done(["send", "state", "1"]);
      plant(mbus);
      const before = contents(mbus.folder);
      const results = await Promise.all(
        COMMANDS.map(async ([way, args, input]) =>
          [way, await mbus.run(args, { input })] as const
        ),
      );
      for (const [way, { code, stdout, stderr }] of results) {
        if (way === "hook") {
          // A fault of the bus does not stop an agent.
          assert.deepEqual([code, stdout, stderr], [0, "", ""]);
          continue;
        }
        assert.equal(code, 3, `${way}: ${stdout}${stderr}`);
        if (way === "doctor") continue;
        assert.equal(stdout, "", way);
        assert.match(
          stderr,
          /^mbus: Cannot use [^\n]+(another user|other users may write)[^\n]+\n$/,
          way,
        );
      }
      assert.deepEqual(contents(mbus.folder), before);
    },
  });
}

Deno.test({
  name: `another user can neither read nor write the bus${unlessOthers}`,
  ignore: !canBeOthers,
  async fn() {
    await using mbus = new Mbus();
    // Only the permissions of the bus folder protect it here.
    Deno.chmodSync(mbus.folder, 0o777);
    Deno.writeTextFileSync(`${mbus.folder}/open`, "open");
    Deno.chmodSync(`${mbus.folder}/open`, 0o666);
    const umask = Deno.umask(0);
    try {
      await mbus.done(["send", "state", '"secret"']);
      const tail = mbus.start(["tail"]);
      await mbus.reach(tail);
      // A failed hook writes a log.
      await mbus.done(["hook", "claude"], { input: '{"session_id":' });
      const before = contents(mbus.home);
      const files = everyFile(mbus.home);
      assert.ok(files.some((path) => path.endsWith("-wal")));
      assert.ok(files.some((path) => path.endsWith("hooks.log")));
      assert.ok(files.some((path) => path.includes("/bells/")));
      const attempt = (...command: string[]) => asOther(command);
      assert.ok(await attempt("cat", `${mbus.folder}/open`));
      assert.ok(await attempt("touch", `${mbus.folder}/open`));
      for (const path of [mbus.home, `${mbus.home}/db`, `${mbus.home}/bells`]) {
        assert.ok(!await attempt("ls", path), path);
        assert.ok(!await attempt("touch", `${path}/planted`), path);
        assert.ok(!await attempt("chmod", "777", path), path);
      }
      for (const path of files) {
        const { mode } = Deno.statSync(path);
        assert.equal((mode! & 0o777).toString(8), "600", path);
        assert.ok(!await attempt("cat", path), path);
        assert.ok(!await attempt("truncate", "-s", "0", path), path);
        assert.ok(!await attempt("ln", path, `${mbus.folder}/hard`), path);
        assert.ok(!await attempt("rm", "-f", path), path);
      }
      assert.deepEqual(contents(mbus.home), before);
      await tail.kill();
    } finally {
      Deno.umask(umask);
    }
  },
});

function everyFile(folder: string): string[] {
  return [...Deno.readDirSync(folder)].flatMap(({ name, isDirectory }) =>
    isDirectory ? everyFile(`${folder}/${name}`) : [`${folder}/${name}`]
  );
}

async function asOther(command: readonly string[]): Promise<boolean> {
  const { success } = await new Deno.Command("setpriv", {
    args: [
      `--reuid=${OTHER}`,
      `--regid=${OTHER}`,
      "--clear-groups",
      ...command,
    ],
    stdout: "null",
    stderr: "null",
  }).output();
  return success;
}
