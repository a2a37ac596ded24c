import assert from "node:assert/strict";
import {
  type Grammar,
  type OptionDeclarations,
  parseArguments,
  UsageError,
} from "../lib/cli/arguments.ts";

const GRAMMAR = {
  name: "read",
  positionals: [
    { name: "CHANNEL", help: "" },
    { name: "MORE", help: "", optional: true, repeated: true },
  ],
  options: {
    ttl: { kind: "duration", help: "" },
    limit: { kind: "integer", min: 1, help: "" },
    name: { kind: "string", help: "" },
    kind: { kind: "choice", choices: ["one", "two"], help: "" },
    quick: { kind: "flag", short: "q", help: "" },
  },
} as const satisfies Grammar<OptionDeclarations>;

function refusal(...args: string[]): UsageError {
  try {
    parseArguments(GRAMMAR, args);
  } catch (error) {
    assert.ok(error instanceof UsageError, String(error));
    return error;
  }
  throw new Error(`${args.join(" ")} was taken`);
}

Deno.test("parseArguments() accepts options anywhere and types each by its kind", () => {
  const { positionals, options } = parseArguments(
    GRAMMAR,
    [
      "--limit=3",
      "state",
      "-q",
      "--ttl",
      "1m",
      "-5",
      "x",
      "-",
      "--kind",
      "two",
      "--json",
      "--",
      "--limit",
    ].filter((arg) => arg !== "--name="),
  );
  assert.deepEqual(positionals, ["state", "-5", "x", "-", "--limit"]);
  assert.equal(options.limit, 3);
  assert.equal(options.ttl, 60_000);
  assert.equal(options.quick, true);
  assert.equal(options.kind, "two");
  assert.equal(options.json, true);
  assert.equal(options.name, undefined);
  assert.equal(options["all-projects"], false);
});

Deno.test("parseArguments() takes the last value of an option, and a value with =", () => {
  const { options } = parseArguments(GRAMMAR, [
    "state",
    "--name=a=b",
    "--limit",
    "1",
    "--limit",
    "2",
  ]);
  assert.equal(options.name, "a=b");
  assert.equal(options.limit, 2);
});

Deno.test("parseArguments() accepts --help without required arguments", () => {
  assert.equal(parseArguments(GRAMMAR, ["-h"]).options.help, true);
});

Deno.test("parseArguments() names a wrong argument and suggests the right one", () => {
  const cases: [string[], string, RegExp][] = [
    [[], "CHANNEL", /CHANNEL is missing\. Write "mbus read CHANNEL \[MORE…\]"/],
    [["a", "--limt", "3"], "option", /Did you mean "--limit"\?/],
    [["a", "-x"], "option", /the option "-x" is unknown/],
    [["a", "--constructor"], "option", /option "--constructor" is unknown/],
    [["a", "--limit"], "limit", /--limit needs a value/],
    [["a", "--limit", "--json"], "limit", /--limit needs a value/],
    [
      ["a", "--limit", "0"],
      "limit",
      /"0" is too small\. Write an integer of at least 1/,
    ],
    [["a", "--limit", "-3"], "limit", /"-3" is too small/],
    [["a", "--limit", "1.5"], "limit", /is not an integer/],
    [["a", "--limit", "99999999999999999999"], "limit", /is not an integer/],
    [["a", "--ttl", "-5s"], "ttl", /"-5s" is not a duration above 0/],
    [["a", "--ttl", "3"], "ttl", /"3" is without a unit\. Write 3s, 3m, 3h/],
    [["a", "--ttl", "3 days"], "ttl", /"3 days" is not a duration above 0/],
    [["a", "--ttl", "soon"], "ttl", /Write .* 500ms, 60s, 5m, 1h or 2d/],
    [
      ["a", "--kind", "three"],
      "kind",
      /not one of its values\. Write one of one, two/,
    ],
    [["a", "--quick=yes"], "quick", /takes no value/],
    [["a", "--name="], "name", /is empty/],
  ];
  for (const [args, field, text] of cases) {
    const error = refusal(...args);
    assert.equal(error.field, field, args.join(" "));
    assert.match(error.message, text);
  }
});

Deno.test("parseArguments() refuses an extra argument and names the likely cause", () => {
  assert.throws(
    () =>
      parseArguments(
        { name: "poll", positionals: [{ name: "C", help: "" }], options: {} },
        ["state", "extra"],
      ),
    /"extra" is one argument too many/,
  );
});
