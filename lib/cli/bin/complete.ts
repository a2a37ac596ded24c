/**
 * Entry program of `mbus __complete KIND`, which the scripts of `mbus completion`
 * run at a press of Tab.
 *
 * It prints one value a line, then a tab and a description. It makes no bus and
 * registers no session.
 *
 * @module
 */

import { Operations } from "../../bus/operations.ts";
import { resolveOptions } from "../../bus/options.ts";
import { AGENT_NAMES } from "../../hooks/agents/agent.ts";
import { projectOf } from "../../path/project.ts";
import { storePlace } from "../../store/place.ts";
import { endProcess } from "../exit.ts";
import { reportFailure } from "../failure.ts";
import { printLine } from "../output/output.ts";
import { visible } from "../output/visible_text.ts";

/** Prints the values of a kind; returns the exit code. */
export async function complete(
  [kind]: readonly string[],
): Promise<number> {
  const values = kind === "agents"
    ? AGENT_NAMES.map((name) => [name])
    : await storedValues(kind);
  for (const [value, description = ""] of values) {
    // A shell would take a control character as the end of the value.
    if (visible(value) !== value) continue;
    printLine(`${value}\t${visible(description)}`.trimEnd());
  }
  return 0;
}

type Value = readonly [value: string, description?: string];

async function storedValues(kind: string): Promise<readonly Value[]> {
  const place = storePlace({});
  if (await place.isNew()) return [];
  const resolved = resolveOptions({ warn: () => {} });
  await using opened = await place.openOneShot(resolved);
  const { store } = opened;
  const operations = new Operations(store, resolved, resolved.warn, true);
  const folder = Deno.cwd();
  const { project } = projectOf(folder);
  const values = await valuesOf(kind, operations, project, folder);
  opened.detach();
  return values;
}

async function valuesOf(
  kind: string,
  operations: Operations,
  project: string,
  folder: string,
): Promise<readonly Value[]> {
  switch (kind) {
    case "sessions": {
      const all = await operations.sessions({ project, ended: false });
      return all.map(({ id, vendor, task }): Value => [id, task ?? vendor]);
    }
    case "locks": {
      const holds = await operations.locks({ project });
      return holds.map(({ path, session }): Value => [
        path.startsWith(`${folder}/`) ? path.slice(folder.length + 1) : path,
        session,
      ]);
    }
    case "tasks": {
      const tasks = await operations.tasks({ project, exactProject: true });
      return tasks
        .filter(({ status }) => status === "open" || status === "claimed")
        .map(({ id, title }): Value => [id, title]);
    }
    case "channels": {
      const { channels } = await operations.stats();
      return channels.map(({ channel, messages }): Value => [
        channel,
        `${messages} messages`,
      ]);
    }
    default:
      return [];
  }
}

if (import.meta.main) {
  try {
    endProcess(await complete(Deno.args));
  } catch (error) {
    endProcess(reportFailure(error, false));
  }
}
