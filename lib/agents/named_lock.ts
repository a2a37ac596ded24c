/**
 * Named resources as a hook sees them: whether another session has locked one.
 *
 * @module
 */

import { resourceTarget } from "../lock_target.ts";
import type { Hold } from "../locks.ts";
import type { Case } from "./case.ts";

/**
 * Returns the exclusive holds of other sessions on a named resource, such as
 * `@git/head`, as it is meant in `folder`; takes nothing.
 *
 * @throws {InvalidInputError} If the resource is git's, and the folder is in no
 * repository.
 */
export async function exclusiveHoldsOf(
  { store, session, alongside }: Case,
  name: string,
  folder: string,
): Promise<readonly Hold[]> {
  const overlapping = resourceTarget(name, folder);
  const holds = await store.locks({ project: null, overlapping });
  return holds.filter(({ type, session: holder }) =>
    type === "exclusive" && holder !== session.id &&
    !alongside.includes(holder)
  );
}
