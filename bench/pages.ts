/**
 * Results on disk: the JSON, its page, its charts; and what quotes them.
 *
 * ```text
 * docs/benchmarks/‹task›.json          what was measured
 * docs/benchmarks/‹task›.html          its page, by itself
 * docs/benchmarks/‹task›-‹chart›.svg   its charts
 * docs/benchmarks/README.md            all of them at a glance
 * README.md                            the section on performance
 * ```
 *
 * Run by itself it makes all but the JSON anew: `deno task bench:pages [DIR]`.
 *
 * @module
 */

import { svgFileOf } from "./charts.ts";
import { pageOf } from "./page.ts";
import { overviewOf, performanceOf } from "./quotes.ts";
import { type Result, TASKS } from "./result.ts";

const ROOT = new URL("..", import.meta.url).pathname;
const COMMITTED = `${ROOT}docs/benchmarks`;

/** Writes a result and all that is made of it; returns its page. */
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

/** Five digits are more than any of them is worth. */
function rounded(_key: string, value: unknown): unknown {
  return typeof value === "number" && !Number.isInteger(value)
    ? Number(value.toPrecision(5))
    : value;
}

/** Makes all pages of a folder from its results. */
export async function renderAll(folder: string): Promise<void> {
  const results: Result[] = [];
  for (const task of TASKS) {
    const result = await readResult(`${folder}/${task}.json`);
    if (result === undefined) continue;
    results.push(result);
    await renderResult(folder, result);
  }
  await Deno.writeTextFile(`${folder}/README.md`, overviewOf(results));
  if (folder.replace(/\/$/, "") === COMMITTED) {
    await quoteIn(`${ROOT}README.md`, results);
  }
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

const BEGIN = "<!-- figures: deno task bench:pages -->";
const END = "<!-- end of figures -->";

async function quoteIn(
  path: string,
  results: readonly Result[],
): Promise<void> {
  const text = await Deno.readTextFile(path);
  const [begin, end] = [text.indexOf(BEGIN), text.indexOf(END)];
  if (begin === -1 || end === -1) {
    throw new Error(`${path} has no place for figures: ${BEGIN} … ${END}`);
  }
  await Deno.writeTextFile(
    path,
    `${text.slice(0, begin)}${BEGIN}\n\n${performanceOf(results)}\n${
      text.slice(end)
    }`,
  );
  const { success, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["fmt", "--quiet", path],
  }).output();
  if (!success) throw new Error(new TextDecoder().decode(stderr));
}

if (import.meta.main) await renderAll(Deno.args[0] ?? COMMITTED);
