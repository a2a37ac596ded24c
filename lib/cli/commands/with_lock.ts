/**
 * `mbus with-lock`: holds locks while a command runs.
 *
 * A session of this process, `with-lock-PID-…`, holds the locks, not the caller's.
 * So a killed process releases them at once, and two calls of one session exclude
 * each other. The caller's own locks do not conflict. The command acts for the
 * caller: `MBUS_WITHIN` tells its `mbus` calls which locks do not conflict.
 *
 * The command has the standard streams, so messages go to standard error. JSON
 * there: `{ waiting: … }` as of `lock`, and one line per lock that was lost while
 * the command ran: `{ lost: { path, token } }`.
 *
 * The exit code is the command's, or 128 plus the number of the signal that ended
 * it. It is 127 for an unknown program, 126 for one that is not executable, and 1
 * if the locks were refused.
 *
 * @module
 */

import { MessageBusError, NotHeldError } from "../../model/errors.ts";
import { warn } from "../current_session.ts";
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

// Lease of a lock if no other session can check our process after a crash.
const LEASE_MS = 60_000;
const RENEW_MS = LEASE_MS / 3;

const withLock: Command = declaration([]);

/** The command, with the command line after `--`. */
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
    details: [
      "The locks are released when the command ends, or when mbus or the " +
      "command is killed. Locks of the calling session do not conflict. The " +
      "exit code is the command's, 128 plus the signal's number if a signal " +
      "ended it, or 1 if the locks were refused.",
    ],
    examples: [
      "with-lock src --exclusive --wait 5m -- npm run format",
      "with-lock @port/3000 --exclusive --wait 5m -- npm run e2e",
    ],
    exitCodes: {
      1: "The locks were refused",
      126: "COMMAND is not executable",
      127: "COMMAND is not found",
    },
    json: [{ when: "on standard error, with --wait", fields: ["waiting"] }, {
      when: "on standard error, for each lost lock",
      fields: ["lost"],
    }],
    positionals: [
      {
        name: "PATH",
        help: "File, folder with all below it, glob or @name",
        repeated: true,
      },
      { name: "-- COMMAND", help: "Command line to run", repeated: true },
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
        paths.length === 0 ? "the path is missing" : "the command is missing"
      }. Write "mbus with-lock PATH… -- COMMAND…".`,
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
      // Arguments may be secret, so `why` has the program's name only.
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
    await releaseAll(locks, options.json);
  }
}

/** Releases the locks. A failure is a warning: the exit code is the command's. */
async function releaseAll(
  locks: readonly Lock[],
  json: boolean,
): Promise<void> {
  try {
    await releaseLocks(locks);
  } catch (error) {
    if (!(error instanceof MessageBusError)) throw error;
    warn(error.message, json);
  }
}

/** Returns a session that lives as long as this process, for the caller's. */
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

/** Renews the locks, and prints those that were lost. */
async function renewAll(held: Set<Lock>, json: boolean): Promise<void> {
  for (const lock of held) {
    try {
      await lock.renew(LEASE_MS);
    } catch (error) {
      // The next call may renew it.
      if (!(error instanceof NotHeldError)) continue;
      held.delete(lock);
      const { path, token } = lock;
      printToStderr(
        json
          ? visibleJson({ lost: { path, token } })
          : `mbus: ${
            visible(shownPath(path))
          } is no longer locked, but the command ` +
            `still runs: another session took it over.`,
      );
    }
  }
}
