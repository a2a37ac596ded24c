import assert from "node:assert/strict";
import { Mbus, type Running } from "./cli/mbus.ts";

/** Waits until the tail listens, so that messages are pushed to it. */
async function standing(tail: Running, mbus: Mbus): Promise<void> {
  // A first message on another channel shows that the tail has started.
  await mbus.done(["send", "ready", "0"]);
  let line: string | undefined;
  do line = await tail.line(); while (!/"channel":"ready"/.test(line!));
}

function payloadOf(line: string | undefined): unknown {
  return JSON.parse(line!).payload;
}

Deno.test("tail prints messages from its start position", async () => {
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

Deno.test("tail exits with 0 at --timeout, and with 1 before --count messages", async () => {
  await using mbus = new Mbus();
  assert.deepEqual(await mbus.run(["tail", "--timeout", "10ms"]), {
    code: 0,
    stdout: "",
    stderr: "",
  });
  const short = await mbus.run(["tail", "--timeout", "10ms", "--count", "1"]);
  assert.equal(short.code, 1);
});

Deno.test("tail leaves no bell and no lease after SIGTERM", {
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
  // Released at once, without a purge or a check of the process.
  const next = mbus.start(args);
  await standing(next, mbus);
  assert.equal(await next.end("SIGINT"), 130);
});

Deno.test("tail --durable misses no message after it was killed", {
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
    // The tail is killed between two messages, at any step.
    seen.push(payloadOf(await tail.line()), payloadOf(await tail.line()));
    // Complete lines count; an incomplete one does not.
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

Deno.test("tail --durable prints how many messages it lost", async () => {
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
  // A reported loss is not reported again.
  assert.equal(
    stderr,
    'mbus: 1 message for "ci" expired before it was read.\n',
  );
  assert.deepEqual(await mbus.json(args), []);
});

Deno.test("a command ends without an error when its reader has gone", async () => {
  await using mbus = new Mbus();
  const tail = mbus.start(["tail", "--json"]);
  await mbus.reach(tail);
  await tail.leave();
  await mbus.done(["send", "state", "1"]);
  assert.equal(await tail.errorLine(), undefined);
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
