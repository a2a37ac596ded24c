/**
 * Real agents that ask their person for a permission. Their sessions need the
 * person until the person answers.
 *
 * @module
 */

import assert from "node:assert/strict";
import { until } from "../../fixture.ts";
import type { AgentStory } from "./agent_story.ts";
import { STORY as CLAUDE } from "./claude_story.ts";
import { STORY as CODEX } from "./codex_story.ts";
import { STORY as GEMINI } from "./gemini_story.ts";
import { startLoopback } from "./loopback.ts";
import { findProgram } from "./program.ts";
import { Terminal } from "./terminal.ts";
import type { Turn } from "./wire.ts";
import { readIfThere, Workplace } from "./workplace.ts";

/** An agent in a terminal, where it asks. */
interface Asker {
  readonly story: AgentStory;
  /** The command of the terminal. */
  readonly command: readonly string[];
  /** Writes what a person sets at the first start. */
  readonly settle: (place: Workplace) => Promise<void>;
  /** The call that asks, for a shell command (default: the story's). */
  readonly ask?: (command: string) => Turn;
  /** The choice that Enter takes: to allow the call once. */
  readonly choice: RegExp;
  /** The reason that the session gives. */
  readonly why: string;
}

const ASKERS: readonly Asker[] = [
  {
    story: CLAUDE,
    command: ["claude", "--model", "claude-sonnet-4-5", "Make it, please."],
    settle: (place) =>
      place.configure(
        ".claude.json",
        JSON.stringify({
          hasCompletedOnboarding: true,
          theme: "dark",
          customApiKeyResponses: { approved: ["none"], rejected: [] },
          projects: { [place.project]: { hasTrustDialogAccepted: true } },
        }),
      ),
    choice: /❯ 1\. Yes/,
    why: "a permission for Bash",
  },
  {
    story: CODEX,
    command: [
      "codex",
      "--dangerously-bypass-hook-trust",
      ...["-c", "approval_policy=on-request", "-c", "sandbox_mode=read-only"],
      "Make it, please.",
    ],
    settle: async (place) => {
      const path = `${place.home}/.codex/config.toml`;
      await Deno.writeTextFile(
        path,
        `${await Deno.readTextFile(path)}
[notice.model_migrations]
"gpt-5.5" = "gpt-6-sol"

[projects."${place.project}"]
trust_level = "trusted"
`,
      );
    },
    ask: (cmd) => ({
      tool: "exec_command",
      input: {
        cmd,
        sandbox_permissions: "require_escalated",
        justification: "to make it",
      },
    }),
    choice: /› 1\. Yes/,
    why: "a permission for Bash",
  },
  {
    story: GEMINI,
    command: ["gemini", "-m", "gemini-2.5-pro", "-i", "Make it, please."],
    settle: () => Promise.resolve(),
    choice: /● 1\. Allow once/,
    why: "a permission",
  },
];

const TMUX = await hasTmux() ? undefined : "tmux is not installed";

async function hasTmux(): Promise<boolean> {
  try {
    return (await new Deno.Command("tmux", { args: ["-V"] }).output()).success;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

for (const asker of ASKERS) {
  const { story, command, settle, ask = story.shell, choice, why } = asker;
  const name = `the real ${story.name} needs its person for a permission`;
  const program = await findProgram(story.name);
  const missing = "missing" in program ? program.missing : TMUX;
  if (missing !== undefined || "missing" in program) {
    Deno.test.ignore(`${name} (${missing})`, () => {});
    continue;
  }
  Deno.test(name, async () => {
    await using place = await Workplace.make();
    await using bus = await place.openBus("ada-at-work");
    const made = `${place.project}/made.md`;
    const loopback = startLoopback([
      { turn: ask(`echo two > ${made}`) },
      { turn: { say: "I am done." } },
    ], place.root);
    await using _server = loopback.server;
    await story.configure(place, loopback.url);
    await settle(place);
    await place.installHooks(story.name);
    await using terminal = await Terminal.open(place, loopback, command, {
      ...place.env([program.commands, program.nodeCommands]),
      ...loopback.env,
      ...story.env(loopback.url),
      TERM: "xterm-256color",
    });
    const activity = async () => {
      const sessions = await bus.sessions.list();
      return sessions.find(({ vendor }) => vendor === story.name)?.activity;
    };
    const reaches = async (state: string) => {
      try {
        await until(state, async () => (await activity())?.state === state);
      } catch (cause) {
        throw new Error(await terminal.screen(), { cause });
      }
    };
    await reaches("needs-person");
    assert.equal((await activity())?.why, why);
    assert.equal(await readIfThere(made), undefined);
    // An agent ignores a key that comes right after its question.
    await until("an answer", async () => {
      if (choice.test(await terminal.screen())) await terminal.press("Enter");
      return (await activity())?.state !== "needs-person";
    });
    await reaches("idle");
    assert.equal(await readIfThere(made), "two\n");
    assert.equal(await place.hookErrors(), "");
  });
}
