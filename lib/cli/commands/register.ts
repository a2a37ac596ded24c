/**
 * `mbus register`: registers this session, or updates its data, and prints its name.
 *
 * The registered process is the agent or the shell above the command. A session
 * that another host registered, such as a sandbox, keeps its process: only its
 * model and its task change.
 *
 * JSON: the session, with the stored fields of `sessions`.
 *
 * @module
 */

import { nameOf } from "../../model/session.ts";
import { assertName } from "../../bus/options.ts";
import { type Command, defineCommand, EXIT } from "../command.ts";
import { isOfAnotherHost, openBusToBegin } from "../open.ts";
import { printJson, printLine } from "../output/output.ts";
import { UsageError } from "../arguments.ts";
import { visible } from "../output/visible_text.ts";

const register: Command = defineCommand({
  name: "register",
  details: [
    "The session is that of --session or MBUS_SESSION, else of the agent's own " +
    "variable, else of the nearest agent or registered process above this " +
    "command, else of the terminal's shell.",
  ],
  examples: [
    "register --vendor kimi --task T-12",
    "register --session builder --vendor script",
  ],
  exitCodes: { 1: "Another live process has this session" },
  json: [{ object: "session" }],
  positionals: [],
  options: {
    vendor: {
      kind: "string",
      placeholder: "V",
      help: "Kind of agent: claude, codex, gemini, kimi, script…",
    },
    name: {
      kind: "string",
      placeholder: "NAME",
      help: "Name to choose",
      default: "$MBUS_NAME, or a name of the vendor",
    },
    model: { kind: "string", placeholder: "M", help: "Model of the agent" },
    task: { kind: "string", placeholder: "T", help: "Current task" },
  },
  async run({ options }) {
    const { vendor, name, model, task } = options;
    if (vendor === undefined) {
      throw new UsageError(
        "vendor",
        `Cannot register this session: --vendor is missing. Write "mbus ` +
          `register --vendor claude", or another vendor.`,
      );
    }
    assertName("vendor", vendor);
    await using opened = await openBusToBegin(options, vendor);
    const { bus, identity } = opened;
    const registered = isOfAnotherHost(identity)
      ? await bus.sessions.update({ model, task })
      : await bus.sessions.register({ vendor, name, model, task });
    // A registered session keeps its name unless it is renamed.
    const session = name === undefined || registered.name === name
      ? registered
      : await bus.sessions.rename(name);
    if (options.json) printJson(session);
    else printLine(visible(options.long ? session.id : nameOf(session)));
    return EXIT.done;
  },
});

export default register;
