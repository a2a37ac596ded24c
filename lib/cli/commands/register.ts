/**
 * `mbus register`: puts the session that runs this on the bus, or says anew
 * what it is.
 *
 * The registered process is the agent or the shell that runs the command. A
 * session that another host sees (a sandbox's) keeps its process: only what it
 * says of itself changes.
 *
 * Prints the id. JSON: the session, with the fields of `sessions` that are
 * stored.
 *
 * @module
 */

import { assertName } from "../../bus/options.ts";
import { type Command, defineCommand, EXIT } from "../command.ts";
import { isOfAnotherHost, openBusToBegin } from "../open.ts";
import { printJson, printLine } from "../output/output.ts";
import { UsageError } from "../arguments.ts";
import { visible } from "../output/visible_text.ts";

const register: Command = defineCommand({
  name: "register",
  summary: "Put the session that runs this on the bus; prints its id",
  details: [
    "Which session that is: --session or MBUS_SESSION, else the agent's own " +
    "variable, else the nearest agent or registered process that runs the " +
    "command, else the terminal's shell.",
  ],
  examples: [
    "register --vendor kimi --task T-12",
    "register --session builder --vendor script",
  ],
  positionals: [],
  options: {
    vendor: {
      kind: "string",
      placeholder: "V",
      help: "Who makes the agent: claude, codex, gemini, kimi, script…",
    },
    model: { kind: "string", placeholder: "M", help: "The model" },
    task: { kind: "string", placeholder: "T", help: "The task it is on" },
  },
  async run({ options }) {
    const { vendor, model, task } = options;
    if (vendor === undefined) {
      throw new UsageError(
        "vendor",
        `Cannot register: --vendor is missing; write "mbus register --vendor claude", or who else it is.`,
      );
    }
    assertName("vendor", vendor);
    await using opened = await openBusToBegin(options, vendor);
    const { bus, identity } = opened;
    const session = isOfAnotherHost(identity)
      ? await bus.sessions.update({ model, task })
      : await bus.sessions.register({ vendor, model, task });
    if (options.json) printJson(session);
    else printLine(visible(session.id));
    return EXIT.done;
  },
});

export default register;
