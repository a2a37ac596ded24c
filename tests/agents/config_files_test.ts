/**
 * The exact hooks that are installed for each agent, and their files.
 *
 * @module
 */

import assert from "node:assert/strict";
import { parse as parseToml } from "smol-toml";
import {
  type Agent,
  AGENT_NAMES,
  type AgentName,
} from "../../lib/hooks/agents/agent.ts";
import {
  type ConfigFile,
  type ConfigPlace,
  hookCommand,
} from "../../lib/install/agents/config.ts";
import { AGENT_CONFIGS } from "../../lib/install/agents/configs.ts";
import { AGENTS } from "../../lib/hooks/agents/agents.ts";

const PLACE: ConfigPlace = {
  home: "/home/dev",
  project: "/p",
  env: () => undefined,
};

function userFile(name: AgentName): ConfigFile {
  return AGENT_CONFIGS[name].files("user", PLACE)[0];
}

function paths(name: AgentName, env: Record<string, string> = {}): string[] {
  const place = {
    ...PLACE,
    env: (key: string): string | undefined => env[key],
  };
  return (["user", "project"] as const).flatMap((scope) =>
    AGENT_CONFIGS[name].files(scope, place).map(({ path }) => path)
  );
}

const PATHS: readonly (readonly [
  AgentName,
  Record<string, string>,
  readonly string[],
])[] = [
  ["claude", {}, [
    "/home/dev/.claude/settings.json",
    "/p/.claude/settings.json",
  ]],
  ["claude", { CLAUDE_CONFIG_DIR: "/c" }, [
    "/c/settings.json",
    "/p/.claude/settings.json",
  ]],
  ["codex", {}, ["/home/dev/.codex/config.toml", "/p/.codex/config.toml"]],
  ["codex", { CODEX_HOME: "/c" }, ["/c/config.toml", "/p/.codex/config.toml"]],
  ["gemini", {}, [
    "/home/dev/.gemini/settings.json",
    "/p/.gemini/settings.json",
  ]],
  ["kimi", {}, [
    "/home/dev/.kimi-code/config.toml",
    "/home/dev/.kimi/config.toml",
  ]],
  ["kimi", { KIMI_CODE_HOME: "/k" }, [
    "/k/config.toml",
    "/home/dev/.kimi/config.toml",
  ]],
  ["qwen", {}, ["/home/dev/.qwen/settings.json", "/p/.qwen/settings.json"]],
  ["copilot", {}, [
    "/home/dev/.copilot/hooks/message-bus.json",
    "/p/.github/hooks/message-bus.json",
  ]],
  ["cursor", {}, ["/home/dev/.cursor/hooks.json", "/p/.cursor/hooks.json"]],
  ["opencode", {}, [
    "/home/dev/.config/opencode/plugins/message-bus.js",
    "/p/.opencode/plugins/message-bus.js",
  ]],
  ["opencode", { XDG_CONFIG_HOME: "/x" }, [
    "/x/opencode/plugins/message-bus.js",
    "/p/.opencode/plugins/message-bus.js",
  ]],
];

const DROID: readonly (readonly [
  Record<string, string>,
  readonly string[],
  readonly string[],
])[] = [
  [{}, [], [
    "/home/dev/.factory/settings.json",
    "/p/.factory/settings.json",
  ]],
  [{ FACTORY_HOME_OVERRIDE: "/f" }, [], [
    "/f/.factory/settings.json",
    "/p/.factory/settings.json",
  ]],
  [{}, ["/home/dev/.factory/settings.json"], [
    "/home/dev/.factory/settings.json",
    "/p/.factory/settings.json",
  ]],
  // A file of hooks overrides the settings.
  [{}, ["/p/.factory/hooks.json"], [
    "/home/dev/.factory/settings.json",
    "/p/.factory/hooks.json",
  ]],
  [{}, ["/p/.factory/hooks.json", "/p/.factory/settings.json"], [
    "/home/dev/.factory/settings.json",
    "/p/.factory/hooks.json",
    "/p/.factory/settings.json",
  ]],
];

for (const [env, there, expected] of DROID) {
  const what = [...there, ...Object.keys(env)].join(" and ") || "nothing else";
  Deno.test(`droid: is configured in ${expected.at(-1)} with ${what}`, () => {
    const place: ConfigPlace = {
      ...PLACE,
      env: (key) => env[key],
      exists: (path) => there.includes(path),
    };
    const files = (["user", "project"] as const)
      .flatMap((scope) => AGENT_CONFIGS.droid.files(scope, place));
    assert.deepEqual(files.map(({ path }) => path), expected);
  });
}

Deno.test("droid: hooks move from the settings to a file of hooks", () => {
  const settings = userFile("droid").install('{\n  "model": "x"\n}\n');
  const [own, rest] = AGENT_CONFIGS.droid.files("user", {
    ...PLACE,
    exists: () => true,
  });
  const mine = '{ "Stop": [{ "hooks": [] }] }\n';
  const installed = own.install(mine);
  assert.deepEqual(Object.keys(JSON.parse(installed)), [
    ...["Stop", "SessionStart", "UserPromptSubmit", "PreToolUse"],
    ...["PostToolUse", "Notification", "SessionEnd"],
  ]);
  assert.equal(own.status(installed), "current");
  assert.equal(own.install(installed), installed);
  assert.equal(own.uninstall(installed), mine);
  assert.equal(own.uninstall(own.install(undefined)), undefined);
  assert.equal(rest.status(settings), "outdated");
  assert.equal(rest.install(settings), '{\n  "model": "x"\n}\n');
  assert.equal(rest.status(rest.install(settings)), "absent");
});

for (const [name, env, expected] of PATHS) {
  Deno.test(`${name}: is configured in ${expected[0]}`, () => {
    assert.deepEqual(paths(name, env), expected);
  });
}

/** Returns each hook with its matcher, timeout and command, in any form. */
function installedHooks(name: AgentName): [string, string, number, string][] {
  const text = userFile(name).install(undefined);
  const isToml = name === "codex" || name === "kimi";
  const { hooks } = isToml ? parseToml(text) : JSON.parse(text);
  const entries: [string, Record<string, unknown>][] = Array.isArray(hooks)
    ? hooks.map((hook) => [hook.event, hook])
    : Object.entries(hooks).map(([event, list]) => {
      const [entry] = list as Record<string, unknown>[];
      return [event, entry];
    });
  return entries.map(([event, entry]) => {
    const inner = (entry.hooks as Record<string, unknown>[] | undefined)?.[0];
    const hook = inner ?? entry;
    return [
      event,
      String(entry.matcher ?? ""),
      Number(hook.timeout ?? hook.timeoutSec),
      String(hook.command ?? hook.bash),
    ];
  });
}

/** Returns the agent's name of a tool of an MCP server called `files`. */
function serverTool(agent: AgentName, tool: string): string {
  switch (agent) {
    case "gemini":
      return `mcp_files_${tool}`;
    case "copilot":
      return `files-${tool}`;
    case "cursor":
      return `MCP:${tool}`;
    case "droid":
      return `files___${tool}`;
    default:
      return `mcp__files__${tool}`;
  }
}

const UNITS: Partial<Record<AgentName, number>> = { gemini: 2000, qwen: 2000 };

/** Tools that ask the person. */
const QUESTIONS = ["AskUserQuestion", "ExitPlanMode"];

/** Asserts that each notification that a hook matches tells something. */
function assertNotifications(
  agent: Agent,
  event: string,
  matcher: string,
): void {
  if (matcher === "") return;
  for (const type of matcher.replace(/^\^\(|\)\$$/g, "").split("|")) {
    const input = { hook_event_name: event, notification_type: type };
    assert.equal(agent.parse(input, () => undefined).kind, "activity", type);
  }
}

for (const name of AGENT_NAMES.filter((each) => each !== "opencode")) {
  Deno.test(`${name}: every hook has two seconds and one constant command`, () => {
    const agent = AGENTS[name];
    const hooks = installedHooks(name);
    assert.ok(hooks.length >= 6);
    for (const [event, , timeout, command] of hooks) {
      const told = name === "copilot" ? event : undefined;
      assert.equal(timeout, UNITS[name] ?? 2);
      assert.equal(command, hookCommand(agent, told));
    }
  });

  Deno.test(`${name}: tool hooks match the relevant tools only`, () => {
    const agent = AGENTS[name];
    for (const [event, matcher] of installedHooks(name)) {
      if (/^notification$/i.test(event)) {
        assertNotifications(agent, event, matcher);
        continue;
      }
      const kind = agent.parse({ hook_event_name: event }, () =>
        undefined).kind;
      assert.notEqual(kind, "other", event);
      const isTool = kind === "before-tool" || kind === "after-tool";
      assert.equal(matcher !== "", isTool, event);
      if (!isTool) continue;
      const pattern = new RegExp(`^(?:${matcher})$`);
      const served = serverTool(name, "write_file");
      assert.ok(pattern.test(served), served);
      for (const other of ["Grep", "Glob", "TodoWrite", "list_directory"]) {
        assert.ok(!pattern.test(other), other);
      }
      const names = matcher.replace(/^\^\(?|\)?\$$/g, "").split("|");
      for (const tool of names.filter((each) => !/[.[]/.test(each))) {
        const read = agent.parse(
          { hook_event_name: event, tool_name: tool },
          () => undefined,
        );
        assert.ok("tool" in read);
        if (QUESTIONS.includes(tool)) continue;
        assert.notEqual(read.tool.kind, "other", tool);
        if (kind === "before-tool") assert.notEqual(read.tool.kind, "read");
      }
    }
  });
}

Deno.test("claude: the installed text is exact", () => {
  const { hooks } = JSON.parse(userFile("claude").install(undefined));
  assert.deepEqual(hooks.PreToolUse, [{
    matcher:
      "^(Edit|Write|MultiEdit|NotebookEdit|Bash|PowerShell|Monitor|mcp__.*)$",
    hooks: [{
      type: "command",
      command: 'set -- mbus hook claude; [ -z "$ZSH_VERSION" ] || ' +
        'setopt posixbuiltins; command . "/${XDG_DATA_HOME:-' +
        '$HOME/.local/share}/message-bus/hook.sh" 2>/dev/null; ' +
        'if command -v "$1" >/dev/null 2>&1; then exec "$@"; ' +
        "else exec 3<&0; while read -r _; do :; done " +
        "<&3 3<&- >/dev/null 2>&1 & :; fi",
      timeout: 2,
    }],
  }]);
});

Deno.test("codex: the installed text is exact", () => {
  assert.ok(
    userFile("codex").install(undefined).startsWith(
      "# message-bus: put here by `mbus install codex`\n" +
        "[[hooks.SessionStart]]\n[[hooks.SessionStart.hooks]]\n" +
        'type = "command"\n' +
        "command = \"/bin/sh -c 'set -- mbus hook codex; " +
        'command . \\"/${XDG_DATA_HOME:-$HOME/.local/share}' +
        '/message-bus/hook.sh\\" 2>/dev/null; ' +
        'if command -v \\"$1\\" >/dev/null 2>&1; then exec \\"$@\\"; ' +
        "else exec 3<&0; while read -r _; do :; done " +
        "<&3 3<&- >/dev/null 2>&1 & :; fi'\"\n" +
        "timeout = 2\n\n",
    ),
  );
});

Deno.test("kimi: a hook has the four permitted keys", () => {
  for (const file of AGENT_CONFIGS.kimi.files("user", PLACE)) {
    const { hooks } = parseToml(file.install(undefined));
    assert.ok(Array.isArray(hooks));
    const allowed = ["event", "matcher", "command", "timeout"];
    for (const hook of hooks) {
      assert.ok(Object.keys(hook).every((key) => allowed.includes(key)));
    }
  }
});

Deno.test("copilot and cursor: a new file has the version that it needs", () => {
  for (const name of ["copilot", "cursor"] as const) {
    const file = userFile(name);
    assert.equal(JSON.parse(file.install(undefined)).version, 1);
    assert.equal(JSON.parse(file.install("{}")).version, 1);
    assert.equal(JSON.parse(file.install('{"version":2}')).version, 2);
  }
});

Deno.test("opencode: install() leaves another author's file of the same name alone", () => {
  const file = userFile("opencode");
  const text = "export default {};\n";
  assert.throws(
    () => file.install(text),
    /not a plugin that `mbus install` wrote/,
  );
  assert.equal(file.uninstall(text), text);
  assert.equal(file.status(text), "absent");
});
