/**
 * `mbus install`: adds the hooks to the configuration of coding agents.
 *
 * JSON: one line per part of each agent, as `install/outcome.ts` describes; with
 * `--list` one line per agent, as `install/found.ts` does; with `--print-guide`
 * `{ guide }`. Exit code 1 if any part failed.
 *
 * The modules that edit configuration are loaded on demand, because their
 * packages would slow down the start of every other command.
 *
 * @module
 */

import { AGENT_NAMES, type AgentName } from "../../hooks/agents/agent.ts";
import { isAgentName } from "../../hooks/agents/agents.ts";
import { type PositionalDeclaration, UsageError } from "../arguments.ts";
import { type Command, defineCommand, EXIT } from "../command.ts";
import { printJson, printLine } from "../output/output.ts";
import { RefusalError } from "../refusal.ts";
import { didYouMean } from "../../text/spelling.ts";

/** Positional argument of the agents' names. */
export const AGENTS: PositionalDeclaration = {
  name: "AGENT",
  help: AGENT_NAMES.join(", "),
  optional: true,
  repeated: true,
};

/** Option that shows changes without writing them. */
export const DRY_RUN: {
  readonly kind: "flag";
  readonly short: "n";
  readonly help: string;
} = {
  kind: "flag",
  short: "n",
  help: "Show the changes without writing them",
};

const install: Command = defineCommand({
  name: "install",
  details: [
    "Each change of a file is shown as a diff. At a terminal, mbus asks before " +
    "it writes; elsewhere, and with --yes, it writes. The previous file is " +
    "kept as ‹file›.mbus-backup-‹time›. All other settings stay as they are, " +
    "byte for byte, and a file that cannot be read is not changed. A second " +
    "run changes nothing.",
    "Codex's sandbox keeps its model's shell from writing to the bus. At a " +
    "terminal, mbus offers to add the bus folder to writable_roots. Elsewhere, " +
    "only --writable-root adds it.",
    "Codex's windows share a daemon, which keeps the thread of a closed window " +
    "for a minute. At a terminal, mbus offers thread_unload_delay_secs = 0. " +
    "Elsewhere, only --unload-at-once sets it. A delay that you set stays.",
    "With --wake, a direct message to an idle Claude Code starts a turn, which " +
    "costs tokens. mbus uninstall claude removes the setting.",
  ],
  examples: [
    "install claude codex gemini kimi",
    "install codex --dry-run",
    "install claude --project --guide",
    "install --list",
  ],
  exitCodes: { 1: "A part could not be changed" },
  json: [{ object: "part" }, {
    when: "with --list",
    fields: ["agent", "program", "folder", "parts"],
  }, { when: "with --print-guide", fields: ["guide"] }],
  positionals: [AGENTS],
  options: {
    user: {
      kind: "flag",
      help: "Change your configuration, for all projects (default)",
    },
    project: {
      kind: "flag",
      help: "Change this project's configuration, for all users",
    },
    "dry-run": DRY_RUN,
    guide: {
      kind: "flag",
      help: "Add a guide to mbus to the model's instructions",
    },
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
    yes: { kind: "flag", help: "Write without asking" },
    list: {
      kind: "flag",
      short: "l",
      help: "List installed and connected agents",
    },
    "print-guide": { kind: "flag", help: "Print the guide" },
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
        'Cannot run "install": the agent is missing. Write "mbus install ' +
          `AGENT…" with any of ${AGENT_NAMES.join(", ")}, or run ` +
          '"mbus install --list".',
      );
    }
    if (options.wake && !agents.includes("claude")) {
      throw new UsageError(
        "wake",
        'Cannot run "install": --wake is for Claude Code only. Name claude, or ' +
          "leave out --wake.",
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
 * Returns the named agents without duplicates.
 *
 * @throws {UsageError} If a name is unknown.
 */
export function agentsNamed(
  command: string,
  names: readonly string[],
): AgentName[] {
  return [...new Set(names)].map((name) => {
    if (isAgentName(name)) return name;
    throw new UsageError(
      "AGENT",
      `Cannot run "${command}": the agent ${JSON.stringify(name)} is ` +
        `unknown. ${didYouMean(name, AGENT_NAMES)}Name one of ${
          AGENT_NAMES.join(", ")
        }.`,
    );
  });
}

/**
 * Loads a module that edits configuration, with its packages.
 *
 * @throws {RefusalError} If the packages are not cached and cannot be fetched.
 */
export async function editing<Module>(
  load: () => Promise<Module>,
): Promise<Module> {
  try {
    return await load();
  } catch (error) {
    if (!/npm package|npm registry|registry\./.test(String(error))) throw error;
    throw new RefusalError(
      "Cannot edit configuration: the packages for it are not cached, and " +
        'cannot be fetched. Run "deno install" in the checkout of mbus with a ' +
        "network connection, then try again.",
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
