/** Commands whose act is committed, and in which a later step fails. */

import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { type Ended, Mbus } from "./cli/mbus.ts";
import { canInject, unlessInjects } from "./reliability/faults_injection.ts";

/** Returns the number of messages on a channel. */
function countOn(mbus: Mbus, channel: string): number {
  using database = new DatabaseSync(mbus.database, { timeout: 5_000 });
  const row = database.prepare(
    "SELECT count(*) AS n FROM inter_session_messages WHERE channel = ?",
  ).get(channel)!;
  return Number(row.n);
}

/** Makes a purge step due, which has messages to delete. */
async function makePurgeDue(mbus: Mbus): Promise<void> {
  await mbus.done(["send", "old", "1", "--ttl", "1ms"]);
  using database = new DatabaseSync(mbus.database, { timeout: 5_000 });
  database.exec("UPDATE counters SET value = 0 WHERE name = 'purged_at'");
}

/** Fails unless the exit code says whether the message is stored. */
function assertTold(
  { code, stdout, stderr }: Ended,
  stored: number,
  where: string,
): void {
  const told = `${where}: ${stderr}`;
  assert.doesNotMatch(stderr, /Internal error/, told);
  if (stored === 0) {
    assert.notEqual(code, 0, told);
    assert.equal(stdout, "", told);
  } else {
    assert.equal(code, 0, told);
    assert.match(stdout, /^\d+\n$/, told);
  }
}

Deno.test({
  name: "send tells what happened to its message as descriptors run out",
  ignore: Deno.build.os === "windows",
  async fn() {
    await using mbus = new Mbus();
    await mbus.done(["send", "kept", "0"]);
    let refusals = 0;
    for (let limit = 8; limit < 64; limit++) {
      await makePurgeDue(mbus);
      const before = countOn(mbus, "kept");
      const ended = await mbus.run(["send", "kept", "1"], {
        through: ["sh", "-c", `ulimit -n ${limit}; exec "$@"`, "sh"],
      });
      const stored = countOn(mbus, "kept") - before;
      assertTold(ended, stored, `${limit} descriptors`);
      if (/^mbus: Cannot .+too many files are open/.test(ended.stderr)) {
        refusals++;
      }
      if (stored > 0 && ended.stderr === "") return;
    }
    assert.fail(`never enough descriptors, ${refusals} refusals`);
  },
});

/** A command under strace. Its write number `when` to the database and all later ones fail. */
function writing(mbus: Mbus, log: string, when?: number): readonly string[] {
  const file = Deno.realPathSync(mbus.database);
  return ["strace", "-f", "-qq", "-o", log].concat(
    ["", "-wal", "-shm"].flatMap((end) => ["-P", file + end]),
    ["-e", "trace=pwrite64"],
    when === undefined
      ? []
      : ["-e", `inject=pwrite64:error=ENOSPC:when=${when}+`],
  );
}

Deno.test({
  name:
    `send succeeds with a warning if the disk is full for its purge${unlessInjects}`,
  ignore: !canInject,
  async fn() {
    await using mbus = new Mbus();
    await mbus.done(["send", "kept", "0"]);
    const log = `${mbus.folder}/strace`;
    await makePurgeDue(mbus);
    await mbus.done(["send", "kept", "1"], { through: writing(mbus, log) });
    const writes = Deno.readTextFileSync(log).match(/pwrite64\(/g)!.length;
    let warned = 0;
    for (const when of [writes - 1, writes]) {
      await makePurgeDue(mbus);
      const before = countOn(mbus, "kept");
      const ended = await mbus.run(["send", "kept", "1"], {
        through: writing(mbus, log, when),
      });
      assertTold(ended, countOn(mbus, "kept") - before, `write ${when}`);
      if (/^mbus: Cannot purge: no space is left/.test(ended.stderr)) warned++;
    }
    assert.ok(warned > 0, "no purge has failed");
  },
});

Deno.test({
  name: "a command whose result cannot be printed says to check the bus",
  ignore: Deno.build.os !== "linux",
  async fn() {
    await using mbus = new Mbus();
    const through = ["sh", "-c", 'exec "$@" > /dev/full', "sh"];
    for (const command of [["send", "kept", "1"], ["lock", "a.ts"]]) {
      const { code, stderr } = await mbus.run(command, { through });
      assert.equal(code, 3);
      assert.match(
        stderr,
        /^mbus: Cannot print the result: .+No space left.+ check the bus .+\n$/,
      );
    }
    assert.equal(countOn(mbus, "kept"), 1);
    assert.equal((await mbus.json(["locks"])).length, 1);
  },
});
