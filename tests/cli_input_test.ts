import assert from "node:assert/strict";
import { Mbus, type StartOptions } from "./cli/mbus.ts";

/** Returns the error of a refused command, compared as text and as JSON. */
async function refused(
  mbus: Mbus,
  code: number,
  args: readonly string[],
  options: StartOptions = {},
): Promise<Record<string, unknown>> {
  const shown = args.join(" ").slice(0, 80);
  const [human, json] = await Promise.all([
    mbus.run(args, options),
    mbus.run(["--json", ...args], options),
  ]);
  assert.deepEqual([human.code, json.code], [code, code], shown + human.stderr);
  assert.deepEqual([human.stdout, json.stdout], ["", ""], shown);
  const { error } = JSON.parse(json.stderr);
  assert.match(human.stderr, /^mbus: Cannot [^\n]+\.\n$/, "one sentence");
  assert.doesNotMatch(human.stderr, /\n {4}at /);
  assert.equal(
    error.kind,
    { 1: "state", 2: "input", 3: "store" }[code],
    shown,
  );
  return error;
}

Deno.test("wrong usage exits with 2 and suggests the right one", async () => {
  await using mbus = new Mbus();
  const cases: [string[], RegExp][] = [
    [
      ["sned", "state", "1"],
      /Did you mean "send"\? "mbus help" lists the commands/,
    ],
    [["xyzzy"], /the command is unknown\. "mbus help" lists the commands/],
    [["help", "tial"], /Did you mean "tail"\?/],
    [["send"], /CHANNEL is missing\. Write "mbus send CHANNEL JSON"/],
    [["poll", "state", "--limt", "1"], /Did you mean "--limit"\?/],
    [["--jsn", "stats"], /Did you mean "--json"\?/],
    [["register"], /--vendor is missing/],
    [["tail", "--timeout", "soon"], /not a duration above 0\. Write .* 500ms/],
    [["poll", "state", "--limit", "20000"], /Pass 1 to 10000/],
  ];
  await Promise.all(cases.map(async ([args, text]) => {
    const error = await refused(mbus, 2, args);
    assert.match(String(error.message), text);
  }));
});

Deno.test("send refuses a wrong message and stores none", async () => {
  await using mbus = new Mbus();
  await mbus.done(["init"]);
  const deep = "[".repeat(65) + "]".repeat(65);
  const large = JSON.stringify("x".repeat(65_536));
  const cases: [string[], string, RegExp, (string | Uint8Array)?][] = [
    [["state", "{status:working}"], "payload", /the shell removed its quotes/],
    [["state", "working"], "payload", /Put plain text in quotes inside quotes/],
    [["state", '{"a":1'], "payload", /Check its quotes, commas and brackets/],
    [["state", ""], "payload", /is empty/],
    [["state", "-"], "payload", /standard input is empty/, ""],
    [["state", "-"], "payload", /is not JSON\. Pipe one/, "{a}"],
    [["state", "-"], "payload", /not UTF-8/, new Uint8Array([34, 255, 34])],
    [["state", "-"], "payload", /65538 bytes, the limit is 65536/, large],
    [["state", "-"], "payload", /nested deeper than 64/, deep],
    [["state", "1e999"], "payload", /holds Infinity/],
    [
      ["two words", "1"],
      "channel",
      /"two words": it is not valid. Use 1 to 128/,
    ],
    [["a\nb", "1"], "channel", /without spaces/],
    [["", "1"], "channel", /without spaces/],
    [["x".repeat(129), "1"], "channel", /1 to 128/],
    [["state", "1", "--ttl", "-5s"], "ttl", /not a duration above 0/],
    [["state", "1", "--ttl", "0"], "ttl", /not a duration above 0/],
    [["state", "1", "--ttl", "1000d"], "ttlSeconds", /30 days/],
    [["state", "1", "--session", "a b"], "session", /without spaces/],
  ];
  for (const [args, field, text, input] of cases) {
    const error = await refused(mbus, 2, ["send", ...args], { input });
    assert.deepEqual(
      [error.field, text.test(String(error.message))],
      [field, true],
      String(error.message),
    );
  }
  const [stats] = await mbus.json(["stats"]);
  assert.deepEqual([stats.messages, stats.sessions], [0, 0]);
});

Deno.test("commands refuse an unknown session or message by name", async () => {
  await using mbus = new Mbus();
  await mbus.done(["init"]);
  const unknown = await refused(mbus, 2, ["end", "--session", "nobody"]);
  assert.equal(unknown.name, "UnknownSessionError");
  assert.match(String(unknown.message), /"nobody".*"mbus sessions" lists/);
  for (const cursor of ["abc", "-1", "1.5", "1e3", "99999999999999999999"]) {
    const error = await refused(mbus, 2, [
      "poll",
      "state",
      `--after=${cursor}`,
    ]);
    assert.match(String(error.message), /is not a message id\. Pass the "id"/);
  }
  const from = await refused(mbus, 2, ["tail", "--from=soon"]);
  assert.match(String(from.message), /"soon"/);
  const url = await refused(mbus, 2, ["stats"], {
    env: { MBUS_HOME: undefined, MBUS_URL: "redis://u:secret@host/x" },
  });
  assert.doesNotMatch(String(url.message), /secret/);
});

Deno.test("a folder that cannot have a bus exits with 3 and does not change", async () => {
  await using mbus = new Mbus();
  const at = async (home: string, fault: string) => {
    const error = await refused(mbus, 3, [
      "send",
      "state",
      "1",
      "--home",
      home,
    ]);
    assert.deepEqual([error.name, error.fault], ["StoreError", fault], home);
    return String(error.message);
  };
  const fill = (name: string, content: string | Uint8Array) => {
    const home = `${mbus.folder}/${name}`;
    Deno.mkdirSync(`${home}/db`, { recursive: true, mode: 0o700 });
    for (const folder of [home, `${home}/db`]) Deno.chmodSync(folder, 0o700);
    const path = `${home}/db/messaging.db`;
    Deno.writeFileSync(
      path,
      typeof content === "string" ? new TextEncoder().encode(content) : content,
    );
    return { home, path };
  };

  const text = "this is a diary, not a database, and it must not be lost";
  const diary = fill("diary", text.repeat(40));
  assert.match(await at(diary.home, "not-a-database"), /Move that file away/);
  assert.equal(Deno.readTextFileSync(diary.path), text.repeat(40));

  await mbus.done(["send", "state", "1"]);
  // The last connection checkpoints the WAL when it closes.
  await mbus.done(["stats"]);
  const whole = Deno.readFileSync(mbus.database);
  const foreign = fill("foreign", whole.slice());
  const file = Deno.readFileSync(foreign.path);
  file.set([1, 2, 3, 4], 68); // the application id
  Deno.writeFileSync(foreign.path, file);
  assert.match(await at(foreign.home, "foreign"), /another program's/);
  assert.deepEqual(Deno.readFileSync(foreign.path), file);

  const broken = whole.slice();
  broken.fill(0xa5, 4096, 16_384);
  const corrupt = fill("corrupt", broken);
  assert.match(await at(corrupt.home, "corrupt"), /damaged.*\.recover/);
  assert.deepEqual(Deno.readFileSync(corrupt.path), broken);

  const file2 = `${mbus.folder}/file`;
  Deno.writeTextFileSync(file2, "mine");
  await at(file2, "permission");
  assert.equal(Deno.readTextFileSync(file2), "mine");
});

Deno.test(
  "commands refuse a newer schema and a folder that other users may write to",
  {
    ignore: Deno.build.os === "windows",
  },
  async () => {
    await using mbus = new Mbus();
    await mbus.done(["init"]);
    const { DatabaseSync } = await import("node:sqlite");
    const db = new DatabaseSync(mbus.database);
    db.exec("UPDATE _schema_version SET version = 99, compatible_from = 99");
    db.close();
    const newer = await refused(mbus, 3, ["send", "state", "1"]);
    assert.deepEqual(
      [newer.fault, /Upgrade mbus/.test(String(newer.message))],
      ["newer", true],
    );

    Deno.chmodSync(mbus.home, 0o777);
    const open = await refused(mbus, 3, ["send", "state", "1"]);
    assert.match(String(open.message), /chmod go-w/);
  },
);

Deno.test("send on a full disk fails and loses no message", {
  // Mounting a file system needs root and Linux.
  ignore: Deno.build.os !== "linux" || Deno.uid() !== 0,
}, async () => {
  await using mbus = new Mbus();
  Deno.mkdirSync(mbus.home, { mode: 0o700 });
  const script = `
    mount -t tmpfs -o size=1m,mode=700 tmpfs "$MBUS_HOME" || exit 99
    mbus() { "$DENO" run -q --cached-only -A "$ROOT/cli.ts" "$@"; }
    printf '"%60000s"' x > large.json
    mbus send build '"kept"' > /dev/null || exit 98
    n=0
    until mbus send build - < large.json > /dev/null 2> error || code=$?; [ $code ]; do
      n=$((n + 1)); [ $n -lt 40 ] || exit 97
    done
    echo "code $code"; cat error
    mbus poll build --limit 1
  `;
  const { stdout, stderr } = await new Deno.Command("unshare", {
    args: ["-m", "sh", "-c", script],
    cwd: `${mbus.folder}/project`,
    env: {
      ...mbus.environment(),
      DENO: Deno.execPath(),
      ROOT: decodeURIComponent(new URL("..", import.meta.url).pathname),
    },
    clearEnv: true,
  }).output();
  const text = new TextDecoder();
  const [, error, kept] = text.decode(stdout).split(/code 3\n|(?<=\.)\n/);
  assert.match(
    error ?? text.decode(stdout),
    /^mbus: Cannot .*no space is left/,
  );
  assert.match(kept, /"kept"/, text.decode(stderr));
});
