/**
 * The overview of a folder of results, in Markdown, ratios first.
 *
 * @module
 */

import { machineText } from "./page.ts";
import { short, type Verdict } from "./report.ts";
import type { Result, Task } from "./result.ts";

/** Returns the overview of all results. */
export function overviewOf(results: readonly Result[]): string {
  const parts = results.map((result) => {
    const { task, title, about, command, date, machine, charts } = result;
    return `## ${title}

${about} [The page](${task}.html), [the figures](${task}.json).

\`${command}\`, ${date.slice(0, 10)}, on ${machineText(machine)}.

${barsOf(result.verdicts)}

${
      charts.map(({ name, title }) => `![${title}](${task}-${name}.svg)\n`)
        .join(
          "\n",
        )
    }`;
  });
  return `# Benchmarks

Each section is one benchmark: the command that repeats it, the machine of its
last run, and the figures that its bars judge. A task takes at most 10 minutes.
With \`--quick\` it is short and writes to \`dist/benchmarks\`, because a short
run proves nothing. The gate exits with 1 if it is not met.

The matrix measures those rivals that are installed:
\`apt-get install redis-server nats-server postgresql\`. \`deno task bench\`
prints ratios of delivery, publishing, idling and locks to the layer beneath,
and writes no page. \`deno task bench:pages\` renders this page and the charts
from the JSON files and measures nothing.

## At a glance

Each ratio compares contestants that took turns within one run.

${glanceOf(results)}

${parts.join("\n")}`;
}

function barsOf(verdicts: readonly Verdict[]): string {
  const judged = verdicts.filter(({ met }) => met !== undefined);
  const missed = judged.filter(({ met }) => !met);
  const summary = `${
    judged.length - missed.length
  } of ${judged.length} bars met`;
  if (missed.length === 0) return `${summary}.`;
  return `${summary}. Not met:\n\n${
    missed.map(({ what, figure, unit, ratio, bar }) =>
      `- ${what}: ${
        bar!.of === "ratio"
          ? `${short(ratio!.median)} ×`
          : `${short(figure.median)} ${unit}`
      }`
    ).join("\n")
  }`;
}

/** Returns the lines of the section "At a glance". */
function glanceOf(results: readonly Result[]): string {
  const found = (task: Task) => results.find((result) => result.task === task);
  const lines = [
    ...linesOf(found("gate"), gateLines),
    ...linesOf(found("matrix"), matrixLines),
    ...linesOf(found("growth"), growthLines),
    ...linesOf(found("start"), startLines),
  ];
  return lines.map((line) => `- ${line}`).join("\n");
}

function linesOf(
  result: Result | undefined,
  lines: (verdicts: readonly Verdict[]) => readonly string[],
): string[] {
  if (result === undefined) return [];
  return lines(result.verdicts).map((line) =>
    `${line} (\`deno task bench:${result.task}\`, ${result.date.slice(0, 10)})`
  );
}

function gateLines(verdicts: readonly Verdict[]): string[] {
  return ["one", "nine"].flatMap((recipients) => {
    const p50 = verdicts.find(({ what }) =>
      what === `to ${recipients}, from the commit, p50`
    );
    const p99 = verdicts.find(({ what }) =>
      what === `to ${recipients}, from the commit, p99`
    );
    if (p50?.ratio === undefined || p99?.ratio === undefined) return [];
    return [
      `A message to ${recipients} of ten sessions takes ${
        times(p50)
      } (p50) and ` +
      `${times(p99)} (p99) of what bare SQLite with a mesh of sockets takes: ` +
      `${short(p50.figure.median)} and ${short(p99.figure.median)} ms from ` +
      "commit to callback",
    ];
  });
}

function matrixLines(verdicts: readonly Verdict[]): string[] {
  return verdicts.filter(({ bar, ratio, baseline }) =>
    bar?.of === "ratio" && ratio !== undefined && baseline !== undefined
  ).map((verdict) => {
    const { what, unit, figure, baseline, met } = verdict;
    return `${what[0].toUpperCase()}${what.slice(1)}: ${times(verdict)} of ` +
      `${baseline!.name}, ${short(figure.median)} against ` +
      `${short(baseline!.median)} ${unit}${
        met ? "" : `; **won by ${baseline!.name}**`
      }`;
  });
}

function growthLines(verdicts: readonly Verdict[]): string[] {
  return ["messages kept", "locks held", "sessions"].flatMap((axis) => {
    const among = verdicts.filter(({ what, ratio }) =>
      what.includes(axis) && ratio !== undefined
    ).toSorted((a, b) => b.ratio!.median - a.ratio!.median);
    if (among.length === 0) return [];
    const [worst] = among;
    const size = worst.what.split(", at ").at(-1);
    const middle = among[among.length >> 1];
    return [
      `At ${size}, an operation costs ${times(middle)} (median of all) to ` +
      `${times(worst)} (${worst.what.split(", at ")[0]}) of what it costs ` +
      `${worst.baseline!.name}`,
    ];
  });
}

function startLines(verdicts: readonly Verdict[]): string[] {
  return verdicts.filter(({ ratio }) => ratio !== undefined).map((verdict) =>
    `${verdict.what}: ${times(verdict)} of an empty Deno program, ` +
    `${short(verdict.figure.median)} ms`
  );
}

function times({ ratio }: Verdict): string {
  return `${short(ratio!.median)} ×`;
}
