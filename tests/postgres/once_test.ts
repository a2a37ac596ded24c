import assert from "node:assert/strict";
import type { Claim, MessageBus } from "../../mod.ts";
import { until } from "../fixture.ts";
import { Database } from "./database.ts";
import { type Course, Proxy } from "./proxy.ts";
import { availability, serverOfFile, withServer } from "./server.ts";

const server = await serverOfFile();
const { ignore } = availability;

const EXCLUSIVE = { type: "exclusive" } as const;

/** An operation over a connection that is cut, and the check of its result. */
interface Scenario {
  /** Runs before, without a cut. */
  readonly prepare?: (bus: MessageBus, id: string) => Promise<unknown>;
  /** Runs while the connection is cut. */
  readonly act: (bus: MessageBus, id: string) => Promise<unknown>;
  /** Throws unless it took effect exactly once; cleans up. */
  readonly check: (
    bus: MessageBus,
    id: string,
    came: unknown,
  ) => Promise<void>;
}

/** Returns the broadcast events of a task, in order. */
async function eventsOf(bus: MessageBus, task: string): Promise<unknown[]> {
  const { messages } = await bus.poll("task_broadcast", { limit: 1_000 });
  return messages.map(({ payload }) => payload as Record<string, unknown>)
    .filter((payload) => payload.task === task).map(({ event }) => event);
}

const scenarios: Record<string, Scenario> = {
  "taking a lock": {
    act: (bus, id) => bus.locks.acquire(`/${id}`, EXCLUSIVE),
    async check(bus, id) {
      const [hold, ...more] = await bus.locks.list();
      assert.deepEqual([hold.count, more], [1, []]);
      await bus.locks.release(`/${id}`);
    },
  },
  "giving a lock back": {
    prepare: (bus, id) => bus.locks.acquire(`/${id}`, EXCLUSIVE),
    async act(bus, id) {
      const lock = await bus.locks.acquire(`/${id}`, EXCLUSIVE);
      await lock.release();
    },
    async check(bus, id) {
      const [hold] = await bus.locks.list();
      assert.equal(hold.count, 1);
      await bus.locks.release(`/${id}`);
    },
  },
  "claiming the next task": {
    async prepare(bus, id) {
      await bus.tasks.post({ id, title: "t", priority: 1 });
      await bus.tasks.post({ id: `${id}-later`, title: "t" });
    },
    act: (bus) => bus.tasks.claimNext(),
    async check(bus, id, came) {
      const claim = came as Claim;
      const task = await bus.tasks.get(id);
      assert.deepEqual(
        [claim.id, claim.token, task?.token, task?.attempts],
        [id, claim.token, claim.token, 1],
      );
      assert.deepEqual(await eventsOf(bus, id), ["posted", "claimed"]);
      assert.deepEqual(await eventsOf(bus, `${id}-later`), ["posted"]);
    },
  },
  "posting and ending a task": {
    async act(bus, id) {
      await bus.tasks.post({ id, title: "t" });
      await bus.tasks.complete(await bus.tasks.claim(id), "done");
    },
    async check(bus, id) {
      assert.deepEqual(
        await eventsOf(bus, id),
        ["posted", "claimed", "completed"],
      );
    },
  },
};

const courses: readonly Course[] = ["cut-request", "cut-answer"];

for (const [what, { prepare, act, check }] of Object.entries(scenarios)) {
  Deno.test({
    name: `${what} takes effect once, wherever the connection is cut`,
    ignore,
    async fn() {
      await using proxy = new Proxy(server.port);
      await using database = await Database.create(server);
      const url = new URL(database.url);
      url.port = String(proxy.port);
      const bus = await database.open({
        url: url.href,
        notify: "poll",
        pollIntervalMs: 60_000,
        heartbeatIntervalMs: 600_000,
      });
      await bus.sessions.register();
      for (const course of courses) {
        // Until no step is left to cut.
        for (let sparing = 0, cuts = -1; cuts < proxy.cuts; sparing++) {
          ({ cuts } = proxy);
          const id = `${course}-${sparing}`;
          await prepare?.(bus, id);
          proxy.sparing = sparing;
          proxy.course = course;
          const came = await act(bus, id);
          proxy.course = "through";
          await check(bus, id, came);
        }
      }
      assert.ok(proxy.cuts > 2 * 3, `${proxy.cuts} cuts`);
    },
  });
}

Deno.test({
  name:
    "locks, claims and waiters survive a server that is killed and restarted",
  ignore,
  async fn() {
    await withServer(async (server) => {
      await using database = await Database.create(server);
      const patient = { busyTimeoutMs: 20_000 };
      const ann = await database.open({ session: "ann", ...patient });
      const bob = await database.open({ session: "bob", ...patient });
      const lock = await ann.locks.acquire("/a", EXCLUSIVE);
      await ann.tasks.post({ id: "T", title: "t" });
      const claim = await ann.tasks.claim("T");
      const waits = Promise.withResolvers<void>();
      const got = bob.locks.acquire("/a", {
        ...EXCLUSIVE,
        waitMs: 60_000,
        onWait: () => waits.resolve(),
      });
      await waits.promise;

      await server.stop("immediate");
      // The renewal starts while the server is down, and succeeds once it runs.
      const renewing = Promise.all([lock.renew(), ann.tasks.renew(claim)]);
      await server.boot();
      const [, renewed] = await renewing;
      assert.equal(renewed.token, claim.token);
      assert.deepEqual(
        (await ann.locks.list()).map(({ token }) => token),
        [lock.token],
      );
      await lock.release();
      assert.ok((await got).token > lock.token);
      await ann.tasks.complete(renewed);
      await until(
        "both to be there",
        async () => (await ann.sessions.list()).length === 2,
      );
    });
  },
});
