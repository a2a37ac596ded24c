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
    limit: { kind: "integer", least: 1, help: "" },
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

Deno.test("options stand anywhere and are typed by their kind", () => {
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

Deno.test("the last of an option counts, and a value may hold =", () => {
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

Deno.test("help is given without what is else required", () => {
  assert.equal(parseArguments(GRAMMAR, ["-h"]).options.help, true);
});

Deno.test("what does not fit is refused by name, with what was meant", () => {
  const cases: [string[], string, RegExp][] = [
    [[], "CHANNEL", /CHANNEL is missing; write "mbus read CHANNEL \[MORE…\]"/],
    [["a", "--limt", "3"], "option", /did you mean "--limit"\?/],
    [["a", "-x"], "option", /no option "-x"/],
    [["a", "--constructor"], "option", /no option/],
    [["a", "--limit"], "limit", /--limit needs a value/],
    [["a", "--limit", "--json"], "limit", /--limit needs a value/],
    [["a", "--limit", "0"], "limit", /"0" is not a whole number from 1/],
    [["a", "--limit", "-3"], "limit", /"-3" is not a whole number/],
    [["a", "--limit", "1.5"], "limit", /not a whole number/],
    [["a", "--limit", "99999999999999999999"], "limit", /not a whole number/],
    [["a", "--ttl", "-5s"], "ttl", /"-5s" is not a duration above 0/],
    [["a", "--ttl", "soon"], "ttl", /write 500ms, 60s, 5m, 1h or 2d/],
    [["a", "--kind", "three"], "kind", /not one of one, two/],
    [["a", "--quick=yes"], "quick", /takes no value/],
    [["a", "--name="], "name", /is empty/],
  ];
  for (const [args, field, text] of cases) {
    const error = refusal(...args);
    assert.equal(error.field, field, args.join(" "));
    assert.match(error.message, text);
  }
});

Deno.test("one argument too many is refused, with the likely cause", () => {
  assert.throws(
    () =>
      parseArguments(
        { name: "poll", positionals: [{ name: "C", help: "" }], options: {} },
        ["state", "extra"],
      ),
    /"extra" is one argument too many/,
  );
});
