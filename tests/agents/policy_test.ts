/**
 * The files of settings, and the effect of a mistake in them.
 *
 * @module
 */

import assert from "node:assert/strict";
import {
  DEFAULT_POLICY,
  type Policy,
  readPolicy,
} from "../../lib/hooks/policy.ts";
import { Mbus } from "../cli/mbus.ts";

/** Reads the policy of these two files. */
function policyOf(
  user: string | undefined,
  project: string | undefined,
): { policy: Policy; warnings: string[] } {
  const root = Deno.realPathSync(Deno.makeTempDirSync());
  const before = Deno.env.get("XDG_CONFIG_HOME");
  try {
    Deno.env.set("XDG_CONFIG_HOME", `${root}/config`);
    Deno.mkdirSync(`${root}/config/mbus`, { recursive: true });
    Deno.mkdirSync(`${root}/project`);
    if (user !== undefined) {
      Deno.writeTextFileSync(`${root}/config/mbus/config.json`, user);
    }
    if (project !== undefined) {
      Deno.writeTextFileSync(`${root}/project/.mbus.json`, project);
    }
    const warnings: string[] = [];
    const policy = readPolicy(
      `${root}/project`,
      (message) => warnings.push(message.replaceAll(root, "")),
    );
    return { policy, warnings };
  } finally {
    if (before === undefined) Deno.env.delete("XDG_CONFIG_HOME");
    else Deno.env.set("XDG_CONFIG_HOME", before);
    Deno.removeSync(root, { recursive: true });
  }
}

Deno.test("a project's setting takes precedence over the user's, field by field", () => {
  assert.deepEqual(policyOf(undefined, undefined), {
    policy: DEFAULT_POLICY,
    warnings: [],
  });
  const user = '{"onOverlap":"block","contextBytesMax":2048}';
  assert.deepEqual(policyOf(user, '{"onOverlap":"inform","holdAtStop":true}'), {
    policy: {
      onOverlap: "inform",
      holdAtStop: true,
      contextBytesMax: 2048,
      greeting: true,
    },
    warnings: [],
  });
});

const INFORM = '{"onOverlap":"inform"}';
const BLOCK = '{"onOverlap":"block"}';

/** A file with a mistake in it, and the message about it. */
const MISTAKES: readonly (readonly [string, RegExp])[] = [
  ['{"greeting":"no"}', /greeting is "no". Write true or false/],
  ['{"onOverlap":"blok"}', /onOverlap is "blok". Write warn, inform or block/],
  ['{"onOverlap":null}', /onOverlap is another kind of value. Write warn/],
  ['{"onoverlap":"block"}', /onoverlap is not a setting. Write onOverlap, /],
  ['{"__proto__":1}', /a key in it is not a setting/],
  ['{"holdAtStop":"yes"}', /holdAtStop is "yes". Write true or false/],
  ['{"contextBytesMax":1e9}', /contextBytesMax is 1000000000. Write a number/],
  ['{"pass word":"s3cr3t"}', /a key in it is not a setting/],
  ['{"onOverlap":"s3cr3t text"}', /onOverlap is another text/],
  ["[]", /it is not a JSON object, and is ignored\. Correct/],
  ["s3cr3t", /it is not JSON, and is ignored\. Correct/],
];

for (const [text, told] of MISTAKES) {
  Deno.test(`a mistake in settings is reported, and weakens nothing: ${text}`, () => {
    for (
      const [user, onOverlap] of [
        [undefined, "warn"],
        [INFORM, "warn"],
        [BLOCK, "block"],
      ] as const
    ) {
      const { policy, warnings } = policyOf(user, text);
      assert.equal(policy.onOverlap, onOverlap, user);
      assert.equal(warnings.length, 1);
      assert.match(warnings[0], told);
      assert.match(warnings[0], /^Cannot use \/project\/\.mbus\.json: /);
      assert.doesNotMatch(warnings[0], /s3cr3t/);
      assert.equal(policy.holdAtStop, DEFAULT_POLICY.holdAtStop);
      assert.equal(policy.contextBytesMax, DEFAULT_POLICY.contextBytesMax);
    }
    // The same in the user's own file.
    assert.match(policyOf(text, undefined).warnings[0], told);
    assert.equal(policyOf(text, INFORM).policy.onOverlap, "inform");
  });
}

Deno.test("valid settings beside a mistake count", () => {
  const { policy, warnings } = policyOf(
    BLOCK,
    '{"onOverlap":"inform","holdAtStop":true,"extra":1}',
  );
  assert.deepEqual(policy, {
    ...DEFAULT_POLICY,
    onOverlap: "inform",
    holdAtStop: true,
  });
  assert.equal(warnings.length, 1);
});

Deno.test("doctor and the log of hooks report a mistake in settings", async () => {
  await using mbus = new Mbus();
  const cwd = `${mbus.folder}/project`;
  const settings = async () =>
    (await mbus.json(["doctor"])).filter(({ check }) => check === "settings");
  assert.deepEqual((await settings()).map(({ status }) => status), ["ok"]);
  await Deno.writeTextFile(`${cwd}/.mbus.json`, '{"onOverlap":"blok"}');
  const user = `${mbus.folder}/home/.config/mbus`;
  await Deno.mkdir(user, { recursive: true });
  await Deno.writeTextFile(`${user}/config.json`, '{"holdAtStopp":true}');
  const [first, second] = await settings();
  assert.equal(first.status, "warn");
  assert.match(String(first.message), /holdAtStopp is not a setting/);
  assert.match(String(second.message), /onOverlap is "blok"/);
  assert.equal(second.remedy, `correct ${Deno.realPathSync(cwd)}/.mbus.json`);

  const input = (event: string, session: string, more = {}) =>
    JSON.stringify({
      session_id: session,
      hook_event_name: event,
      cwd,
      ...more,
    });
  await Deno.writeTextFile(`${cwd}/a.ts`, "");
  await mbus.done(["lock", "a.ts"], { env: { MBUS_SESSION: "holder" } });
  const answer = await mbus.done(["hook", "claude"], {
    input: input("PreToolUse", "ada", {
      tool_name: "Write",
      tool_input: { file_path: `${cwd}/a.ts` },
    }),
  });
  assert.match(answer, /"permissionDecision":"deny"/);
  const log = await Deno.readTextFile(`${mbus.home}/hooks.log`);
  assert.match(log, /onOverlap is \\"blok\\"/);
  assert.match(log, /holdAtStopp is not a setting/);
});
