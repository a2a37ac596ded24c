import assert from "node:assert/strict";
import { openBus } from "../../mod.ts";
import { Database } from "./database.ts";
import { availability, PgBouncer } from "./pgbouncer.ts";
import { serverOfFile } from "./server.ts";

const server = await serverOfFile();
const { ignore } = availability;

for (const mode of ["transaction", "statement"] as const) {
  Deno.test({
    name: `opening a bus fails through PgBouncer in ${mode} mode, which ` +
      `shares connections`,
    ignore,
    async fn() {
      await using pooler = await PgBouncer.start(server, mode);
      const url = await pooler.newDatabase();
      await assert.rejects(openBus({ url, project: null }), {
        name: "StoreError",
        fault: "server",
        message: "Cannot open the bus: the pooler at " +
          `postgres://127.0.0.1:${pooler.port}${
            new URL(url).pathname
          } passes ` +
          "no notifications (LISTEN), as in transaction or statement mode. Set " +
          "its pool_mode to session, or pass the address of the server itself " +
          "in MBUS_URL.",
      });
      await using client = await Database.create({
        newDatabase: () => Promise.resolve(url),
      });
      const [{ path }] = await client.foreign()`
        SELECT current_setting('search_path') AS path`;
      assert.equal(path, '"$user", public', "a shared connection was changed");
    },
  });

  Deno.test({
    name:
      `opening a bus fails through PgBouncer in ${mode} mode while another ` +
      `client uses the shared connection`,
    ignore,
    async fn() {
      await using pooler = await PgBouncer.start(server, mode);
      const url = await pooler.newDatabase();
      await using other = await Database.create({
        newDatabase: () => Promise.resolve(url),
      });
      const busy = other.foreign();
      let isOver = false;
      const working = (async () => {
        while (!isOver) await busy`SELECT pg_sleep(0.001)`;
      })();
      const opening = openBus({ url, project: null, busyTimeoutMs: 2_000 });
      await assert.rejects(opening, { name: "StoreError", fault: "server" });
      isOver = true;
      await working;
    },
  });
}

Deno.test({
  name: "through PgBouncer in session mode, settings do not stay with the " +
    "server's connection",
  ignore,
  async fn() {
    await using pooler = await PgBouncer.start(server, "session");
    await using database = await Database.create(pooler);
    const bus = await database.open({ session: "a" });
    const messages = bus.subscribe("state");
    await messages.ready;
    await bus.publish("state", 1);
    assert.equal((await messages.next()).value?.payload, 1);
    await bus.locks.acquire("/tmp/x", { type: "exclusive" });
    await bus.close();
    const [{ path }] = await database.foreign()`
      SELECT current_setting('search_path') AS path`;
    assert.equal(path, '"$user", public');
    assert.deepEqual(database.warnings, []);
  },
});
