/**
 * `mbus hook AGENT`: what agents run; see `lib/hooks/hook.ts`. Agents start
 * `bin/hook.ts`; a person who types the command gets this file.
 *
 * @module
 */

import { respondToHook } from "../../hooks/hook.ts";
import { isInputPending } from "../../hooks/hook_input.ts";
import { AGENT_NAMES } from "../../hooks/agents/agent.ts";
import { isAgentName } from "../../hooks/agents/agents.ts";
import { UsageError } from "../arguments.ts";
import { type Command, defineCommand, EXIT } from "../command.ts";
import { didYouMean } from "../spelling.ts";

const hook: Command = defineCommand({
  name: "hook",
  summary: "Answer a coding agent's hook: agents run it, people do not",
  details: [
    "It reads what the agent says on its standard input and answers in that " +
    "agent's form. Whatever goes wrong, the agent goes on: the exit code is 0, " +
    'and "mbus doctor" shows what it was.',
  ],
  examples: ["hook claude < event.json"],
  positionals: [
    { name: "AGENT", help: `One of ${AGENT_NAMES.join(", ")}` },
    {
      name: "EVENT",
      help: "The event, for agents whose input does not tell it",
      optional: true,
    },
  ],
  options: {},
  async run({ positionals: [agent, event], options: { home } }) {
    if (!isAgentName(agent)) {
      throw new UsageError(
        "AGENT",
        `Cannot answer a hook of ${JSON.stringify(agent)}: there is no such ` +
          `agent; ${didYouMean(agent, AGENT_NAMES)}known are ` +
          `${AGENT_NAMES.join(", ")}.`,
      );
    }
    await respondToHook(agent, { event, home });
    // A pending read keeps the process alive until the agent closes the pipe.
    if (isInputPending()) Deno.exit(EXIT.done);
    return EXIT.done;
  },
});

export default hook;
