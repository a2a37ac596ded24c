/**
 * `mbus end`: ends the session that runs this.
 *
 * JSON: `{ session, ended: true }`.
 *
 * @module
 */

import { UnknownSessionError } from "../../model/errors.ts";
import { type Command, defineCommand, EXIT } from "../command.ts";
import { openBusFor, type OpenedBus } from "../open.ts";
import { printJson, printLine } from "../output/output.ts";
import { processContext } from "../process_context.ts";
import { visible } from "../output/visible_text.ts";

const end: Command = defineCommand({
  name: "end",
  summary: "End the session that runs this, and tell the others",
  details: [
    "Ending a session that has ended is fine. --session ends another one.",
  ],
  positionals: [],
  options: {},
  async run({ options }) {
    await using opened = await openBusFor(options);
    const { bus, identity } = opened;
    if (identity.joined === undefined) await assertOwnSession(opened);
    await bus.sessions.end(identity.id);
    if (options.json) printJson({ session: identity.id, ended: true });
    else printLine(`Ended ${visible(identity.id)}.`);
    return EXIT.done;
  },
});

export default end;

/**
 * A session that we do not join has ended, or its process has died, or it is
 * another living process's that has the id we would ask for: not ours to end.
 */
async function assertOwnSession({ bus, identity }: OpenedBus): Promise<void> {
  const all = await bus.sessions.list({ allProjects: true, ended: true });
  const session = all.find(({ id }) => id === identity.id);
  const { lifeOf } = processContext(undefined, []);
  const theirs = session?.status !== "terminated" && session !== undefined &&
    lifeOf(session) === "alive";
  if (session !== undefined && !theirs) return;
  throw new UnknownSessionError("end the session that runs this", identity.id);
}
