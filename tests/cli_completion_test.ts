/**
 * Completion in real shells. `MBUS_TEST_REQUIRE=shells` makes a missing shell an
 * error.
 */

import assert from "node:assert/strict";
import { storedValues } from "../lib/cli/completion/stored_values.ts";
import { allCommands } from "../lib/cli/help.ts";
import { projectOf } from "../lib/path/project.ts";
import { tryStoredValues } from "../lib/sqlite/fast_values.ts";
import { Mbus, ROOT } from "./cli/mbus.ts";

const COMMANDS = await allCommands();

/** Real shells, by a script that prints the completions of `$1`. */
const SHELLS: Readonly<Record<string, string>> = {
  bash: `source completion
read -ra COMP_WORDS <<<"$1"
[[ $1 == *' ' ]] && COMP_WORDS+=('')
COMP_CWORD=$((\${#COMP_WORDS[@]} - 1))
_mbus
printf '%s\\n' "\${COMPREPLY[@]}"
`,
  // A pseudo-terminal presses Tab, and compadd prints what it would offer.
  zsh: `zmodload zsh/zpty
cat > setup <<'END'
autoload -Uz compinit && compinit -u -D
source completion
PS1=
bindkey '^I' complete-word
compadd() {
  if [[ \${@[1,(i)(-|--)]} == *-(O|A|D)\\ * ]]; then
    builtin compadd "$@"
    return
  fi
  local -a hits
  builtin compadd -A hits "$@"
  local hit
  for hit in $hits; do print -r -- "HIT:$hit"; done
}
finish() { print FINISHED; exit }
comppostfuncs=(finish)
END
zpty shell zsh -f -i
zpty -w shell 'source ./setup; print "RE""ADY"'
while zpty -r shell line; do [[ $line == *READY* ]] && break; done
zpty -w -n shell "$1"$'\\t'
all=
while zpty -r shell part; do all+=$part; [[ $all == *FINISHED* ]] && break; done
for line in "\${(@f)all}"; do
  line=\${line%$'\\r'}
  [[ $line == *HIT:* ]] && print -r -- "\${line##*HIT:}"
done
true
`,
  fish: `source completion
complete -C $argv[1] | string replace -r '\\t.*' ''
`,
};

/** Completed line, and the words that a shell offers. */
const CASES: readonly (readonly [line: string, words: readonly string[]])[] = [
  ["lo", ["lock", "locks"]],
  ["l", ["lock", "locks"]],
  ["sess", ["sessions"]],
  ["task re", ["renew", "release"]],
  ["tasks cl", ["claim"]],
  ["lock --ex", ["--exclusive"]],
  ["lock --rea", ["--reason"]],
  ["lock --all-p", ["--all-projects"]],
  ["lock sr", ["src/"]],
  ["unlock ", ["src/a.ts"]],
  ["unlock src/b.ts ", ["src/a.ts"]],
  ["task claim ", ["T-1", "T-2"]],
  ["task add x --depends ", ["T-1", "T-2"]],
  ["task claim T-1 ", []],
  ["task list --status ", ["open", "claimed", "done", "failed"]],
  ["ask ", ["tester"]],
  ["send chat 1 --to t", ["tester"]],
  ["--session t", ["tester"]],
  ["tail bui", ["build"]],
  ["install ge", ["gemini"]],
  ["install gemini co", ["codex", "copilot"]],
  ["completion ", ["bash", "zsh", "fish", "powershell"]],
  ["help ag", ["agent"]],
  ["help wi", ["with-lock"]],
];

/** Returns whether a program is installed. */
async function has(program: string): Promise<boolean> {
  try {
    const child = new Deno.Command(program, { args: ["--version"] });
    return (await child.output()).success;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/** Returns a bus with sessions, locks, tasks and channels, and mbus on the PATH. */
async function furnished(): Promise<Mbus & { readonly path: string }> {
  const mbus = new Mbus();
  const path = `${mbus.folder}/bin`;
  Deno.mkdirSync(path);
  Deno.writeTextFileSync(
    `${path}/mbus`,
    `#!/bin/sh\nexec '${Deno.execPath()}' run --quiet --cached-only --allow-all ` +
      `'${ROOT}/cli.ts' "$@"\n`,
    { mode: 0o755 },
  );
  Deno.mkdirSync(`${mbus.folder}/project/src`);
  await mbus.done(["lock", "src/a.ts", "--exclusive", "-m", "it's $HOME"]);
  await mbus.done(["task", "add", "write 'it'", "--id", "T-1"]);
  await mbus.done(["task", "add", "test it", "--id", "T-2"]);
  await mbus.done(["task", "add", "old", "--id", "T-3"]);
  await mbus.done(["task", "claim", "T-3"]);
  await mbus.done(["task", "done", "T-3"]);
  await mbus.done(["send", "build", "1"]);
  return Object.assign(mbus, { path });
}

for (const [shell, script] of Object.entries(SHELLS)) {
  const isHere = await has(shell);
  const isRequired = Deno.env.get("MBUS_TEST_REQUIRE")?.includes("shells");
  Deno.test({
    name: `${shell} completes commands, options and values${
      isHere ? "" : ` (ignored: ${shell} is not installed)`
    }`,
    ignore: !isHere && !isRequired,
    fn: async () => {
      await using mbus = await furnished();
      const cwd = `${mbus.folder}/project`;
      const completion = await mbus.done(["completion", shell]);
      Deno.writeTextFileSync(`${cwd}/completion`, completion);
      Deno.writeTextFileSync(`${cwd}/script`, script);
      const env = mbus.environment();
      for (const [line, words] of CASES) {
        const { stdout, stderr } = await new Deno.Command(shell, {
          args: ["script", `mbus ${line}`],
          cwd,
          env: { ...env, PATH: `${mbus.path}:${env.PATH}`, TERM: "dumb" },
          clearEnv: true,
        }).output();
        const text = new TextDecoder();
        assert.equal(text.decode(stderr), "", line);
        const offered = text.decode(stdout).split("\n")
          .map((word) => word.trim().replace(/^src$/, "src/"))
          .filter((word) => word !== "");
        assert.deepEqual(offered.sort(), [...words].sort(), line);
      }
    },
  });
}

Deno.test("a completion script of each shell has every command and option", async () => {
  await using mbus = new Mbus();
  for (const shell of ["bash", "zsh", "fish", "powershell"]) {
    const script = await mbus.done(["completion", shell]);
    for (const { name, options } of COMMANDS) {
      assert.ok(script.includes(name.split(" ").at(-1)!), `${shell} ${name}`);
      for (const option of Object.keys(options)) {
        assert.ok(script.includes(`--${option}`), `${shell} --${option}`);
      }
    }
  }
});

Deno.test("the PowerShell script has balanced quotes and brackets", async () => {
  await using mbus = new Mbus();
  const script = await mbus.done(["completion", "powershell"]);
  const code = script.replaceAll(/'(?:[^']|'')*'|"(?:[^"`]|`.)*"|^#.*$/gms, "");
  const open: string[] = [];
  const closing: Record<string, string> = { "{": "}", "(": ")", "[": "]" };
  for (const character of code) {
    if (character in closing) open.push(closing[character]);
    else if ("})]".includes(character)) assert.equal(open.pop(), character);
  }
  assert.deepEqual(open, []);
  assert.doesNotMatch(code, /['"]/);
});

Deno.test("completion makes no bus and registers no session", async () => {
  await using mbus = new Mbus();
  for (const kind of ["sessions", "locks", "tasks", "channels"]) {
    assert.equal(await mbus.done(["__complete", kind]), "", kind);
  }
  assert.throws(() => Deno.statSync(mbus.home), Deno.errors.NotFound);
  await mbus.done(["init"]);
  await mbus.done(["__complete", "sessions"]);
  assert.deepEqual(await mbus.json(["sessions", "--ended"]), []);
});

Deno.test("completion refuses an unknown shell, and names the known ones", async () => {
  await using mbus = new Mbus();
  const { code, stderr } = await mbus.run(["completion", "zhs"]);
  assert.equal(code, 2);
  assert.match(stderr, /"zhs" is not a SHELL\. Did you mean "zsh"\? Write one/);
});

Deno.test("completion reads the same values without the store as from it", async () => {
  await using mbus = await furnished();
  await mbus.done(["lock", "docs/", "@port/3000"], {
    env: { MBUS_SESSION: "bob" },
  });
  await mbus.done(["send", "build", "2"]);
  await mbus.done(["end", "--session", "bob"]);
  const other = { cwd: `${mbus.folder}/home` };
  await mbus.done(["lock", "elsewhere.ts"], other);
  const { project } = projectOf(`${mbus.folder}/project`);
  Deno.env.set("MBUS_HOME", mbus.home);
  try {
    for (
      const kind of ["sessions", "locks", "tasks", "channels"]
    ) {
      const fast = tryStoredValues(kind, project);
      assert.ok(fast !== undefined && fast.length > 0, kind);
      assert.deepEqual(fast, await storedValues(kind, project), kind);
    }
  } finally {
    Deno.env.delete("MBUS_HOME");
  }
});
