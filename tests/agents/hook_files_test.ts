/**
 * A hook responds in a project whose files are links, pipes and devices, and its
 * log quotes none of them.
 *
 * @module
 */

import assert from "node:assert/strict";
import { Mbus } from "../cli/mbus.ts";
import { within } from "../fixture.ts";

/** Entries that a project can contain in place of a file. */
const KINDS: Readonly<Record<string, (path: string, mbus: Mbus) => void>> = {
  "a link to a device": (path) => Deno.symlinkSync("/dev/zero", path),
  "a link to a secret": (path, { folder }) =>
    Deno.symlinkSync(`${folder}/secret`, path),
  "a pipe": (path) => {
    const { success } = new Deno.Command("mkfifo", { args: [path] })
      .outputSync();
    assert.ok(success);
  },
  "16 MB of JSON": (path) =>
    Deno.writeTextFileSync(path, `{"a":[${"0,".repeat(8e6)}0]}`),
  "a folder": (path) => Deno.mkdirSync(path),
  "a line without an end": (path) =>
    Deno.writeTextFileSync(path, `gitdir: ${"a\u0001".repeat(3_000)}`),
};

/** The files of a project that a hook reads. */
const PLACES: readonly string[] = [
  ".mbus.json",
  ".git",
  ".git/HEAD",
  ".git/commondir",
  "x.git/HEAD",
  "x.git/commondir",
];

const SECRET = "s3cr3t-\u0001-t3xt";

/** Runs one call in a process of its own, like an agent's. */
async function hook(
  mbus: Mbus,
  event: string,
  more: Record<string, unknown>,
): Promise<string> {
  const input = JSON.stringify({
    session_id: "ada",
    hook_event_name: event,
    ...more,
  });
  const ended = await within(
    "the hook",
    mbus.run(["hook", "claude"], { input }),
  );
  assert.equal(ended.code, 0);
  return ended.stdout;
}

for (const [kind, put] of Object.entries(KINDS)) {
  Deno.test({
    name: `a hook denies with ${kind} in place of each file of a project`,
    ignore: Deno.build.os === "windows",
    async fn() {
      await using mbus = new Mbus();
      Deno.writeTextFileSync(`${mbus.folder}/secret`, SECRET);
      for (const [at, place] of PLACES.entries()) {
        const root = `${mbus.folder}/project/${at}`;
        const cwd = place.startsWith("x.git/") ? `${root}/x.git` : root;
        const folder = `${root}/${place}`.replace(/\/[^/]*$/, "");
        Deno.mkdirSync(folder, { recursive: true });
        if (folder !== root) {
          // A clone can contain a folder that looks like a bare repository.
          Deno.mkdirSync(`${folder}/objects`);
          Deno.mkdirSync(`${folder}/refs`);
          Deno.writeTextFileSync(`${folder}/HEAD`, "ref: refs/heads/main\n");
          await Deno.remove(`${root}/${place}`).catch(() => {});
        }
        put(`${root}/${place}`, mbus);
        const path = `${cwd}/a.ts`;
        Deno.writeTextFileSync(path, "");
        await hook(mbus, "SessionStart", { cwd, source: "startup" });
        await within(
          "the lock",
          mbus.done(["lock", path, "--exclusive"], {
            cwd,
            env: { MBUS_SESSION: `holder-${at}` },
          }),
        );
        const answer = await hook(mbus, "PreToolUse", {
          cwd,
          tool_name: "Write",
          tool_input: { file_path: path },
        });
        assert.match(answer, /"permissionDecision":"deny"/, place);
      }
      const log = await Deno.readTextFile(`${mbus.home}/hooks.log`)
        .catch(() => "");
      assert.doesNotMatch(log, /s3cr3t|t3xt|gitdir|0,0/, log);
    },
  });
}
