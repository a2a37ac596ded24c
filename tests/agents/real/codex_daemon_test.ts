/**
 * Codex without options, as a person starts it. Two windows whose threads run
 * in one daemon are two sessions, each on the bus of its window. A session
 * lives as long as its window or its turn.
 *
 * @module
 */

import assert from "node:assert/strict";
import { addUnloadDelay } from "../../../lib/install/agents/codex.ts";
import { openBus, type Session } from "../../../mod.ts";
import { until } from "../../fixture.ts";
import { CodexWindows, kill, type Window } from "./codex_windows.ts";
import { findProgram, type Program } from "./program.ts";
import { Workplace } from "./workplace.ts";

const NAME = "the real codex registers each window of its daemon as a session";
const program = await findProgram("codex");
const missing = "missing" in program
  ? program.missing
  : await hasTmux()
  ? undefined
  : "tmux is not installed";
if (missing !== undefined || "missing" in program) {
  Deno.test.ignore(`${NAME} (${missing})`, () => {});
} else {
  Deno.test(NAME, (t) => runWindows(t, program));
}

// Below the minute after which Codex unloads an idle thread.
const SOON_MS = 20_000;

async function runWindows(
  t: Deno.TestContext,
  program: Program,
): Promise<void> {
  await using place = await Workplace.make();
  const project = Deno.realPathSync(place.project);
  const [busA, busB] = ["busA", "busB"].map((name) => `${place.root}/${name}`);
  await using windows = await CodexWindows.open(place, program, [project]);
  await using a = await openBus({ home: busA, session: "a", project: null });
  await using b = await openBus({ home: busB, session: "b", project: null });
  // Codex runs a login shell, which resets the PATH.
  const mbus = `${place.root}/bin/mbus`;
  const path = (name: string) => `${project}/${name}`;
  const ofCodex = async (bus: typeof a): Promise<Session[]> => {
    const all = await bus.sessions.list({ allProjects: true });
    return all.filter(({ vendor }) => vendor === "codex");
  };
  const open = (home: string, args: readonly string[] = []): Promise<Window> =>
    windows.start({
      cwd: project,
      // The daemon keeps the first window's variables, which are wrong for the
      // second.
      env: { MBUS_HOME: home, MBUS_SESSION: home === busA ? "alpha" : "beta" },
      args,
    });
  const holdsSoon = async (bus: typeof a, name: string): Promise<void> => {
    try {
      await until(`${name} is held`, async () => {
        const holds = await bus.locks.list({ allProjects: true });
        return holds.some((hold) => hold.path === path(name));
      });
    } catch (cause) {
      throw new Error(`${name} is not held:\n${await windows.screens()}`, {
        cause,
      });
    }
  };
  const idles = async (bus: typeof a): Promise<void> => {
    await until("the turn has ended", async () => {
      const sessions = await ofCodex(bus);
      return sessions.length > 0 &&
        sessions.every(({ status }) => status === "idle");
    });
  };
  const exclusive = { type: "exclusive", waitMs: SOON_MS } as const;

  const first = await open(busA);
  const second = await open(busB);

  await t.step("each window is one session, on its own bus", async () => {
    await windows.type(first, `RUN=${mbus} lock a.md --exclusive`);
    await windows.type(second, `RUN=${mbus} lock a.md --exclusive`);
    await holdsSoon(a, "a.md");
    await holdsSoon(b, "a.md");
    for (const [bus, window] of [[a, first], [b, second]] as const) {
      const sessions = await ofCodex(bus);
      assert.equal(sessions.length, 1, JSON.stringify(sessions));
      const [session] = sessions;
      assert.equal(session.pid, window.pid);
      assert.notEqual(session.pid, windows.daemon());
      assert.match(session.tty ?? "", /^pts\//);
      assert.equal(session.keeper?.codex?.daemon.pid, windows.daemon());
      const [hold] = await bus.locks.list({ allProjects: true });
      assert.equal(hold.session, session.id);
    }
    await idles(a);
    await idles(b);
  });

  await t.step("doctor warns that the daemon uses another bus", async () => {
    const { stdout } = await new Deno.Command(mbus, {
      args: ["doctor", "--json", "--home", busB],
      env: windows.env(),
      clearEnv: true,
    }).output();
    const findings = new TextDecoder().decode(stdout).trim().split("\n")
      .map((line) => JSON.parse(line))
      .filter(({ check }) => check === "codex");
    assert.equal(findings.length, 1);
    assert.equal(findings[0].status, "warn");
    assert.ok(findings[0].message.includes(`MBUS_HOME=${busA}, the window of`));
    assert.ok(findings[0].message.includes(`(pid ${second.pid} on pts/`));
  });

  await t.step("a stopped window keeps its locks", async () => {
    kill(second.pid, "SIGSTOP");
    assert.equal(
      await b.locks.tryAcquire(path("a.md"), { type: "exclusive" }),
      undefined,
    );
    kill(second.pid, "SIGCONT");
  });

  await t.step(
    "a killed idle window loses its locks",
    async () => {
      const taken = a.locks.acquire(path("a.md"), exclusive);
      kill(first.pid, "SIGKILL");
      await (await taken).release();
      assert.deepEqual(await ofCodex(a), []);
    },
  );

  await t.step(
    "a killed window loses its locks when its turn ends",
    async () => {
      const end = path("end");
      const third = await open(busA);
      await windows.type(
        third,
        `RUN=${mbus} lock b.md --exclusive && timeout 5 tail -f /dev/null; touch ${end}`,
      );
      await holdsSoon(a, "b.md");
      const taken = a.locks.acquire(path("b.md"), exclusive);
      kill(third.pid, "SIGKILL");
      const lock = await taken;
      assert.ok(Deno.statSync(end).isFile);
      await lock.release();
    },
  );

  await t.step(
    "a killed window loses its locks after an interrupted turn",
    async () => {
      const fourth = await open(busA);
      await windows.type(
        fourth,
        `RUN=${mbus} lock c.md --exclusive && timeout 60 tail -f /dev/null`,
      );
      await holdsSoon(a, "c.md");
      await windows.tmux(["send-keys", "-t", fourth.pane, "Escape"]);
      await until(
        "the turn is interrupted",
        async () => /interrupted/i.test(await windows.screen(fourth)),
      );
      const [session] = await ofCodex(a);
      // Codex calls no hook for an interrupt.
      assert.equal(session.status, "active");
      const taken = a.locks.acquire(path("c.md"), exclusive);
      kill(fourth.pid, "SIGKILL");
      await (await taken).release();
    },
  );

  await t.step(
    "a session survives /clear and a restart of the daemon",
    async () => {
      await windows.type(second, "/clear");
      await until(
        "the thread is cleared",
        async () => !/^› RUN=/m.test(await windows.screen(second)),
      );
      // Codex drops text typed while the new thread starts.
      await new Promise((resolve) => setTimeout(resolve, 1_500));
      await windows.type(second, `RUN=${mbus} lock d.md --exclusive`);
      await holdsSoon(b, "d.md");
      const [hold] = (await b.locks.list({ allProjects: true }))
        .filter((hold) => hold.path === path("d.md"));
      const daemon = windows.daemon();
      await idles(b);
      await windows.run(["app-server", "daemon", "restart"], project);
      await until("the daemon is replaced", () => windows.daemon() !== daemon);
      await windows.type(second, `RUN=${mbus} lock e.md --exclusive`);
      await holdsSoon(b, "e.md");
      const sessions = await ofCodex(b);
      const now = sessions.find(({ id }) => id === hold.session);
      assert.equal(now?.pid, second.pid, JSON.stringify(sessions));
      assert.equal(now?.keeper?.codex?.daemon.pid, windows.daemon());
      assert.ok(!sessions.some(({ id }) => id.includes("~")));
    },
  );

  await t.step(
    "Codex unloads a killed window's thread at once without a delay",
    async () => {
      const config = `${windows.codexHome}/config.toml`;
      const text = await Deno.readTextFile(config);
      await Deno.writeTextFile(config, addUnloadDelay(text, config));
      const [idle, busy] = [await open(busA), await open(busA)];
      await windows.type(idle, `RUN=${mbus} lock g.md --exclusive`);
      await holdsSoon(a, "g.md");
      await idles(a);
      const end = path("end-2");
      await windows.type(
        busy,
        `RUN=${mbus} lock h.md --exclusive && timeout 5 tail -f /dev/null; touch ${end}`,
      );
      await holdsSoon(a, "h.md");
      const [first, second] = ["g.md", "h.md"].map((name) =>
        a.locks.acquire(path(name), exclusive)
      );
      kill(idle.pid, "SIGKILL");
      kill(busy.pid, "SIGKILL");
      await (await first).release();
      await (await second).release();
      assert.ok(Deno.statSync(end).isFile);
      await Deno.writeTextFile(config, text);
    },
  );

  await t.step("a window without a daemon is its own process", async () => {
    for (const args of [["--no-daemon"], ["-c", "x=y"]]) {
      const own = await open(busA, args);
      await windows.type(own, `RUN=${mbus} lock f.md --exclusive`);
      await holdsSoon(a, "f.md");
      const sessions = await ofCodex(a);
      const [session] = sessions;
      // The process itself has the session's variables.
      assert.deepEqual(sessions.map(({ id, pid }) => [id, pid]), [
        ["alpha", own.pid],
      ]);
      assert.equal(session.keeper, undefined);
      const taken = a.locks.acquire(path("f.md"), exclusive);
      kill(own.pid, "SIGKILL");
      await (await taken).release();
    }
  });

  await t.step("hooks log no error", async () => {
    for (const bus of [busA, busB]) {
      assert.equal(await readIfThere(`${bus}/hooks.log`), "");
    }
  });
}

async function readIfThere(path: string): Promise<string> {
  try {
    return await Deno.readTextFile(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return "";
    throw error;
  }
}

async function hasTmux(): Promise<boolean> {
  try {
    return (await new Deno.Command("tmux", { args: ["-V"] }).output()).success;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
