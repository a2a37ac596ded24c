/**
 * Charts as SVG, drawn by Observable Plot.
 *
 * Charts take their colours from CSS variables, so that one drawing is readable
 * in light and in dark. A page defines the variables. A chart file carries
 * {@linkcode COLOURS}.
 *
 * @module
 */

import * as Plot from "@observablehq/plot";
import { parseHTML } from "linkedom";
import { short } from "./report.ts";
import type {
  Axis,
  BarsChart,
  Chart,
  LinesChart,
  RangesChart,
} from "./result.ts";

/** The colours of charts, in light and dark, as CSS. */
export const COLOURS = `:root {
  color-scheme: light dark;
  --ink: #1c2430; --soft: #5b6675; --faint: #e3e7ec; --paper: #ffffff;
  --rival: #98a2b0; --bar: #b3261e;
  --hue-0: #1f6feb; --hue-1: #d1590f; --hue-2: #12876a; --hue-3: #a63c8d;
  --hue-4: #7a5ccc; --hue-5: #94700a; --hue-6: #4b7485; --hue-7: #c0324a;
  --hue-8: #3f7f22;
}
@media (prefers-color-scheme: dark) {
  :root {
    --ink: #e7ebf1; --soft: #a0abba; --faint: #2b3340; --paper: #12161d;
    --rival: #7a8697; --bar: #ff8a80;
    --hue-0: #6ea8ff; --hue-1: #ff9c5c; --hue-2: #45cfa6; --hue-3: #ef8bd2;
    --hue-4: #b7a1ff; --hue-5: #e2bb4a; --hue-6: #93bacb; --hue-7: #ff8496;
    --hue-8: #95d774;
  }
}`;

/** The members of an SVG element that this module uses. */
interface Svg {
  readonly outerHTML: string;
  setAttribute(name: string, value: string): void;
}

const HUES = 9;
const WIDTH = 820;
// The width of the widest letters in names and figures.
const LETTER_WIDTH = 7.6;
const LINES_HEIGHT = 400;
const ROW_HEIGHT = 30;
const LABEL_HEIGHT = 15;
const FONT = "14px system-ui, -apple-system, 'Segoe UI', sans-serif";

/** Returns a chart as an SVG element. */
export function svgOf(chart: Chart): string {
  const svg = draw(chart);
  svg.setAttribute("xmlns", "http://www.w3.org/2000/svg");
  svg.setAttribute("role", "img");
  svg.setAttribute("aria-label", chart.title);
  return svg.outerHTML;
}

/** Returns a chart as the text of an SVG file, with its colours. */
export function svgFileOf(chart: Chart): string {
  return svgOf(chart).replace(/>/, `><style>${COLOURS}</style>`) + "\n";
}

function draw(chart: Chart): Svg {
  switch (chart.kind) {
    case "lines":
      return drawLines(chart);
    case "ranges":
      return drawRanges(chart);
    case "bars":
      return drawBars(chart);
  }
}

function plot(options: Plot.PlotOptions): Svg {
  // Plot's types name a browser's window, which Deno's types lack.
  const { document } = parseHTML("<html><body></body></html>") as unknown as {
    readonly document: NonNullable<Plot.PlotOptions["document"]>;
  };
  return Plot.plot({
    document,
    width: WIDTH,
    style: { font: FONT, color: "var(--ink)", background: "none" },
    ...options,
  });
}

const GRID = { stroke: "var(--faint)", strokeOpacity: 1 };

function drawLines({ x, y, lines, bar }: LinesChart): Svg {
  const drawn = lines.filter(({ points }) => points.length > 0);
  const own = drawn.filter(({ own }) => own).length;
  const rows = drawn.map((line, i) => {
    // The bus's line stands out. Several lines of the bus differ by colour.
    const stands = own !== 1 || line.own;
    return {
      ...line,
      colour: own === 1 && line.own
        ? "var(--hue-0)"
        : drawn.length <= HUES
        ? `var(--hue-${own === 1 ? i === 0 ? HUES - 1 : i : i})`
        : stands
        ? "var(--hue-0)"
        : "var(--rival)",
      width: own === 1 && line.own ? 3 : 1.75,
      points: line.points
        .filter(([, value]) => y.scale !== "log" || value > 0)
        .map(([at, value]) => ({ x: placeOf(x, at), y: value })),
    };
  });
  const values = rows.flatMap(({ points }) => points.map(({ y }) => y));
  const domain = domainOf(y, [...values, ...(bar ? [bar.y] : [])]);
  const [top, bottom] = [24, 44];
  const labels = spaced(
    rows.map((row) => ({ row, end: row.points.at(-1)! })),
    ({ end }) => pixelOf(y, domain, end.y, LINES_HEIGHT - bottom, top),
    [top, LINES_HEIGHT - bottom],
  );
  const right = Math.max(...rows.map(({ points }) => points.at(-1)!.x));
  return plot({
    height: LINES_HEIGHT,
    marginLeft: 56,
    marginRight: 250,
    marginTop: top,
    marginBottom: bottom,
    x: {
      type: x.scale === "log" ? "log" : "linear",
      label: x.label,
      labelAnchor: "center",
      labelArrow: "none",
      ...(x.scale === "percentile" && {
        ticks: PERCENTILE_TICKS.map((each) => placeOf(x, each)),
        tickFormat: (place: number) =>
          `${PERCENTILE_TICKS.find((each) => placeOf(x, each) === place)}`,
      }),
      ...(x.scale === "log" && {
        ticks: [
          ...new Set(rows.flatMap(({ points }) => points.map((p) => p.x))),
        ],
        tickFormat: amount,
      }),
      tickSize: 0,
    },
    y: {
      type: y.scale === "log" ? "log" : "linear",
      label: y.label,
      labelArrow: "none",
      domain,
      grid: false,
      tickSize: 0,
      ...(y.scale === "log"
        ? { ticks: logTicks(domain), tickFormat: amount }
        : { ticks: 6 }),
    },
    marks: [
      y.scale === "log"
        ? Plot.gridY(logTicks(domain), GRID)
        : Plot.gridY({ ...GRID, ticks: 6 }),
      ...(bar === undefined ? [] : [
        Plot.ruleY([bar.y], { stroke: "var(--bar)", strokeDasharray: "5 4" }),
        Plot.text([bar], {
          y: "y",
          text: "label",
          frameAnchor: "left",
          dy: -9,
          dx: 4,
          fill: "var(--bar)",
          textAnchor: "start",
        }),
      ]),
      ...rows.toSorted((a, b) => a.width - b.width).map((row) =>
        Plot.line(row.points, {
          x: "x",
          y: "y",
          stroke: row.colour,
          strokeWidth: row.width,
          strokeLinejoin: "round",
          marker: row.points.length < 8 ? "dot" : undefined,
        })
      ),
      ...labels.map(({ item: { row }, at }) =>
        Plot.text([row.name], {
          x: () => right,
          frameAnchor: "top",
          dy: at - top,
          dx: 12,
          text: (name: string) => name,
          textAnchor: "start",
          lineAnchor: "middle",
          fill: row.colour,
          fontWeight: row.width === 3 ? 700 : 400,
        })
      ),
    ],
  });
}

function drawRanges({ label, rows }: RangesChart): Svg {
  const domain = domainOf(
    { label, scale: "log" },
    rows.flatMap(({ p50, p99 }) => [p50, p99]),
  );
  const colour = (row: { own?: boolean }) =>
    row.own ? "var(--hue-0)" : "var(--rival)";
  const range = ({ p50, p99 }: { p50: number; p99: number }) =>
    `${short(p50)} – ${short(p99)}`;
  const widest = Math.max(...rows.map((row) => range(row).length));
  return plot({
    height: rows.length * ROW_HEIGHT + 60,
    marginLeft: 240,
    marginRight: Math.max(110, widest * LETTER_WIDTH + 20),
    marginTop: 6,
    marginBottom: 44,
    x: {
      type: "log",
      domain,
      ticks: logTicks(domain),
      tickFormat: amount,
      tickSize: 0,
      label,
      labelAnchor: "center",
      labelArrow: "none",
    },
    y: {
      type: "band",
      domain: rows.map(({ name }) => name),
      axis: null,
    },
    marks: [
      Plot.gridX(logTicks(domain), GRID),
      Plot.ruleY(rows, {
        y: "name",
        x1: "p50",
        x2: "p99",
        stroke: colour,
        strokeWidth: 7,
        strokeOpacity: 0.45,
        strokeLinecap: "round",
      }),
      Plot.dot(rows, { y: "name", x: "p50", r: 5, fill: colour }),
      Plot.dot(rows, {
        y: "name",
        x: "p99",
        r: 4,
        fill: "var(--paper)",
        stroke: colour,
        strokeWidth: 2,
      }),
      names(rows),
      Plot.text(rows, {
        y: "name",
        frameAnchor: "right",
        textAnchor: "start",
        dx: 10,
        text: range,
        fill: (row) => row.own ? "var(--hue-0)" : "var(--soft)",
        fontVariant: "tabular-nums",
      }),
    ],
  });
}

function drawBars({ label, scale, rows }: BarsChart): Svg {
  const ends = rows.flatMap(({ value, spread }) => [value, ...spread ?? []]);
  const domain = domainOf(
    { label, scale },
    scale === "log" ? ends : [0, ...ends],
  );
  const colour = (row: { own?: boolean }) =>
    row.own ? "var(--hue-0)" : "var(--rival)";
  const widest = Math.max(...rows.map(({ name }) => name.length));
  return plot({
    height: rows.length * ROW_HEIGHT + 60,
    marginLeft: Math.max(240, widest * LETTER_WIDTH),
    marginRight: 80,
    marginTop: 6,
    marginBottom: 44,
    x: {
      type: scale,
      domain,
      ...(scale === "log" && { ticks: logTicks(domain) }),
      tickFormat: amount,
      tickSize: 0,
      label,
      labelAnchor: "center",
      labelArrow: "none",
    },
    y: {
      type: "band",
      domain: rows.map(({ name }) => name),
      axis: null,
      padding: 0.35,
    },
    marks: [
      Plot.gridX(scale === "log" ? logTicks(domain) : undefined, GRID),
      // The length of a bar is meaningless on a log scale, which has no zero.
      ...(scale === "linear"
        ? [Plot.barX(rows, { y: "name", x: "value", fill: colour, rx2: 4 })]
        : [Plot.dot(rows, { y: "name", x: "value", r: 6, fill: colour })]),
      Plot.ruleY(rows.filter(({ spread }) => spread !== undefined), {
        y: "name",
        x1: ({ spread }) => spread[0],
        x2: ({ spread }) => spread[1],
        stroke: "var(--ink)",
        strokeWidth: 1.5,
      }),
      names(rows),
      Plot.text(rows, {
        y: "name",
        frameAnchor: "right",
        textAnchor: "start",
        dx: 10,
        text: ({ value }) => short(value),
        fill: (row) => row.own ? "var(--hue-0)" : "var(--soft)",
        fontVariant: "tabular-nums",
      }),
    ],
  });
}

function names(rows: readonly { name: string; own?: boolean }[]): Plot.Markish {
  return [true, false].map((own) =>
    Plot.text(rows.filter((row) => (row.own ?? false) === own), {
      y: "name",
      frameAnchor: "left",
      textAnchor: "end",
      dx: -12,
      text: "name",
      fill: own ? "var(--hue-0)" : "var(--ink)",
      fontWeight: own ? 700 : 400,
    })
  ) as unknown as Plot.Markish;
}

const PERCENTILE_TICKS: readonly number[] = [0, 50, 90, 99, 99.9];

/** Returns the position of a value on the x axis: percentiles by their rest. */
function placeOf({ scale }: Axis, value: number): number {
  return scale === "percentile" ? -Math.log10(1 - value / 100) : value;
}

function domainOf(
  { scale }: Axis,
  values: readonly number[],
): [number, number] {
  const positive = values.filter((value) => scale !== "log" || value > 0);
  const [min, max] = [Math.min(...positive), Math.max(...positive)];
  return scale === "log"
    ? [min / 1.25, max * 1.25]
    : [Math.min(0, min), max * 1.05];
}

function pixelOf(
  { scale }: Axis,
  [min, max]: readonly [number, number],
  value: number,
  bottom: number,
  top: number,
): number {
  const of = scale === "log" ? Math.log : (each: number) => each;
  return bottom - (bottom - top) * (of(value) - of(min)) /
      (of(max) - of(min));
}

/** Places labels near their pixels, without overlap. */
function spaced<T>(
  items: readonly T[],
  pixel: (item: T) => number,
  [top, bottom]: readonly [number, number],
): { item: T; at: number }[] {
  const placed = items.map((item) => ({ item, at: pixel(item) }))
    .toSorted((a, b) => a.at - b.at);
  for (let i = 1; i < placed.length; i++) {
    placed[i].at = Math.max(placed[i].at, placed[i - 1].at + LABEL_HEIGHT);
  }
  for (let i = placed.length - 1; i >= 0; i--) {
    const below = placed[i + 1]?.at ?? bottom + LABEL_HEIGHT;
    placed[i].at = Math.max(top, Math.min(placed[i].at, below - LABEL_HEIGHT));
  }
  return placed;
}

/** Returns ticks of 1, 2 and 5 per decade, and fewer over many decades. */
function logTicks([min, max]: readonly [number, number]): number[] {
  const decades = Math.log10(max / min);
  const steps = decades > 3 ? [1] : decades > 1.2 ? [1, 3] : [1, 2, 5];
  const ticks: number[] = [];
  for (let power = -6; power <= 8; power++) {
    for (const step of steps) {
      const tick = Number((step * 10 ** power).toPrecision(3));
      if (tick >= min && tick <= max) ticks.push(tick);
    }
  }
  return ticks;
}

function amount(value: number): string {
  if (value >= 1e6) return `${value / 1e6}M`;
  if (value >= 10_000) return `${value / 1e3}k`;
  return value.toLocaleString("en");
}
