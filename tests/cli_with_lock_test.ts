import assert from "node:assert/strict";
import { inputOf } from "./agents/calls.ts";
import { Mbus, ROOT } from "./cli/mbus.ts";
import { Shell } from "./cli/shell.ts";
import { until } from "./fixture.ts";

const HOLDER = /^with-lock-\d+-[0-9a-z]{4}$/;

/** Command that prints a line and waits until it is ended. */
const STAYS = ["sh", "-c", "echo here; exec sleep 600"];

Deno.test("with-lock holds a lock while a command runs, under its own session", async () => {
  await using mbus = new Mbus();
  const running = mbus.start(
    ["with-lock", "src/", "--exclusive", "--", ...STAYS],
  );
  assert.equal(await running.line(), "here");
  const [hold, ...rest] = await mbus.json(["locks"]);
  assert.match(String(hold.session), HOLDER);
  assert.deepEqual([hold.type, hold.why], ["exclusive", "runs sh for tester"]);
  assert.deepEqual(rest, []);
  // The calling session conflicts, too: the command has its own session.
  assert.equal((await mbus.run(["lock", "src/a.ts"])).code, 1);
  assert.equal(await running.end("SIGTERM"), 143, "the command's own end");
  assert.deepEqual(await mbus.json(["locks"]), []);
  const sessions = await mbus.json(["sessions"]);
  assert.ok(sessions.every(({ id }) => !HOLDER.test(String(id))));
});

Deno.test("with-lock lets an agent below it edit the locked files", async () => {
  await using mbus = new Mbus();
  const folder = Deno.realPathSync(`${mbus.folder}/project`);
  const ada = { session: "ada", cwd: folder, path: "src/a.ts" };
  const input = JSON.stringify(
    inputOf("claude", { point: "before-edit", ...ada }),
  );
  const end = JSON.stringify(inputOf("claude", { point: "end", ...ada }));
  const hook = [
    Deno.execPath(),
    "run",
    "-A",
    `${ROOT}/cli.ts`,
    "hook",
    "claude",
  ];
  const within = await mbus.run(
    ["with-lock", "src/", "--exclusive", "--", ...hook],
    { input },
  );
  assert.deepEqual(within, { code: 0, stdout: "", stderr: "" });
  await mbus.done(["hook", "claude"], { input: end });
  const running = mbus.start(
    ["with-lock", "src/", "--exclusive", "--", ...STAYS],
  );
  assert.equal(await running.line(), "here");
  assert.match(await mbus.done(["hook", "claude"], { input }), /"deny"/);
  assert.equal(await running.end("SIGTERM"), 143);
});

Deno.test("with-lock passes input, output and exit code through", async () => {
  await using mbus = new Mbus();
  const args = ["with-lock", "a.ts", "--"];
  const cat = await mbus.run([...args, "cat"], { input: "one\ntwo" });
  assert.deepEqual(cat, { code: 0, stdout: "one\ntwo", stderr: "" });
  const sh = (script: string) => mbus.run([...args, "sh", "-c", script]);
  assert.deepEqual(await sh("echo out; echo aside >&2; exit 7"), {
    code: 7,
    stdout: "out\n",
    stderr: "aside\n",
  });
  assert.equal((await sh("kill -KILL $$")).code, 137);
  // Arguments after the command belong to it, even if they look like options.
  const echo = await mbus.run([...args, "echo", "--exclusive", "--", "-x"]);
  assert.equal(echo.stdout, "--exclusive -- -x\n");
  assert.equal((await mbus.run([...args, "no-such-program"])).code, 127);
  const folder = await mbus.run([...args, mbus.folder]);
  assert.equal(folder.code, 126);
  assert.match(folder.stderr, /^mbus: Cannot run [^\n]+\n$/);
  assert.deepEqual(await mbus.json(["locks"]), []);
});

Deno.test("with-lock forwards signals to the command", async () => {
  await using mbus = new Mbus();
  for (const [signal, code] of [["SIGINT", 3], ["SIGTERM", 4]] as const) {
    const script = `trap 'exit ${code}' ${signal.slice(3)}; echo here; ` +
      `while :; do sleep 0.01; done`;
    const running = mbus.start(["with-lock", "a.ts", "--", "sh", "-c", script]);
    assert.equal(await running.line(), "here");
    assert.equal(await running.end(signal), code);
  }
});

/** Signals that end a process by default, with their numbers on Linux. */
const TERMINATING: readonly (readonly [Deno.Signal, number])[] = [
  ["SIGHUP", 1],
  ["SIGQUIT", 3],
  ["SIGTRAP", 5],
  ["SIGABRT", 6],
  ["SIGUSR1", 10],
  ["SIGUSR2", 12],
  ["SIGALRM", 14],
  ["SIGTERM", 15],
  ["SIGSTKFLT", 16],
  ["SIGXCPU", 24],
  ["SIGVTALRM", 26],
  ["SIGPROF", 27],
  ["SIGIO", 29],
  ["SIGPWR", 30],
  ["SIGSYS", 31],
];

for (const [signal, number] of TERMINATING) {
  Deno.test({
    name: `with-lock forwards ${signal}, releases the lock and exits 128+n`,
    ignore: Deno.build.os !== "linux",
    async fn() {
      await using mbus = new Mbus();
      const script = "ulimit -c 0; echo $$; exec sleep 600";
      const running = mbus.start(
        ["with-lock", "a.ts", "--exclusive", "--", "sh", "-c", script],
      );
      const command = Number(await running.line());
      try {
        assert.equal(await running.end(signal), 128 + number);
        assert.throws(() => Deno.kill(command, 0), Deno.errors.NotFound);
      } finally {
        try {
          Deno.kill(command, "SIGKILL");
        } catch {
          // It has ended.
        }
      }
      assert.deepEqual(await mbus.json(["locks"]), []);
    },
  });
}

Deno.test("with-lock holds no lock after it was killed", async () => {
  await using mbus = new Mbus();
  const script = "echo $$; exec sleep 600";
  const running = mbus.start(
    ["with-lock", "a.ts", "--exclusive", "--", "sh", "-c", script],
  );
  const command = Number(await running.line());
  const next = mbus.start(["lock", "a.ts", "--wait", "30s", "--json"]);
  assert.match((await next.errorLine())!, /"waiting"/);
  try {
    // The command goes on, with its output.
    Deno.kill(running.pid, "SIGKILL");
    assert.equal(JSON.parse((await next.line())!).session, "tester");
    assert.equal(await next.end(), 0);
  } finally {
    Deno.kill(command, "SIGKILL");
    await running.end();
  }
});

Deno.test("two with-lock calls of one session exclude each other", async () => {
  await using mbus = new Mbus();
  const file = `${mbus.folder}/project/count`;
  await Deno.writeTextFile(file, "0");
  // Reads, pauses and writes: without exclusion a count is lost.
  const script = `n=$(cat count); sleep 0.02; echo $((n + 1)) > count`;
  const ended = await Promise.all(Array.from({ length: 6 }, () =>
    mbus.run(
      ["with-lock", "count", "--exclusive", "--wait", "1m", "--"]
        .concat(["sh", "-c", script]),
    )));
  assert.deepEqual(ended.map(({ code }) => code), Array(6).fill(0));
  assert.equal((await Deno.readTextFile(file)).trim(), "6");
});

Deno.test("with-lock conflicts with others' locks, not with its caller's", async () => {
  await using mbus = new Mbus();
  await mbus.done(["lock", "src/a.ts"]);
  await mbus.done(["lock", "src/b.ts", "--exclusive"]);
  const args = ["with-lock", "src/", "--exclusive", "--"];
  const mine = await mbus.run([...args, "true"]);
  assert.deepEqual(mine, { code: 0, stdout: "", stderr: "" });
  const theirs = await mbus.run([...args, "touch", "ran"], {
    env: { MBUS_SESSION: "other" },
  });
  assert.equal(theirs.code, 1);
  assert.match(
    theirs.stderr,
    /^mbus: Cannot lock [^\n]*tester \(script\) holds/,
  );
  await assert.rejects(
    Deno.stat(`${mbus.folder}/project/ran`),
    Deno.errors.NotFound,
  );
  assert.deepEqual(
    await mbus.json(["poll", "file_conflict"]).then((all) =>
      all.map(({ payload }) => (payload as { event: string }).event)
    ),
    ["wanted"],
    "the caller was not told of itself",
  );
  assert.equal((await mbus.json(["locks"])).length, 2);
});

Deno.test("with-lock waits beside its caller's locks, and Ctrl-C ends the wait", async () => {
  await using mbus = new Mbus();
  await mbus.done(["lock", "a.ts"]);
  const env = { MBUS_SESSION: "other" };
  await mbus.done(["lock", "b.ts"], { env });
  const args = ["with-lock", "*.ts", "--exclusive", "--wait", "1m", "--"];
  const waiting = mbus.start([...args, "echo", "ran"]);
  assert.match((await waiting.errorLine())!, /waiting for \*\.ts: other/);
  await mbus.done(["unlock", "b.ts"], { env });
  assert.equal(await waiting.line(), "ran");
  assert.equal(await waiting.end(), 0);

  await mbus.done(["lock", "b.ts"], { env });
  const stopped = mbus.start([...args, "echo", "ran"]);
  await stopped.errorLine();
  assert.equal(await stopped.end("SIGINT"), 130);
  const holders = (await mbus.json(["who", "*.ts"])).filter(({ does }) =>
    does !== "conflict"
  );
  assert.deepEqual(
    holders.map(({ does, session }) => [does, session]),
    [["holds", "tester"], ["holds", "other"]],
  );
});

Deno.test("mbus calls inside with-lock act for the caller", async () => {
  await using mbus = new Mbus();
  await using shell = await Shell.open(mbus, "mine");
  const inside = await shell.run(
    // A function is not a program, so it is defined again in the inner shell.
    `mbus with-lock src/ --exclusive -- sh -c '
       mbus() { "$DENO" run -q --cached-only -A "$CLI" "$@"; }
       mbus lock src/a.ts --json && mbus send chat 1 --json &&
       mbus with-lock src/a.ts --exclusive -- mbus-missing; echo $?'`,
  );
  const [lock, sent, missing] = inside.lines;
  assert.equal(JSON.parse(lock).session, "mine");
  assert.equal(JSON.parse(sent).sender, "mine");
  assert.equal(missing, "127", "the inner one got its lock");
  // The caller's own lock stays.
  await until("only that", async () => {
    const holds = await mbus.json(["locks"]);
    return holds.length === 1 && holds[0].session === "mine";
  });
});

Deno.test("with-lock refuses a command line without a path or a command", async () => {
  await using mbus = new Mbus();
  for (
    const args of [
      ["a.ts"],
      ["a.ts", "--"],
      ["--", "true"],
      ["--", "true", "--", "x"],
      ["a.ts", "touch", "ran"],
      ["a\n.ts", "--", "touch", "ran"],
      ["a.ts", "--nope", "--", "touch", "ran"],
    ]
  ) {
    const { code, stderr } = await mbus.run(["with-lock", ...args]);
    assert.equal(code, 2, args.join(" "));
    assert.match(stderr, /^mbus: Cannot [^\n]+\n$/);
  }
  assert.deepEqual([...Deno.readDirSync(`${mbus.folder}/project`)], []);
});
