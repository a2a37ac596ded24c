import assert from "node:assert/strict";
import { Mbus } from "./cli/mbus.ts";

const LONG_ID = "01890000-0000-7000-8000-00000000beef";
const AS_PEER = { env: { MBUS_SESSION: LONG_ID } };

/** Returns a bus with `tester`, and a Codex called codex-beef. */
async function two(): Promise<Mbus> {
  const mbus = new Mbus();
  await mbus.done(["register", "--vendor", "script"]);
  await mbus.done(["register", "--vendor", "codex"], AS_PEER);
  return mbus;
}

/** Asserts that a call is refused in one clear line; returns it. */
async function refused(
  mbus: Mbus,
  args: readonly string[],
  options: Parameters<Mbus["run"]>[1] & { readonly exit?: number } = {},
): Promise<string> {
  const { exit = 2, ...run } = options;
  const { code, stdout, stderr } = await mbus.run(args, run);
  assert.equal(code, exit, stderr);
  assert.equal(stdout, "");
  assert.match(stderr, /^mbus: Cannot [^\n]+\.\n$/);
  return stderr;
}

/** Returns the payloads in an inbox, and acknowledges them. */
async function inbox(mbus: Mbus, options = AS_PEER): Promise<unknown[]> {
  return (await mbus.json(["inbox"], options)).map(({ payload }) => payload);
}

Deno.test("name prints the name, and chooses one", async () => {
  await using mbus = await two();
  assert.equal(await mbus.done(["name"]), "tester\n");
  assert.equal(await mbus.done(["name"], AS_PEER), "codex-beef\n");
  assert.equal(await mbus.done(["name", "backend"], AS_PEER), "backend\n");
  const [session] = await mbus.json(["name"], AS_PEER);
  assert.deepEqual(
    [session.id, session.name, session.nameIsChosen],
    [LONG_ID, "backend", true],
  );
  const again = ["register", "--vendor", "codex"];
  assert.equal(await mbus.done(again, AS_PEER), "backend\n");
  assert.equal(await mbus.done([...again, "-l"], AS_PEER), `${LONG_ID}\n`);
  const renamed = [...again, "--name", "frontend"];
  assert.equal(await mbus.done(renamed, AS_PEER), "frontend\n");
});

Deno.test("name refuses what cannot be a name, and a taken one", async () => {
  await using mbus = await two();
  await mbus.done(["send", "builds", "1"]);
  for (
    const name of [
      "",
      "two words",
      "a\nb",
      "\x1b[31mred",
      "x".repeat(1_000),
      "codex",
      "state",
      "builds",
      "all",
    ]
  ) {
    const said = await refused(mbus, ["name", name]);
    assert.match(said, /^mbus: Cannot take the name "/);
    assert.ok(said.length < 250 && !said.includes("\x1b"), said);
  }
  await mbus.done(["name", "backend"], AS_PEER);
  const said = await refused(mbus, ["name", "backend"], { exit: 1 });
  assert.match(said, /another living session has it/);
  await refused(mbus, ["register", "--vendor", "v", "--name", "backend"], {
    exit: 1,
  });
  assert.equal(await mbus.done(["name"]), "tester\n");
});

Deno.test("MBUS_NAME names a new session, unless a living one has the name", async () => {
  await using mbus = await two();
  const env = { MBUS_NAME: "backend" };
  const name = (session: string) =>
    mbus.done(["name"], { env: { ...env, MBUS_SESSION: session } });
  assert.equal(await name("one"), "backend\n");
  assert.equal(await name("two"), "two\n");
  await refused(mbus, ["name"], {
    env: { MBUS_NAME: "two words", MBUS_SESSION: "three" },
  });
});

Deno.test("tables show names, and ids with -l", async () => {
  await using mbus = await two();
  await mbus.done(["name", "backend"], AS_PEER);
  await mbus.done(["lock", "a.ts", "--exclusive"], AS_PEER);
  await mbus.done(["send", "news", "1"], AS_PEER);
  await mbus.done(["task", "post", "write", "--id", "T-1"], AS_PEER);
  await mbus.done(["task", "claim", "T-1"], AS_PEER);
  const tables = [
    ["sessions"],
    ["locks"],
    ["who", "a.ts"],
    ["poll", "news"],
    ["tail", "news", "--from", "start", "--count", "1"],
    ["task", "list"],
    ["task", "show", "T-1"],
  ];
  for (const args of tables) {
    const short = await mbus.done(args);
    assert.ok(short.includes("backend") && !short.includes(LONG_ID), short);
    const long = await mbus.done([...args, "-l"]);
    assert.ok(long.includes(LONG_ID) && !long.includes("backend"), long);
    const lines = await mbus.json(args);
    const named = lines.find(({ name }) => name === "backend");
    assert.notEqual(named, undefined, args.join(" "));
  }
  const { stderr } = await mbus.run(["lock", "a.ts", "--exclusive"]);
  assert.ok(stderr.includes("backend (codex) holds"), stderr);
});

Deno.test("commands take a session by its name", async () => {
  await using mbus = await two();
  await mbus.done(["name", "backend"], AS_PEER);
  const env = { MBUS_SESSION: undefined };
  const as = (session: string) => ["--session", session];
  const [named] = await mbus.json(["name", ...as("backend")], { env });
  assert.equal(named.id, LONG_ID);
  await mbus.done(["tell", "back", "hi"]);
  const [message] = await mbus.json(["inbox", ...as("back")], { env });
  assert.deepEqual([message.payload, message.toName], ["hi", "backend"]);
  await refused(mbus, ["inbox", ...as("frontend")], { env });
  assert.equal(
    await mbus.done(["end", ...as("backend")], { env }),
    "Ended backend.\n",
  );
});

/** Texts that arrive as they were written. */
const TEXTS: readonly (readonly [words: readonly string[], text: string])[] = [
  [["hello"], "hello"],
  [["may", "I", "have", "src/a.ts?"], "may I have src/a.ts?"],
  [["it's", '"quoted"', "{not: json}"], 'it\'s "quoted" {not: json}'],
  [["first\n\n  second\ttab"], "first\n\n  second\ttab"],
  [
    ["run", "git", "push", "--force", "--json", "-h"],
    "run git push --force --json -h",
  ],
  [["-5", "is", "wrong"], "-5 is wrong"],
  [["--", "--force", "was", "wrong"], "--force was wrong"],
  [["42"], "42"],
  [["\u001b[2J\u202e\u{1f41d} ü"], "\u001b[2J\u202e\u{1f41d} ü"],
];

Deno.test("tell sends the rest of the line as text", async () => {
  await using mbus = await two();
  for (const [words, text] of TEXTS) {
    const said = await mbus.done(["tell", "codex-beef", ...words]);
    assert.match(said, /^Message \d+ to codex-beef\.\n$/);
    assert.deepEqual(await inbox(mbus), [text]);
  }
  const [sent] = await mbus.json(["tell", "codex", "hi"]);
  assert.deepEqual(
    [sent.channel, sent.to, sent.toName, sent.notRunning],
    ["chat", LONG_ID, "codex-beef", false],
  );
});

Deno.test("options stand before the text, or after text of one argument", async () => {
  await using mbus = await two();
  for (
    const args of [
      ["tell", "--json", "codex", "hello there"],
      ["tell", "codex", "--json", "hello there"],
      ["tell", "codex", "hello there", "--json"],
    ]
  ) {
    assert.equal(JSON.parse(await mbus.done(args)).toName, "codex-beef");
    assert.deepEqual(await inbox(mbus), ["hello there"]);
  }
  await mbus.done(["tell", "codex", "hello", "--json"]);
  assert.deepEqual(await inbox(mbus), ["hello"]);
  await refused(mbus, ["tell", "codex", "--unknown", "hello"]);
  assert.match(
    await refused(mbus, ["tell", "codex", "use", "-l", "now"]),
    /goes on with "now" after an option\. Put the text in quotes/,
  );
  assert.deepEqual(await inbox(mbus), []);
});

Deno.test("tell, ask and reply read standard input", async () => {
  await using mbus = await two();
  const text = "first line\n\n'second' \"line\" $HOME `x`\n";
  const [sent] = await mbus.json(["tell", "codex"], { input: text });
  await mbus.done(["tell", "codex", "-"], { input: "one\r\n" });
  assert.deepEqual(await inbox(mbus), [text.slice(0, -1), "one"]);
  await mbus.done(["reply", String(sent.id), "-"], {
    ...AS_PEER,
    input: "an\nanswer",
  });
  assert.deepEqual(await inbox(mbus, {} as typeof AS_PEER), ["an\nanswer"]);
  const { code } = await mbus.run(["ask", "codex", "--timeout", "1ms"], {
    input: "a\nquestion",
  });
  assert.equal(code, 1);
  assert.deepEqual(await inbox(mbus), ["a\nquestion"]);
});

Deno.test("tell all is a message on chat for every session of the project", async () => {
  await using mbus = await two();
  assert.match(
    await mbus.done(["tell", "all", "main", "is", "red"]),
    /^Message \d+ to all\.\n$/,
  );
  const [message] = await mbus.json(["poll", "chat"], AS_PEER);
  assert.equal(message.payload, "main is red");
  const keptMs = Date.parse(String(message.expiresAt)) -
    Date.parse(String(message.createdAt));
  assert.equal(keptMs, 24 * 60 * 60 * 1_000);
});

Deno.test("bad texts and addressees are refused, and nothing is sent", async () => {
  await using mbus = await two();
  const other = `${mbus.folder}/other`;
  Deno.mkdirSync(other);
  await mbus.done(["register", "--vendor", "gemini", "--name", "far"], {
    cwd: other,
    env: { MBUS_SESSION: "distant" },
  });
  const cases: [readonly string[], RegExp, (string | Uint8Array)?][] = [
    [["tell", "codex", ""], /the text is empty/],
    [["tell", "codex", " \n "], /the text is empty/],
    [["tell", "codex"], /standard input is empty/, ""],
    [["tell", "codex", "x".repeat(65_536)], /65538 bytes/],
    [["tell", "codex", "-"], /65538 bytes/, "x".repeat(65_536)],
    [
      ["tell", "nobody", "hi"],
      /no session "nobody" .* Choose one of codex-beef/,
    ],
    [["tell", "", "hi"], /fits 2 sessions/],
    [
      ["tell", "far", "hi"],
      /in another project, .*\/other\. Add --all-projects/,
    ],
    [["tell", "gemini", "hi"], /in another project/],
    [["ask", "nobody", "hi"], /no session "nobody"/],
    [["send", "codex-beef", "1"], /mbus tell codex-beef TEXT/],
    [["tell"], /WHO is missing/],
  ];
  for (const [args, message, input] of cases) {
    assert.match(
      await refused(mbus, args, { input: input as string }),
      message,
    );
  }
  const bytes = new Uint8Array([0x68, 0x69, 0xff]);
  assert.match(
    await refused(mbus, ["tell", "codex", "-"], { input: bytes }),
    /standard input is not UTF-8/,
  );
  assert.deepEqual(await inbox(mbus), []);
  assert.deepEqual(await mbus.json(["poll", "chat"]), []);
  await mbus.done(["tell", "--all-projects", "far", "hi"]);
  assert.deepEqual(
    await inbox(mbus, { env: { MBUS_SESSION: "distant" } }),
    ["hi"],
  );
});

Deno.test("a vendor with two living sessions is refused with their names", async () => {
  await using mbus = await two();
  await mbus.done(["register", "--vendor", "codex", "--name", "backend"], {
    env: { MBUS_SESSION: "second" },
  });
  const said = await refused(mbus, ["tell", "codex", "hi"]);
  assert.match(said, /"codex" fits 2 sessions \(codex-beef, backend\)/);
  // A session does not mean itself by its vendor.
  const sent = await mbus.done(["tell", "codex", "hi"], AS_PEER);
  assert.match(sent, /to backend\./);
});

Deno.test("a message for an ended session with a chosen name waits for the next", async () => {
  await using mbus = await two();
  await mbus.done(["name", "backend"], AS_PEER);
  await mbus.done(["end"], AS_PEER);
  const sent = await mbus.run(["tell", "backend", "for the next"]);
  assert.equal(sent.code, 0);
  assert.match(sent.stderr, /^mbus: backend has ended\. The message waits/);
  const next = { env: { MBUS_SESSION: "next" } };
  await mbus.done(["register", "--vendor", "codex", "--name", "backend"], next);
  const [message] = await mbus.json(["inbox"], next);
  assert.deepEqual(
    [message.payload, message.to, message.toName],
    ["for the next", "next", "backend"],
  );
  // Also after it was read.
  await mbus.done(["reply", String(message.id), "thanks"], next);
  assert.deepEqual(await inbox(mbus, {} as typeof AS_PEER), ["thanks"]);
});

Deno.test("reply refuses a message for another session", async () => {
  await using mbus = await two();
  const [sent] = await mbus.json(["tell", "codex", "secret"]);
  const other = { env: { MBUS_SESSION: "other" } };
  const said = await refused(mbus, ["reply", String(sent.id), "hi"], {
    ...other,
    exit: 1,
  });
  assert.match(said, /it is for another session/);
  assert.match(
    await refused(mbus, ["reply", "abc", "hi"]),
    /it is not a message id/,
  );
  assert.deepEqual(await inbox(mbus, {} as typeof AS_PEER), []);
});
