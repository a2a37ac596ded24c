/**
 * Names of sessions in texts for the model.
 *
 * @module
 */

import type { Operations } from "../bus/operations.ts";
import { nameOf } from "../model/session.ts";

// More sessions are never named in one text.
const NAMES_MAX = 50;

/** Returns the name of each session; an unknown session has its id. */
export async function namesOf(
  store: Pick<Operations, "session">,
  ids: Iterable<string>,
): Promise<(id: string) => string> {
  const names = new Map<string, string>();
  for (const id of [...new Set(ids)].slice(0, NAMES_MAX)) {
    const session = await store.session(id);
    if (session !== undefined) names.set(id, nameOf(session));
  }
  return (id) => names.get(id) ?? id;
}
