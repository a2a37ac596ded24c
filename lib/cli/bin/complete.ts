/**
 * Entry program of `mbus __complete KIND`, which the scripts of `mbus completion`
 * run at a press of Tab.
 *
 * It prints one value a line, then a tab and a description. It makes no bus and
 * registers no session.
 *
 * @module
 */

import { AGENT_NAMES } from "../../hooks/agents/agent.ts";
import { projectOf } from "../../path/project.ts";
import { tryStoredValues } from "../../sqlite/fast_values.ts";
import { endProcess } from "../exit.ts";
import { printLine } from "../output/output.ts";
import { visible } from "../output/visible_text.ts";

/** Prints the values of a kind; returns the exit code. */
export async function complete([kind]: readonly string[]): Promise<number> {
  const values = kind === "agents"
    ? AGENT_NAMES.map((name) => [name, ""] as const)
    : await valuesOf(kind);
  const folder = `${Deno.cwd()}/`;
  const lines = values.flatMap(([value, description]) => {
    // A shell would take a control character as the end of the value.
    if (visible(value) !== value) return [];
    const shown = value.startsWith(folder) ? value.slice(folder.length) : value;
    return [`${shown}\t${visible(description)}`.trimEnd()];
  });
  if (lines.length > 0) printLine(lines.join("\n"));
  return 0;
}

async function valuesOf(
  kind: string,
): Promise<readonly (readonly [value: string, description: string])[]> {
  const { project } = projectOf(Deno.cwd());
  const fast = Deno.env.get("MBUS_URL")
    ? undefined
    : tryStoredValues(kind, project);
  if (fast !== undefined) return fast;
  const { storedValues } = await import("../completion/stored_values.ts");
  return await storedValues(kind, project);
}

if (import.meta.main) {
  try {
    endProcess(await complete(Deno.args));
  } catch (error) {
    const { reportFailure } = await import("../failure.ts");
    endProcess(reportFailure(error, false));
  }
}
