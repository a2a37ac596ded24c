/**
 * Bundles whose functions are compiled before they are called.
 *
 * The runtime keeps the compiled code of a program, but only of those functions
 * that are compiled as it is loaded; all others are compiled at their first
 * call, at every start: a quarter of what `mbus send` did. A function in
 * parentheses is taken for one that is called at once, so it is among the first.
 *
 * Which ones are worth it is found out by running the program: a function that
 * is never called costs time to load. Where each begins and ends the runtime
 * tells as well (its report of what was covered), so nothing is parsed here.
 *
 * What it keeps true: a program means the same. Only functions declared at the
 * top of a file are rewritten, which exist before its first statement runs, and
 * so they do still: they become variables at its beginning. This holds for a
 * file that imports no other that imports it, as bundles do.
 *
 * @module
 */

/** A function of a file: where its text is, and whether it was called. */
export interface CoveredFunction {
  /** Where it begins, counted in UTF-16 units. */
  readonly start: number;
  /** Where it ends: the first unit behind it. */
  readonly end: number;
  /** Whether it was called. */
  readonly called: boolean;
}

const DECLARATION = /^(async )?function(\*?) ?([\w$]+)(?=\()/;

/** The same file, with the functions that were called compiled as it is loaded. */
export function compiledAhead(
  source: string,
  functions: readonly CoveredFunction[],
): string {
  const inner = functions.filter(({ start, end }) =>
    start > 0 || end < source.length
  );
  const ahead: string[] = [];
  let rest = "";
  let at = 0;
  for (const { start, end, called } of inner.toSorted(byStart)) {
    // What lies in one that was passed is not at the top of the file.
    if (start < at) continue;
    const text = source.slice(start, end);
    const declared = DECLARATION.exec(text);
    const isStatement = start === 0 || /[;}\n]/.test(source[start - 1]);
    rest += source.slice(at, start);
    at = end;
    if (called && declared !== null && isStatement) {
      const [head, async = "", star, name] = declared;
      ahead.push(`${name}=(${async}function${star}${text.slice(head.length)})`);
    } else {
      rest += text;
    }
  }
  rest += source.slice(at);
  return ahead.length === 0 ? rest : `var ${ahead.join(",")};${rest}`;
}

function byStart(a: CoveredFunction, b: CoveredFunction): number {
  return a.start - b.start || b.end - a.end;
}

/** The functions of each file, by its URL, as reports in a folder have them. */
export function coveredIn(folder: string): Map<string, CoveredFunction[]> {
  const files = new Map<string, Map<string, CoveredFunction>>();
  for (const { name } of Deno.readDirSync(folder)) {
    const report: Report = JSON.parse(
      Deno.readTextFileSync(`${folder}/${name}`),
    );
    const known = files.get(report.url) ?? new Map();
    files.set(report.url, known);
    for (
      const { ranges: [{ startOffset, endOffset, count }] } of report.functions
    ) {
      const place = `${startOffset} ${endOffset}`;
      known.set(place, {
        start: startOffset,
        end: endOffset,
        called: count > 0 || known.get(place)?.called === true,
      });
    }
  }
  return new Map(
    [...files].map(([url, functions]) => [url, [...functions.values()]]),
  );
}

/** What the runtime writes about one file. */
interface Report {
  readonly url: string;
  readonly functions: readonly {
    // The function's own comes first, then parts of it.
    readonly ranges: readonly {
      readonly startOffset: number;
      readonly endOffset: number;
      readonly count: number;
    }[];
  }[];
}
