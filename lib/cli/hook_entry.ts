/**
 * `mbus hook`, past the rest of the command line: agents call it at every step
 * they take, so nothing is loaded that it does not use.
 *
 * It takes `AGENT [EVENT] [--home DIR]`, from programs: a person at a terminal,
 * who may want help or have mistyped, comes in by the command line (`hook.ts`).
 * The exit code is 0 whatever happens: some agents take any other for a refusal.
 *
 * @module
 */

import { answerHook } from "../agents/hook.ts";
import { HookLog } from "../agents/hook_log.ts";
import { isAgentName } from "../agents/roster.ts";
import { endProcess } from "./ending.ts";

/** Answers a hook; never throws. */
export async function hookMain(args: readonly string[]): Promise<void> {
  const { agent = "", event, home } = parse(args);
  if (isAgentName(agent)) {
    await answerHook(agent, { event, home, ends: true });
  } else {
    new HookLog(home, agent).add(
      `Cannot answer a hook of ${
        JSON.stringify(agent)
      }: there is no such agent.`,
    );
  }
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
  await hookMain(Deno.args);
  endProcess(0);
}
