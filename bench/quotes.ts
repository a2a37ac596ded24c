/**
 * What quotes the results, in Markdown: the overview of a folder of results,
 * and README's figures, ratios first.
 *
 * @module
 */

import { machineText } from "./page.ts";
import { short, type Verdict } from "./report.ts";
import type { Result, Task } from "./result.ts";

/** The overview of all results. */
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

Made by \`deno task bench:gate\`, \`bench:matrix\`, \`bench:growth\` and
\`bench:start\`; rendered anew by \`deno task bench:pages\`.

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

/** README's figures, ratios first. */
export function performanceOf(results: readonly Result[]): string {
  const found = (task: Task) => results.find((result) => result.task === task);
  const parts = [
    ...linesOf(found("gate"), gateLines),
    ...linesOf(found("matrix"), matrixLines),
    ...linesOf(found("growth"), growthLines),
    ...linesOf(found("start"), startLines),
  ];
  const any = results.at(0);
  if (any === undefined) return "Nothing has been measured yet.";
  const matrix = found("matrix");
  const charts = matrix?.charts.filter(({ name }) => README_CHARTS.has(name));
  return [
    `Measured on ${
      machineText(any.machine)
    }; each ratio is of contestants that`,
    "took turns within one run, and each line names the command that repeats it.",
    "",
    ...parts.map((part) => `- ${part}`),
    "",
    ...(charts ?? []).map(({ name, title }) =>
      `![${title}, median to p99](docs/benchmarks/matrix-${name}.svg)\n`
    ),
    "All figures, with what each contestant keeps: [docs/benchmarks](docs/benchmarks/README.md).",
  ].join("\n");
}

const README_CHARTS: ReadonlySet<string> = new Set([
  "latency-one-10",
  "latency-all-10",
]);

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
  return ["one", "nine"].flatMap((whom) => {
    const p50 = verdicts.find(({ what }) =>
      what === `to ${whom}, from the commit, p50`
    );
    const p99 = verdicts.find(({ what }) =>
      what === `to ${whom}, from the commit, p99`
    );
    if (p50?.ratio === undefined || p99?.ratio === undefined) return [];
    return [
      `A message to ${whom} of ten sessions takes ${times(p50)} (p50) and ` +
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
