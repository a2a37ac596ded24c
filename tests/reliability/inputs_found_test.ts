/**
 * Regression tests of faults that random inputs found.
 */

import assert from "node:assert/strict";
import { InvalidInputError } from "../../mod.ts";
import { Home } from "../fixture.ts";

// Rows that made every list of locks or sessions throw.
const UPDATES = [
  "UPDATE file_locks SET expires_at = 9223372036854775807",
  "UPDATE file_locks SET expires_at = 1e300",
  "UPDATE file_locks SET expires_at = x'ff'",
  "UPDATE file_locks SET expires_at = NULL",
  "UPDATE file_locks SET folds_case = 9007199254740993",
  "UPDATE file_locks SET holds = -1",
  "UPDATE file_locks SET holds = 9223372036854775807",
  "UPDATE file_locks SET waiter = 9223372036854775807",
  "UPDATE file_locks SET token = 9223372036854775807",
  "UPDATE session_registry SET ended_at = 9223372036854775807",
  "UPDATE session_registry SET ended_at = 'never'",
  `INSERT INTO file_locks(file_path, session_id, prefix, token, expires_at)
   VALUES ('/b', 'x', '/b', 7, 9223372036854775807)`,
  `INSERT INTO file_locks(file_path, session_id, folds_case)
   VALUES ('/b', 'x', 9007199254740993)`,
  `INSERT INTO session_registry(session_id, llm_vendor, heartbeat_at, ended_at)
   VALUES ('y', 'v', '', 9223372036854775807)`,
  // Rows that made an acquire of a nearby path throw.
  "UPDATE file_locks SET extent = ''",
  "UPDATE file_locks SET extent = x'ff', kind = 'glob'",
  "UPDATE file_locks SET repo_extent = '{', repo_prefix = '/', kind = 'glob'",
];

Deno.test("list() and acquire() succeed despite numbers and path sets of other programs", async () => {
  await using home = new Home();
  const bus = await home.open();
  const other = home.foreign();
  for (const sql of UPDATES) {
    await bus.locks.acquire("/a", { type: "advisory" });
    try {
      other.exec(sql);
    } catch (error) {
      // The schema may reject the row instead.
      assert.match((error as Error).message, /constraint|by the bus/);
    }
    JSON.stringify(await bus.locks.list({ allProjects: true }));
    JSON.stringify(await bus.sessions.list({ ended: true }));
    const second = await bus.locks.acquire("/a/b", { type: "advisory" });
    await second.release();
    other.exec("DELETE FROM file_locks");
  }
});

Deno.test("publish() rejects replyTo with an id before all messages", async () => {
  await using home = new Home();
  const bus = await home.open();
  for (const replyTo of ["0", "00", "-1", ""]) {
    await assert.rejects(bus.publish("a", 1, { replyTo }), InvalidInputError);
  }
  assert.equal((await bus.poll("a")).messages.length, 0);
});

Deno.test("a text with a NUL is rejected in every field that would truncate it", async () => {
  await using home = new Home();
  const bus = await home.open();
  const cut = "x\0y";
  const acts: readonly (() => Promise<unknown>)[] = [
    () => bus.publish("a", 1, { project: cut }),
    ...["model", "tty", "task", "branch", "worktree", "vendor", "project"]
      .map((field) => () => bus.sessions.register({ [field]: cut })),
    () => bus.locks.acquire("/a", { why: cut }),
    () => bus.locks.acquire("/a", { agent: cut }),
    () => bus.tasks.post({ title: cut }),
    () => bus.tasks.post({ title: "t", kind: cut }),
    () => bus.tasks.claimNext({ agent: cut }),
    ...["model", "task", "tty", "project"]
      .map((field) => () => home.open({ [field]: cut })),
  ];
  for (const act of acts) await assert.rejects(act(), InvalidInputError);
  await bus.sessions.register();
  for (const field of ["model", "task", "branch"]) {
    await assert.rejects(
      bus.sessions.update({ [field]: cut }),
      InvalidInputError,
    );
  }
  assert.equal((await bus.stats()).messages, 1, "only the join message");
  assert.deepEqual(await bus.tasks.list({ allProjects: true }), []);
});
