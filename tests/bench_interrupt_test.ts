import assert from "node:assert/strict";
import { until } from "./waiting.ts";

/**
 * Interrupts a benchmark, whose processes have a mark. Returns its exit code.
 */
async function interrupted(
  task: string,
  step: RegExp,
  signal: Deno.Signal,
): Promise<number> {
  const mark = crypto.randomUUID();
  const temporary = await Deno.makeTempDir({ prefix: "mbus-test-" });
  await Deno.chmod(temporary, 0o711);
  const run = new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "--quiet",
      "--no-check",
      "--allow-all",
      MAIN,
      task,
      "--quick",
    ],
    env: { MBUS_TEST_MARK: mark, TMPDIR: temporary },
    stdin: "null",
    stdout: "null",
    stderr: "piped",
  }).spawn();
  try {
    // During the run, when its sessions have started.
    for await (const text of run.stderr.pipeThrough(new TextDecoderStream())) {
      if (!step.test(text)) continue;
      await until("the benchmark has sessions", () => marked(mark).length > 2);
      run.kill(signal);
    }
    const { code } = await run.status;
    await until("all processes have ended", () => marked(mark).length === 0);
    if (signal !== "SIGKILL") {
      assert.deepEqual([...Deno.readDirSync(temporary)], []);
    }
    return code;
  } finally {
    await Deno.remove(temporary, { recursive: true });
  }
}

const MAIN = new URL("../bench/main.ts", import.meta.url).pathname;

/** Returns the processes with a mark. */
function marked(mark: string): number[] {
  const pids: number[] = [];
  for (const { name } of Deno.readDirSync("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    try {
      const environment = Deno.readTextFileSync(`/proc/${name}/environ`);
      if (environment.includes(mark)) pids.push(Number(name));
    } catch {
      // The process has ended, or belongs to another user.
    }
  }
  return pids;
}

const options = { ignore: Deno.build.os !== "linux" };

Deno.test(
  "an interrupted benchmark leaves nothing behind",
  options,
  async () => {
    assert.equal(await interrupted("gate", /round 1/, "SIGINT"), 130);
    assert.equal(await interrupted("matrix", /kill -9: Redis/, "SIGTERM"), 130);
  },
);

Deno.test(
  "a killed benchmark leaves no process behind",
  options,
  async () => {
    await interrupted("gate", /round 1/, "SIGKILL");
    await interrupted("matrix", /kill -9: Redis/, "SIGKILL");
  },
);
