/**
 * Waking an idle Claude Code: only a direct message ends the waiting hook with 2.
 *
 * @module
 */

import assert from "node:assert/strict";
import { claude } from "../../lib/hooks/agents/claude.ts";
import { claudeConfig } from "../../lib/install/agents/claude.ts";
import { respondToInput } from "../../lib/hooks/hook.ts";
import { readHookLog } from "../../lib/hooks/hook_log.ts";
import { waitForMessage } from "../../lib/hooks/wake/wake_on_message.ts";
import { openBus } from "../../mod.ts";
import { Mbus } from "../cli/mbus.ts";
import { inputOf, type Point } from "./calls.ts";

/** A folder with a bus, and the hooks of session "ada" in it. */
class Idle implements Disposable {
  readonly folder = Deno.realPathSync(
    Deno.makeTempDirSync({ prefix: "mbus-wake-" }),
  );
  readonly home = `${this.folder}/bus`;
  readonly said: string[] = [];

  input(point: Point, agentId?: string): string {
    const call = { point, session: "ada", cwd: this.folder, agentId };
    return JSON.stringify(inputOf("claude", call));
  }

  async hook(point: Point): Promise<void> {
    await respondToInput(
      "claude",
      { read: () => this.input(point), write: () => {} },
      { home: this.home },
    );
  }

  waits(text: string = this.input("stop")): Promise<number> {
    return waitForMessage(claude, {
      home: this.home,
      lookMs: 5,
      read: () => text,
      say: (words) => void this.said.push(words),
    });
  }

  [Symbol.dispose](): void {
    Deno.removeSync(this.folder, { recursive: true });
  }
}

Deno.test("a message wakes an idle session once, with its text", async () => {
  using idle = new Idle();
  await idle.hook("start");
  await idle.hook("stop");
  const woken = idle.waits();
  await using bus = await openBus({
    home: idle.home,
    session: "bob",
    project: null,
  });
  const { id } = await bus.publish("chat", "hello ada", { to: "ada" });
  assert.equal(await woken, 2);
  assert.equal(idle.said.length, 1);
  assert.match(idle.said[0], /^\[message-bus\] .*\n\[.* from bob,.*\n\| hello/);
  assert.equal((await bus.delivery(id))?.state, "injected");
  // At the next turn's end there is no message: the hook waits until work begins.
  await idle.hook("stop");
  const waits = idle.waits();
  await idle.hook("prompt");
  assert.equal(await waits, 0);
  assert.equal(idle.said.length, 1);
});

Deno.test("the hook does not wait for an active, ended or already waiting session", async () => {
  using idle = new Idle();
  await idle.hook("start");
  assert.equal(await idle.waits(), 0, "it never got idle");
  await idle.hook("stop");
  const first = idle.waits();
  const second = idle.waits();
  assert.equal(await first, 0, "the later one waits in its place");
  await idle.hook("end");
  assert.equal(await second, 0);
  assert.equal(await idle.waits(), 0);
  for (const text of ["", "{}", idle.input("stop", "sub"), idle.input("end")]) {
    assert.equal(await idle.waits(text), 0, text);
  }
  assert.deepEqual(idle.said, []);
  assert.equal(readHookLog(idle.home, 10).length, 1);
});

Deno.test("a message that could not be written is told again", async () => {
  using idle = new Idle();
  await idle.hook("start");
  await idle.hook("stop");
  await using bus = await openBus({
    home: idle.home,
    session: "bob",
    project: null,
  });
  const { id } = await bus.publish("chat", "hello ada", { to: "ada" });
  const code = await waitForMessage(claude, {
    home: idle.home,
    lookMs: 5,
    read: () => idle.input("stop"),
    say: () => {
      throw new Deno.errors.BrokenPipe("Broken pipe (os error 32)");
    },
  });
  assert.equal(code, 0);
  assert.equal((await bus.delivery(id))?.state, "queued");
});

Deno.test("the installed command wakes by exit code and standard error", async () => {
  await using mbus = new Mbus();
  const cwd = `${mbus.folder}/project`;
  const input = (point: Point) =>
    JSON.stringify(inputOf("claude", { point, session: "ada", cwd }));
  const env = { MBUS_SESSION: undefined };
  await mbus.done(["hook", "claude"], { input: input("start"), env });
  await mbus.done(["hook", "claude"], { input: input("stop"), env });
  await mbus.done(["send", "chat", '"hello ada"', "--to", "ada"]);
  const { code, stdout, stderr } = await mbus.run(["hook", "claude", "wake"], {
    input: input("stop"),
    env,
  });
  assert.deepEqual({ code, stdout }, { code: 2, stdout: "" });
  assert.match(stderr, /\n\| hello ada\n/);
});

Deno.test("the hook that wakes is installed on request, stays, and is uninstalled with the rest", () => {
  const place = { home: "/home/dev", project: "/p", env: () => undefined };
  const [plain] = claudeConfig.files("user", place);
  const [waking] = claudeConfig.files("user", place, { wake: true });
  const without = plain.install(undefined);
  assert.ok(!without.includes("asyncRewake"));
  const text = waking.install(without);
  assert.equal(waking.install(text), text);
  assert.deepEqual(JSON.parse(text).hooks.Stop, [{
    hooks: [
      JSON.parse(without).hooks.Stop[0].hooks[0],
      {
        type: "command",
        command: 'set -- mbus hook claude wake; [ -z "$ZSH_VERSION" ] || ' +
          'setopt posixbuiltins; command . "/${XDG_DATA_HOME:-' +
          '$HOME/.local/share}/message-bus/hook.sh" 2>/dev/null; ' +
          'if command -v "$1" >/dev/null 2>&1; then exec "$@"; ' +
          "else exec 3<&0; while read -r _; do :; done <&3 3<&- >/dev/null 2>&1 & :; fi",
        asyncRewake: true,
        timeout: 43_200,
      },
    ],
  }]);
  assert.equal(plain.install(text), text, "an update leaves it in");
  assert.equal(plain.status(text), "current");
  assert.equal(waking.status(without), "outdated");
  assert.equal(plain.uninstall(text), undefined);
  const own = '{\n  // mine\n  "hooks": { "Stop": [] },\n}\n';
  assert.equal(plain.uninstall(waking.install(own)), own);
});
