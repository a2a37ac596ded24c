/**
 * Checks the prose of the sources and the docs: person pronouns in comments,
 * and retired words in comments, in strings that people read, and in docs.
 *
 * ```sh
 * deno run -A tests/prose.ts              # every area
 * deno run -A tests/prose.ts lib/sqlite   # one area, or some files
 * ```
 *
 * @module
 */

import ts from "typescript";

/** A word that a file should not have. */
export interface Hit {
  readonly file: string;
  /** The line of the word, from 1. */
  readonly line: number;
  /** The word as it stands in the file, on one line. */
  readonly found: string;
  readonly kind: "pronoun" | "retired";
}

/** The prose of some files: their hits, and the words of their comments. */
export interface Prose {
  readonly hits: readonly Hit[];
  /** The number of words in comments. */
  readonly words: number;
}

/** Words of comments for which one pronoun is allowed. */
export const WORDS_PER_PRONOUN = 1_000;

// The name of a file or a command, such as who.ts or mbus who, is not a pronoun,
// and neither is a quoted word.
const PRONOUN =
  /(?<![\w/.-]|mbus )(?!(?<=["'])\w+["'])(?:who|whoever|whom|nobody|somebody|anybody|everybody)(?![\w/(-]|\.\w)/gi;

const RETIRED: readonly RegExp[] = [
  /\bfold(?:s|ed|ing)?(?:\s+(?:it|them|this|that))?\s+in\b/gi,
  /\bfold(?:s|ed|ing)?\s+(?:the|its|a|SQLite's)\s+(?:log|WAL)\b/gi,
  /\banew\b/gi,
  /\b(?:log|WAL)\b[^.]{0,60}\bcut(?:s|ting)?\s+(?:it\s+)?off\b/gi,
  /\bcut(?:s|ting)?\s+(?:off\s+)?(?:the|its|SQLite's)\s+(?:log|WAL)\b/gi,
  /\b(?:bury|buries|buried|burying|burials?)\b/gi,
  /\b(?:holds?|holding|held)\s+off\b/gi,
  /\b(?:gives?|giving|gave|given)\s+way\b/gi,
  /\bwhole\s+way\b/gi,
  /\bin\s+vain\b/gi,
  /\bsparingly\b/gi,
  /\b(?:is|are|was|were|be|stays?|stayed|found|not)\s+(?:still\s+)?sound\b(?!\.ts)/gi,
  /\bsound\s+(?:bus|file|database|store|schema|one)\b/gi,
  /\bears?\b(?!\.ts)/gi,
  /\bon\s+duty\b/gi,
  /\bwhat\s+is\s+over\b/gi,
  /\bwhat\s+stands\s+so\b/gi,
  /\bat\s+the\s+most\b/gi,
  /\bthe\s+sooner\b/gi,
  /\(else(?=\s)/gi,
  // "There is no …" and "is no longer" stay.
  /(?<!\bthere\s+)\b(?:is|are|was|were)\s+no\s+(?!(?:longer|more|less|fewer|better|worse|other|further)\b)[\w$"'`‹<]+/gi,
];

/** Returns the hits in one file, and the words of its comments. */
export function proseOf(file: string, text: string): Prose {
  const hitsOf = (
    matches: Iterable<RegExpExecArray>,
    kind: Hit["kind"],
  ): Hit[] =>
    [...matches].map(({ 0: { length }, index }) => ({
      file,
      line: text.slice(0, index).split("\n").length,
      found: text.slice(index, index + length).replaceAll(
        /\s+(?:(?:\*|\/\/)\s+)?/g,
        " ",
      ),
      kind,
    }));
  if (!file.endsWith(".ts")) {
    const hits = hitsOf(retiredIn(withoutCodeSpans(text)), "retired");
    return { hits: hits.sort(byLine), words: 0 };
  }
  const { comments, strings } = canvasesOf(file, text);
  const hits = [
    ...hitsOf(pronounsIn(comments), "pronoun"),
    ...hitsOf(retiredIn(comments), "retired"),
    ...hitsOf(retiredIn(strings), "retired"),
  ];
  return {
    hits: hits.sort(byLine),
    words: comments.match(/[A-Za-z][\w'’-]*/g)?.length ?? 0,
  };
}

const byLine = (one: Hit, other: Hit) => one.line - other.line;

/** Returns the hits of several files together, and their words. */
export function proseIn(files: Iterable<string>, root: URL): Prose {
  const hits: Hit[] = [];
  let words = 0;
  for (const file of files) {
    const prose = proseOf(file, Deno.readTextFileSync(new URL(file, root)));
    hits.push(...prose.hits);
    words += prose.words;
  }
  return { hits, words };
}

/** Returns the hits that the rule refuses: pronouns only past their share. */
export function refusedOf({ hits, words }: Prose): readonly Hit[] {
  const pronouns = hits.filter(({ kind }) => kind === "pronoun");
  const isFew = pronouns.length * WORDS_PER_PRONOUN <= words;
  return isFew ? hits.filter(({ kind }) => kind === "retired") : hits;
}

/** Returns a hit as a line of a report. */
export function hitLine({ file, line, found, kind }: Hit): string {
  return `${file}:${line}: ${found} (${kind})`;
}

// Files whose text is not ours, or is what the check itself is tested with.
const EXEMPT = /^tests\/(?:agents\/fixtures\/|prose_test\.ts$)/;

/** Returns the files of each area below `root`, by the area's name. */
export function areasBelow(root: URL): Map<string, string[]> {
  const areas = new Map<string, string[]>();
  const add = (area: string, files: Iterable<string>) => {
    areas.set(area, [...areas.get(area) ?? [], ...files]);
  };
  for (const { name, isDirectory } of Deno.readDirSync(new URL("lib/", root))) {
    if (isDirectory) add(`lib/${name}`, filesBelow(`lib/${name}`, root));
  }
  add("mod.ts, cli.ts, testing.ts", ["mod.ts", "cli.ts", "testing.ts"]);
  add("bench", filesBelow("bench", root));
  add("tests", filesBelow("tests", root));
  add("docs", filesBelow("docs", root));
  for (const { name } of Deno.readDirSync(root)) {
    if (name.endsWith(".md")) add("docs", [name]);
  }
  return areas;
}

/** Returns the sources and docs at or below a path, which is from `root`. */
export function filesBelow(path: string, root: URL): string[] {
  const files: string[] = [];
  if (!Deno.statSync(new URL(path, root)).isDirectory) files.push(path);
  else {
    for (const { name } of Deno.readDirSync(new URL(`${path}/`, root))) {
      files.push(...filesBelow(`${path}/${name}`, root));
    }
  }
  return files.filter((file) => /\.(?:ts|md)$/.test(file) && !EXEMPT.test(file))
    .sort();
}

function pronounsIn(text: string): RegExpExecArray[] {
  return [...text.matchAll(PRONOUN)]
    .filter(({ index }) => !isInQuestion(text, index));
}

function retiredIn(text: string): RegExpExecArray[] {
  return RETIRED.flatMap((pattern) => [...text.matchAll(pattern)]);
}

/** Whether the sentence around `index` ends in a question mark. */
function isInQuestion(text: string, index: number): boolean {
  const end = /[.!?](?=["'”’)\s]|$)|\n\s*\n/g;
  end.lastIndex = index;
  return end.exec(text)?.[0] === "?";
}

/**
 * Returns two texts in which each character has the place that it has in the
 * file: the comments, and the strings of more than one word. All else is blank.
 * The code in comments is left out, too.
 */
function canvasesOf(
  file: string,
  text: string,
): { comments: string; strings: string } {
  let code = "";
  let strings = "";
  let at = 0;
  for (const { start, end, isString } of literalsOf(file, text)) {
    const between = text.slice(at, start);
    const literal = text.slice(start, end);
    code += between + blank(literal);
    strings += SUM.test(between)
      ? blank(between)
      : between.replaceAll(/[^\n]/g, INTERPOLATION.test(between) ? "x" : "\0");
    strings += isString ? literal.replaceAll(ESCAPE, blank) : blank(literal);
    at = end;
  }
  code += text.slice(at);
  strings = strings.replaceAll(
    /[^\0]+/g,
    (string) => /\S\s+\S/.test(string) ? string : blank(string),
  );

  let comments = "";
  at = 0;
  for (const { 0: comment, index } of code.matchAll(COMMENT)) {
    comments += blank(code.slice(at, index)) +
      comment.replaceAll(MARKER, blank);
    at = index + comment.length;
  }
  comments = comments.replaceAll(/```[^]*?```/g, blank);
  return { comments: withoutCodeSpans(comments), strings };
}

// Between two parts of one sum of strings.
const SUM = /^["'`]\s*\+\s*["'`]$/;
// Between two parts of one template. Its expression stands for a word.
const INTERPOLATION = /^\$\{[^"'`]*\}$/;
const ESCAPE = /\\(?:u\{[^}]*\}|u[\da-fA-F]{4}|[^])/g;
const COMMENT = /\/\*[^]*?\*\/|\/\/.*/g;
const MARKER = /^\/\*+|\*+\/$|^\/\/+|^[ \t]*\*(?!\/)/gm;

interface Literal {
  readonly start: number;
  readonly end: number;
  /** Whether it is a string or a part of a template, not a pattern. */
  readonly isString: boolean;
}

/** Returns the contents of the literals of a source, in their order. */
function literalsOf(file: string, text: string): readonly Literal[] {
  const source = ts.createSourceFile(file, text, ts.ScriptTarget.Latest);
  const literals: Literal[] = [];
  const visit = (node: ts.Node) => {
    const start = node.getStart(source);
    if (ts.isRegularExpressionLiteral(node)) {
      literals.push({ start, end: node.end, isString: false });
    } else if (ts.isTemplateHead(node) || ts.isTemplateMiddle(node)) {
      literals.push({ start: start + 1, end: node.end - 2, isString: true });
    } else if (ts.isTemplateTail(node) || ts.isStringLiteralLike(node)) {
      literals.push({ start: start + 1, end: node.end - 1, isString: true });
    }
    ts.forEachChild(node, visit);
  };
  visit(source);
  return literals.sort((one, other) => one.start - other.start);
}

function withoutCodeSpans(text: string): string {
  return text.replaceAll(/(?<!`)`(?!`)[^`]*`/g, blank);
}

/** Returns spaces for a text, in as many lines. */
function blank(text: string): string {
  return text.replaceAll(/[^\n]/g, " ");
}

if (import.meta.main) {
  const root = new URL(`file://${Deno.cwd()}/`);
  const areas = Deno.args.length === 0
    ? areasBelow(root)
    : new Map(Deno.args.map((path) => [
      path,
      filesBelow(path.replace(/\/$/, ""), root),
    ]));
  let isRefused = false;
  for (const [area, files] of areas) {
    const prose = proseIn(files, root);
    for (const hit of prose.hits) console.log(hitLine(hit));
    const pronouns = prose.hits.filter(({ kind }) => kind === "pronoun");
    const allowed = Math.floor(prose.words / WORDS_PER_PRONOUN);
    console.log(
      `${area}: ${pronouns.length} pronouns in ${prose.words} words of ` +
        `comments (at most ${allowed}), ` +
        `${prose.hits.length - pronouns.length} retired words\n`,
    );
    isRefused ||= refusedOf(prose).length > 0;
  }
  if (isRefused) Deno.exit(1);
}
