/**
 * Errors of agents' hooks in the last day. A hook's error stops no agent, so this
 * report is where a person sees it.
 *
 * @module
 */

import { InvalidInputError } from "../../model/errors.ts";
import {
  type HookLogLine,
  hookLogPath,
  readHookLog,
} from "../../hooks/hook_log.ts";
import { failBy, type Finding, ok, warn } from "./finding.ts";

const LATELY_MS = 24 * 60 * 60 * 1000;
const LINES_MAX = 10_000;
const TOLD_MAX = 5;

/**
 * Returns the errors of the last day, each with its count, the latest last.
 *
 * @param home The bus folder; undefined is the default folder.
 */
export function checkHooks(home: string | undefined): Finding[] {
  let lines: HookLogLine[];
  try {
    lines = readHookLog(home, LINES_MAX);
  } catch (error) {
    const { message, remedy } = failBy("hooks", error);
    const isPlaced = !(error instanceof InvalidInputError);
    return [
      warn(
        "hooks",
        message,
        isPlaced || remedy === undefined
          ? `make ${hookLogPath(home)} readable`
          : remedy,
      ),
    ];
  }
  const since = Date.now() - LATELY_MS;
  const lately = lines.filter(({ at }) => Date.parse(at) >= since);
  if (lately.length === 0) {
    return [ok("hooks", "no error in the last day")];
  }
  const troubles = new Map<string, { line: HookLogLine; count: number }>();
  for (const line of lately) {
    const key = `${line.agent} ${line.message}`;
    const count = (troubles.get(key)?.count ?? 0) + 1;
    // Inserted again, so that the latest comes last.
    troubles.delete(key);
    troubles.set(key, { line, count });
  }
  const told = [...troubles.values()].slice(-TOLD_MAX);
  const untold = troubles.size - told.length;
  return [
    warn(
      "hooks",
      `${lately.length} errors in the last day, which stopped no agent: ` +
        countsOf(lately) +
        (untold === 0 ? "" : `; ${untold} older ones are not shown`),
      `see ${hookLogPath(home)}`,
    ),
    ...told.map(({ line, count }) => findingOf(home, line, count)),
  ];
}

function findingOf(
  home: string | undefined,
  { agent, at, message }: HookLogLine,
  count: number,
): Finding {
  const times = count === 1 ? "" : `, ${count} times`;
  const { message: said, remedy } = failBy("hooks", message);
  return warn(
    "hooks",
    `${agent}, ${at}${times}: ${said}`,
    remedy ?? `see ${hookLogPath(home)}`,
  );
}

/** Returns the number of errors of each agent, as text. */
function countsOf(lines: readonly HookLogLine[]): string {
  const counts = new Map<string, number>();
  for (const { agent } of lines) {
    counts.set(agent, (counts.get(agent) ?? 0) + 1);
  }
  return [...counts].map(([agent, count]) => `${agent} ${count}`).join(", ");
}
