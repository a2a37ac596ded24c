import assert from "node:assert/strict";
import { Mbus, type Running } from "./cli/mbus.ts";

/** Waits until a durable reader or a bell stands: what is sent is pushed. */
async function standing(tail: Running, mbus: Mbus): Promise<void> {
  // A first message on a channel of its own says that the tail has begun.
  await mbus.done(["send", "ready", "0"]);
  let line: string | undefined;
  do line = await tail.line(); while (!/"channel":"ready"/.test(line!));
}

function payloadOf(line: string | undefined): unknown {
  return JSON.parse(line!).payload;
}

Deno.test("tail prints what comes, from where it is told to", async () => {
  await using mbus = new Mbus();
  await mbus.done(["send", "state", '"kept"']);
  const kept = await mbus.json(["poll", "state"]);
  const tail = mbus.start([
    "tail",
    "state",
    "ready",
    "--from",
    "start",
    "--json",
  ]);
  assert.deepEqual(JSON.parse((await tail.line())!), kept[0]);
  await standing(tail, mbus);
  await mbus.done(["send", "other", '"not wanted"']);
  await mbus.done(["send", "state", '"new"']);
  assert.equal(payloadOf(await tail.line()), "new");
  assert.equal(await tail.end("SIGINT"), 130);

  const after = await mbus.json([
    "tail",
    "state",
    "--from",
    String(kept[0].id),
    "--count",
    "1",
  ]);
  assert.deepEqual(after.map(({ payload }) => payload), ["new"]);
  const human = await mbus.done(["tail", "--from", "start", "--count", "4"]);
  assert.match(human, /\d\d:\d\d:\d\d {2}other {2,}tester +"not wanted"\n$/s);
});

Deno.test("a timeout is what was asked for, but not instead of messages", async () => {
  await using mbus = new Mbus();
  assert.deepEqual(await mbus.run(["tail", "--timeout", "10ms"]), {
    code: 0,
    stdout: "",
    stderr: "",
  });
  const short = await mbus.run(["tail", "--timeout", "10ms", "--count", "1"]);
  assert.equal(short.code, 1);
});

Deno.test("SIGTERM ends a tail in good order: no bell and no lease stays", {
  ignore: Deno.build.os === "windows",
}, async () => {
  await using mbus = new Mbus();
  await mbus.done(["init"]);
  const args = ["tail", "--durable", "d", "--from", "start", "--json"];
  const tail = mbus.start(args);
  await standing(tail, mbus);
  const refused = await mbus.run([...args, "--count", "1"]);
  assert.equal(refused.code, 1);
  assert.deepEqual(
    [refused.stdout, JSON.parse(refused.stderr).error.name],
    ["", "DurableNameInUseError"],
  );
  assert.equal(await tail.end("SIGTERM"), 143);
  assert.deepEqual([...Deno.readDirSync(`${mbus.home}/bells`)], []);
  // Free at once, without a purge or a judgement of the process.
  const next = mbus.start(args);
  await standing(next, mbus);
  assert.equal(await next.end("SIGINT"), 130);
});

Deno.test("a durable tail that is killed and started again misses nothing", {
  ignore: Deno.build.os === "windows",
}, async () => {
  await using mbus = new Mbus();
  const args = [
    "tail",
    "build",
    "--durable",
    "ci",
    "--from",
    "start",
    "--json",
  ];
  const seen: unknown[] = [];
  let sent = 0;
  const send = () => mbus.done(["send", "build", String(++sent)]);
  await send();
  for (let round = 0; round < 3; round++) {
    const tail = mbus.start(args);
    await Promise.all([send(), send()]);
    // It is killed between two messages, at whatever it is doing then.
    seen.push(payloadOf(await tail.line()), payloadOf(await tail.line()));
    // What it had written by then counts; a line that it was at does not.
    for (const line of await tail.kill()) seen.push(payloadOf(line));
    await send();
  }
  const rest = await mbus.run([...args, "--timeout", "3s"]);
  assert.equal(rest.code, 0, rest.stderr);
  for (const line of rest.stdout.trim().split("\n")) {
    seen.push(JSON.parse(line).payload);
  }
  const all = Array.from({ length: sent }, (_, i) => i + 1);
  assert.deepEqual(
    [...new Set(seen)].sort((a, b) => Number(a) - Number(b)),
    all,
  );
  const once = await mbus.run([...args, "--timeout", "10ms"]);
  assert.equal(once.stdout, "", "what was acknowledged does not come again");
});

Deno.test("what a durable name has lost is told", async () => {
  await using mbus = new Mbus();
  const args = ["tail", "build", "--durable", "ci", "--timeout", "50ms"];
  await mbus.done([...args, "--from", "start"]);
  await mbus.done(["send", "build", "1", "--ttl", "1ms"]);
  await mbus.done(["send", "build", "2", "--ttl", "1ms"]);
  await mbus.done(["purge"]);
  assert.deepEqual(await mbus.json(args), [{ lost: 2, durable: "ci" }]);
  await mbus.done(["send", "build", "3", "--ttl", "1ms"]);
  await mbus.done(["purge"]);
  const { stderr } = await mbus.run(args);
  // What was told before is not told again.
  assert.equal(
    stderr,
    'mbus: 1 message for "ci" was over before it was read.\n',
  );
  assert.deepEqual(await mbus.json(args), []);
});

Deno.test("a reader that has gone ends a command quietly", async () => {
  await using mbus = new Mbus();
  const tail = mbus.start(["tail", "--json"]);
  await mbus.reach(tail);
  await tail.leave();
  await mbus.done(["send", "state", "1"]);
  assert.equal(await tail.aside(), undefined);
  assert.equal(await tail.end(), 0);

  const piped = await new Deno.Command("sh", {
    args: [
      "-c",
      `"$DENO" run -q --cached-only -A "$ROOT/cli.ts" help | head -1`,
    ],
    env: {
      ...mbus.environment(),
      DENO: Deno.execPath(),
      ROOT: decodeURIComponent(new URL("..", import.meta.url).pathname),
    },
    clearEnv: true,
  }).output();
  const text = new TextDecoder();
  assert.equal(text.decode(piped.stderr), "");
  assert.equal(text.decode(piped.stdout).split("\n").length, 2);
});
