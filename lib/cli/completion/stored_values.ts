/**
 * Values that a shell completes, read from any store.
 *
 * @module
 */

import { resolveOptions } from "../../bus/options.ts";
import { openOperations } from "../../store/open.ts";
import { storePlace } from "../../store/place.ts";

/** A value and its description. */
export type Value = readonly [value: string, description: string];

/**
 * Returns values of a kind; none if there is no bus yet.
 *
 * @param project Project of the working folder.
 */
export async function storedValues(
  kind: string,
  project: string,
): Promise<readonly Value[]> {
  if (await storePlace({}).isNew()) return [];
  // A warning would disturb the line that the user types.
  const operations = await openOperations(resolveOptions({ warn: () => {} }));
  try {
    switch (kind) {
      case "sessions": {
        const all = await operations.sessions({ project, ended: false });
        return all.map(({ id, name = id, task, vendor }) => [
          name,
          task ?? vendor,
        ]);
      }
      case "locks": {
        const holds = await operations.locks({ project });
        return holds.map(({ path, session }) => [path, session]);
      }
      case "tasks": {
        const tasks = await operations.tasks({ project, exactProject: true });
        return tasks
          .filter(({ status }) => status === "open" || status === "claimed")
          .map(({ id, title }) => [id, title]);
      }
      case "channels": {
        const { channels } = await operations.stats();
        return channels.map(({ channel, messages }) => [
          channel,
          `${messages} messages`,
        ]);
      }
      default:
        return [];
    }
  } finally {
    await operations.close();
  }
}
