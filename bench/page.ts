/**
 * The page of a result: one self-contained HTML file.
 *
 * @module
 */

import { COLOURS, svgOf } from "./charts.ts";
import { barText, short, spread, type Verdict } from "./report.ts";
import type { Cell, Chart, Result, Table } from "./result.ts";

/** Returns the page of a result, as HTML. */
export function pageOf(result: Result): string {
  const { title, about, quick, command, date, seconds, machine } = result;
  const { verdicts, charts, tables, contestants, notes } = result;
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escape(title)} · message-bus</title>
<style>
${COLOURS}
${STYLE}
</style>
</head>
<body>
<header>
<p class="kicker">message-bus · benchmarks</p>
<h1>${escape(title)}</h1>
<p class="about">${escape(about)}</p>
<p class="run"><code>${escape(command)}</code> · ${date.slice(0, 10)} · ${
    minutes(seconds)
  } · ${escape(machineText(machine))}</p>
${quick ? `<p class="quick">A quick run, which proves nothing.</p>` : ""}
</header>
<main>
${verdicts.length > 0 ? verdictsSection(verdicts) : ""}
<section class="charts">
${charts.map(figure).join("\n")}
</section>
${tables.map(tableSection).join("\n")}
<section>
<h2>Contestants</h2>
<dl>
${
    contestants.map(({ label, durability, remark }) =>
      `<dt>${escape(label)}</dt><dd>${escape(durability)}${
        remark === undefined ? "" : `<br><em>${escape(remark)}</em>`
      }</dd>`
    ).join("\n")
  }
</dl>
</section>
<section>
<h2>Reading the figures</h2>
<ul>
${notes.map((note) => `<li>${escape(note)}</li>`).join("\n")}
<li>${escape(versionsText(machine))}</li>
</ul>
</section>
</main>
</body>
</html>
`;
}

const STYLE = `
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink);
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", sans-serif; }
header, main { max-width: 1080px; margin: 0 auto; padding: 0 28px; }
header { padding-top: 56px; padding-bottom: 12px; }
.kicker { margin: 0; color: var(--hue-0); font-weight: 600; letter-spacing: .02em; }
h1 { margin: 4px 0 10px; font-size: 44px; line-height: 1.1; letter-spacing: -.02em; }
h2 { margin: 0 0 14px; font-size: 22px; letter-spacing: -.01em; }
h3 { margin: 0; font-size: 17px; }
.about { margin: 0; font-size: 19px; max-width: 46em; }
.run { color: var(--soft); font-size: 14px; margin: 14px 0 0; }
.quick { color: var(--bar); font-weight: 600; }
section { margin: 44px 0; }
.charts { display: grid; gap: 44px; }
figure { margin: 0; }
figcaption p { margin: 2px 0 10px; color: var(--soft); font-size: 14px; }
figure svg { display: block; width: 100%; height: auto; max-width: 900px; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: 14px; font-variant-numeric: tabular-nums; }
th { text-align: right; font-weight: 600; color: var(--soft); vertical-align: bottom; }
td { text-align: right; white-space: nowrap; }
th:first-child, td:first-child, td.text { text-align: left; }
td.text { white-space: normal; min-width: 8em; }
th, td { padding: 6px 14px 6px 0; border-bottom: 1px solid var(--faint); }
tr.own td { color: var(--hue-0); font-weight: 600; }
.caption { color: var(--soft); font-size: 14px; margin: -10px 0 12px; }
.yes { color: var(--hue-2); font-weight: 600; } .no { color: var(--bar); font-weight: 600; }
.soft { color: var(--soft); }
dt { font-weight: 600; margin-top: 12px; } dd { margin: 0; color: var(--soft); }
li { margin: 6px 0; }
code { font: 13px ui-monospace, "SF Mono", Menlo, monospace; }
`;

function verdictsSection(verdicts: readonly Verdict[]): string {
  const judged = verdicts.filter(({ met }) => met !== undefined);
  const met = judged.filter(({ met }) => met).length;
  return `<section>
<h2>${met} of ${judged.length} bars met</h2>
<div class="scroll"><table>
<tr><th colspan="2"></th><th>this bus</th><th>bar</th><th>ratio</th><th>baseline</th></tr>
${
    judged.map((verdict) => {
      const { what, unit, figure, baseline, ratio, met } = verdict;
      return `<tr><td>${sign(met!)}</td><td class="text">${
        escape(what)
      }</td><td>${escape(spread(figure))} ${
        escape(unit)
      }</td><td class="soft">${escape(barText(verdict))}</td><td class="soft">${
        ratio === undefined ? "" : `${escape(spread(ratio))} ×`
      }</td><td class="soft">${
        baseline === undefined
          ? ""
          : escape(`${spread(baseline)} ${baseline.name}`)
      }</td></tr>`;
    }).join("\n")
  }
</table></div>
</section>`;
}

function figure(chart: Chart): string {
  return `<figure>
<figcaption><h3>${escape(chart.title)}</h3><p>${
    escape(chart.caption)
  }</p></figcaption>
${svgOf(chart)}
</figure>`;
}

function tableSection({ title, caption, columns, rows }: Table): string {
  return `<section>
<h2>${escape(title)}</h2>
${caption === undefined ? "" : `<p class="caption">${escape(caption)}</p>`}
<div class="scroll"><table>
<tr>${columns.map((column) => `<th>${escape(column)}</th>`).join("")}</tr>
${rows.map(tableRow).join("\n")}
</table></div>
</section>`;
}

function tableRow(cells: readonly Cell[]): string {
  const [first, second, ...rest] = cells;
  const own = typeof first === "string" && first.startsWith("this bus");
  // A contestant without figures has the reason in their place.
  const explains = typeof second === "string" &&
    rest.every((cell) => cell === null);
  return `<tr${own ? ' class="own"' : ""}>${
    explains
      ? `<td>${escape(String(first))}</td><td class="text soft" colspan="${
        cells.length - 1
      }">${escape(second)}</td>`
      : cells.map(tableCell).join("")
  }</tr>`;
}

function tableCell(cell: Cell, column: number): string {
  if (cell === null) return "<td></td>";
  if (typeof cell === "boolean") return `<td>${mark(cell)}</td>`;
  if (typeof cell === "number") return `<td>${escape(short(cell))}</td>`;
  return `<td${column > 0 ? ' class="text"' : ""}>${escape(cell)}</td>`;
}

function mark(yes: boolean): string {
  return `${sign(yes)} ${yes ? "yes" : "no"}`;
}

function sign(good: boolean): string {
  return good ? '<span class="yes">✓</span>' : '<span class="no">✗</span>';
}

/** Returns a one-line description of a machine. */
export function machineText(
  { system, cores, processor, memoryGib, versions, load }: Result["machine"],
): string {
  return `${cores} cores (${processor}), ${memoryGib} GiB, ${system}, ` +
    `Deno ${versions.Deno}, load ${load.toFixed(1)} before the run`;
}

function versionsText({ kernel, versions }: Result["machine"]): string {
  return `Kernel ${kernel}; ` +
    Object.entries(versions).map(([name, version]) => `${name} ${version}`)
      .join(", ") +
    ".";
}

function minutes(seconds: number): string {
  return seconds < 90 ? `${seconds} s` : `${Math.round(seconds / 60)} min`;
}

function escape(text: string): string {
  return text.replace(/[&<>"]/g, (sign) => `&#${sign.codePointAt(0)};`);
}
