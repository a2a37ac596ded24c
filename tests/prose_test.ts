/** The prose of the sources and the docs names its actors in plain words. */

import assert from "node:assert/strict";
import {
  areasBelow,
  hitLine,
  proseIn,
  proseOf,
  refusedOf,
  WORDS_PER_PRONOUN,
} from "./prose.ts";

const ROOT = new URL("../", import.meta.url);

const linesOf = (text: string, file = "lib/x/y.ts") =>
  proseOf(file, text).hits.map(hitLine);

Deno.test("proseOf() finds a pronoun in each kind of comment, by file and line", () => {
  const text = `/**
 * Whoever reads this waits.
 */
const a = 1; // for whom the bell is
/* and
 * nobody else */
`;
  assert.deepEqual(linesOf(text), [
    "lib/x/y.ts:2: Whoever (pronoun)",
    "lib/x/y.ts:4: whom (pronoun)",
    "lib/x/y.ts:6: nobody (pronoun)",
  ]);
});

Deno.test("proseOf() takes no pronoun from questions, code, names and strings", () => {
  const text = `/**
 * Answers "Who holds this file?", and: who waits
 * for it? See \`who\`, who.ts, mbus who and the word "who".
 *
 * \`\`\`ts
 * // who is here
 * \`\`\`
 */
const s = "// who is here", t = \`/* who \${f("/* nobody */")} */\`;
const r = /\\/\\* who "/, d = 4 / 2; // 4 / 2
`;
  assert.deepEqual(linesOf(text), []);
});

Deno.test("proseOf() finds a retired word in comments and strings, over lines and sums", () => {
  const text = `// It is in
// vain.
log("the answer " + "is no " +
  "number");
log(\`\${name} is no \${type}\`);
log('\\nthe file is sound');
/** Bury the dead; begin
 * anew, at the
 * most once. */
`;
  assert.deepEqual(linesOf(text), [
    "lib/x/y.ts:1: in vain (retired)",
    'lib/x/y.ts:3: is no " + "number (retired)',
    "lib/x/y.ts:5: is no ${type} (retired)",
    "lib/x/y.ts:6: is sound (retired)",
    "lib/x/y.ts:7: Bury (retired)",
    "lib/x/y.ts:8: anew (retired)",
    "lib/x/y.ts:8: at the most (retired)",
  ]);
});

Deno.test("proseOf() leaves names of the code, and words that are not retired", () => {
  const text = `// There is no answer, and it is no longer sound.ts that
// cuts the connection off. Letters fold into it. The holder gives a way.
const kind = "ear", two = ["is", "no number"];
log("Fold the map. In a folder in it, the sound is heard for years.");
`;
  assert.deepEqual(linesOf(text), []);
});

Deno.test("proseOf() finds retired words in docs, and leaves their code spans", () => {
  const text =
    "# Docs\n\nThis is no bus. Write `fold in`.\n\n```\nin vain\n```\n";
  assert.deepEqual(linesOf(text, "docs/x.md"), [
    "docs/x.md:3: is no bus (retired)",
    "docs/x.md:6: in vain (retired)",
  ]);
});

Deno.test("refusedOf() allows one pronoun in a thousand words of comments", () => {
  const comment = (words: number) =>
    proseOf("x.ts", `// who${" word".repeat(words - 1)}`);
  assert.deepEqual(refusedOf(comment(WORDS_PER_PRONOUN)), []);
  assert.equal(refusedOf(comment(WORDS_PER_PRONOUN - 1)).length, 1);
  const retired = proseOf("x.ts", `// bury${" word".repeat(5_000)}`);
  assert.equal(refusedOf(retired).length, 1);
});

for (const [area, files] of areasBelow(ROOT)) {
  Deno.test(`prose of ${area} names its actors in plain words`, () => {
    assert.ok(files.length > 0, "no file was read");
    const prose = proseIn(files, ROOT);
    assert.ok(area === "docs" || prose.words > 0, "no comment was read");
    const lines = refusedOf(prose).map(hitLine);
    assert.ok(lines.length === 0, `\n${lines.join("\n")}`);
  });
}
