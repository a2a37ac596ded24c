/**
 * Entry program of `mbus hook`. It loads only modules that it uses, because
 * agents run it at each step.
 *
 * It takes `AGENT [EVENT] [--home DIR]` from programs; a person at a terminal gets
 * `commands/hook.ts`. The exit code is always 0, because some agents take any
 * other for a refusal. Only `AGENT wake` exits otherwise, to wake an agent
 * (`wake_on_message.ts`).
 *
 * @module
 */

import { WAKE } from "../../hooks/agents/agent.ts";
import { respondToHook, writeAll } from "../../hooks/hook.ts";
import { isInputPending, readInput } from "../../hooks/hook_input.ts";
import { HookLog } from "../../hooks/hook_log.ts";
import { AGENTS, isAgentName } from "../../hooks/agents/agents.ts";
import { endProcess } from "../exit.ts";

/** Answers a hook; returns the exit code. Never throws. */
export async function hookMain(args: readonly string[]): Promise<number> {
  const { agent = "", event, home } = parse(args);
  if (isAgentName(agent) && event === WAKE) {
    const { waitForMessage } = await import("../../hooks/slow_path.ts");
    const say = (text: string) => writeAll(Deno.stderr, text);
    return await waitForMessage(AGENTS[agent], {
      home,
      read: () => readInput(),
      say,
    });
  }
  if (isAgentName(agent)) {
    await respondToHook(agent, { event, home, ends: true });
  } else {
    new HookLog(home, agent).add(
      `Cannot answer a hook of ${
        JSON.stringify(agent)
      }: the agent is unknown. Run "mbus install" again.`,
    );
  }
  return 0;
}

interface HookArguments {
  readonly agent?: string;
  readonly event?: string;
  readonly home?: string;
}

function parse(args: readonly string[]): HookArguments {
  const positionals: string[] = [];
  let home: string | undefined;
  for (let i = 0; i < args.length; i++) {
    if (args[i] === "--home") home = args[++i];
    else if (args[i].startsWith("--home=")) home = args[i].slice(7);
    else if (!args[i].startsWith("-")) positionals.push(args[i]);
  }
  const [agent, event] = positionals;
  return { agent, event, home };
}

if (import.meta.main) {
  const code = await hookMain(Deno.args);
  endProcess(code, { atOnce: isInputPending() });
}
