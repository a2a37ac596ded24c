import assert from "node:assert/strict";
import type { Claim } from "../../mod.ts";
import { numbers, until, within } from "../fixture.ts";
import { Database } from "./database.ts";
import { availability, serverOfFile } from "./server.ts";

const server = await serverOfFile();
const { ignore } = availability;

/** A file to which each process appends lines. */
class Journal implements Disposable {
  readonly path = Deno.makeTempFileSync({ prefix: "mbus-journal-" });

  lines(): string[] {
    return Deno.readTextFileSync(this.path).split("\n")
      .filter((line) => line !== "");
  }

  [Symbol.dispose](): void {
    Deno.removeSync(this.path);
  }
}

Deno.test({
  name: "competing processes hold a file one at a time, in spite of SIGKILLs",
  ignore,
  async fn() {
    await using database = await Database.create(server);
    using journal = new Journal();
    const bus = await database.open();
    const peers = await Promise.all(
      numbers(0, 6).map((i) => database.start({ session: `p${i}` })),
    );
    const rounds = peers.map((peer) =>
      peer.call("lockRounds", {
        path: "/shared/a",
        rounds: 25,
        journal: journal.path,
      })
    );
    rounds.forEach((each) => each.catch(() => {}));
    for (const victim of peers.slice(0, 3)) {
      const before = journal.lines().length;
      await until("progress", () => journal.lines().length > before + 10);
      await victim.kill();
    }
    await within("the live processes", Promise.all(rounds.slice(3)));
    let holder = "";
    let last = 0;
    let held = 0;
    for (const line of journal.lines()) {
      const [act, session, token] = line.split(" ");
      if (act === "+") {
        held++;
        // The holder before has released it or was killed.
        assert.ok(holder === "" || /^p[012]$/.test(holder), line);
        assert.ok(Number(token) > last, line);
        [holder, last] = [session, Number(token)];
      } else {
        assert.equal(holder, session);
        holder = "";
      }
    }
    assert.ok(held >= 75, `${held} rounds`);
    assert.deepEqual(await bus.locks.list({ allProjects: true }), []);
  },
});

Deno.test({
  name: "one of many concurrent claims gets a task",
  ignore,
  async fn() {
    await using database = await Database.create(server);
    const bus = await database.open();
    const peers = await Promise.all(
      numbers(0, 6).map(() => database.start()),
    );
    for (const round of numbers(0, 10)) {
      const id = `T-${round}`;
      await bus.tasks.post({ id, title: "t" });
      const claims = await Promise.allSettled(
        peers.map((peer) => peer.call<Claim>("claim", { id })),
      );
      const won = claims.filter(({ status }) => status === "fulfilled");
      assert.equal(won.length, 1);
      for (const claim of claims) {
        if (claim.status === "rejected") {
          assert.equal(claim.reason.type, "TaskStateError");
        }
      }
    }
  },
});

Deno.test({
  name: "processes complete a hundred tasks once each, in spite of SIGKILLs",
  ignore,
  async fn() {
    await using database = await Database.create(server);
    using journal = new Journal();
    const bus = await database.open({ session: "poster" });
    const tasks = 100;
    await bus.batch((b) => {
      for (const i of numbers(0, tasks)) {
        // Some depend on another task.
        const dependsOn = i % 10 === 9 ? [`T-${i - 1}`] : [];
        b.post({ id: `T-${i}`, title: "t", dependsOn });
      }
    });
    const peers = await Promise.all(
      numbers(0, 8).map((i) => database.start({ session: `p${i}` })),
    );
    const works = peers.map((peer) =>
      peer.call("work", { journal: journal.path })
    );
    works.forEach((each) => each.catch(() => {}));
    for (const victim of peers.slice(0, 3)) {
      const before = journal.lines().length;
      await until("progress", () => journal.lines().length >= before + 5);
      await victim.kill();
    }
    await within("the live processes", Promise.all(works.slice(3)));
    const done = await bus.tasks.list();
    assert.deepEqual(
      [done.length, done.filter(({ status }) => status === "done").length],
      [tasks, tasks],
    );
    const said = journal.lines().map((line) => line.split(" ")[0]);
    assert.equal(new Set(said).size, said.length, "a task was done twice");
    // A killed process may have done a task without completing it.
    assert.ok(said.length >= tasks - 3, `${said.length} were said`);
  },
});

Deno.test({
  name: "each of many concurrent registrations of one id is an incarnation",
  ignore,
  async fn() {
    await using database = await Database.create(server);
    await database.open();
    const peers = await Promise.all(
      numbers(0, 6).map(() => database.start({ session: "me" })),
    );
    await Promise.all(peers.map((peer) => peer.call("register")));
    const ids = await Promise.all(
      peers.map((peer) => peer.call<string>("session")),
    );
    assert.deepEqual(
      ids.toSorted(),
      ["me", "me~2", "me~3", "me~4", "me~5", "me~6"],
    );
  },
});
