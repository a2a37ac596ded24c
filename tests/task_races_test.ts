import assert from "node:assert/strict";
import type { Claim } from "../mod.ts";
import { Home, numbers, until, within } from "./fixture.ts";

Deno.test("one of many processes that claim a task at once gets it", async () => {
  await using home = new Home();
  const bus = await home.open();
  const peers = await Promise.all(numbers(0, 6).map(() => home.start()));
  for (const round of numbers(0, 20)) {
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
});

Deno.test("twenty processes complete hundreds of tasks once each, despite SIGKILLs", async () => {
  await using home = new Home();
  const bus = await home.open({ session: "poster" });
  const tasks = 400;
  await bus.batch((b) => {
    for (const i of numbers(0, tasks)) {
      // Some depend on another, and are also done once each.
      const dependsOn = i % 10 === 9 ? [`T-${i - 1}`] : [];
      b.post({ id: `T-${i}`, title: "t", dependsOn });
    }
  });
  const journal = `${home.root}/journal`;
  const peers = await Promise.all(
    numbers(0, 20).map((i) => home.start({ session: `p${i}` })),
  );
  const works = peers.map((peer) => {
    const work = peer.call("work", { journal });
    work.catch(() => {});
    return work;
  });
  const lines = () => {
    try {
      return Deno.readTextFileSync(journal).split("\n").filter((l) => l !== "");
    } catch {
      return [];
    }
  };
  const doomed = peers.slice(0, 6);
  for (const victim of doomed) {
    const before = lines().length;
    await until("progress", () => lines().length >= before + 10);
    await victim.kill();
  }
  await within("the living", Promise.all(works.slice(6)));
  const done = await bus.tasks.list();
  assert.equal(done.length, tasks);
  assert.ok(done.every(({ status }) => status === "done"));
  // Each was completed only by the session that it names.
  const { messages } = await bus.poll("task_broadcast", { limit: 10_000 });
  const completed = messages
    .map(({ payload }) => payload as Record<string, string>)
    .filter(({ event }) => event === "completed");
  assert.equal(completed.length, tasks);
  assert.equal(new Set(completed.map(({ task }) => task)).size, tasks);
  const by = new Map(done.map(({ id, session }) => [id, session]));
  for (const line of lines()) {
    const [id, session] = line.split(" ");
    assert.equal(by.get(id), session);
  }
  // Only work of a killed process that was not recorded may be missing.
  assert.ok(lines().length >= tasks - doomed.length);
  assert.ok(
    peers.slice(6).filter((_, i) =>
      done.some(({ session }) => session === `p${i + 6}`)
    ).length > 1,
  );
});

Deno.test("another session completes a killed holder's task, with its attempts counted", async () => {
  await using home = new Home();
  const bus = await home.open();
  await bus.tasks.post({ id: "T", title: "t" });
  for (const round of numbers(1, 3)) {
    const peer = await home.start();
    const claim = await peer.call<Claim>("claimNext");
    assert.equal(claim.attempts, round);
    await peer.kill();
  }
  const claim = await bus.tasks.claim("T");
  assert.equal(claim.attempts, 4);
  await bus.tasks.complete(claim);
});
