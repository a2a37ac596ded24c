import assert from "node:assert/strict";
import { getMessagingDbPath, openBus } from "../mod.ts";
import { denoDir, Mbus } from "./cli/mbus.ts";
import { COMMANDS } from "./cli/opening_commands.ts";
import { Home } from "./fixture.ts";

Deno.test("a bus folder may have any name", async () => {
  const names = [
    "a b",
    "100%25",
    "what?mode=memory",
    "a#b",
    "file:x",
    "ü界😀",
    'it\'s "quoted"',
    "back\\slash\\",
    "a\nb",
  ];
  for (const name of names) {
    await using home = new Home(name);
    const bus = await home.open({ pollIntervalMs: 60_000 });
    const peer = await home.start();
    const reader = bus.subscribe("a");
    await reader.ready;
    await peer.call("publish", { channel: "a", payload: name });
    assert.equal((await reader.next()).value!.payload, name);
    assert.equal(bus.location, `${home.path}/db/messaging.db`);
    assert.ok(Deno.statSync(home.database).size > 0, name);
    assert.deepEqual(
      [...Deno.readDirSync(home.root)].map((entry) => entry.name),
      [name],
    );
  }
});

Deno.test("the environment selects the bus folder", async () => {
  await using home = new Home();
  const base = {
    DENO_DIR: denoDir(),
    HOME: `${home.root}/user`,
    MBUS_HOME: "",
    CODITECT_HOME: "",
    XDG_STATE_HOME: "",
    MBUS_URL: "",
  };
  const cases: [Record<string, string>, string][] = [
    [{}, `${home.root}/user/.local/state/message-bus`],
    [{ XDG_STATE_HOME: `${home.root}/xdg` }, `${home.root}/xdg/message-bus`],
    [
      { CODITECT_HOME: `${home.root}/co`, XDG_STATE_HOME: "/nowhere" },
      `${home.root}/co/message-bus`,
    ],
    [
      { MBUS_HOME: `${home.root}/own/`, CODITECT_HOME: "/nowhere" },
      `${home.root}/own`,
    ],
    // As its specification demands.
    [
      { XDG_STATE_HOME: "relative" },
      `${home.root}/user/.local/state/message-bus`,
    ],
    [
      { XDG_STATE_HOME: "~/state" },
      `${home.root}/user/.local/state/message-bus`,
    ],
    [
      { MBUS_URL: `sqlite://${home.root}/by-url`, MBUS_HOME: "/nowhere" },
      `${home.root}/by-url`,
    ],
  ];
  for (const [env, folder] of cases) {
    const peer = home.spawn({ env: { ...base, ...env }, cwd: home.root });
    await peer.call("open", { project: null });
    assert.equal(await peer.call("location"), `${folder}/db/messaging.db`);
    assert.ok(Deno.statSync(`${folder}/db/messaging.db`).isFile);
    await peer.end();
  }
  const lost = home.spawn({ env: { ...base, HOME: "" } });
  await assert.rejects(lost.call("open", {}), {
    type: "InvalidInputError",
    message: /Set MBUS_HOME/,
  });
});

const RELATIVE: readonly [Record<string, string>, RegExp][] = [
  [{ MBUS_HOME: "bus" }, /MBUS_HOME="bus" .+relative path.+absolute path/],
  [{ MBUS_HOME: "./bus" }, /MBUS_HOME="\.\/bus"/],
  [{ CODITECT_HOME: "co" }, /CODITECT_HOME="co"/],
  [{ MBUS_HOME: "~" }, /MBUS_HOME="~" .+replaces "~".+ Write (\/\S+)\/user\b/],
  [{ MBUS_HOME: "~/bus" }, /MBUS_HOME="~\/bus" .+ Write (\/\S+)\/user\/bus\b/],
  [{ CODITECT_HOME: "~/co" }, / Write (\/\S+)\/user\/co\b/],
  [{ MBUS_HOME: "~ann/bus" }, /replaces "~".+ Write an absolute path/],
  [{ HOME: "user" }, /HOME="user"/],
];

Deno.test("every way in refuses a relative bus folder of the environment", async () => {
  for (const [variables, message] of RELATIVE) {
    await using mbus = new Mbus();
    const env = {
      HOME: `${mbus.folder}/user`,
      MBUS_HOME: undefined,
      ...variables,
    };
    const cwd = `${mbus.folder}/project`;
    for (const [way, args, input] of COMMANDS) {
      const { code, stdout, stderr } = await mbus.run(args, {
        input,
        env,
        cwd,
      });
      if (way === "hook") {
        // The agent goes on, and there is no folder for a log.
        assert.deepEqual([code, stdout], [0, ""]);
        assert.match(stderr, message);
      } else if (way === "doctor") {
        assert.equal(code, 3);
        assert.match(stdout.replaceAll(/\s*→ w/g, ". W"), message);
      } else {
        assert.equal(code, 2, `${way}: ${stdout}${stderr}`);
        assert.match(stderr, message);
      }
    }
    assert.deepEqual([...Deno.readDirSync(cwd)], []);
    assert.deepEqual([...Deno.readDirSync(mbus.folder)].length, 2);
  }
});

Deno.test("the library refuses a relative bus folder of the environment", async () => {
  await using home = new Home();
  for (const [variables, message] of RELATIVE) {
    const env = {
      DENO_DIR: denoDir(),
      HOME: `${home.root}/user`,
      MBUS_HOME: "",
      CODITECT_HOME: "",
      XDG_STATE_HOME: "",
      ...variables,
    };
    const peer = home.spawn({ env, cwd: home.root });
    await assert.rejects(peer.call("open", {}), {
      type: "InvalidInputError",
      message,
    });
  }
  for (const path of ["~", "~/bus"]) {
    await assert.rejects(home.open({ home: path }), {
      field: "home",
      message: /only a shell replaces "~"/,
    });
  }
  assert.throws(() => getMessagingDbPath("~/bus"), { field: "home" });
  await assert.rejects(openBus("sqlite:///~/bus"), {
    field: "url",
    message: /Write sqlite:\/\/\/.+\/bus\./,
  });
  assert.deepEqual([...Deno.readDirSync(home.root)], []);
});

Deno.test("a relative XDG_STATE_HOME is told, once", async () => {
  await using mbus = new Mbus();
  const env = { MBUS_HOME: undefined, XDG_STATE_HOME: "state" };
  const told =
    /XDG_STATE_HOME="state" is ignored.+ is in \/.+\/home\/\.local\/state/;
  const sent = await mbus.run(["send", "state", "1"], { env });
  assert.equal(sent.code, 0);
  assert.match(sent.stderr, told);
  assert.equal(sent.stderr.trimEnd().split("\n").length, 1);
  const { code, stdout } = await mbus.run(["doctor"], { env });
  assert.equal(code, 0);
  assert.match(stdout, /^warn +folder +XDG_STATE_HOME="state" is ignored/m);
  const absolute = await mbus.run(["send", "state", "1"], {
    env: { ...env, XDG_STATE_HOME: `${mbus.folder}/state` },
  });
  assert.deepEqual([absolute.code, absolute.stderr], [0, ""]);
});

Deno.test("a URL selects the bus folder", async () => {
  await using home = new Home("a b");
  const path = home.path.replace(" ", "%20");
  for (const url of [`sqlite://${path}`, `sqlite://${home.path}`]) {
    await using bus = await openBus(url);
    assert.equal(bus.location, home.database);
  }
  const wrong = [
    "nonsense",
    "sqlite:///",
    "sqlite:relative",
    "sqlite://host/folder",
    `sqlite://${path}?mode=memory`,
    `sqlite://${path}#part`,
    "sqlite:///%zz",
    "sqlite:///a%00b",
    "mysql://user:secret@host/db",
  ];
  for (const url of wrong) {
    await assert.rejects(openBus(url), (error: Error) => {
      assert.equal(error.name, "InvalidInputError", url);
      assert.doesNotMatch(error.message, /secret/);
      return true;
    });
  }
  assert.equal(getMessagingDbPath("/srv/bus/"), "/srv/bus/db/messaging.db");
  for (const home of ["", "a\0b"]) {
    await assert.rejects(openBus({ home }), { field: "home" });
  }
});

Deno.test("invalid options are rejected before a file is created", async () => {
  await using home = new Home();
  const wrong = {
    pollIntervalMs: [0, 60_001, NaN],
    busyTimeoutMs: [-1, 600_001],
    heartbeatIntervalMs: [0, 99],
    notify: ["push"],
    synchronous: ["off"],
    driver: ["better"],
    session: ["", "a b", "a\n"],
    vendor: ["", "a b"],
  };
  for (const [field, values] of Object.entries(wrong)) {
    for (const value of values) {
      await assert.rejects(home.open({ [field]: value }), {
        name: "InvalidInputError",
        field,
      });
    }
  }
  const peer = home.spawn({ env: { MBUS_SESSION: "a b" } });
  await assert.rejects(peer.call("open", { home: home.path }), {
    type: "InvalidInputError",
  });
  const driver = home.spawn({ env: { MBUS_SQLITE_DRIVER: "better" } });
  await assert.rejects(driver.call("open", { home: home.path }), {
    type: "InvalidInputError",
    message: /"node" or "ffi"/,
  });
  assert.deepEqual([...Deno.readDirSync(home.root)], []);
});
