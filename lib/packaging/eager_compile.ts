/**
 * Rewrites a bundle so that V8 compiles functions eagerly.
 *
 * The runtime's code cache holds only functions that are compiled while the
 * program loads. All others are compiled at their first call, at every start. V8
 * compiles a function in parentheses eagerly.
 *
 * Only functions that a run called are rewritten, because a function that is never
 * called delays the load. The runtime's coverage report has their positions, so
 * nothing is parsed here.
 *
 * The program's behaviour does not change. A function expression gets parentheses
 * in place. A declared function is rewritten only at the top level, where it
 * exists before the first statement: it becomes a variable at the beginning of the
 * file. This holds for a file without circular imports, as bundles are.
 *
 * A method becomes a function that its class sets: a private one as a field, any
 * other in a static block. V8 compiles both with the class. So no field may call a
 * private method that comes after it, and no static field a method of its class.
 * Static methods, methods with `super`, the first method of a class and getters
 * are not rewritten.
 *
 * @module
 */

/** A function of a file, and whether a run called it. */
export interface CoveredFunction {
  /** Start, in UTF-16 units. */
  readonly start: number;
  /** End, exclusive, in UTF-16 units. */
  readonly end: number;
  /** Whether a run called the function. */
  readonly called: boolean;
}

const DECLARATION = /^(async )?function(\*?) ?([\w$]+)(?=\()/;

// Characters before an expression. A colon counts before an arrow function only,
// because a function after the colon of a `case` is a declaration.
const BEFORE_VALUE = /[=>(,?&|[]/;
const BEFORE_ARROW = /[=>(,?&|[:]/;
const ARROW = /^(async ?)?(\([^()]*\)|[\w$]+) ?=>/;

// After a semicolon or a bracket only a method of a class begins so: a method of an
// object follows a comma.
const METHOD = /^(async(?=[ *#]) ?)?(\*?)(#?[\w$]+)(?=\()/;
const NO_METHODS = ["async", "constructor", "function"];

/** Replacement of a part of a text. */
interface Change {
  readonly at: number;
  readonly removed: number;
  readonly text: string;
}

/** Returns the source, changed so that called functions compile at load time. */
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
    // A nested function is not at the top level.
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

/** Returns whether a function is an expression that may get parentheses. */
function isValue(source: string, { start, end }: CoveredFunction): boolean {
  const before = source[start - 1] ?? "";
  return source.startsWith("function", start)
    ? BEFORE_VALUE.test(before)
    : BEFORE_ARROW.test(before) && ARROW.test(source.slice(start, end));
}

/** Returns the changes that make a function compile eagerly in place. */
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

/** Returns a part of a file, with the changes in it applied. */
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

/** Reads the functions of each file, by URL, from coverage reports in a folder. */
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

/** The runtime's coverage report of one file. */
interface Report {
  readonly url: string;
  readonly functions: readonly {
    // The range of the function itself comes first, then those of its parts.
    readonly ranges: readonly {
      readonly startOffset: number;
      readonly endOffset: number;
      readonly count: number;
    }[];
  }[];
}
