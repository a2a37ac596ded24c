/**
 * Whether git runs the guard in this repository, if it has one.
 *
 * @module
 */

import { repositoryOf } from "../../path/repository.ts";
import { hookPlace } from "../guard/place.ts";
import {
  guardAt,
  hasProgram,
  NO_PROGRAM,
  PUT_ON_PATH,
} from "../commands/guard_status.ts";
import { RefusalError } from "../refusal.ts";
import { failBy, type Finding, ok, warn } from "./finding.ts";

/** Where the guard does not run, of a repository that has it. */
export async function checkGuard(): Promise<Finding[]> {
  if (repositoryOf(Deno.realPathSync(Deno.cwd())) === undefined) return [];
  let place;
  try {
    place = await hookPlace("tell how the guard stands");
  } catch (error) {
    if (!(error instanceof RefusalError)) throw error;
    const { message, remedy } = failBy("guard", error);
    return [warn("guard", message, remedy ?? "see git status")];
  }
  const all = guardAt(place);
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
