/**
 * `mbus uninstall`: removes the entries of `mbus install` from the configuration
 * of coding agents.
 *
 * JSON: one line per part of each agent, as `install/outcome.ts` describes, and
 * one per remaining file, as `install/leftovers.ts` does. Exit code 1 if any part
 * failed.
 *
 * @module
 */

import { AGENT_NAMES } from "../../hooks/agents/agent.ts";
import { UsageError } from "../arguments.ts";
import { type Command, defineCommand } from "../command.ts";
import { AGENTS, agentsNamed, DRY_RUN, editing } from "./install.ts";

const uninstall: Command = defineCommand({
  name: "uninstall",
  details: [
    "The entries of mbus are removed from the current text, so your own changes " +
    "stay. A file without other content is removed, as are folders that become " +
    "empty, and backups that hold no more than the file does.",
    "--all removes mbus from every agent, in your configuration and in this " +
    "project, and the git guard from this repository. --purge also removes all " +
    'backups, the bus folder, and the mbus of "deno task install". It refuses ' +
    "while sessions are on the bus.",
  ],
  examples: [
    "uninstall codex",
    "uninstall claude --project --dry-run",
    "uninstall --all --purge --yes",
  ],
  exitCodes: { 1: "A part could not be removed" },
  json: [{ object: "part" }, {
    when: "for each file that remains",
    fields: ["part", "path", "done", "dryRun?", "message?"],
  }],
  positionals: [AGENTS],
  options: {
    user: {
      kind: "flag",
      help: "Change your configuration (default without --all)",
    },
    project: { kind: "flag", help: "Change this project's configuration" },
    "dry-run": DRY_RUN,
    all: {
      kind: "flag",
      help: "Remove every agent's entries and the git guard",
    },
    purge: {
      kind: "flag",
      help: "Also remove backups, the bus and mbus itself",
    },
    force: { kind: "flag", help: "Purge even while sessions are live" },
    yes: { kind: "flag", help: "Write without asking" },
  },
  async run({ positionals, options }) {
    const agents = agentsNamed("uninstall", positionals);
    assertFlagsFit(agents.length, options);
    const { uninstallAgents } = await editing(() =>
      import("../../install/removal.ts")
    );
    return await uninstallAgents(options.all ? AGENT_NAMES : agents, options);
  },
});

export default uninstall;

interface Flags {
  readonly all: boolean;
  readonly purge: boolean;
  readonly force: boolean;
  readonly user: boolean;
  readonly project: boolean;
}

function assertFlagsFit(agents: number, options: Flags): void {
  const { all, purge, force, user, project } = options;
  const fail = (field: string, state: string, remedy: string): never => {
    throw new UsageError(
      field,
      `Cannot run "uninstall": ${state}. ${remedy}.`,
    );
  };
  if (all && agents > 0) {
    fail(
      "all",
      "--all and agents exclude each other",
      "Leave out the agents, or --all",
    );
  }
  if (!all && agents === 0) {
    fail(
      "AGENT",
      "the agent is missing",
      'Write "mbus uninstall AGENT…", or --all',
    );
  }
  if (purge && !all) fail("purge", "--purge needs --all", "Write both");
  if (force && !purge) {
    fail("force", "--force needs --purge", "Leave out --force");
  }
  if (purge && (user || project)) {
    fail(
      "purge",
      "--purge is for both scopes",
      "Leave out --user and --project",
    );
  }
}
