/**
 * No value becomes part of SQL or of a shell command: each comes back
 * unchanged, and has no other effect.
 */

import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import type { Json } from "../../mod.ts";
import { Mbus } from "../cli/mbus.ts";
import { Home } from "../fixture.ts";
import { LONG } from "./seed.ts";

// An injection drops a table, creates a file, or breaks the SQL.
const VALUES: readonly string[] = [
  `'; DROP TABLE inter_session_messages; --`,
  `"; DROP TABLE session_registry; --`,
  `' OR '1'='1`,
  `x' || (SELECT payload FROM inter_session_messages) || 'x`,
  "`touch pwned`",
  "$(touch pwned)",
  "; touch pwned #",
  "' ; touch pwned ; '",
  "| touch pwned",
  "&& touch pwned",
  "> pwned",
  "\\'; touch pwned; \\'",
  "%",
  "_",
  "*",
  "?1",
  ":a",
  "@a",
  "$a",
];

const MARK = "zq7marked";

/** All SQL of this process until disposal. */
class Recording implements Disposable {
  readonly texts = new Set<string>();
  readonly #prepare = DatabaseSync.prototype.prepare;
  readonly #exec = DatabaseSync.prototype.exec;

  constructor() {
    const { texts } = this;
    const [prepare, exec] = [this.#prepare, this.#exec];
    DatabaseSync.prototype.prepare = function (sql, ...rest) {
      texts.add(sql);
      return prepare.call(this, sql, ...rest);
    };
    DatabaseSync.prototype.exec = function (sql) {
      texts.add(sql);
      exec.call(this, sql);
    };
  }

  [Symbol.dispose](): void {
    DatabaseSync.prototype.prepare = this.#prepare;
    DatabaseSync.prototype.exec = this.#exec;
  }
}

Deno.test("values come back unchanged and never become part of SQL", async () => {
  await using home = new Home();
  using recording = new Recording();
  const bus = await home.open({ session: `${MARK}-me`, vendor: MARK });
  for (const [i, plain] of VALUES.entries()) {
    const value = `${MARK}${plain}`;
    const payload: Json = { [value]: [value] };
    await bus.sessions.register({
      model: value,
      tty: value,
      task: value,
      branch: value,
      worktree: value,
      project: value,
    });
    const me = (await bus.sessions.list({ allProjects: true }))[0];
    const values = [
      me.model,
      me.tty,
      me.task,
      me.branch,
      me.worktree,
      me.project,
    ];
    assert.deepEqual(values, values.map(() => value));
    await bus.sessions.update({ model: value, activeFiles: [value] });

    const channel = `${MARK}-${i}`;
    const reader = bus.subscribe(channel, {
      durable: `${MARK}-${i}`,
      allProjects: true,
    });
    await reader.ready;
    await bus.publish(channel, payload, { project: value });
    await bus.publishMany([{ channel, payload, project: value }]);
    for (let n = 0; n < 2; n++) {
      const { value: message } = await reader.next();
      assert.deepEqual(message!.payload, payload);
      assert.equal(message!.project, value);
      await reader.ack(message!);
    }
    await reader.close();

    const id = `${MARK}-task-${i}`;
    await bus.tasks.post({ id, title: value, kind: value, payload });
    const claim = await bus.tasks.claimNext({
      filter: { kind: value },
      agent: value,
    });
    assert.equal(claim!.id, id);
    assert.deepEqual(claim!.payload, payload);
    await bus.tasks.complete(claim!, payload);

    const path = `${home.root}/${value.replaceAll("/", "")}`;
    const lock = await bus.locks.acquire(path, {
      type: "exclusive",
      why: value,
      agent: value,
    });
    const [hold] = await bus.locks.holders(path);
    assert.deepEqual([hold.why, hold.agent], [value, value]);
    await lock.release();
  }
  await bus.purge();
  await bus.stats();
  assert.ok(recording.texts.size > 50);
  for (const sql of recording.texts) assert.ok(!sql.includes(MARK), sql);
});

Deno.test("a command's values never reach a shell", async () => {
  await using mbus = new Mbus();
  const cwd = `${mbus.folder}/project`;
  // Six processes per value, so only the long form tries the values for SQL.
  const values = VALUES.filter((value) => LONG || value.includes("pwned"));
  for (const value of values) {
    const text = JSON.stringify(value);
    const calls = await Promise.all([
      mbus.run(["send", "a", text], { cwd }),
      mbus.run(["lock", `./${value}`, "--why", value], { cwd }),
      mbus.run(["task", "post", value, "--kind", value], { cwd }),
      mbus.run(["register", "--vendor", "v", "--task", value], { cwd }),
      mbus.run(["with-lock", "x", "--", "echo", value], { cwd }),
      mbus.run(["send", value, "1", "--to", value, "--session", value], {
        cwd,
      }),
    ]);
    for (const { code, stderr } of calls) {
      assert.ok([0, 1, 2].includes(code), `${value}: ${stderr}`);
    }
    assert.equal(calls[4].stdout, `${value}\n`);
  }
  const names = [...Deno.readDirSync(cwd)].map(({ name }) => name);
  assert.deepEqual(names, []);
  const polled = await mbus.json(["poll", "a", "--limit", "100"], { cwd });
  assert.deepEqual(
    polled.map(({ payload }) => payload).sort(),
    [...values].sort(),
  );
  const titles = (await mbus.json(["task", "list"], { cwd }))
    .map(({ title }) => title);
  assert.deepEqual(titles.sort(), [...values].sort());
});
