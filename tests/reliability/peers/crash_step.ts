/**
 * A process that takes one step on a bus, and is killed at one of its system
 * calls. It records its actions (history.ts).
 *
 * @module
 */

import { CHANNELS, type CrashStep, errorText } from "../crash_workload.ts";
import { type Action, Recorder } from "../history.ts";
import { openWithNextSchema } from "../crash_schema.ts";

interface StepStart {
  readonly home: string;
  readonly history: string;
  readonly step: CrashStep;
  readonly library: string;
}

const start: StepStart = JSON.parse(Deno.args[0]);
using recorder = new Recorder(start.history);
const library: typeof import("../../../mod.ts") = await import(start.library);
const KEPT = { ttlSeconds: 24 * 60 * 60 };

function open() {
  return library.openBus({
    home: start.home,
    project: null,
    session: "stepper",
    // Nothing but the step touches the file.
    notify: "poll",
    pollIntervalMs: 60_000,
    publishesPerSecondMax: 1e6,
  });
}

/** Publishes a group of messages of `bytes` each. */
async function publish(count: number, bytes = 0): Promise<void> {
  await using bus = await open();
  const keys = Array.from({ length: count }, (_, i) => `step/${i}`);
  const messages = { channel: CHANNELS.kept, keys };
  recorder.record({ action: "publishing", ...messages, group: true });
  const published = await bus.publishMany(keys.map((key) => ({
    channel: CHANNELS.kept,
    payload: bytes === 0 ? key : { key, filling: "x".repeat(bytes) },
    ...KEPT,
  })));
  const ids = published.map(({ id }) => id);
  recorder.record({ action: "published", ...messages, ids });
}

const steps: Record<CrashStep, () => Promise<unknown>> = {
  "first open": () => publish(1),
  commit: () => publish(3),
  // More pages than the WAL may have before a checkpoint.
  checkpoint: () => publish(60, 20_000),
  async purge() {
    await using bus = await open();
    await bus.purge();
  },
  migration() {
    openWithNextSchema(start.home).close();
    return Promise.resolve();
  },
  "last close": () => publish(2),
};

try {
  await steps[start.step]();
} catch (error) {
  const failed: Action = {
    action: "failed",
    act: start.step,
    error: errorText(error),
  };
  recorder.record(failed);
}
