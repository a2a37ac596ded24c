/**
 * `mbus install`: puts the hooks into the configuration of coding agents.
 *
 * JSON: a line for each part of each agent, as `install/outcome.ts` describes;
 * with `--list` a line for each agent, as `install/found.ts` does; with
 * `--print-guide` `{ guide }`. Exit code 1 if a part failed, whatever became of
 * the others.
 *
 * What edits configuration is loaded by nothing else: it needs packages that
 * would cost every other command its start.
 *
 * @module
 */

import { AGENT_NAMES, type AgentName } from "../../hooks/agents/agent.ts";
import { isAgentName } from "../../hooks/agents/agents.ts";
import { type PositionalDeclaration, UsageError } from "../arguments.ts";
import { type Command, defineCommand, EXIT } from "../command.ts";
import { printJson, printLine } from "../output/output.ts";
import { RefusalError } from "../refusal.ts";
import { didYouMean } from "../spelling.ts";

/** The agents that are meant. */
export const AGENTS: PositionalDeclaration = {
  name: "AGENT",
  help: AGENT_NAMES.join(", "),
  optional: true,
  repeated: true,
};

/** What shows and does nothing. */
export const DRY_RUN: { readonly kind: "flag"; readonly help: string } = {
  kind: "flag",
  help: "Show what would change; write nothing",
};

const install: Command = defineCommand({
  name: "install",
  summary: "Connect coding agents to the bus, or show which are",
  details: [
    "It shows each change to a file as a diff. At a terminal it asks before " +
    "it writes; elsewhere, and with --yes, it writes. What a file said before " +
    "is kept beside it as ‹file›.mbus-backup-‹time›. All that is not ours " +
    "stays as it is, byte for byte, and a file that cannot be read is left " +
    "alone. Installing twice does nothing the second time.",
    "Without --user or --project it is for you, in all projects.",
    "Codex's sandbox keeps its model's shell from writing to the bus. The bus " +
    "folder as one of its writable_roots is offered at a terminal, and " +
    "elsewhere put in by --writable-root only.",
    "Codex's windows share a daemon, which keeps the thread of a closed window " +
    "for a minute. thread_unload_delay_secs = 0 is offered at a terminal, and " +
    "elsewhere put in by --unload-at-once only; a delay of yours stays.",
    "With --wake, a message to an idle session of Claude Code starts a turn of " +
    "its own, which costs tokens while nobody looks. It stays in until Claude " +
    "Code is uninstalled from here.",
  ],
  examples: [
    "install claude codex gemini kimi",
    "install codex --dry-run",
    "install claude --project --guide",
    "install --list",
  ],
  positionals: [AGENTS],
  options: {
    user: { kind: "flag", help: "For you, in all projects (the default)" },
    project: { kind: "flag", help: "For everybody, in this project" },
    "dry-run": DRY_RUN,
    guide: { kind: "flag", help: "Also tell the model how to use mbus" },
    "writable-root": {
      kind: "flag",
      help: "Let Codex's sandbox write to the bus folder",
    },
    "unload-at-once": {
      kind: "flag",
      help: "Let Codex end a closed window's thread at once",
    },
    wake: {
      kind: "flag",
      help: "Let a direct message wake an idle Claude Code",
    },
    yes: { kind: "flag", help: "Do not ask" },
    list: { kind: "flag", help: "Show which agents are here and connected" },
    "print-guide": { kind: "flag", help: "Print what the guide says" },
  },
  async run({ positionals, options }) {
    const agents = agentsNamed("install", positionals);
    if (options["print-guide"]) return await printGuide(options.json);
    if (options.list) {
      const { printFound } = await editing(() =>
        import("../../install/found.ts")
      );
      printFound(agents.length > 0 ? agents : AGENT_NAMES, options);
      return EXIT.done;
    }
    if (agents.length === 0) {
      throw new UsageError(
        "AGENT",
        'Cannot run "install": no agent is named; write "mbus install ' +
          `AGENT…" with some of ${AGENT_NAMES.join(", ")}; ` +
          '"mbus install --list" shows which are here.',
      );
    }
    if (options.wake && !agents.includes("claude")) {
      throw new UsageError(
        "wake",
        'Cannot run "install": only Claude Code can be woken; name claude, or ' +
          "leave --wake out.",
      );
    }
    const { installAgents } = await editing(() =>
      import("../../install/installation.ts")
    );
    return installAgents(agents, options);
  },
});

export default install;

/**
 * The agents that are named, each once.
 *
 * @throws {UsageError} If one is none.
 */
export function agentsNamed(
  command: string,
  names: readonly string[],
): AgentName[] {
  return [...new Set(names)].map((name) => {
    if (isAgentName(name)) return name;
    throw new UsageError(
      "AGENT",
      `Cannot run "${command}": ${JSON.stringify(name)} is no agent that ` +
        `mbus knows; ${didYouMean(name, AGENT_NAMES)}they are ${
          AGENT_NAMES.join(", ")
        }.`,
    );
  });
}

/**
 * Loads what edits configuration, with the packages it needs.
 *
 * @throws {RefusalError} If they are not here and cannot be fetched.
 */
export async function editing<Module>(
  load: () => Promise<Module>,
): Promise<Module> {
  try {
    return await load();
  } catch (error) {
    if (!/npm package|npm registry|registry\./.test(String(error))) throw error;
    throw new RefusalError(
      "Cannot edit configuration: the packages that do it are not here, and " +
        'cannot be fetched; run "deno install" in the checkout of mbus once ' +
        "with the network, then try again.",
      { cause: error },
    );
  }
}

async function printGuide(json: boolean): Promise<number> {
  const { GUIDE } = await import("../../install/agents/guide.ts");
  if (json) printJson({ guide: GUIDE });
  else GUIDE.replace(/\n$/, "").split("\n").forEach(printLine);
  return EXIT.done;
}
