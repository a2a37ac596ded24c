/**
 * `deno task bench`: the bars that this bus is held to, measured.
 *
 * ```text
 * deno task bench [delivery] [start] [hook] [publish] [idle] [coordination]
 *                 [postgres] [--json]
 * ```
 *
 * Without a name all of them run, in about five minutes. What counts is the
 * ratio to what took turns within the same run. Bars are reported, not
 * asserted, as a machine may be busy: it exits with 1 only if something could
 * not run. Everything is made in a temporary folder and removed.
 *
 * @module
 */

import { parseArgs } from "node:util";
import { endChildren } from "./children.ts";
import { benchCoordination } from "./coordination.ts";
import { benchDelivery } from "./delivery.ts";
import { benchHook } from "./hook.ts";
import { benchIdle } from "./idle.ts";
import { benchPostgres } from "./postgres.ts";
import { benchPublish } from "./publish.ts";
import { type Finding, judge, tableOf, type Verdict } from "./report.ts";
import { benchStart } from "./start.ts";
import { availability } from "../tests/postgres/server.ts";

const BENCHES: Readonly<
  Record<string, (folder: string) => Promise<Finding>>
> = {
  delivery: benchDelivery,
  start: benchStart,
  hook: benchHook,
  publish: benchPublish,
  idle: benchIdle,
  coordination: benchCoordination,
  // Where there is no server to be started, the others still run.
  ...(availability.ignore ? {} : { postgres: benchPostgres }),
};

/** A benchmark that could not run. */
interface Failure {
  readonly bench: string;
  readonly message: string;
}

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    args: Deno.args,
    options: { json: { type: "boolean", default: false } },
    allowPositionals: true,
  });
  const unknown = positionals.find((name) => !(name in BENCHES));
  if (unknown !== undefined) {
    console.error(
      `Cannot run "${unknown}": the benchmarks are ` +
        `${Object.keys(BENCHES).join(", ")}.`,
    );
    return 2;
  }
  const names = positionals.length > 0 ? positionals : Object.keys(BENCHES);
  const folder = await Deno.makeTempDir({ prefix: "mbus-bench-" });
  const interrupted = (): void => {
    endChildren();
    Deno.removeSync(folder, { recursive: true });
    Deno.exit(130);
  };
  Deno.addSignalListener("SIGINT", interrupted);
  Deno.addSignalListener("SIGTERM", interrupted);
  const [verdicts, contestants, failures]: [Verdict[], string[], Failure[]] = [
    [],
    [],
    [],
  ];
  try {
    for (const bench of names) {
      console.error(`${bench} …`);
      try {
        await Deno.mkdir(`${folder}/${bench}`, { mode: 0o700 });
        const finding = await BENCHES[bench](`${folder}/${bench}`);
        verdicts.push(...finding.rows.map(judge));
        contestants.push(
          ...finding.contestants.map((each) => `${bench}: ${each}`),
        );
      } catch (error) {
        failures.push({ bench, message: (error as Error).message });
      }
    }
  } finally {
    endChildren();
    await Deno.remove(folder, { recursive: true });
    Deno.removeSignalListener("SIGINT", interrupted);
    Deno.removeSignalListener("SIGTERM", interrupted);
  }
  const machine = machineOf();
  if (values.json) {
    console.log(JSON.stringify({ machine, contestants, verdicts, failures }));
  } else {
    print(machine, contestants, verdicts, failures);
  }
  return failures.length > 0 ? 1 : 0;
}

/** What it ran on, and how busy that was. */
interface Machine {
  readonly system: string;
  readonly cores: number;
  readonly deno: string;
  /** Processes that wanted to run, over the last minute. */
  readonly load: number;
}

function machineOf(): Machine {
  return {
    system: `${Deno.build.os} ${Deno.build.arch}`,
    cores: navigator.hardwareConcurrency,
    deno: Deno.version.deno,
    load: Deno.loadavg()[0],
  };
}

function print(
  { system, cores, deno, load }: Machine,
  contestants: readonly string[],
  verdicts: readonly Verdict[],
  failures: readonly Failure[],
): void {
  console.log(
    `Deno ${deno}, ${system}, ${cores} cores, load ${load.toFixed(1)}; ` +
      `medians of rounds (least–most)\n`,
  );
  console.log(tableOf(verdicts));
  console.log(`\n${contestants.join("\n")}`);
  for (const { bench, message } of failures) {
    console.log(`\n${bench} could not run: ${message}`);
  }
  const judged = verdicts.filter(({ met }) => met !== undefined);
  const missed = judged.filter(({ met }) => !met);
  console.log(
    `\n${judged.length - missed.length} of ${judged.length} bars met` +
      (missed.length === 0
        ? "."
        : `; not: ${
          missed.map(({ bench, what }) => `${bench} ${what}`).join("; ")
        }.`),
  );
}

if (import.meta.main) Deno.exit(await main());
