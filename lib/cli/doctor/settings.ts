/**
 * Whether the files of settings say what the hooks understand.
 *
 * @module
 */

import { policyFiles, readPolicyFile } from "../../hooks/policy.ts";
import { projectOf } from "../../path/project.ts";
import { type Finding, ok, warn } from "./finding.ts";

/** Looks at the user's settings and at those of this folder's project. */
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
        ? "none of a project or of yours; the defaults hold"
        : files.map(({ path }) => path).join(", "),
    ),
  ];
}
