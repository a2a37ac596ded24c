/**
 * Check of the files with the hooks' settings.
 *
 * @module
 */

import { policyFiles, readPolicyFile } from "../../hooks/policy.ts";
import { projectOf } from "../../path/project.ts";
import { type Finding, ok, warn } from "./finding.ts";

/** Returns the findings about the user's and the project's settings. */
export function checkSettings(): Finding[] {
  const { worktree } = projectOf(Deno.cwd());
  const files = policyFiles(worktree).flatMap(({ path, within }) => {
    const said = readPolicyFile({ path, within });
    return said === undefined ? [] : [{ path, troubles: said.troubles }];
  });
  const troubles = files.flatMap(({ path, troubles }) =>
    troubles.map((trouble) => warn("settings", trouble, `correct ${path}`))
  );
  if (troubles.length > 0) return troubles;
  return [
    ok(
      "settings",
      files.length === 0
        ? "no file of the user or the project; the defaults apply"
        : files.map(({ path }) => path).join(", "),
    ),
  ];
}
