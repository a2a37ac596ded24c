import assert from "node:assert/strict";
import { Mbus, type StartOptions } from "./cli/mbus.ts";

// Mounts the bus folder read-only, as an agent's sandbox does.
const SANDBOX: StartOptions = {
  through: [
    "unshare",
    "-m",
    "sh",
    "-c",
    'mount --bind "$MBUS_HOME" "$MBUS_HOME" && ' +
    'mount -o remount,bind,ro "$MBUS_HOME" && exec "$@"',
    "sh",
  ],
};

// Mounting needs root and Linux.
const IGNORE = Deno.build.os !== "linux" || Deno.uid() !== 0;

async function readsAndRefuses(mbus: Mbus): Promise<void> {
  const read = async (...args: string[]) => await mbus.json(args, SANDBOX);
  assert.deepEqual(
    (await read("poll", "build")).map(({ payload }) => payload),
    ["kept"],
  );
  assert.equal((await read("sessions"))[0].id, "tester");
  assert.equal((await read("stats"))[0].sessions, 1);
  assert.deepEqual(
    (await read("tail", "build", "--from", "start", "--count", "1"))
      .map(({ payload }) => payload),
    ["kept"],
  );
  const writes = [
    ["send", "state", "1"],
    ["register", "--vendor", "codex"],
    ["end"],
    ["purge"],
    ["tail", "--durable", "d", "--count", "1"],
  ];
  for (const args of writes) {
    const { code, stdout, stderr } = await mbus.run(args, SANDBOX);
    assert.deepEqual([code, stdout], [3, ""], args.join(" "));
    assert.match(
      stderr,
      /^mbus: Cannot .* may only be read from here\. If this is an agent's sandbox, make the bus folder writable in it \(for Codex: add it to sandbox_workspace_write\.writable_roots\).*\n$/,
    );
  }
  const doctor = await mbus.run(["doctor", "--json"], SANDBOX);
  assert.equal(doctor.code, 3);
  const failed = doctor.stdout.trim().split("\n").map((line) =>
    JSON.parse(line)
  ).filter(({ status }) => status === "fail");
  assert.equal(failed[0].check, "folder");
  assert.match(failed[0].remedy, /writable_roots/);
}

Deno.test("a read-only bus without open connections is read, and not written", {
  ignore: IGNORE,
}, async () => {
  await using mbus = new Mbus();
  await mbus.done(["send", "build", '"kept"']);
  await readsAndRefuses(mbus);
});

Deno.test(
  "a read-only bus that other processes write to is read as it changes",
  {
    ignore: IGNORE,
  },
  async () => {
    await using mbus = new Mbus();
    await mbus.done(["send", "build", '"kept"']);
    const outside = mbus.start(["tail", "build", "--from", "start", "--json"]);
    assert.match((await outside.line())!, /"kept"/);
    await readsAndRefuses(mbus);

    const inside = mbus.start(
      ["tail", "build", "--from", "start", "--json"],
      SANDBOX,
    );
    assert.match((await inside.line())!, /"kept"/);
    await mbus.done(["send", "build", '"new"']);
    assert.match((await inside.line())!, /"new"/);
    assert.equal(await inside.end("SIGINT"), 130);
  },
);

Deno.test("a read-only folder without a bus is refused with the reason", {
  ignore: IGNORE,
}, async () => {
  await using mbus = new Mbus();
  Deno.mkdirSync(mbus.home, { mode: 0o700 });
  const { code, stderr } = await mbus.run(["sessions"], SANDBOX);
  assert.equal(code, 3);
  assert.match(stderr, /^mbus: Cannot [^\n]+\. [A-Z][^\n]+\.\n$/);
});
