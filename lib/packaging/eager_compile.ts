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
 * What it keeps true: a program means the same. A function that is a value gets
 * its parentheses where it stands, at whatever depth. One that is declared is
 * rewritten only at the top of a file, where it exists before the first statement
 * runs, and so it does still: it becomes a variable at the beginning. This holds
 * for a file that imports no other that imports it, as bundles do.
 *
 * A method becomes a function that its class sets: a private one as a field, any
 * other in a static block, both of which the runtime compiles with the class. So
 * no field may call a private method that comes after it, and no static field a
 * method of its class. Methods that are static, say `super`, or come first in
 * their class are left alone, as are getters.
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

// What a value follows, and what an arrow may follow besides: a colon is also that
// of a `case`, behind which a function would be declared.
const BEFORE_VALUE = /[=>(,?&|[]/;
const BEFORE_ARROW = /[=>(,?&|[:]/;
const ARROW = /^(async ?)?(\([^()]*\)|[\w$]+) ?=>/;

// Behind a semicolon or a bracket only that of a class begins so: in an object it
// follows a comma.
const METHOD = /^(async(?=[ *#]) ?)?(\*?)(#?[\w$]+)(?=\()/;
const NO_METHODS = ["async", "constructor", "function"];

/** Text that takes the place of some. */
interface Change {
  readonly at: number;
  readonly removed: number;
  readonly text: string;
}

/** The same file, with the functions that were called compiled as it is loaded. */
export function compileEagerly(
  source: string,
  functions: readonly CoveredFunction[],
): string {
  const inner = functions.filter(({ start, end }) =>
    start > 0 || end < source.length
  ).toSorted(byStart);
  const changes = inner.filter(({ called }) => called)
    .flatMap((each) => changesFor(source, each))
    .toSorted((one, other) => one.at - other.at);
  const ahead: string[] = [];
  let rest = "";
  let [at, passed] = [0, 0];
  for (const { start, end, called } of inner) {
    // What lies in one that was passed is not at the top of the file.
    if (start < passed) continue;
    passed = end;
    const declared = DECLARATION.exec(source.slice(start, end));
    const isStatement = start === 0 || /[;}\n]/.test(source[start - 1]);
    if (!called || declared === null || !isStatement) continue;
    const [head, async = "", star, name] = declared;
    const body = changed(source, start + head.length, end, changes);
    ahead.push(`${name}=(${async}function${star}${body})`);
    rest += changed(source, at, start, changes);
    at = end;
  }
  rest += changed(source, at, source.length, changes);
  return ahead.length === 0 ? rest : `var ${ahead.join(",")};${rest}`;
}

/** Whether a function is an expression that may stand in parentheses. */
function isValue(source: string, { start, end }: CoveredFunction): boolean {
  const before = source[start - 1] ?? "";
  return source.startsWith("function", start)
    ? BEFORE_VALUE.test(before)
    : BEFORE_ARROW.test(before) && ARROW.test(source.slice(start, end));
}

/** What is changed for a function to be compiled ahead where it stands. */
function changesFor(source: string, each: CoveredFunction): Change[] {
  const { start, end } = each;
  if (isValue(source, each)) return around(each, 0, "(", ")");
  const method = METHOD.exec(source.slice(start, end));
  if (method === null || !/[;}]/.test(source[start - 1] ?? "")) return [];
  const [head, async = "", star, name] = method;
  if (NO_METHODS.includes(name) || /\bsuper\b/.test(source.slice(start, end))) {
    return [];
  }
  const text = `(${async && "async "}function${star}`;
  return name.startsWith("#")
    ? around(each, head.length, `${name}=${text}`, ");")
    : around(each, head.length, `static{this.prototype.${name}=${text}`, ")}");
}

function around(
  { start, end }: CoveredFunction,
  removed: number,
  before: string,
  behind: string,
): Change[] {
  return [
    { at: start, removed, text: before },
    { at: end, removed: 0, text: behind },
  ];
}

/** A part of a file, with the changes that lie in it. */
function changed(
  source: string,
  from: number,
  to: number,
  changes: readonly Change[],
): string {
  let text = "";
  let at = from;
  for (const change of changes) {
    if (change.at < from || change.at > to) continue;
    text += source.slice(at, change.at) + change.text;
    at = change.at + change.removed;
  }
  return text + source.slice(at, to);
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
