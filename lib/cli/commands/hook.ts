/**
 * `mbus hook AGENT` for a person at a terminal. Agents start `bin/hook.ts`.
 * `lib/hooks/hook.ts` responds for both.
 *
 * @module
 */

import { respondToHook } from "../../hooks/hook.ts";
import { isInputPending } from "../../hooks/hook_input.ts";
import { AGENT_NAMES } from "../../hooks/agents/agent.ts";
import { isAgentName } from "../../hooks/agents/agents.ts";
import { UsageError } from "../arguments.ts";
import { type Command, defineCommand, EXIT } from "../command.ts";
import { didYouMean } from "../../text/spelling.ts";

const hook: Command = defineCommand({
  name: "hook",
  details: [
    "Agents run this command; people do not need it. It reads the agent's JSON " +
    "from standard input and responds in that agent's format. An error does " +
    'not stop the agent: the exit code is 0, and "mbus doctor" shows the error.',
  ],
  examples: ["hook claude < event.json"],
  positionals: [
    { name: "AGENT", help: `One of ${AGENT_NAMES.join(", ")}` },
    {
      name: "EVENT",
      help: "Event, for agents whose input does not name it",
      optional: true,
    },
  ],
  options: {},
  async run({ positionals: [agent, event], options: { home } }) {
    if (!isAgentName(agent)) {
      throw new UsageError(
        "AGENT",
        `Cannot answer a hook of ${JSON.stringify(agent)}: the agent is ` +
          `unknown. ${didYouMean(agent, AGENT_NAMES)}Name one of ` +
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
