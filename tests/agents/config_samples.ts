/**
 * Configurations as people have them, to install into and to restore.
 *
 * @module
 */

/** JSON files of agents with `hooks`, an object of lists by event. */
export const JSON_SAMPLES: readonly (readonly [string, string])[] = [
  ["an empty object", "{}"],
  ["an empty object and a line end", "{}\n"],
  ["an empty object over two lines", "{\n}\n"],
  ["an empty object with a comment", "{\n  // nothing yet\n}\n"],
  ["a blank in an empty object", "{ }"],
  ["one line", '{"a":1}'],
  ["one line with blanks", '{ "a": 1, "b": [1, 2] }\n'],
  ["two spaces", '{\n  "a": 1,\n  "b": {\n    "c": []\n  }\n}\n'],
  ["four spaces", '{\n    "a": 1\n}\n'],
  ["tabs", '{\n\t"a": 1,\n\t"b": {\n\t\t"c": 2\n\t}\n}\n'],
  ["CRLF", '{\r\n  "a": 1,\r\n  "hooks": {\r\n    "X": []\r\n  }\r\n}\r\n'],
  ["a byte order mark", '\ufeff{\n  "a": 1\n}\n'],
  ["no last line end", '{\n  "a": 1\n}'],
  ["many last line ends", '{\n  "a": 1\n}\n\n\n'],
  ["a trailing comma", '{\n  "a": 1,\n}\n'],
  ["a trailing comma and a comment", '{\n  "a": 1, // one\n}\n'],
  ["a comment behind the last member", '{\n  "a": 1 // one\n}\n'],
  ["a comment behind a member on the first line", '{ "a": 1 // one\n}\n'],
  ["the same with a trailing comma", '{ "a": 1, // one\n}\n'],
  ["a comment with blanks at its end", '{\n  "a": 1 // one  \n}\n'],
  ["a comment of its own at the end", '{\n  "a": 1\n  // the end\n}\n'],
  ["a block comment before the bracket", '{ "a": 1 /* one */ }\n'],
  ["a block comment over lines", '{\n  "a": 1 /* one\n  two */\n}\n'],
  ["comments around everything", '// top\n{\n  // in\n  "a": 1\n}\n// end\n'],
  ["a comma in a comment and a string", '{\n  "a": "x,}" // y,]\n}\n'],
  ["empty hooks", '{\n  "hooks": {}\n}\n'],
  ["empty hooks with a blank", '{\n  "hooks": { }\n}\n'],
  ["empty hooks over lines", '{\n  "hooks": {\n  }\n}\n'],
  ["empty hooks on one line", '{"hooks":{}}'],
  ["hooks with a comment only", '{\n  "hooks": {\n    // none\n  }\n}\n'],
  ["a version before", '{\n  "version": 1\n}\n'],
  ["a version and empty hooks", '{\n  "version": 1,\n  "hooks": {}\n}\n'],
  ["empty hooks and a version", '{\n  "hooks": {},\n  "version": 1\n}\n'],
  ["another version", '{\n  "version": 2\n}\n'],
  ["hooks in the middle", '{\n  "a": 1,\n  "hooks": {},\n  "b": 2\n}\n'],
  ["an empty list of an event", '{\n  "hooks": {\n    "%E": []\n  }\n}\n'],
  ["a blank in an empty list", '{\n  "hooks": {\n    "%E": [ ]\n  }\n}\n'],
  ["an empty list over lines", '{\n  "hooks": {\n    "%E": [\n    ]\n  }\n}\n'],
  [
    "a user's hook on our event",
    '{\n  "hooks": {\n    "%E": [\n      {\n        "matcher": "Bash",\n' +
    '        "hooks": [{ "type": "command", "command": "lint" }]\n' +
    "      }\n    ]\n  }\n}\n",
  ],
  [
    "a user's hook on one line",
    '{"hooks":{"%E":[{"command":"lint","type":"command"}]}}\n',
  ],
  [
    "a user's hook with a trailing comma",
    '{\n  "hooks": {\n    "%E": [\n      { "command": "lint" }, // mine\n' +
    "    ],\n  },\n}\n",
  ],
  [
    "a user's hook on another event",
    '{\n  "hooks": {\n    "Other": [\n      { "command": "lint" }\n    ]\n' +
    '  },\n  "z": true\n}\n',
  ],
  [
    "a command that only looks like ours",
    '{\n  "hooks": {\n    "%E": [\n' +
    '      { "command": "mbus hooked; embus hook %A" }\n    ]\n  }\n}\n',
  ],
];

/** JSON files that cannot be edited, with the expected message. */
export const BROKEN_JSON: readonly (readonly [string, string, RegExp])[] = [
  ["nothing", "", /not valid JSON.*line 1, column 1/],
  ["blanks", "\n\n", /not valid JSON/],
  ["half an object", '{\n  "a": 1,\n  "b', /not valid JSON.*line 3, column 3/],
  ["a missing comma", '{\n  "a": 1\n  "b": 2\n}', /line 3, column 3/],
  ["a list", "[]", /not a JSON object/],
  ["a text", '"x"', /not a JSON object/],
  [
    "hooks as a list",
    '{\n  "hooks": []\n}',
    /"hooks" is not an object.*line 2/,
  ],
  ["hooks as nothing", '{ "hooks": null }', /"hooks" is not an object/],
  ["an event as an object", '{ "hooks": { "%E": {} } }', /is not an array/],
  ["hooks twice", '{ "hooks": {}, "hooks": {} }', /"hooks" occurs twice/],
  ["an event twice", '{ "hooks": { "%E": [], "%E": [] } }', /occurs twice/],
];

/** TOML files. */
export const TOML_SAMPLES: readonly (readonly [string, string])[] = [
  ["nothing", ""],
  ["a line end", "\n"],
  ["a comment", "# my settings"],
  ["a pair without a line end", 'model = "gpt"'],
  ["a pair", 'model = "gpt"\n'],
  ["empty lines at the end", 'model = "gpt"\n\n\n'],
  ["CRLF", 'model = "gpt"\r\n\r\n[a]\r\nb = 1\r\n'],
  ["CRLF without a last line end", 'model = "gpt"\r\n[a]\r\nb = 1'],
  ["a byte order mark", '\ufeffmodel = "gpt"\n'],
  ["a table at the end", '[a]\nb = 1 # one\n  c = "x#y"\n'],
  ["a comment at the end", "[a]\nb = 1\n# the end"],
  ["an inline table", 'a = { b = 1, c = "x, }", d = [1, { e = 2 }] }\n'],
  ["an array over lines", 'a = [\n  1, # one\n  "]", # two\n]\n'],
  ["quoted keys", '"a.b" = 1\n\'c d\'."e\\"f" = 2\n["x.y".z]\nk = 3\n'],
  ["long strings", 'a = """\n[[hooks]]\n"" x\n"""\nb = \'\'\'\n[b]\'\'\'\n'],
  ["dates and numbers", "a = 2026-11-22 10:00:00\nb = 0xff\nc = -inf\n"],
  [
    "arrays of tables",
    '[[items]]\nname = "a"\n[[items.parts]]\nn = 1\n\n[[items]]\nname = "b"\n',
  ],
  ["tabs", '[a]\n\tb = 1\n\t[a.c]\n\t\td = "x"\n'],
];

/** TOML files that cannot be edited. */
export const BROKEN_TOML: readonly (readonly [string, string, RegExp])[] = [
  ["a half pair", "a =\n", /not valid TOML.*line 1/],
  ["a key twice", "a = 1\n\na = 2\n", /not valid TOML.*line 3/],
  ["an open string", 'x = 1\na = "b\n', /not valid TOML.*line 2/],
  ["an open table", "[a\n", /not valid TOML.*line 1/],
  ["JSON", '{\n  "a": 1\n}\n', /not valid TOML.*line 1/],
];
