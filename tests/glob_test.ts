/**
 * Globs in three ways: small cases in the order of the grammar, properties that
 * compare them with an oracle that backtracks over every path up to a length,
 * and bounds in counted steps.
 */

import assert from "node:assert/strict";
import fc from "fast-check";
import { foldCase, withCaseVariants } from "../lib/glob/code_points.ts";
import { sizeOf } from "../lib/glob/automaton.ts";
import {
  escapeGlob,
  fileGlob,
  folderGlob,
  foldPrefix,
  type Glob,
  GlobSyntaxError,
  isGlob,
  literalPrefix,
  matches,
  type Meter,
  overlaps,
  parseGlob,
  prefixesMeet,
  witness,
} from "../lib/glob/glob.ts";

// --- Matching -------------------------------------------------------------

/** Pattern, paths in it, paths not in it. */
const MATCHES: [string, string[], string[]][] = [
  ["src/a.ts", ["src/a.ts"], ["src/a.tsx", "src/a", "a.ts", "/src/a.ts"]],
  ["*", ["a", "a.b", ".a", " "], ["a/b", "/a", ""]],
  ["a/*", ["a/b", "a/.b"], ["a", "a/", "a/b/c", "/a/b"]],
  ["*.ts", [".ts", "a.ts", "a.b.ts"], ["a.tsx", "a/b.ts"]],
  ["a*b*c", ["abc", "axbxc", "abbcc", "abcbc"], ["acb", "ab", "abcd"]],
  ["?", ["a", "é", "😀", "?"], ["", "ab", "/"]],
  ["a?c", ["abc", "a😀c"], ["ac", "abbc", "a/c"]],
  ["**", ["a", "a/b", ".a/.b/c"], ["", "/a", "/", "a//b", "a/"]],
  ["/**", ["/a", "/a/b"], ["a", "/", "//a", ""]],
  ["a/**", ["a", "a/b", "a/b/c"], ["ab", "b/a", "a/", "/a"]],
  ["**/a", ["a", "b/a", "b/c/a"], ["/a", "ba", "a/b"]],
  ["a/**/b", ["a/b", "a/x/b", "a/x/y/b", "a/b/b"], ["ab", "a/bb", "a/x"]],
  ["**/a/**", ["a", "x/a", "a/x", "x/a/y"], ["xa", "x/ay"]],
  ["a/**/**/b", ["a/b", "a/x/b"], ["a", "b"]],
  ["a/**/*", ["a/b", "a/b/c"], ["a", "b/a"]],
  ["/home/*/x", ["/home/dev/x"], ["home/dev/x", "/home/x", "/home/a/b/x"]],
  ["[ab]", ["a", "b"], ["c", "ab", ""]],
  ["[a-c]x", ["ax", "bx", "cx"], ["dx", "-x"]],
  ["[a-zc]x", ["ax", "cx", "zx"], ["Ax"]],
  ["[xa-b]", ["a", "b", "x"], ["c", "w"]],
  ["[-a]", ["-", "a"], ["b"]],
  ["[a-]", ["-", "a"], ["b"]],
  ["[!a]", ["b", "!", "^", "😀"], ["a", "/", "bb"]],
  ["[^a-c]", ["d", "^"], ["a", "b", "c", "/"]],
  ["[a!^]", ["a", "!", "^"], ["b"]],
  ["x[.-0]y", ["x.y", "x0y"], ["x/y", "x-y"]],
  ["x[!a]y", ["xby"], ["x/y", "xay"]],
  ["[[]", ["["], ["[[", "]"]],
  ["[\\]a]", ["]", "a"], ["\\", "\\]"]],
  ["[\\!a]", ["!", "a"], ["b"]],
  ["[{a,b}]", ["{", "a", ",", "b", "}"], ["c", "ab"]],
  ["[*?]", ["*", "?"], ["a"]],
  ["[α-ω]", ["α", "λ"], ["a", "Λ"]],
  ["[😀-😂]", ["😁"], ["😃", "\ud83d"]],
  ["{a,b}", ["a", "b"], ["c", "{a,b}", "a,b"]],
  ["{a,b}{c,d}", ["ac", "ad", "bc", "bd"], ["ab", "a", "acd"]],
  ["x{,y}", ["x", "xy"], ["y", "x,"]],
  ["{a,b{c,d}}e", ["ae", "bce", "bde"], ["be", "ace"]],
  ["{a/b,c}/d", ["a/b/d", "c/d"], ["a/d", "b/d"]],
  ["{a/,}b", ["a/b", "b"], ["ab", "/b"]],
  ["a{/**,}", ["a", "a/b", "a/b/c"], ["ab"]],
  ["{*,**}/x", ["a/x", "a/b/x", "x"], ["a"]],
  ["{*,}*", ["a", "ab"], ["a/b"]],
  ["{a,a/b}", ["a", "a/b"], ["b", "a/b/c"]],
  ["{a/b,a/b}", ["a/b"], ["a"]],
  ["src/**/*.{ts,tsx}", ["src/a.ts", "src/b/c.tsx"], ["src/a.js", "a.ts"]],
  ["{/a,/b}/c", ["/a/c", "/b/c"], ["a/c", "/a"]],
  ["a,b", ["a,b"], ["a", "b"]],
  ["\\*", ["*"], ["a", "\\*"]],
  ["\\a\\/b", ["a/b"], ["\\a/b", "ab"]],
  ["*\\/b", ["a/b"], ["b", "ab"]],
  ["a\\{b\\,c\\}", ["a{b,c}"], ["ab"]],
  ["{a\\,b,c}", ["a,b", "c"], ["a", "b"]],
  ["\\\\*", ["\\", "\\a"], ["a", "*"]],
  ["a\nb*", ["a\nb", "a\nbc\n"], ["a b"]],
];

for (const [pattern, inside, outside] of MATCHES) {
  Deno.test(`matches: ${JSON.stringify(pattern)}`, () => {
    const glob = parseGlob(pattern);
    for (const path of inside) {
      assert.ok(matches(glob, path), `should match ${path}`);
    }
    for (const path of outside) {
      assert.ok(!matches(glob, path), `should not match ${path}`);
    }
  });
}

Deno.test("matches() returns false for a text that is longer than any path", () => {
  assert.ok(matches(parseGlob("*"), "a".repeat(4_096)));
  assert.ok(!matches(parseGlob("*"), "a".repeat(4_097)));
  assert.ok(matches(parseGlob("*"), "😀".repeat(4_096)));
  assert.ok(!matches(parseGlob("*"), "😀".repeat(4_097)));
});

// --- Errors -------------------------------------------------------------

/** Text, position, message. */
const REFUSED: [string, number | undefined, RegExp][] = [
  ["", undefined, /it is empty/],
  ["a/", 1, /no name beside/],
  ["/", 0, /no name beside/],
  ["a//b", 1, /no name beside/],
  ["*/", 1, /no name beside/],
  ["//*", 1, /no name beside/],
  ["*//b", 2, /no name beside/],
  ["a/{b,}", 1, /no name beside/],
  ["a/{b,}/c", 6, /no name beside/],
  ["{a,}", undefined, /leaves nothing/],
  ["{a,}/b", undefined, /begin with "\/" and others do not/],
  ["{b,/a}", undefined, /begin with "\/" and others do not/],
  ["a**", 1, /not a whole segment/],
  ["src/**.ts", 4, /not a whole segment/],
  ["**a/b", 0, /not a whole segment/],
  ["x{a/,}**", 6, /not a whole segment/],
  ["{**,a}b", 1, /not a whole segment/],
  ["a/***/b", 2, /3 stars/],
  ["a[", 1, /unclosed/],
  ["a[bc", 1, /unclosed/],
  ["a[\\]", 1, /unclosed/],
  ["a[!", 1, /unclosed/],
  ["a[b-", 1, /unclosed/],
  ["[]", 0, /an empty class/],
  ["[!]", 0, /an empty class/],
  ["[!\0-\u{10ffff}]", 0, /an empty class/],
  ["a]", 1, /unmatched/],
  ["[[:alpha:]]", 10, /unmatched/],
  ["[b-a]", 1, /from "b" down to "a"/],
  ["[a/]", 2, /a "\/" in a class/],
  ["[a\\/]", 2, /a "\/" in a class/],
  ["[.-/]", 3, /a "\/" in a class/],
  ["a{b,c", 1, /unclosed/],
  ["a{b,{c,d}", 1, /unclosed/],
  ["a}", 1, /unmatched/],
  ["{a,b}}", 5, /unmatched/],
  ["app/{id}/x", 4, /without a choice/],
  ["{}", 0, /without a choice/],
  ["*\\", 1, /at the end/],
  ["[\\", 1, /at the end/],
  ["😀[", 1, /unclosed/],
  ["*\ud83d", 1, /surrogate/],
  ["a\udc00", 1, /surrogate/],
  ["*".padStart(4_097, "a"), undefined, /too long.*at most 4096/],
  ["a".repeat(9_000), undefined, /too long/],
  ["{a,".repeat(17) + "b" + "}".repeat(17), 48, /deeper than 16 levels/],
  ["{a,b}".repeat(9), 40, /more than 256 combinations/],
  [`{${"a,".repeat(256)}b}`, 0, /more than 256 combinations/],
  [`{${"[ace],".repeat(200)}b}${"?".repeat(20)}`, undefined, /4096 parts/],
  ["[!aceg]".repeat(585), undefined, /4096 parts/],
  ["*".padStart(4_094, "a"), undefined, /4096 parts/],
];

for (const [text, position, says] of REFUSED) {
  const shown = text.length > 30 ? `${text.slice(0, 30)}…` : text;
  Deno.test(`parseGlob() rejects ${JSON.stringify(shown)}, ${says}`, () => {
    assert.throws(() => parseGlob(text), (error) => {
      assert.ok(
        error instanceof GlobSyntaxError && error instanceof SyntaxError,
      );
      assert.match(
        error.message,
        /^Cannot parse (glob|path) ".*: .*; expected /s,
      );
      assert.match(error.message, says);
      assert.equal(error.position, position);
      assert.equal(error.text, text);
      return true;
    });
  });
}

Deno.test("parseGlob() accepts patterns exactly at its limits", () => {
  assert.ok(matches(parseGlob("[!aceg]".repeat(584)), "b".repeat(584)));
  assert.ok(matches(parseGlob("*".padStart(4_093, "a")), "a".repeat(4_096)));
  assert.ok(matches(parseGlob("\\a".repeat(2_048)), "a".repeat(2_048)));
  assert.ok(matches(parseGlob("{a,b}".repeat(8)), "abababab"));
  assert.ok(matches(parseGlob(`{${"a,".repeat(255)}b}`), "b"));
  assert.ok(matches(parseGlob("{a,".repeat(16) + "b" + "}".repeat(16)), "b"));
  // Each k is three ranges, but a file or folder has no limit of its own.
  const options = { caseInsensitive: true };
  assert.equal(parseGlob("k".repeat(4_000) + "[k]", options).kind, "file");
  assert.equal(parseGlob("k".repeat(4_000) + "/**", options).kind, "folder");
  assert.throws(() => parseGlob("k".repeat(4_000) + "/*", options));
  // The common head of the branches counts once.
  const folder = "/directory".repeat(30);
  const names = Array.from({ length: 256 }, (_, i) => `n${i}`).join();
  assert.ok(matches(parseGlob(`${folder}/{${names}}*`), `${folder}/n255x`));
  const path = "x/".repeat(2_047) + "yz";
  assert.equal(parseGlob(path).kind, "file");
  assert.equal(parseGlob(path.slice(0, 4_093) + "/**").kind, "folder");
});

Deno.test("an error quotes only the beginning of a long text", () => {
  assert.throws(() => parseGlob("b".repeat(4_000) + "["), (error) => {
    assert.ok(error instanceof GlobSyntaxError);
    assert.ok(error.message.length < 250);
    return true;
  });
});

for (
  const path of ["", "/", "a/", "a//b", "//a", "\ud800", "a".repeat(4_097)]
) {
  const shown = JSON.stringify(path.slice(0, 10));
  Deno.test(`fileGlob() rejects ${shown}, of ${path.length}`, () => {
    assert.throws(() => fileGlob(path), GlobSyntaxError);
    assert.ok(!matches(parseGlob("**"), path));
    assert.ok(!matches(parseGlob("/**"), path));
  });
}

Deno.test("folderGlob() rejects text that is not a path, and accepts both roots", () => {
  for (const path of ["a/", "a//b", "//", "\ud800"]) {
    assert.throws(() => folderGlob(path), GlobSyntaxError);
  }
  assert.ok(matches(folderGlob(""), "a/b"));
  assert.ok(!matches(folderGlob(""), "/a"));
  assert.ok(matches(folderGlob("/"), "/a/b"));
  assert.ok(!matches(folderGlob("/"), "a"));
});

// --- Literal text ---------------------------------------------------------

Deno.test("isGlob() returns true for glob syntax only", () => {
  for (const character of "*?[]{}\\") assert.ok(isGlob(`a/b${character}`));
  for (const path of ["a", "/a/b.c", "a,b", "a!^-b", "~+@()|$#", "", "é😀"]) {
    assert.ok(!isGlob(path));
  }
});

const pathText = fc.array(
  fc.string({ unit: "grapheme", minLength: 1, maxLength: 6 })
    .map((name) => name.replaceAll("/", "*").toWellFormed()),
  { minLength: 1, maxLength: 4 },
).map((names) => names.join("/"));
const specialText = fc.string({
  unit: fc.constantFrom(..."ab/*?[]{}\\,!^-"),
  minLength: 1,
  maxLength: 12,
}).filter((text) => text.split("/").every((name) => name !== ""));
const anyPath = fc.tuple(
  fc.constantFrom("", "/"),
  fc.oneof(pathText, specialText),
).map(([root, path]) => root + path);

Deno.test("escapeGlob() returns a pattern that matches the path alone", () => {
  fc.assert(fc.property(anyPath, anyPath, (path, other) => {
    const glob = parseGlob(escapeGlob(path));
    assert.deepEqual(glob, fileGlob(path));
    assert.ok(matches(glob, path));
    assert.equal(matches(glob, other), path === other);
  }));
});

Deno.test("a path without glob syntax needs no escaping", () => {
  fc.assert(fc.property(anyPath, (path) => {
    fc.pre(!isGlob(path));
    assert.deepEqual(parseGlob(path), fileGlob(path));
    assert.equal(escapeGlob(path), path);
  }));
});

Deno.test("fileGlob() takes every character literally", () => {
  const glob = fileGlob("app/[id]/{a,b}*.tsx");
  assert.ok(matches(glob, "app/[id]/{a,b}*.tsx"));
  assert.ok(!matches(glob, "app/i/a.tsx"));
  assert.ok(overlaps(glob, parseGlob("app/\\[*/**")));
  assert.equal(witness(glob, parseGlob("app/**")), "app/[id]/{a,b}*.tsx");
});

Deno.test("parseGlob() returns a file or folder for a pattern that is one", () => {
  assert.deepEqual(parseGlob("src/**"), folderGlob("src"));
  assert.deepEqual(parseGlob("/src/**/**"), folderGlob("/src"));
  assert.deepEqual(parseGlob("**"), folderGlob(""));
  assert.deepEqual(parseGlob("/**"), folderGlob("/"));
  assert.deepEqual(parseGlob("src/[a]"), fileGlob("src/a"));
  assert.equal(parseGlob("src/**/a").kind, "pattern");
  assert.equal(parseGlob("{a,b}/**").kind, "pattern");
});

// --- Overlap --------------------------------------------------------------

/** Two patterns and a shortest path in both. */
const OVERLAPS: [string, string, string][] = [
  ["src/a.ts", "src/a.ts", "src/a.ts"],
  ["src/**", "src", "src"],
  ["src/**", "src/a/b", "src/a/b"],
  ["src/**", "src/a/**", "src/a"],
  ["**", "**", "a"],
  ["/**", "/**", "/a"],
  ["*", "**", "a"],
  ["*.ts", "a*", "a.ts"],
  ["a*b", "*ab", "ab"],
  ["a*b*c", "*c*a*c", "acbac"],
  ["*a", "b*", "ba"],
  ["**/x/**", "**/y/**", "x/y"],
  ["src/**/*.ts", "**/b/*", "src/b/.ts"],
  ["src/*/x", "src/y/*", "src/y/x"],
  ["**/*.ts", "src/**", "src/.ts"],
  ["?", "[!a-z]", "!"],
  ["[a-m]", "[k-z]", "k"],
  ["{a,b}/*", "*/{c,d}", "a/c"],
  ["{a/b,c}/*", "c/**", "c/a"],
  ["/*/x", "/home/*", "/home/x"],
  ["a/**/b/**/c", "*/*/*", "a/b/c"],
  ["*a*a*a*", "aaa", "aaa"],
];

for (const [a, b, shortest] of OVERLAPS) {
  Deno.test(`overlaps: ${a} and ${b}, in ${shortest}`, () => {
    const [left, right] = [parseGlob(a), parseGlob(b)];
    assert.ok(overlaps(left, right));
    assert.ok(overlaps(right, left));
    const path = witness(left, right);
    assert.ok(path !== undefined && path.length === shortest.length);
    for (const glob of [left, right]) {
      assert.ok(matches(glob, path), path);
      assert.ok(matches(glob, shortest));
    }
  });
}

const APART: [string, string][] = [
  ["src/a.ts", "src/b.ts"],
  ["src/a", "src/ab"],
  ["src/**", "srcs/**"],
  ["src/**", "src.ts"],
  ["src/**", "lib/**/*.ts"],
  ["src/*", "src"],
  ["src/*", "src/a/b"],
  ["*", "*/*"],
  ["**", "/**"],
  ["*.ts", "*.js"],
  ["a*", "b*"],
  ["*a", "*b"],
  ["?", "??"],
  ["?*", "[!a]b/*"],
  ["[a-m]", "[n-z]"],
  ["[!a]", "a"],
  ["[!a]*", "a*"],
  ["a?c", "a/c"],
  ["**/a", "**/b"],
  ["a/**/c", "b/**"],
  ["{a,b}/x*", "{c,d}/**"],
  ["{a,b}/*", "{a,b}"],
  ["/a/*", "a/*"],
  ["a/*/**/*", "a/*"],
];

for (const [a, b] of APART) {
  Deno.test(`overlaps: not ${a} and ${b}`, () => {
    const [left, right] = [parseGlob(a), parseGlob(b)];
    assert.ok(!overlaps(left, right));
    assert.ok(!overlaps(right, left));
    assert.equal(witness(left, right), undefined);
  });
}

Deno.test("globs overlap only in paths within the length limit", () => {
  const pair = (root: string, x: number, y: number): [Glob, Glob] => [
    parseGlob(`${root}${"x".repeat(x)}*`),
    parseGlob(`${root}*${"y".repeat(y)}`),
  ];
  // The text before, and the length of the shortest path that it matches.
  const roots: [string, number][] = [
    ["", 0],
    ["/", 1],
    ["d/", 2],
    ["/d/e/", 5],
    ["*/", 2],
    ["/?/*/", 5],
    ["**/", 0],
    ["**/*/b*/", 4],
  ];
  for (const [root, length] of roots) {
    const fits = pair(root, 100, 3_996 - length);
    assert.ok(overlaps(...fits), root);
    assert.equal(witness(...fits)?.length, 4_096);
    const over = pair(root, 100, 3_997 - length);
    assert.ok(!overlaps(...over), root);
    assert.equal(witness(...over), undefined);
  }
});

// --- Case -----------------------------------------------------------------

const ANY_CASE = { caseInsensitive: true };

Deno.test("caseInsensitive: literals, classes and their complements", () => {
  const inside: [string, string][] = [
    ["Src/A.ts", "sRC/a.TS"],
    ["SRC/**", "src/a"],
    ["src/*.TS", "SRC/x.ts"],
    ["[a-c]", "B"],
    ["[A-C]", "b"],
    ["[!a]", "B"],
    ["É*", "é1"],
    ["[à-þ]", "Þ"],
    ["[aé]?", "Éa"],
    ["k*", "\u212a"],
    ["[j-l]", "\u212a"],
    ["S?", "\u017fx"],
    ["σ*", "ς"],
    ["ß?", "ẞx"],
  ];
  const outside: [string, string][] = [
    ["[!a]", "A"],
    ["[!A]", "a"],
    ["[!k]", "\u212a"],
    ["[!à-þ]", "É"],
    ["i*", "ı"],
    ["ß*", "ss"],
    ["[à-þ]", "Ω"],
    ["i?", "İ"],
    ["a/*", "A"],
    ["[@]*", "`"],
    ["[[]", "{"],
  ];
  for (const [pattern, path] of inside) {
    assert.ok(
      matches(parseGlob(pattern, ANY_CASE), path),
      `${pattern} ${path}`,
    );
  }
  for (const [pattern, path] of outside) {
    assert.ok(
      !matches(parseGlob(pattern, ANY_CASE), path),
      `${pattern} ${path}`,
    );
  }
  assert.ok(!matches(parseGlob("Src/A.ts"), "src/a.ts"));
  assert.ok(!matches(parseGlob("A*"), "a"));
});

Deno.test("caseInsensitive: globs of both kinds can be compared", () => {
  const [upper, lower] = [parseGlob("SRC/[A-C]*"), parseGlob("src/*x")];
  assert.ok(!overlaps(upper, lower));
  assert.ok(overlaps(parseGlob("SRC/[A-C]*", ANY_CASE), lower));
  assert.ok(overlaps(upper, parseGlob("src/*x", ANY_CASE)));
  assert.ok(overlaps(fileGlob("A/b"), fileGlob("a/B", ANY_CASE)));
  assert.ok(overlaps(folderGlob("A"), fileGlob("a/b", ANY_CASE)));
  // The spelling of the case-sensitive glob is in both.
  const [minds, any] = [parseGlob("A/?"), parseGlob("a/*", ANY_CASE)];
  assert.equal(witness(minds, any), "A/a");
  assert.equal(witness(any, minds), "A/a");
  // "A" is in [!a], although it folds to "a".
  assert.ok(overlaps(parseGlob("[!a]"), fileGlob("a", ANY_CASE)));
  assert.equal(witness(parseGlob("[!a]"), fileGlob("a", ANY_CASE)), "A");
  assert.ok(!overlaps(parseGlob("[!aA]"), fileGlob("a", ANY_CASE)));
});

Deno.test("case variants are those of Unicode's simple case folding", () => {
  const cased: string[] = [];
  for (let point = 0; point <= 0x10ffff; point++) {
    if (point >= 0xd800 && point <= 0xdfff) continue;
    const character = String.fromCodePoint(point);
    if (
      /[\p{Changes_When_Casemapped}\p{Changes_When_Casefolded}]/u.test(
        character,
      )
    ) {
      cased.push(character);
    }
  }
  assert.ok(cased.length > 2_000);
  const all = cased.join("");
  const folds = new Set<string>();
  for (const character of cased) {
    const point = character.codePointAt(0)!;
    const pattern = new RegExp(`\\u{${point.toString(16)}}`, "giu");
    const expected = all.match(pattern)!;
    const variants = [];
    const set = withCaseVariants([point, point]);
    for (let i = 0; i < set.length; i += 2) {
      for (let member = set[i]; member <= set[i + 1]; member++) {
        variants.push(String.fromCodePoint(member));
      }
    }
    assert.deepEqual(variants, [...expected]);
    const fold = foldCase(character);
    for (const variant of expected) assert.equal(foldCase(variant), fold);
    if (expected[0] === character) {
      assert.ok(!folds.has(fold), `${character} folds apart from the others`);
      folds.add(fold);
    }
  }
});

// --- Prefixes -------------------------------------------------------------

Deno.test("literalPrefix() returns the longest literal folder, or the path itself", () => {
  const prefixes: [string, string][] = [
    ["src/a.ts", "src/a.ts"],
    ["src/**", "src"],
    ["src/*.ts", "src"],
    ["src/a/b*/c", "src/a"],
    ["src\\*/[x]/?", "src*/x"],
    ["*", ""],
    ["/*", "/"],
    ["/home/dev/**/x", "/home/dev"],
    ["{src/a,src/b}/x", "src"],
    ["{src/a,src/a/b}", "src/a"],
    ["{a/b,c,a/b}/*", ""],
    ["{a,b}/c", ""],
    ["{/a,/b}", "/"],
    ["/{a,a}/b", "/a/b"],
  ];
  for (const [pattern, prefix] of prefixes) {
    assert.equal(literalPrefix(parseGlob(pattern)), prefix);
  }
  assert.equal(literalPrefix(parseGlob("Src/É/*", ANY_CASE)), "src/é");
  assert.equal(literalPrefix(fileGlob("Src/A", ANY_CASE)), foldPrefix("Src/A"));
});

Deno.test("prefixesMeet() compares whole segments, and separates both roots", () => {
  for (
    const [a, b] of [["a", "a"], ["a", "a/b"], ["", "a"], ["/", "/a"], [
      "/a",
      "/a/b",
    ]]
  ) {
    assert.ok(prefixesMeet(a, b));
    assert.ok(prefixesMeet(b, a));
  }
  for (
    const [a, b] of [["a", "ab"], ["a/b", "a/c"], ["", "/"], ["", "/a"], [
      "/",
      "a",
    ]]
  ) {
    assert.ok(!prefixesMeet(a, b));
    assert.ok(!prefixesMeet(b, a));
  }
});

// --- Against an oracle ----------------------------------------------------

// In the oracle's spelling each letter is one token. It needs a parser for
// braces only: 1 to 5 are classes, S is "*" and G is "**".
const TOKENS: Record<string, [text: string, has?: (c: string) => boolean]> = {
  a: ["a", (c) => c === "a"],
  A: ["A", (c) => c === "A"],
  b: ["b", (c) => c === "b"],
  1: ["?", () => true],
  2: ["[ab]", (c) => c === "a" || c === "b"],
  3: ["[!a]", (c) => c !== "a"],
  4: ["[^a-bB]", (c) => c !== "a" && c !== "b" && c !== "B"],
  5: ["[.-A]", (c) => c >= "." && c <= "A" && c !== "/"],
  S: ["*"],
  G: ["**"],
  "/": ["/"],
};

/** A case-insensitive oracle: a negated class lists its members in both cases. */
const NEGATED = new Set("34");

function admits(token: string, character: string, anyCase: boolean): boolean {
  const has = TOKENS[token][1]!;
  if (!anyCase) return has(character);
  const cases = [character.toLowerCase(), character.toUpperCase()];
  return NEGATED.has(token) ? cases.every(has) : cases.some(has);
}

function writeOut(spelling: string): string[] {
  const open = spelling.indexOf("{");
  if (open < 0) return [spelling];
  const parts = [""];
  let depth = 0;
  let end = open;
  do {
    const character = spelling[end++];
    if (character === "{" && depth++ === 0) continue;
    if (character === "}" && --depth === 0) continue;
    if (character === "," && depth === 1) parts.push("");
    else parts[parts.length - 1] += character;
  } while (depth > 0);
  return parts.flatMap((part) =>
    writeOut(spelling.slice(0, open) + part + spelling.slice(end))
  );
}

function isRefused(spelling: string): boolean {
  const branches = writeOut(spelling);
  return new Set(branches.map((branch) => branch[0] === "/")).size > 1 ||
    branches.some((branch) =>
      /^$|\/$|\/\//.test(branch) || /[^/]G|G[^/]/.test(branch)
    );
}

/** Backtracks over the text, one token and one letter at a time. */
function backtrack(branch: string, path: string, anyCase: boolean): boolean {
  if (branch === "") return path === "";
  const rest = branch.slice(1);
  switch (branch[0]) {
    case "/":
      return path[0] === "/" && backtrack(rest, path.slice(1), anyCase);
    case "S":
      return backtrack(rest, path, anyCase) ||
        (path !== "" && path[0] !== "/" &&
          backtrack(branch, path.slice(1), anyCase));
    default:
      return path !== "" && path[0] !== "/" &&
        admits(branch[0], path[0], anyCase) &&
        backtrack(rest, path.slice(1), anyCase);
  }
}

function segmentsMatch(
  branch: string[],
  path: string[],
  anyCase: boolean,
): boolean {
  if (branch.length === 0) return path.length === 0;
  const rest = branch.slice(1);
  if (branch[0] === "G") {
    return segmentsMatch(rest, path, anyCase) ||
      (path.length > 0 &&
        segmentsMatch(branch, path.slice(1), anyCase));
  }
  return path.length > 0 && backtrack(branch[0], path[0], anyCase) &&
    segmentsMatch(rest, path.slice(1), anyCase);
}

function isPathOfOracle(path: string): boolean {
  const names = path.split("/");
  if (names[0] === "" && names.length > 1) names.shift();
  return names.every((name) => name !== "");
}

/** A pattern as the oracle knows it. */
class Specimen {
  readonly text: string;
  readonly anyCase: boolean;
  readonly #branches: string[][];

  constructor(spelling: string, anyCase: boolean) {
    this.text = Array.from(spelling, (token) => TOKENS[token]?.[0] ?? token)
      .join("");
    this.anyCase = anyCase;
    this.#branches = writeOut(spelling).map((branch) => branch.split("/"));
  }

  get glob(): Glob {
    return parseGlob(this.text, { caseInsensitive: this.anyCase });
  }

  has(path: string): boolean {
    return isPathOfOracle(path) &&
      this.#branches.some((branch) =>
        (branch[0] === "") === path.startsWith("/") &&
        segmentsMatch(branch, path.split("/"), this.anyCase)
      );
  }

  toString(): string {
    return `${this.text}${this.anyCase ? " (any case)" : ""}`;
  }
}

// Any common member of two tokens is represented by one of these letters: the
// dot stands for all characters that no token distinguishes.
const LETTERS = "aAb.";
const LENGTH_MAX = 5;

/** Returns every text over the letters and the slash, shorter ones first. */
function everyText(): string[] {
  const texts = [""];
  for (let i = 0; texts[i].length < LENGTH_MAX; i++) {
    for (const letter of LETTERS + "/") texts.push(texts[i] + letter);
  }
  return texts;
}

const TEXTS = everyText();
const PATHS = TEXTS.filter(isPathOfOracle);

const { spelling: anySpelling } = fc.letrec<
  { spelling: string; part: string; braces: string }
>(
  (tie) => ({
    spelling: fc.array(tie("part"), { maxLength: 6 }).map((parts) =>
      // Two adjacent stars would be another token.
      parts.join("").replaceAll(/[SG]{2,}/g, (stars) => stars[0])
    ),
    part: fc.oneof(
      { maxDepth: 2, depthSize: "small" },
      { weight: 4, arbitrary: fc.constantFrom(..."aAb12345SS") },
      { weight: 2, arbitrary: fc.constantFrom("/", "/G/", "G/", "/G") },
      { weight: 1, arbitrary: tie("braces") },
    ),
    braces: fc.array(tie("spelling"), { minLength: 2, maxLength: 3 })
      .map((parts) => `{${parts.join(",")}}`),
  }),
);

// Far within the limits, which other tests cover.
const spelling = anySpelling.filter((text) => writeOut(text).length <= 32);

const specimen = fc.tuple(spelling, fc.boolean())
  .filter(([spelling]) => !isRefused(spelling))
  .map(([spelling, anyCase]) => new Specimen(spelling, anyCase));

Deno.test("oracle: parseGlob() rejects exactly the patterns with an invalid branch", () => {
  let refused = 0;
  fc.assert(
    fc.property(spelling, (spelling) => {
      const { text } = new Specimen(spelling, false);
      if (isRefused(spelling)) {
        refused++;
        assert.throws(() => parseGlob(text), GlobSyntaxError);
      } else {
        parseGlob(text);
      }
    }),
    { numRuns: 2_000 },
  );
  assert.ok(
    refused > 100 && refused < 1_900,
    `both kinds must occur: ${refused}`,
  );
});

Deno.test("oracle: matches() agrees on every text up to a length", () => {
  fc.assert(
    fc.property(specimen, (specimen) => {
      const { glob } = specimen;
      for (const text of TEXTS) {
        assert.equal(matches(glob, text), specimen.has(text), text);
      }
    }),
    { numRuns: 150 },
  );
});

Deno.test("oracle: overlaps() and witness() agree in both directions", () => {
  const seen = { overlapping: 0, apart: 0 };
  fc.assert(
    fc.property(specimen, specimen, (a, b) => {
      const path = witness(a.glob, b.glob);
      assert.equal(overlaps(a.glob, b.glob), path !== undefined);
      assert.equal(overlaps(b.glob, a.glob), path !== undefined);
      seen[path === undefined ? "apart" : "overlapping"]++;
      if (path !== undefined) assert.ok(a.has(path) && b.has(path), path);
      // The first path of the enumeration is a shortest one.
      const found = PATHS.find((path) => a.has(path) && b.has(path));
      if (path === undefined || path.length > LENGTH_MAX) {
        assert.equal(found, undefined);
      } else {
        assert.equal(found?.length, path.length);
      }
    }),
    { numRuns: 600 },
  );
  assert.ok(seen.overlapping > 50 && seen.apart > 50, JSON.stringify(seen));
});

Deno.test("oracle: overlaps() agrees for a file or folder and a pattern", () => {
  fc.assert(
    fc.property(
      specimen,
      fc.constantFrom(...PATHS.filter((path) => path.length < 4)),
      fc.boolean(),
      (specimen, path, anyCase) => {
        const { glob } = specimen;
        const options = { caseInsensitive: anyCase };
        const same = (text: string): string =>
          anyCase ? text.toLowerCase() : text;
        const isPathItself = (other: string): boolean =>
          same(other) === same(path);
        const isBelow = (other: string): boolean =>
          same(other).startsWith(`${same(path)}/`);
        const file = fileGlob(path, options);
        assert.equal(
          overlaps(glob, file),
          PATHS.some((other) => isPathItself(other) && specimen.has(other)),
        );
        const folder = folderGlob(path, options);
        const inFolder = PATHS.some((other) =>
          (isPathItself(other) || isBelow(other)) && specimen.has(other)
        );
        const common = witness(glob, folder);
        assert.equal(overlaps(folder, glob), common !== undefined);
        assert.equal(
          inFolder,
          common !== undefined && common.length <= LENGTH_MAX,
        );
        if (common !== undefined) {
          assert.ok(isPathItself(common) || isBelow(common));
          assert.ok(specimen.has(common));
        }
      },
    ),
    { numRuns: 300 },
  );
});

Deno.test("oracle: overlaps() agrees for files and folders, without a step", () => {
  const somePath = fc.constantFrom(...PATHS.filter((path) => path.length < 4));
  const kind = fc.constantFrom(fileGlob, folderGlob);
  const options = fc.record({ caseInsensitive: fc.boolean() });
  const pathGlob = fc.tuple(kind, somePath, options)
    .map(([make, path, options]) => make(path, options));
  fc.assert(
    fc.property(pathGlob, pathGlob, (a, b) => {
      const meter: Meter = { steps: 0 };
      assert.equal(overlaps(a, b, meter), witness(a, b) !== undefined);
      assert.equal(meter.steps, 0);
    }),
    { numRuns: 1_000 },
  );
});

Deno.test("globs overlap only if their prefixes meet", () => {
  fc.assert(
    fc.property(specimen, specimen, (a, b) => {
      fc.pre(overlaps(a.glob, b.glob));
      const folded = [a.glob, b.glob].map((glob) =>
        foldPrefix(literalPrefix(glob))
      );
      assert.ok(prefixesMeet(folded[0], folded[1]));
      if (a.anyCase === b.anyCase) {
        assert.ok(prefixesMeet(literalPrefix(a.glob), literalPrefix(b.glob)));
      }
    }),
  );
});

Deno.test("every path of a glob equals its prefix or lies below it", () => {
  fc.assert(
    fc.property(specimen, (specimen) => {
      const folder = folderGlob(literalPrefix(specimen.glob), {
        caseInsensitive: specimen.anyCase,
      });
      for (const path of PATHS) {
        if (specimen.has(path)) assert.ok(matches(folder, path), path);
      }
    }),
  );
});

// --- Bounds ---------------------------------------------------------------

function sizeOfGlob(glob: Glob): number {
  assert.ok(glob.kind === "pattern");
  return [glob.head, ...glob.branches]
    .reduce((size, branch) => size + sizeOf(branch), 0);
}

function stepsOf(a: Glob, b: Glob): number {
  const meter: Meter = { steps: 0 };
  overlaps(a, b, meter);
  return meter.steps;
}

const HOSTILE: [string, (n: number) => string, (n: number) => string][] = [
  ["stars in a name", (n) => "*a".repeat(n), (n) => "*a".repeat(n) + "*b"],
  [
    "stars against letters",
    (n) => "a*".repeat(n) + "b",
    (n) => "a".repeat(n) + "?",
  ],
  ["stars and holes", (n) => "?*".repeat(n), (n) => "*[!a]".repeat(n)],
  [
    "globstars",
    (n) => "**/a/".repeat(n) + "b",
    (n) => "**/a/".repeat(n) + "*c",
  ],
  ["both", (n) => "**/*a*/".repeat(n) + "b", (n) => "**/*a*/".repeat(n) + "c*"],
  [
    "alternatives",
    (n) => "{*a*,*b*}".repeat(3) + "*a".repeat(n) + "c",
    (n) => "{a*,*b}".repeat(3) + "a*".repeat(n) + "d",
  ],
  [
    "branches behind a head",
    (n) => "dd/".repeat(n) + "{a,b}{a,b}{a,b}*",
    (n) => "**/d*/".repeat(n) + "{c,d}",
  ],
  [
    "wide classes",
    (n) => `[${"aceg".repeat(n)}]*x`,
    (n) => `*[!${"bdf".repeat(n)}]y`,
  ],
];

for (const [name, a, b] of HOSTILE) {
  Deno.test(`bound: ${name} are decided within 4 · size · size steps`, () => {
    for (const n of [5, 10, 20, 40]) {
      const [left, right] = [parseGlob(a(n)), parseGlob(b(n))];
      const steps = stepsOf(left, right);
      assert.ok(steps > 0);
      assert.ok(steps <= 4 * sizeOfGlob(left) * sizeOfGlob(right));
    }
    // Twice the pattern is four times the work, not exponentially more.
    const [half, whole] = [20, 40].map((n) =>
      stepsOf(parseGlob(a(n)), parseGlob(b(n)))
    );
    assert.ok(whole <= 5 * half, `${half} steps, then ${whole}`);
  });
}

Deno.test("bound: any two patterns are decided within 4 · size · size steps", () => {
  fc.assert(
    fc.property(specimen, specimen, (a, b) => {
      fc.pre(a.glob.kind === "pattern" && b.glob.kind === "pattern");
      assert.ok(
        stepsOf(a.glob, b.glob) <= 4 * sizeOfGlob(a.glob) * sizeOfGlob(b.glob),
      );
    }),
    { numRuns: 500 },
  );
});

Deno.test("bound: a long path against many stars takes length times size", () => {
  const glob = parseGlob("*a".repeat(500) + "*b");
  const path = fileGlob("a".repeat(1_000));
  assert.ok(!matches(glob, "a".repeat(1_000)));
  assert.ok(stepsOf(glob, path) <= 4 * sizeOfGlob(glob) * 1_002);
});

Deno.test("bound: prefixes that do not meet take no step", () => {
  assert.equal(stepsOf(parseGlob("src/**/*.ts"), parseGlob("lib/**/*.ts")), 0);
  assert.equal(stepsOf(parseGlob("src/**/*.ts"), fileGlob("lib/a.ts")), 0);
  assert.equal(stepsOf(parseGlob("src/*"), parseGlob("/src/*")), 0);
  assert.notEqual(stepsOf(parseGlob("src/*"), parseGlob("src/**/x")), 0);
});

Deno.test("bound: a shared prefix takes no step, at any length", () => {
  const [a, b] = ["*.ts", "**/x?"];
  const deep = "some/long/folder/".repeat(20);
  assert.equal(
    stepsOf(parseGlob(deep + a), parseGlob(deep + b)),
    stepsOf(parseGlob(`d/${a}`), parseGlob(`d/${b}`)),
  );
});
