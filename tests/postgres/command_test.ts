import assert from "node:assert/strict";
import { SCHEMA_VERSION } from "../../lib/postgres/schema_version.ts";
import { SCHEMA_VERSION as SQLITE_SCHEMA_VERSION } from "../../lib/sqlite/schema_version.ts";
import { Mbus } from "../cli/mbus.ts";
import { Database } from "./database.ts";
import { availability, serverOfFile } from "./server.ts";

const server = await serverOfFile();
const { ignore } = availability;

Deno.test({
  name: "the command uses the server of MBUS_URL, and prints no password",
  ignore,
  async fn() {
    await using database = await Database.create(server);
    await using mbus = new Mbus();
    const env = { MBUS_URL: database.url };
    const json = (...args: string[]) => mbus.json(args, { env });

    // deno-lint-ignore no-explicit-any
    const dry: any = (await json("migrate", "--dry-run"))[0];
    assert.deepEqual([dry.version, dry.pending.length], [0, SCHEMA_VERSION]);
    const [made] = await json("init");
    assert.equal(made.created, true);
    const [done] = await json("migrate");
    assert.deepEqual(done.pending, []);

    const [sent] = await json("send", "state", '{"status":"working"}');
    const [polled] = await json("poll", "state");
    assert.equal(polled.id, sent.id);
    assert.deepEqual(polled.payload, { status: "working" });

    await json("lock", "a.ts", "--exclusive");
    const [lock] = await json("locks");
    assert.equal(lock.session, "tester");
    await json("unlock", "a.ts");

    const [task] = await json("task", "post", "write tests");
    const [claim] = await json("task", "next");
    assert.equal(claim.id, task.id);
    await json("task", "done", String(task.id));

    await json("send", "chat", '"hello"', "--to", "tester");
    const [mail] = await json("inbox");
    assert.equal(mail.payload, "hello");
    const [stats] = await json("stats");
    assert.equal(stats.location, made.location);
    await json("purge");

    for (const args of [["stats"], ["doctor"], ["init"], ["migrate"]]) {
      const { stdout, stderr } = await mbus.run(args, { env });
      assert.ok(!`${stdout}${stderr}`.includes("secret"), stdout);
    }
  },
});

Deno.test({
  name: "doctor reports the state of the server, with remedies",
  ignore,
  async fn() {
    await using database = await Database.create(server);
    await using mbus = new Mbus();
    const doctor = async (url: string) => {
      const { code, stdout } = await mbus.run(["doctor", "--json"], {
        env: { MBUS_URL: url },
      });
      const findings = stdout.trim().split("\n").map((line) =>
        JSON.parse(line)
      );
      const of = (check: string) =>
        findings.find((finding) => finding.check === check);
      return { code, of };
    };
    const before = await doctor(database.url);
    assert.equal(before.code, 0);
    assert.equal(before.of("schema").status, "warn");
    assert.match(
      before.of("write").message,
      /^role "bus" locked .* rolled back/,
    );
    assert.equal((await doctor(database.url)).of("schema").status, "warn");

    const bus = await database.open();
    const messages = bus.subscribe("state");
    await messages.ready;
    const { code, of } = await doctor(database.url);
    assert.equal(code, 0);
    assert.equal(of("schema").status, "ok");
    assert.match(of("version").message, /^PostgreSQL \d+/);
    assert.match(of("write").message, /^role "bus" locked a name and sent a/);
    assert.deepEqual(await bus.sessions.list({ allProjects: true }), []);
    assert.equal((await bus.stats()).messages, 0);
    assert.equal(of("clock").status, "ok");
    assert.match(of("listeners").message, /^\d+ processes listen/);
    assert.equal(of("commits").status, "warn");
    assert.ok(of("session"));

    const wrong = await doctor(server.url({ password: "wrong" }));
    assert.equal(wrong.code, 3);
    assert.equal(wrong.of("server").status, "fail");
    assert.match(wrong.of("server").remedy, /password/);
  },
});

Deno.test("mbus hub is rejected if the bus is a file", async () => {
  await using mbus = new Mbus();
  const { code, stderr } = await mbus.run(["hub"]);
  assert.equal(code, 1);
  assert.match(stderr, /Set MBUS_URL=postgres/);
});

Deno.test("opening a file migrates its schema", async () => {
  await using mbus = new Mbus();
  const [{ version, pending }] = await mbus.json(["migrate"]);
  assert.deepEqual([version, pending], [SQLITE_SCHEMA_VERSION, []]);
});
