/**
 * Starting up: `mbus send` as a whole process, through the installed launcher,
 * against `deno run --no-config` of an empty file.
 *
 * That is what a hook costs, and it is nearly all the runtime's own start. The
 * command is installed as people install it, into a folder of the bench's own;
 * it sends to a bus that another process has open and subscribed to, so it
 * rings as well, and each message is looked for afterwards.
 *
 * @module
 */

import { openBus } from "../mod.ts";
import { installed, succeed } from "./installation.ts";
import { distributionOf } from "./quantiles.ts";
import type { Finding } from "./report.ts";

const ROUNDS = 5;
const STARTS = 8;
const WARM_UP_STARTS = 3;

/** Measures it. */
export async function benchStart(folder: string): Promise<Finding> {
  const launcher = await installed(folder);
  const empty = `${folder}/empty.ts`;
  await Deno.writeTextFile(empty, "");
  const home = `${folder}/home`;
  await using bus = await openBus({ home, session: "bench" });
  await bus.sessions.register();
  const messages = bus.subscribe("state");
  await messages.ready;
  const contestants = {
    send: () =>
      timeOf(launcher, ["send", "state", '{"status":"working"}'], {
        MBUS_HOME: home,
        MBUS_SESSION: bus.session,
      }),
    empty: () => timeOf(Deno.execPath(), ["run", "--no-config", empty]),
  };
  const [send, nothing]: [number[], number[]] = [[], []];
  for (let i = 0; i < WARM_UP_STARTS; i++) {
    await contestants.send();
    await contestants.empty();
  }
  for (let round = 0; round < ROUNDS; round++) {
    const [sent, started]: [number[], number[]] = [[], []];
    for (let i = 0; i < STARTS; i++) {
      sent.push(await contestants.send());
      started.push(await contestants.empty());
    }
    send.push(distributionOf(sent).p50);
    nothing.push(distributionOf(started).p50);
  }
  for (let i = 0; i < WARM_UP_STARTS + ROUNDS * STARTS; i++) {
    await messages.next();
  }
  return {
    rows: [{
      bench: "start",
      what: "mbus send",
      unit: "ms",
      rounds: send,
      baseline: { name: "empty Deno program", rounds: nothing },
      bar: { of: "ratio", most: 1.5 },
    }],
    contestants: [
      "mbus send: stored, WAL, synchronous=NORMAL: survives the death of any " +
      "process",
      "empty Deno program: does nothing",
    ],
  };
}

/** How long a whole process takes, in ms. */
async function timeOf(
  program: string,
  args: string[],
  env: Record<string, string> = {},
): Promise<number> {
  const command = new Deno.Command(program, {
    args,
    env,
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  });
  const beganAt = performance.now();
  await succeed(command);
  return performance.now() - beganAt;
}
