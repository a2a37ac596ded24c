import assert from "node:assert/strict";
import { renderBytes } from "../lib/cli/output/bytes.ts";
import { parseDuration, renderDuration } from "../lib/cli/duration.ts";
import { editsBetween, nearestName } from "../lib/text/spelling.ts";
import { tableLines } from "../lib/cli/output/table.ts";
import { padText, textWidth, wrapText } from "../lib/cli/output/text_width.ts";
import { visible, visibleJson } from "../lib/cli/output/visible_text.ts";

Deno.test("parseDuration() reads a number with a unit", () => {
  const cases: [string, number | undefined][] = [
    ["500ms", 500],
    ["60s", 60_000],
    ["60", undefined],
    ["3 days", undefined],
    ["1.5m", 90_000],
    ["2h", 7_200_000],
    ["1d", 86_400_000],
    ["0", undefined],
    ["-5s", undefined],
    ["", undefined],
    ["5 s", undefined],
    ["5w", undefined],
    ["1e9", undefined],
    ["∞", undefined],
    ["9".repeat(400), undefined],
  ];
  for (const [text, ms] of cases) assert.equal(parseDuration(text), ms, text);
});

Deno.test("renderDuration() and renderBytes() print the largest units", () => {
  assert.deepEqual(
    [0, 999, 1000, 59_999, 61_000, 3_600_000, 90_000_000, -61_000].map(
      renderDuration,
    ),
    ["0ms", "999ms", "1s", "59s", "1m 1s", "1h", "1d 1h", "-1m 1s"],
  );
  assert.deepEqual(
    [0, 1023, 1024, 1 << 20, 1.5 * 2 ** 30].map(renderBytes),
    ["0 B", "1023 B", "1.0 KiB", "1.0 MiB", "1.5 GiB"],
  );
});

Deno.test("nearestName() returns the nearest name, and undefined for nonsense", () => {
  const names = ["send", "sessions", "stats", "tail", "register"];
  assert.equal(nearestName("sned", names), "send");
  assert.equal(nearestName("SEND", names), "send");
  assert.equal(nearestName("session", names), "sessions");
  assert.equal(nearestName("reg", names), "register");
  assert.equal(nearestName("xyzzy", names), undefined);
  assert.equal(nearestName("x".repeat(1000), names), undefined);
  assert.equal(editsBetween("sned", "send"), 1);
  assert.equal(editsBetween("", "tail"), 4);
  assert.equal(editsBetween("kitten", "sitting"), 3);
});

Deno.test("textWidth() returns the columns on a terminal", () => {
  assert.equal(textWidth("plain"), 5);
  assert.equal(textWidth("日本"), 4);
  assert.equal(textWidth("e\u0301"), 1);
  assert.equal(textWidth("👩‍👩‍👧"), 2);
  assert.equal(textWidth("ﬁ"), 1);
  assert.equal(padText("日本", 6), "日本  ");
  assert.equal(padText("7", 3, "right"), "  7");
});

Deno.test("visible() escapes control characters, and visibleJson() keeps the value", () => {
  const hostile =
    "\x1b[31mred\x07\x9b2J\u202egnp\u2066\u200b\u{e0041}\ud800\n\u2028\x7f";
  const shown = visible(hostile);
  assert.doesNotMatch(
    shown,
    // deno-lint-ignore no-control-regex
    /[\x00-\x1f\x7f-\x9f\u200b\u202e\u2066\u2028\u{e0041}]|\p{Surrogate}/u,
  );
  assert.match(shown, /^\\x1b\[31mred\\x07\\x9b2J\\u202egnp/);
  const json = visibleJson({ hostile });
  assert.equal(json.replace(/[\x20-\x7e]/g, ""), "");
  assert.deepEqual(JSON.parse(json), { hostile });
  assert.equal(visible("👩‍👩‍👧 ä 日本"), "👩‍👩‍👧 ä 日本");
});

Deno.test("wrapText() breaks at spaces, else after / or -, else anywhere", () => {
  const cases: [string, number, string[]][] = [
    ["", 5, [""]],
    ["short", 5, ["short"]],
    ["one two three", 8, ["one two", "three"]],
    ["one two three", 7, ["one two", "three"]],
    ["one  two", 4, ["one", "two"]],
    ["src/folder/cart.ts", 12, ["src/folder/", "cart.ts"]],
    ["a/b and more", 9, ["a/b and", "more"]],
    ["3f2a9c1e-5b77-4d0a", 15, ["3f2a9c1e-5b77-", "4d0a"]],
    ["abcdefgh", 3, ["abc", "def", "gh"]],
    ["日本語", 5, ["日本", "語"]],
    ["日", 1, ["日"]],
    ["  indented text", 12, ["  indented", "  text"]],
  ];
  for (const [text, width, lines] of cases) {
    assert.deepEqual(wrapText(text, width), lines, `${text}, ${width}`);
  }
});

Deno.test("tableLines() aligns columns of any text", () => {
  const lines = tableLines(
    [{ heading: "ID" }, { heading: "N", align: "right" }, { heading: "WHAT" }],
    [
      [{ text: "日本" }, { text: "1" }, { text: "a\nb" }],
      [{ text: "x" }, { text: "100" }, { text: "" }],
    ],
  );
  assert.deepEqual(lines, [
    "ID      N  WHAT",
    "日本    1  a\\nb",
    "x     100",
  ]);
});
