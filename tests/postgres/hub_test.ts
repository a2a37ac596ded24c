import assert from "node:assert/strict";
import { take, until, within } from "../fixture.ts";
import { Hub } from "../../lib/postgres/hub.ts";
import { Database } from "./database.ts";
import { availability, serverOfFile } from "./server.ts";

const server = await serverOfFile();
const { ignore } = availability;

// By push alone: no poll finds what was not rung.
const NO_POLL = { pollIntervalMs: 60_000 };

/** Runs `work` with a hub folder of its own. */
async function withHubFolder(
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

/** Starts a hub in this process. */
async function startHub(database: Database): Promise<Hub> {
  return await Hub.start({
    url: database.url,
    busyTimeoutMs: 5_000,
    warn: (message) => database.warnings.push(message),
  });
}

Deno.test({
  name: "sessions that find a hub are pushed to by it, with one listening " +
    "connection for all",
  ignore,
  fn: () =>
    withHubFolder(async (database, listeners) => {
      await using _hub = await startHub(database);
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
    "when the hub ends its sessions listen for themselves, and miss nothing",
  ignore,
  fn: () =>
    withHubFolder(async (database, listeners) => {
      const hub = await startHub(database);
      const bus = await database.open(NO_POLL);
      const messages = bus.subscribe("state");
      await messages.ready;
      await bus.publish("state", 1);
      await within("the first", take(messages, 1));
      await hub[Symbol.asyncDispose]();
      await until("it listens for itself", async () => await listeners() === 1);
      const writer = await database.start();
      await writer.call("publish", { channel: "state", payload: 2 });
      const [two] = await within("the second", take(messages, 1));
      assert.equal(two.payload, 2);
    }),
});

Deno.test({
  name: "a hub that is killed is lost at once, and one that comes is joined",
  ignore,
  fn: () =>
    withHubFolder(async (database, listeners) => {
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
      await until("it listens for itself", async () => {
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
      await using hub = await startHub(database);
      await until("it has joined", () => hub.sessions === 1);
      await until("it listens no more", async () => await listeners() === 2);
    }),
});

Deno.test({
  name: "a second hub of a host is refused",
  ignore,
  fn: () =>
    withHubFolder(async (database) => {
      await using _hub = await startHub(database);
      await assert.rejects(startHub(database), /is that of this host/);
    }),
});

Deno.test({
  name: "a hub whose folder others may write is refused",
  ignore: ignore || Deno.build.os === "windows",
  fn: () =>
    withHubFolder(async (database) => {
      await Deno.chmod(Deno.env.get("MBUS_HUB")!, 0o777);
      await assert.rejects(startHub(database), { fault: "ownership" });
      const bus = await database.open();
      assert.equal(await bus.subscribe("state").ready, undefined);
    }),
});
