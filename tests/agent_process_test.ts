/**
 * The agent among the ancestors, in process trees as the agents' own hooks saw
 * them, and in trees where agents run each other.
 */

import assert from "node:assert/strict";
import {
  callingProcess,
  nearestAgent,
  type ProcessEntry,
  windowProcess,
} from "../lib/process/host.ts";

const NODE = "/opt/node22/node_modules/node/bin/node";
const MODULES = "/usr/lib/node_modules";

/** Creates a process of a recorded tree; its arguments are one line. */
function entry(
  pid: number,
  command: string,
  executable: string,
  line: string,
): ProcessEntry {
  return {
    pid,
    ppid: 1,
    startTime: `start of ${pid}`,
    state: "S",
    command,
    session: 13875,
    tty: "",
    arguments: line.split(" "),
    executable,
  };
}

const HOOK_SHELL = entry(
  32495,
  "sh",
  "/usr/bin/dash",
  "/bin/sh -c /usr/bin/node /opt/hook",
);
const LOGIN_SHELL = entry(13875, "bash", "/usr/bin/bash", "-bash");
const CLAUDE = entry(
  32455,
  "claude",
  `${MODULES}/@anthropic-ai/claude-code/bin/claude.exe`,
  `${MODULES}/.bin/claude -p edit`,
);
const CODEX_FILE =
  `${MODULES}/@openai/codex-linux-x64/vendor/x86_64-unknown-linux-musl/bin/codex`;
const CODEX = entry(32601, "codex", CODEX_FILE, `${CODEX_FILE} exec edit`);
const GEMINI = entry(
  371,
  "node",
  NODE,
  `${NODE} --max-old-space-size=12052 ${MODULES}/.bin/gemini -m gemini-2.5-pro --yolo -p edit`,
);
const GEMINI_LAUNCHER = entry(
  363,
  "node",
  NODE,
  `node ${MODULES}/.bin/gemini -m gemini-2.5-pro --yolo -p edit`,
);
const QWEN = entry(
  512,
  "node",
  NODE,
  `${NODE} --expose-gc ${MODULES}/@qwen-code/qwen-code/cli.js --yolo -p edit`,
);
const QWEN_LAUNCHER = entry(
  505,
  "node",
  NODE,
  `node ${MODULES}/.bin/qwen --yolo -p edit`,
);
const KIMI = entry(675, "kimi-code", NODE, "kimi-code");
const COPILOT_FILE = `${MODULES}/@github/copilot-linux-x64/copilot`;
const COPILOT = entry(
  813,
  "MainThread",
  COPILOT_FILE,
  `${COPILOT_FILE} --allow-all-tools -p edit`,
);
const COPILOT_LOADER = entry(
  802,
  "node",
  NODE,
  `node ${MODULES}/.bin/copilot --allow-all-tools -p edit`,
);
const OPENCODE = entry(
  973,
  ".opencode",
  `${MODULES}/opencode-ai/bin/.opencode`,
  "opencode",
);

const DROID_FILE = `${MODULES}/@factory/cli-linux-x64/bin/droid`;
const DROID = entry(15963, "droid", DROID_FILE, `${DROID_FILE} exec edit`);

const NO_MARKERS = {};

for (
  const { vendor, tree, agent, markers = NO_MARKERS } of [
    { vendor: "claude", tree: [HOOK_SHELL, CLAUDE, LOGIN_SHELL], agent: 32455 },
    { vendor: "codex", tree: [CODEX, LOGIN_SHELL], agent: 32601 },
    { vendor: "droid", tree: [HOOK_SHELL, DROID], agent: 15963 },
    { vendor: "gemini", tree: [GEMINI, GEMINI_LAUNCHER], agent: 371 },
    { vendor: "qwen", tree: [QWEN, QWEN_LAUNCHER], agent: 512 },
    { vendor: "kimi", tree: [HOOK_SHELL, KIMI], agent: 675 },
    { vendor: "copilot", tree: [COPILOT, COPILOT_LOADER], agent: 813 },
    {
      vendor: "opencode",
      tree: [HOOK_SHELL, OPENCODE],
      agent: 973,
      markers: { opencode: 973 },
    },
  ]
) {
  Deno.test(`nearestAgent() finds ${vendor} in the tree of its hook`, () => {
    const startTime = `start of ${agent}`;
    assert.deepEqual(nearestAgent(tree, markers), {
      vendor,
      pid: agent,
      startTime,
    });
  });
}

Deno.test("a Claude under another name is recognised by CLAUDE_PID", () => {
  const renamed = entry(32455, "node", NODE, "node cli.js");
  assert.equal(nearestAgent([HOOK_SHELL, renamed], NO_MARKERS), undefined);
  const found = nearestAgent([HOOK_SHELL, renamed], { claude: 32455 });
  assert.equal(found?.vendor, "claude");
  assert.equal(found?.pid, 32455);
});

Deno.test("a variable that does not name an ancestor is ignored", () => {
  const tree = [HOOK_SHELL, LOGIN_SHELL];
  assert.equal(
    nearestAgent(tree, { claude: 32455, opencode: 973 }),
    undefined,
  );
});

Deno.test("a Codex that a Claude started is Codex, in spite of inherited variables", () => {
  const tree = [CODEX, HOOK_SHELL, CLAUDE, LOGIN_SHELL];
  assert.equal(nearestAgent(tree, { claude: 32455 })?.vendor, "codex");
});

Deno.test("a Claude that a Gemini started is Claude", () => {
  const tree = [HOOK_SHELL, CLAUDE, GEMINI, GEMINI_LAUNCHER];
  assert.equal(nearestAgent(tree, NO_MARKERS)?.pid, 32455);
});

Deno.test("a command line that only mentions an agent is not an agent", () => {
  const mentions = [
    entry(1001, "sh", "/usr/bin/dash", "sh -c gemini -p x | qwen"),
    entry(1002, "vim", "/usr/bin/vim", "vim /home/dev/.bin/gemini"),
    entry(1003, "node", NODE, `node /opt/hook ${MODULES}/.bin/qwen`),
    entry(1004, "node", NODE, "node /home/dev/gemini-tools/index.js"),
    entry(1005, "bash", "/usr/bin/bash", "bash /home/dev/copilot"),
    entry(1006, "node", NODE, `node hook.js ${MODULES}/.bin/qwen`),
    entry(1008, "node", NODE, "node"),
    entry(1007, "node", NODE, ""),
  ];
  assert.equal(nearestAgent(mentions, NO_MARKERS), undefined);
});

Deno.test("an agent without a launcher is recognised by its package", () => {
  for (
    const [vendor, script] of [
      ["gemini", `${MODULES}/@google/gemini-cli/bundle/index.js`],
      ["qwen", `${MODULES}/@qwen-code/qwen-code/dist/cli.mjs`],
      ["kimi", `${MODULES}/@moonshot-ai/kimi-code/dist/main.js`],
    ]
  ) {
    const found = nearestAgent(
      [entry(700, "MainThread", NODE, `node ${script}`)],
      NO_MARKERS,
    );
    assert.equal(found?.vendor, vendor);
  }
});

Deno.test("a Kimi is recognised by its short name or its title", () => {
  const named = entry(675, "kimi-code", NODE, "node main.js");
  const titled = entry(675, "MainThread", NODE, "kimi-code");
  for (const kimi of [named, titled]) {
    assert.equal(nearestAgent([kimi], NO_MARKERS)?.vendor, "kimi");
  }
});

Deno.test("an agent is recognised by its launcher while that runs", () => {
  assert.equal(nearestAgent([QWEN_LAUNCHER], NO_MARKERS)?.vendor, "qwen");
  assert.equal(nearestAgent([GEMINI_LAUNCHER], NO_MARKERS)?.vendor, "gemini");
});

Deno.test("nearestAgent() returns undefined without ancestors", () => {
  assert.equal(nearestAgent([], { claude: 1 }), undefined);
});

const CURSOR_FOLDER = "/home/dev/.local/share/cursor-agent/versions/1";
const UV = "/home/dev/.local/share/uv/tools/kimi-cli/bin";

Deno.test("Cursor, kimi-cli and droid are recognised by their program", () => {
  for (
    const [vendor, ...tree] of [
      ["cursor", entry(700, "cursor-agent", "/usr/bin/node", "cursor-agent")],
      [
        "cursor",
        entry(
          700,
          "node",
          `${CURSOR_FOLDER}/node`,
          `/home/dev/.local/bin/agent --use-system-ca ${CURSOR_FOLDER}/index.js`,
        ),
      ],
      [
        "cursor",
        entry(
          700,
          "MainThread",
          NODE,
          "/home/dev/.local/bin/cursor-agent index.js",
        ),
      ],
      [
        "cursor",
        entry(700, "cursor", "/usr/share/cursor/cursor", "cursor --type=x"),
      ],
      ["cursor", entry(700, "Cursor Helper (", "/x", "/x")],
      ["kimi", entry(700, "kimi", `${UV}/python3`, `${UV}/python3 ${UV}/kimi`)],
      [
        "kimi",
        entry(700, "python3", `${UV}/python3`, `${UV}/python3 ${UV}/kimi`),
      ],
      [
        "kimi",
        entry(700, "python3.13", "/x", `python3.13 -I ${UV}/kimi-cli --yolo`),
      ],
      ["droid", entry(700, "droid", "/home/dev/.local/bin/droid", "droid")],
    ] as const
  ) {
    assert.equal(nearestAgent(tree, NO_MARKERS)?.vendor, vendor);
  }
  const mentions = [
    entry(701, "python3", "/usr/bin/python3", "python3 tool.py kimi"),
    entry(702, "vim", "/usr/bin/vim", "vim cursor"),
    entry(703, "cursorful", "/usr/bin/cursorful", "cursorful"),
    entry(704, "node", NODE, "node /srv/droid/index.js"),
  ];
  assert.equal(nearestAgent(mentions, NO_MARKERS), undefined);
});

Deno.test("the window of Cursor's agents is their editor's", () => {
  const editor = entry(500, "cursor", "/usr/share/cursor/cursor", "cursor");
  const agent = entry(700, "cursor-agent", NODE, "cursor-agent");
  const found = nearestAgent([HOOK_SHELL, agent, editor], NO_MARKERS)!;
  assert.deepEqual(windowProcess(found, [HOOK_SHELL, agent, editor]), {
    vendor: "cursor",
    pid: 500,
    startTime: "start of 500",
    keeper: { caller: { pid: 700, startTime: "start of 700" } },
  });
  // In a terminal the agent is its own window.
  assert.deepEqual(windowProcess(found, [HOOK_SHELL, agent]), found);
  const claude = nearestAgent([HOOK_SHELL, CLAUDE], NO_MARKERS)!;
  assert.deepEqual(windowProcess(claude, [HOOK_SHELL, CLAUDE, CLAUDE]), claude);
});

Deno.test("a hook's caller is nearer than the shell of a terminal", () => {
  const agent = entry(700, "some-agent", "/x", "some-agent");
  const terminal = { ...entry(600, "bash", "/x", "bash"), tty: "pts/3" };
  const leader = { ...terminal, session: 600 };
  const init = entry(1, "systemd", "/x", "init");
  const setsid = { ...HOOK_SHELL, session: HOOK_SHELL.pid };
  const pidOf = (...tree: ProcessEntry[]) => callingProcess(tree)?.pid;
  assert.equal(pidOf(HOOK_SHELL, agent, leader), 700);
  assert.equal(pidOf(setsid, agent), 700);
  assert.equal(pidOf(HOOK_SHELL, terminal, agent), 700);
  // The parent of a terminal's shell runs other terminals, too.
  assert.equal(pidOf(HOOK_SHELL, leader, agent), undefined);
  assert.equal(pidOf(HOOK_SHELL, init), undefined);
  assert.equal(pidOf(), undefined);
});
