/**
 * `mbus end`: ends this session.
 *
 * JSON: `{ session, name, ended: true }`.
 *
 * @module
 */

import { UnknownSessionError } from "../../model/errors.ts";
import { type Command, defineCommand, EXIT } from "../command.ts";
import { openBusFor, type OpenedBus } from "../open.ts";
import { printJson, printLine } from "../output/output.ts";
import { SessionNames } from "../session_names.ts";
import { processContext } from "../process_context.ts";
import { visible } from "../output/visible_text.ts";

const end: Command = defineCommand({
  name: "end",
  details: [
    "Other sessions are notified. Ending an ended session is not an error. " +
    "--session ends another session.",
  ],
  exitCodes: { 1: "The session belongs to another live process" },
  json: [{ fields: ["session", "name", "ended"] }],
  positionals: [],
  options: {},
  async run({ options }) {
    await using opened = await openBusFor(options);
    const { bus, identity } = opened;
    if (identity.joined === undefined) await assertOwnSession(opened);
    const names = new SessionNames(bus, false);
    await names.learn([identity.id]);
    const name = names.shown(identity.id);
    await bus.sessions.end(identity.id);
    if (options.json) printJson({ session: identity.id, name, ended: true });
    else printLine(`Ended ${visible(name)}.`);
    return EXIT.done;
  },
});

export default end;

/**
 * Throws if a session that this command does not join belongs to another live
 * process, or was never registered. An ended or dead session is accepted.
 */
async function assertOwnSession({ bus, identity }: OpenedBus): Promise<void> {
  const all = await bus.sessions.list({ allProjects: true, ended: true });
  const session = all.find(({ id }) => id === identity.id);
  const { lifeOf } = processContext(undefined, []);
  const isOthers = session?.status !== "terminated" && session !== undefined &&
    lifeOf(session) === "alive";
  if (session !== undefined && !isOthers) return;
  throw new UnknownSessionError("end this session", identity.id);
}
