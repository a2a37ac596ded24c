/**
 * Result files: the JSON, its page, its charts and the overview.
 *
 * ```text
 * docs/benchmarks/‹task›.json          the result
 * docs/benchmarks/‹task›.html          its page
 * docs/benchmarks/‹task›-‹chart›.svg   its charts
 * docs/benchmarks/README.md            the overview
 * ```
 *
 * `deno task bench:pages [DIR]` renders all but the JSON.
 *
 * @module
 */

import { svgFileOf } from "./charts.ts";
import { pageOf } from "./page.ts";
import { overviewOf } from "./overview.ts";
import { type Result, TASKS } from "./result.ts";

const COMMITTED = new URL("../docs/benchmarks", import.meta.url).pathname;

/** Writes a result and renders its folder. Returns the path of the page. */
export async function writeResult(
  folder: string,
  result: Result,
): Promise<string> {
  await Deno.mkdir(folder, { recursive: true });
  await Deno.writeTextFile(
    `${folder}/${result.task}.json`,
    `${JSON.stringify(result, rounded, 1)}\n`,
  );
  await renderAll(folder);
  return `${folder}/${result.task}.html`;
}

/** Rounds figures to five digits, which exceeds their accuracy. */
function rounded(_key: string, value: unknown): unknown {
  return typeof value === "number" && !Number.isInteger(value)
    ? Number(value.toPrecision(5))
    : value;
}

/** Renders all pages of a folder from its results. */
export async function renderAll(folder: string): Promise<void> {
  const results: Result[] = [];
  for (const task of TASKS) {
    const result = await readResult(`${folder}/${task}.json`);
    if (result === undefined) continue;
    results.push(result);
    await renderResult(folder, result);
  }
  await Deno.writeTextFile(`${folder}/README.md`, overviewOf(results));
}

async function readResult(path: string): Promise<Result | undefined> {
  try {
    return JSON.parse(await Deno.readTextFile(path));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

async function renderResult(folder: string, result: Result): Promise<void> {
  const { task, charts } = result;
  await Deno.writeTextFile(`${folder}/${task}.html`, pageOf(result));
  for (const chart of charts) {
    await Deno.writeTextFile(
      `${folder}/${task}-${chart.name}.svg`,
      svgFileOf(chart),
    );
  }
}

if (import.meta.main) await renderAll(Deno.args[0] ?? COMMITTED);
