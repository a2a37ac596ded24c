/**
 * Check of the git guard in this repository, if it is installed.
 *
 * @module
 */

import { repositoryOf } from "../../path/repository.ts";
import { hookPlace } from "../guard/place.ts";
import {
  guardStatesOf,
  hasProgram,
  NO_PROGRAM,
  PUT_ON_PATH,
} from "../commands/guard_status.ts";
import { RefusalError } from "../refusal.ts";
import { failBy, type Finding, ok, warn } from "./finding.ts";

/** Returns a finding for each hook of git that does not run the guard. */
export async function checkGuard(): Promise<Finding[]> {
  if (repositoryOf(Deno.realPathSync(Deno.cwd())) === undefined) return [];
  let place;
  try {
    place = await hookPlace("check the guard");
  } catch (error) {
    if (!(error instanceof RefusalError)) throw error;
    const { message, remedy } = failBy("guard", error);
    return [warn("guard", message, remedy ?? "see git status")];
  }
  const all = guardStatesOf(place);
  const isHere = all.some(({ runs, idle }) => runs || idle !== undefined);
  if (!isHere) return [];
  const off = all.filter(({ runs }) => !runs);
  const findings = off.map(({ hook, message, path, remedy, idle }) =>
    warn(
      "guard",
      `off at ${hook}: ${message}: ${path}` +
        (idle === undefined ? "" : `; the guard is in ${idle.join(", ")}`),
      remedy ?? 'run "mbus guard status"',
    )
  );
  if (!hasProgram()) findings.push(warn("guard", NO_PROGRAM, PUT_ON_PATH));
  return findings.length > 0
    ? findings
    : [ok("guard", `git runs it: ${all.map(({ hook }) => hook).join(", ")}`)];
}
