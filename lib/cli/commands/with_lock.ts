/**
 * `mbus with-lock`: holds locks while a command runs.
 *
 * The locks are held under a session of this process, `with-lock-PID-…`, and
 * not under the caller's: so they are free at once when this process is
 * killed, and two that run at the same time shut each other out even when one
 * session called both. What the caller itself holds is not in the way, and the
 * command acts for the caller: `MBUS_WITHIN` tells its `mbus` calls which locks
 * are not in their way either.
 *
 * Standard input, output and error are the command's, so what there is to say
 * goes to standard error. JSON, there: `{ waiting: … }` as `lock` has it, and a
 * line for each lock that was lost while the command ran: `{ lost: { path,
 * token } }`.
 *
 * Ends with the command's exit code, 128 and the signal's number if a signal
 * ended it, 127 if there is no such program, 126 if it can't be run; 1 if the
 * locks were refused.
 *
 * @module
 */

import { NotHeldError } from "../../model/errors.ts";
import { hostId, processStart } from "../../process/host.ts";
import type { Lock } from "../../bus/locks.ts";
import type { Project } from "../../path/project.ts";
import type { SessionStart } from "../../model/session.ts";
import { type ParsedArguments, UsageError } from "../arguments.ts";
import { NotStartedError, runInPlace } from "../child_process.ts";
import { type Command, defineCommand } from "../command.ts";
import { reportFailure } from "../failure.ts";
import { shownPath, warnOfOverlaps } from "../output/hold_lines.ts";
import { type Identity, madeId } from "../identity.ts";
import { LOCK_OPTIONS } from "./lock.ts";
import { openBusToBegin } from "../open.ts";
import { printToStderr } from "../output/output.ts";
import { patternOf } from "../pattern.ts";
import { releaseLocks, takeLocks } from "../lock_set.ts";
import { untilStopped } from "../signals.ts";
import { visible, visibleJson } from "../output/visible_text.ts";
import { delegators, DELEGATORS_VARIABLE } from "../../bus/delegation.ts";

// Where nobody can judge our process, a lock that it left ends this soon.
const LEASE_MS = 60_000;
const RENEW_MS = LEASE_MS / 3;

const withLock: Command = declaration([]);

/** The command, with what stood behind `--`. */
const command: Command = {
  ...withLock,
  async execute(args: readonly string[]): Promise<number> {
    const at = args.indexOf("--");
    const run = at === -1 ? [] : args.slice(at + 1);
    return await declaration(run).execute(args);
  },
};

export default command;

function declaration(run: readonly string[]): Command {
  return defineCommand({
    name: "with-lock",
    summary: "Hold locks while a command runs",
    details: [
      "The locks are given back when the command ends, and also when mbus or " +
      "the command is killed. What the calling session holds itself is not in " +
      "the way. The exit code is the command's; 128 and the signal's number if " +
      "a signal ended it; 1 if the locks were refused.",
    ],
    examples: [
      "with-lock src --exclusive --wait 5m -- npm run format",
      "with-lock @port/3000 --exclusive --wait 5m -- npm run e2e",
    ],
    positionals: [
      { name: "PATH", help: "What to lock", repeated: true },
      { name: "-- COMMAND", help: "What to run", repeated: true },
    ],
    options: LOCK_OPTIONS,
    run: (parsed) => holdWhile(parsed, run),
  });
}

async function holdWhile(
  { positionals, options }: ParsedArguments<typeof LOCK_OPTIONS>,
  run: readonly string[],
): Promise<number> {
  const paths = positionals.slice(0, positionals.length - run.length);
  if (run.length === 0 || paths.length === 0) {
    throw new UsageError(
      "command",
      `Cannot run "with-lock": ${
        paths.length === 0 ? "no path is given" : "the command is missing"
      }; write "mbus with-lock PATH… -- COMMAND…".`,
    );
  }
  await using opened = await openBusToBegin(
    options,
    undefined,
    (identity, place) => ownSession(identity, place),
  );
  const { bus, identity } = opened;
  const [program] = run;
  const locks = await untilStopped((signal) =>
    takeLocks(bus, paths, {
      type: options.exclusive ? "exclusive" : "advisory",
      waitMs: options.wait,
      leaseMs: LEASE_MS,
      takeOver: options["take-over"],
      // Not its arguments, which may be secret.
      pattern: patternOf(options),
      why: options.why ?? `runs ${nameOf(program)} for ${identity.id}`,
      actingFor: [identity.id, ...delegators()],
      signal,
      json: options.json,
    })
  );
  if (typeof locks === "number") return locks;
  if (!options.json) locks.forEach(({ overlaps }) => warnOfOverlaps(overlaps));
  const held = new Set(locks);
  const renewing = setInterval(() => renewAll(held, options.json), RENEW_MS);
  try {
    const within = [bus.session, ...delegators()].join();
    return await runInPlace(run, { [DELEGATORS_VARIABLE]: within });
  } catch (error) {
    if (!(error instanceof NotStartedError)) throw error;
    reportFailure(error, options.json);
    return error.exitCode;
  } finally {
    clearInterval(renewing);
    await releaseLocks(locks);
  }
}

/** A session that lives as long as this process, for the one that calls. */
function ownSession(identity: Identity, place: Project): SessionStart {
  const startTime = processStart(Deno.pid);
  const process = { pid: Deno.pid, startTime: startTime ?? "" };
  return {
    id: madeId("with-lock", process, hostId()),
    vendor: identity.vendor,
    tty: identity.tty,
    pid: Deno.pid,
    processStart: startTime,
    project: place.project,
    worktree: place.worktree,
    branch: place.branch,
    task: identity.joined?.task,
  };
}

function nameOf(program: string): string {
  return program.slice(program.lastIndexOf("/") + 1) || program;
}

/** Renews what is still held, and tells of what is not any more. */
async function renewAll(held: Set<Lock>, json: boolean): Promise<void> {
  for (const lock of held) {
    try {
      await lock.renew(LEASE_MS);
    } catch (error) {
      // What could not be renewed now may be the next time.
      if (!(error instanceof NotHeldError)) continue;
      held.delete(lock);
      const { path, token } = lock;
      printToStderr(
        json
          ? visibleJson({ lost: { path, token } })
          : `mbus: ${
            visible(shownPath(path))
          } is not held any more while the ` +
            `command still runs: another session took it over.`,
      );
    }
  }
}
