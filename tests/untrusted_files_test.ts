/**
 * Files that another user of the machine made are not read, because one may be a pipe
 * that blocks its reader.
 *
 * @module
 */

import assert from "node:assert/strict";
import { Mbus, ROOT } from "./cli/mbus.ts";
import { hasProgram, within } from "./fixture.ts";

const canBeOthers = Deno.build.os === "linux" && Deno.uid() === 0 &&
  hasProgram("setpriv");
const unlessOthers = canBeOthers ? "" : " (ignored: needs root and setpriv)";
const OTHER = 65_534;

/** Runs shell commands as another user. */
async function asOther(script: string): Promise<void> {
  const ids = [`--reuid=${OTHER}`, `--regid=${OTHER}`, "--clear-groups"];
  const { success, stderr } = await new Deno.Command("setpriv", {
    args: [...ids, "sh", "-ec", script],
  }).output();
  assert.ok(success, new TextDecoder().decode(stderr));
}

function pipe(path: string): void {
  assert.ok(new Deno.Command("mkfifo", { args: [path] }).outputSync().success);
}

const ADDRESS = {
  host: "localhost",
  port: 5432,
  path: undefined,
  database: "d",
  user: "u",
  schema: "s",
};

/** Runs code with the relay's folder in a process of its own, because it may block. */
async function withRelayFolder(
  temporary: string,
  code: string,
): Promise<string> {
  const child = new Deno.Command(Deno.execPath(), {
    args: [
      "eval",
      "--no-check",
      `import { RelayFolder } from "${ROOT}/lib/postgres/relay_folder.ts";
       const folder = new RelayFolder(${JSON.stringify(ADDRESS)});
       ${code}`,
    ],
    env: { TMPDIR: temporary, MBUS_HUB: "", XDG_RUNTIME_DIR: "" },
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  try {
    const { stdout, stderr } = await within("the folder", child.output());
    return new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
  } catch (error) {
    child.kill("SIGKILL");
    throw error;
  }
}

Deno.test({
  name: `a relay does not read another user's folder${unlessOthers}`,
  ignore: !canBeOthers,
  async fn() {
    const temporary = Deno.makeTempDirSync({ prefix: "mbus-tmp-" });
    try {
      Deno.chmodSync(temporary, 0o1777);
      const path =
        (await withRelayFolder(temporary, "console.log(folder.path)"))
          .trim();
      assert.match(path, new RegExp(`^${temporary}/message-bus-0/[0-9a-f]+$`));
      await asOther(`mkdir -p '${path}/wants' '${path}/bells'
        mkfifo '${path}/hub' '${path}/wants/x'; chmod -R a+rwx '${path}'`);
      assert.equal(
        (await withRelayFolder(temporary, "console.log(folder.relay())"))
          .trim(),
        "undefined",
      );
      const refused = await withRelayFolder(temporary, "folder.create()");
      assert.match(
        refused,
        /Cannot run the relay: \S+ belongs to another user/,
      );

      // No files are created behind another user's link.
      await asOther(`rm -r '${temporary}/message-bus-0'
        ln -s '${temporary}/ours' '${temporary}/message-bus-0'`);
      Deno.mkdirSync(`${temporary}/ours`, { mode: 0o700 });
      await withRelayFolder(temporary, "folder.create()");
      assert.deepEqual([...Deno.readDirSync(`${temporary}/ours`)], []);
    } finally {
      Deno.removeSync(temporary, { recursive: true });
    }
  },
});

Deno.test({
  name: "a relay does not read a pipe, also in the user's own folder",
  ignore: Deno.build.os === "windows",
  async fn() {
    const temporary = Deno.makeTempDirSync({ prefix: "mbus-tmp-" });
    try {
      const path = (await withRelayFolder(
        temporary,
        "folder.create(); console.log(folder.path)",
      )).trim();
      pipe(`${path}/hub`);
      pipe(`${path}/wants/x`);
      const told = await withRelayFolder(
        temporary,
        `console.log(folder.relay(), folder.wantsOf("x"))`,
      );
      assert.equal(told.trim(), "undefined undefined");
    } finally {
      Deno.removeSync(temporary, { recursive: true });
    }
  },
});

Deno.test({
  name: `doctor reads no files in a folder that it refuses${unlessOthers}`,
  ignore: !canBeOthers,
  async fn() {
    await using mbus = new Mbus();
    await mbus.done(["send", "state", "1"]);
    await mbus.done(["hook", "claude"], { input: "no JSON" });
    for (
      const name of ["hooks.log", "turn", "bells/x", "db/messaging.db-wal"]
    ) {
      await Deno.remove(`${mbus.home}/${name}`).catch(() => {});
      pipe(`${mbus.home}/${name}`);
    }
    Deno.chownSync(mbus.home, OTHER, OTHER);
    const { code, stdout } = await within("doctor", mbus.run(["doctor"]));
    assert.equal(code, 3);
    assert.match(stdout, /fail +folder .*belongs to another user/);
    assert.doesNotMatch(stdout, /hooks|database|watch/);
  },
});

Deno.test({
  name: "doctor reports a hook log that is a pipe, and hooks go on",
  ignore: Deno.build.os === "windows",
  async fn() {
    await using mbus = new Mbus();
    await mbus.done(["send", "state", "1"]);
    pipe(`${mbus.home}/hooks.log`);
    const hook = mbus.run(["hook", "claude"], { input: "no JSON" });
    assert.equal((await within("the hook", hook)).code, 0);
    const findings = await within("doctor", mbus.json(["doctor"]));
    const { status, message } = findings.find(({ check }) =>
      check === "hooks"
    )!;
    assert.equal(status, "warn");
    assert.match(String(message), /not a regular file/);
  },
});
