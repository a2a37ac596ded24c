/**
 * Sessions that live by more than a process: threads of a Codex daemon, with
 * recorded processes and files.
 *
 * @module
 */

import assert from "node:assert/strict";
import { hostId, processAlive, processStart } from "../lib/process/host.ts";
import type { Life } from "../lib/model/process.ts";
import { keeperText, parseKeeper } from "../lib/process/keeper.ts";
import type { Keeper, KeeperProcess } from "../lib/model/process.ts";
import { Home } from "./fixture.ts";

const THREAD = "019ab3c1-0000-7000-8000-00000000000a";
const GONE: KeeperProcess = { pid: 0x7fffffff, startTime: "1" };

/** This process, which is alive. */
function living(): KeeperProcess {
  return { pid: Deno.pid, startTime: processStart(Deno.pid)! };
}

/** Makes the folder of a Codex with the thread loaded or not. */
function codexHome(isLoaded: boolean): string {
  const home = Deno.makeTempDirSync({ prefix: "mbus-codex-" });
  Deno.mkdirSync(`${home}/thread-writer-locks`);
  if (isLoaded) {
    Deno.writeTextFileSync(`${home}/thread-writer-locks/${THREAD}.lock`, "");
  }
  return home;
}

/** Returns a thread of the daemon `daemon`, of a Codex in `home`. */
function keptBy(home: string, daemon: KeeperProcess): Keeper {
  return { codex: { home, id: THREAD, daemon } };
}

Deno.test({
  name: "a thread lives while its window lives, or its turn may be under way",
  ignore: Deno.build.os !== "linux",
  async fn(t) {
    await using daemon = new Deno.Command("sleep", { args: ["600"] }).spawn();
    const beside = { pid: daemon.pid, startTime: processStart(daemon.pid)! };
    const cases: readonly {
      name: string;
      window: KeeperProcess;
      daemon: KeeperProcess;
      isLoaded: boolean;
      isIdle: boolean;
      life: Life;
    }[] = [
      {
        name: "its window lives, and everything else is gone",
        window: living(),
        daemon: GONE,
        isLoaded: false,
        isIdle: true,
        life: "alive",
      },
      {
        name: "its window is gone and it is idle",
        window: GONE,
        daemon: beside,
        isLoaded: true,
        isIdle: true,
        life: "dead",
      },
      {
        name: "its window is gone in a turn",
        window: GONE,
        daemon: beside,
        isLoaded: true,
        isIdle: false,
        life: "unknown",
      },
      {
        name: "its window is gone and it was unloaded",
        window: GONE,
        daemon: beside,
        isLoaded: false,
        isIdle: false,
        life: "dead",
      },
      {
        name: "its window and its daemon are gone",
        window: GONE,
        daemon: GONE,
        isLoaded: true,
        isIdle: false,
        life: "dead",
      },
      {
        name: "its window was not found and it is loaded",
        window: beside,
        daemon: beside,
        isLoaded: true,
        isIdle: true,
        life: "alive",
      },
      {
        name: "its window was not found and it was unloaded",
        window: beside,
        daemon: beside,
        isLoaded: false,
        isIdle: false,
        life: "dead",
      },
    ];
    for (const { name, window, daemon, isLoaded, isIdle, life } of cases) {
      await t.step(`${name}: ${life}`, () => {
        const home = codexHome(isLoaded);
        const keeper = keptBy(home, daemon);
        const process = { ...window, keeper, isIdle };
        assert.equal(processAlive(process, hostId()), life);
        assert.equal(processAlive(process, "linux:elsewhere:1"), "unknown");
        Deno.removeSync(home, { recursive: true });
        // Without the folder of that Codex, a missing file proves nothing.
        const unseen = window === GONE && daemon === GONE
          ? "dead"
          : window.pid === Deno.pid
          ? "alive"
          : "unknown";
        assert.equal(processAlive(process, hostId()), unseen);
      });
    }
    daemon.kill("SIGKILL");
  },
});

Deno.test("an invalid keeper is read as undefined", () => {
  const keeper = keptBy("/home/dev/.codex", { pid: 7, startTime: "70" });
  assert.deepEqual(parseKeeper(keeperText(keeper)), keeper);
  const caller = { caller: { pid: 7, startTime: "70" } };
  assert.deepEqual(parseKeeper(keeperText(caller)), caller);
  assert.equal(keeperText(undefined), null);
  for (
    const text of [
      "",
      "{",
      "null",
      "[]",
      "7",
      "{}",
      '{"codex":{}}',
      '{"caller":{"pid":"7","startTime":"70"}}',
      // An id is used as a file name.
      '{"codex":{"home":"/","id":"../x","daemon":{"pid":7,"startTime":"1"}}}',
      '{"codex":{"home":"/","id":"x","daemon":{"pid":7}}}',
    ]
  ) {
    assert.equal(parseKeeper(text), undefined, text);
  }
  assert.equal(parseKeeper(null), undefined);
});

Deno.test({
  name: "a lock of an idle thread whose window died is free at once",
  ignore: Deno.build.os !== "linux",
  async fn() {
    await using home = new Home();
    await using pane = new Deno.Command("sleep", { args: ["600"] }).spawn();
    await using daemon = new Deno.Command("sleep", { args: ["600"] }).spawn();
    const codex = codexHome(true);
    const bus = await home.open({ session: THREAD, vendor: "codex" });
    const session = await bus.sessions.register({
      pid: pane.pid,
      processStart: processStart(pane.pid),
      keeper: keptBy(codex, {
        pid: daemon.pid,
        startTime: processStart(daemon.pid)!,
      }),
    });
    assert.equal(session.keeper?.codex?.id, THREAD);
    await bus.locks.acquire("/x/a.ts", { type: "exclusive" });
    const other = await home.open({ session: "other" });
    pane.kill("SIGKILL");
    await pane.status;
    // The turn may be under way.
    await assert.rejects(
      other.locks.acquire("/x/a.ts", { type: "exclusive" }),
      { name: "LockHeldError" },
    );
    await bus.sessions.update({ status: "idle" });
    await other.locks.acquire("/x/a.ts", { type: "exclusive" });
    const list = await other.sessions.list({ allProjects: true });
    assert.deepEqual(list.map(({ id }) => id), ["other"]);
    daemon.kill("SIGKILL");
    Deno.removeSync(codex, { recursive: true });
  },
});
