import assert from "node:assert/strict";
import { Mbus } from "./cli/mbus.ts";

const ISO = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;

Deno.test("init creates the bus once and prints its folder", async () => {
  await using mbus = new Mbus();
  assert.equal(await mbus.done(["init"]), `Created the bus in ${mbus.home}.\n`);
  assert.equal(
    await mbus.done(["init"]),
    `The bus already exists in ${mbus.home}.\n`,
  );
  const [made] = await mbus.json(["init", "--home", `${mbus.folder}/other`]);
  assert.deepEqual(made, {
    location: `${mbus.folder}/other/db/messaging.db`,
    home: `${mbus.folder}/other`,
    created: true,
    session: "tester",
  });
  assert.deepEqual(await mbus.json(["sessions"]), [], "init registers nobody");
});

Deno.test("ten first commands at once create one bus", async () => {
  await using mbus = new Mbus();
  const ended = await Promise.all(
    Array.from({ length: 10 }, () => mbus.run(["init"])),
  );
  assert.deepEqual(ended.map(({ code }) => code), Array(10).fill(0));
  assert.deepEqual(ended.map(({ stderr }) => stderr), Array(10).fill(""));
  assert.equal((await mbus.json(["stats"]))[0].sessions, 0);
});

Deno.test("poll prints sent messages complete and in order", async () => {
  await using mbus = new Mbus();
  const payload = { text: "ä \u202e\x1b[2J", list: [1, null, -0.5] };
  const [sent] = await mbus.json([
    "send",
    "state",
    JSON.stringify(payload),
    "--ttl",
    "1h",
  ]);
  assert.deepEqual(Object.keys(sent), ["id", "channel", "sender", "project"]);
  assert.equal(sent.project, `${mbus.folder}/project`);
  const second = (await mbus.done(["send", "state", "-"], { input: " [2]\n" }))
    .trim();
  await mbus.done(["send", "state", "--", "-3"]);

  const [message, ...rest] = await mbus.json(["poll", "state"]);
  assert.deepEqual(
    { ...message, createdAt: "", expiresAt: "" },
    {
      id: sent.id,
      sender: "tester",
      name: "tester",
      channel: "state",
      payload,
      createdAt: "",
      expiresAt: "",
      project: `${mbus.folder}/project`,
    },
  );
  assert.match(String(message.createdAt), ISO);
  assert.equal(
    Date.parse(String(message.expiresAt)) -
      Date.parse(String(message.createdAt)),
    3_600_000,
  );
  assert.deepEqual(rest.map((each) => each.payload), [[2], -3]);
  const after = await mbus.json(["poll", "state", `--after=${sent.id}`]);
  assert.deepEqual(after.map((each) => each.payload), [[2], -3]);
  const limited = await mbus.json(["poll", "state", "--limit", "2"]);
  assert.deepEqual(limited.map((each) => each.id), [sent.id, second]);

  const shown = (await mbus.done(["poll", "state"])).split("\n");
  assert.equal(shown.length, 4);
  assert.match(
    shown[0],
    / {2}\d+ s ago +state {2}tester {8}\{"text":"ä \\u202e\\u001b\[2J","list":\[1,null,-0\.5\]\}$/,
  );
});

Deno.test("messages reach other projects only with --all-projects", async () => {
  await using mbus = new Mbus();
  const other = `${mbus.folder}/home`;
  await mbus.done(["send", "state", '"here"']);
  await mbus.done(["send", "state", '"there"'], { cwd: other });
  const [all] = await mbus.json(["send", "state", '"all"', "--all-projects"], {
    cwd: other,
  });
  assert.equal("project" in all, false);
  const payloads = async (...args: string[]) =>
    (await mbus.json(["poll", "state", ...args])).map((each) => each.payload);
  assert.deepEqual(await payloads(), ["here", "all"]);
  assert.deepEqual(await payloads("--all-projects"), ["here", "there", "all"]);
});

Deno.test("a session registers, is listed, updates its data, and ends", async () => {
  await using mbus = new Mbus();
  const register = ["register", "--vendor", "kimi"];
  assert.equal(
    await mbus.done([...register, "--model", "k2", "--task", "T-1"]),
    "tester\n",
  );
  const [again] = await mbus.json([...register, "--task", "T-2"]);
  assert.equal(again.task, "T-2");
  assert.equal(again.model, "k2");
  const events = (await mbus.json(["poll", "heartbeat"]))
    .map(({ payload }) => (payload as { event: string }).event);
  assert.deepEqual(events, ["came"], "saying it again announces nothing");

  const [seen] = await mbus.json(["sessions"]);
  assert.deepEqual(
    [seen.id, seen.vendor, seen.status, seen.stale, seen.life, seen.self],
    ["tester", "kimi", "active", false, "alive", true],
  );
  assert.ok((seen.heartbeatAgeMs as number) >= 0);
  assert.notEqual(seen.pid, undefined);
  const [heading, line] = (await mbus.done(["sessions"])).split("\n");
  assert.match(heading, /SESSION +STATE +WORK +PROJECT +FILES/);
  assert.match(line, /^\* +tester +working \d+ s ago +- +project +-/);

  assert.deepEqual(await mbus.json(["end"]), [{
    session: "tester",
    name: "tester",
    ended: true,
  }]);
  assert.equal(await mbus.done(["end"]), "Ended tester.\n", "twice is fine");
  assert.deepEqual(await mbus.json(["sessions"]), []);
  const [ended] = await mbus.json(["sessions", "--ended"]);
  assert.equal(ended.status, "terminated");
});

Deno.test("commands without a session name act for the process above them", async () => {
  await using mbus = new Mbus();
  const env = { MBUS_SESSION: undefined };
  // Agents' variables are not inherited, and the test's own process is the
  // nearest long-lived one.
  const [first] = await mbus.json(["send", "state", "1"], { env });
  const [second] = await mbus.json(["send", "state", "2"], { env });
  assert.equal(first.sender, second.sender);
  const all = await mbus.json(["sessions"], { env });
  assert.equal(all.length, 1);
  assert.equal(all[0].life, "alive", "it outlives the command");

  const [named] = await mbus.json(["send", "state", "3"], {
    env: { ...env, CODEX_THREAD_ID: "019a-thread" },
  });
  assert.equal(named.sender, "019a-thread");
  const [given] = await mbus.json(["send", "state", "4", "--session", "mine"], {
    env: { MBUS_SESSION: "other", CODEX_THREAD_ID: "019a-thread" },
  });
  assert.equal(given.sender, "mine");
});

Deno.test("commands that read register no session", async () => {
  await using mbus = new Mbus();
  await mbus.done(["poll", "state"]);
  await mbus.done(["tail", "--timeout", "10ms"]);
  await mbus.done(["sessions"]);
  await mbus.done(["stats"]);
  await mbus.done(["doctor"]);
  assert.deepEqual(await mbus.json(["sessions", "--ended"]), []);
});

Deno.test("stats and purge print counts", async () => {
  await using mbus = new Mbus();
  // Otherwise the first publisher would purge.
  await mbus.done(["purge"]);
  await mbus.done(["send", "state", "1", "--ttl", "1ms"]);
  await mbus.done(["send", "build", "2"]);
  const [stats] = await mbus.json(["stats"]);
  assert.deepEqual(Object.keys(stats).sort(), [
    "channels",
    "durableNames",
    "location",
    "messages",
    "sessions",
    "storeBytes",
    "walBytes",
  ]);
  assert.deepEqual(stats.channels, [
    { channel: "build", messages: 1 },
    { channel: "heartbeat", messages: 1 },
  ]);
  assert.match(await mbus.done(["stats"]), /^ {2}build +1$/m);
  assert.deepEqual(await mbus.json(["purge"]), [
    { expired: 1, overCap: 0, sessions: 0 },
  ]);
  assert.match(await mbus.done(["purge"]), /^Deleted 0 expired messages, 0 /);
});

Deno.test("a bus without MBUS_HOME is in the platform's folder", {
  ignore: Deno.build.os !== "linux",
}, async () => {
  await using mbus = new Mbus();
  const path = async (env: Record<string, string | undefined>) =>
    (await mbus.json(["init"], { env: { MBUS_HOME: undefined, ...env } }))[0]
      .home;
  const home = `${mbus.folder}/home`;
  assert.equal(await path({}), `${home}/.local/state/message-bus`);
  assert.equal(
    await path({ XDG_STATE_HOME: `${home}/state` }),
    `${home}/state/message-bus`,
  );
  assert.equal(
    await path({ CODITECT_HOME: `${home}/c` }),
    `${home}/c/message-bus`,
  );
  assert.equal(
    await path({ MBUS_URL: `sqlite://${home}/url%20bus` }),
    `${home}/url bus`,
  );
});
