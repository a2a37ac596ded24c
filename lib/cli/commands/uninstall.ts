/**
 * `mbus uninstall`: takes out of agents' configuration what `mbus install` put
 * there.
 *
 * JSON: a line for each part of each agent, as `install/outcome.ts` describes,
 * and one for each thing that remained, as `install/leftovers.ts` does. Exit code
 * 1 if something failed, whatever became of the rest.
 *
 * @module
 */

import { AGENT_NAMES } from "../../hooks/agents/agent.ts";
import { UsageError } from "../arguments.ts";
import { type Command, defineCommand } from "../command.ts";
import { AGENTS, agentsNamed, DRY_RUN, editing } from "./install.ts";

const uninstall: Command = defineCommand({
  name: "uninstall",
  summary: "Disconnect coding agents from the bus",
  details: [
    "What mbus put in is taken out, in the text as it is now: what you changed " +
    "since stays. A file that held nothing else is removed, and so are folders " +
    "that this leaves empty, and backups that tell no more than the file now " +
    "does.",
    "--all is for every agent, for you and in this project, and takes the git " +
    "guard out of this repository. --purge also removes all backups, the bus " +
    'folder, and the mbus of "deno task install". It refuses while sessions ' +
    "are on the bus.",
  ],
  examples: [
    "uninstall codex",
    "uninstall claude --project --dry-run",
    "uninstall --all --purge --yes",
  ],
  positionals: [AGENTS],
  options: {
    user: { kind: "flag", help: "For you (the default without --all)" },
    project: { kind: "flag", help: "In this project" },
    "dry-run": DRY_RUN,
    all: { kind: "flag", help: "Every agent, and the git guard" },
    purge: {
      kind: "flag",
      help: "Leave nothing: also the bus and mbus itself",
    },
    force: { kind: "flag", help: "Purge under the feet of living sessions" },
    yes: { kind: "flag", help: "Do not ask" },
  },
  async run({ positionals, options }) {
    const agents = agentsNamed("uninstall", positionals);
    checkOptions(agents.length, options);
    const { uninstallAgents } = await editing(() =>
      import("../../install/removal.ts")
    );
    return await uninstallAgents(options.all ? AGENT_NAMES : agents, options);
  },
});

export default uninstall;

interface Widths {
  readonly all: boolean;
  readonly purge: boolean;
  readonly force: boolean;
  readonly user: boolean;
  readonly project: boolean;
}

function checkOptions(agents: number, options: Widths): void {
  const { all, purge, force, user, project } = options;
  const refuse = (field: string, state: string, remedy: string): never => {
    throw new UsageError(
      field,
      `Cannot run "uninstall": ${state}; ${remedy}.`,
    );
  };
  if (all && agents > 0) {
    refuse("all", "--all is every agent", "name none, or leave --all out");
  }
  if (!all && agents === 0) {
    refuse("AGENT", "no agent is named", 'write "mbus uninstall AGENT…|--all"');
  }
  if (purge && !all) refuse("purge", "--purge needs --all", "write both");
  if (force && !purge) {
    refuse("force", "--force is for --purge", "leave it out");
  }
  if (purge && (user || project)) {
    refuse("purge", "--purge is for both scopes", "name neither");
  }
}
