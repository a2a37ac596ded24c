import assert from "node:assert/strict";
import { getMessagingDbPath, openBus } from "../mod.ts";
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
    [{ MBUS_HOME: "relative/bus" }, `${home.root}/relative/bus`],
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
