import assert from "node:assert/strict";
import { take, until, within } from "../fixture.ts";
import { Relay } from "../../lib/postgres/relay.ts";
import { Database } from "./database.ts";
import { availability, serverOfFile } from "./server.ts";

const server = await serverOfFile();
const { ignore } = availability;

// By notification alone: the first poll comes after the test.
const NO_POLL = { pollIntervalMs: 60_000 };

/** Runs `work` with a relay folder of its own. */
async function withRelayFolder(
  work: (database: Database, listeners: () => Promise<number>) => Promise<void>,
): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "mbus-hub-" });
  Deno.env.set("MBUS_HUB", folder);
  try {
    await using database = await Database.create(server);
    const watcher = database.foreign();
    await work(database, async () => {
      const [{ count }] = await watcher`
        SELECT count(*)::int FROM pg_stat_activity
        WHERE application_name = 'message-bus listener'
          AND datname = current_database()`;
      return count;
    });
  } finally {
    Deno.env.delete("MBUS_HUB");
    await Deno.remove(folder, { recursive: true });
  }
}

/** Starts a relay in this process. */
async function startRelay(database: Database): Promise<Relay> {
  return await Relay.start({
    url: database.url,
    busyTimeoutMs: 5_000,
    warn: (message) => database.warnings.push(message),
  });
}

Deno.test({
  name: "a relay notifies the sessions of its host through one listening " +
    "connection",
  ignore,
  fn: () =>
    withRelayFolder(async (database, listeners) => {
      await using _relay = await startRelay(database);
      const peers = await Promise.all(
        ["a", "b", "c"].map((session) =>
          database.start({ session, ...NO_POLL })
        ),
      );
      for (const peer of peers) {
        const mode = await peer.call("subscribe", {
          name: "s",
          channels: ["state"],
        });
        assert.equal(mode, "push");
      }
      assert.equal(await listeners(), 1);
      const bus = await database.open();
      await bus.publish("state", "to all");
      for (const peer of peers) await peer.wait("s", 1);
      assert.equal(await listeners(), 1);
    }),
});

Deno.test({
  name:
    "sessions open their own connections when the relay ends, and miss nothing",
  ignore,
  fn: () =>
    withRelayFolder(async (database, listeners) => {
      const relay = await startRelay(database);
      const bus = await database.open(NO_POLL);
      const messages = bus.subscribe("state");
      await messages.ready;
      await bus.publish("state", 1);
      await within("the first", take(messages, 1));
      await relay[Symbol.asyncDispose]();
      await until("its own connection listens", async () =>
        await listeners() === 1);
      const writer = await database.start();
      await writer.call("publish", { channel: "state", payload: 2 });
      const [two] = await within("the second", take(messages, 1));
      assert.equal(two.payload, 2);
    }),
});

Deno.test({
  name: "sessions leave a killed relay at once, and join one that starts later",
  ignore,
  fn: () =>
    withRelayFolder(async (database, listeners) => {
      const command = new Deno.Command(Deno.execPath(), {
        args: ["run", "--quiet", "--allow-all", "cli.ts", "hub", "--json"],
        env: { MBUS_URL: database.url },
        stdout: "piped",
        stderr: "inherit",
      });
      const child = command.spawn();
      const reader = child.stdout.getReader();
      const { value } = await reader.read();
      const { location, pid } = JSON.parse(new TextDecoder().decode(value));
      assert.equal(pid, child.pid);
      assert.ok(!location.includes("secret"));
      const bus = await database.open(NO_POLL);
      const messages = bus.subscribe("state");
      await messages.ready;
      assert.equal(await listeners(), 1);
      child.kill("SIGKILL");
      await child.status;
      await reader.cancel();
      await until("its own connection listens", async () => {
        return await listeners() === 1 && messages.mode === "push";
      });
      const writer = await database.start();
      await writer.call("publish", { channel: "state", payload: "pushed" });
      const [message] = await within("the message", take(messages, 1));
      assert.equal(message.payload, "pushed");

      const quick = await database.open({
        pollIntervalMs: 20,
        session: "quick",
      });
      const others = quick.subscribe("state");
      await others.ready;
      assert.equal(await listeners(), 2);
      await using relay = await startRelay(database);
      await until("it has joined", () => relay.processes === 1);
      await until("its own connection is closed", async () =>
        await listeners() === 2);
    }),
});

Deno.test({
  name: "a second relay of a host is rejected",
  ignore,
  fn: () =>
    withRelayFolder(async (database) => {
      await using _relay = await startRelay(database);
      await assert.rejects(
        startRelay(database),
        /is already the relay of this host/,
      );
    }),
});

Deno.test({
  name: "a relay is rejected if others may write to its folder",
  ignore: ignore || Deno.build.os === "windows",
  fn: () =>
    withRelayFolder(async (database) => {
      await Deno.chmod(Deno.env.get("MBUS_HUB")!, 0o777);
      await assert.rejects(startRelay(database), { fault: "ownership" });
      const bus = await database.open();
      assert.equal(await bus.subscribe("state").ready, undefined);
    }),
});
