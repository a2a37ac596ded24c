/**
 * Each item is told once, however the hooks of a session overlap.
 *
 * @module
 */

import assert from "node:assert/strict";
import type { HookEvent } from "../../lib/hooks/agents/agent.ts";
import type { HookContext } from "../../lib/hooks/hook_context.ts";
import { withPendingContext } from "../../lib/hooks/pending_context.ts";
import { DEFAULT_POLICY } from "../../lib/hooks/policy.ts";
import { openOperations } from "../../lib/store/open.ts";
import { resolveOptions } from "../../lib/bus/options.ts";
import type { Session } from "../../lib/model/session.ts";
import type { Operations } from "../../lib/bus/operations.ts";
import { Home } from "../fixture.ts";

const EVENT: HookEvent = {
  kind: "prompt",
  agent: "copilot",
  event: "userPromptSubmitted",
  sessionId: "agent",
  cwd: "/",
  isRepeatPrompt: false,
};
const TOLD = { reason: false, context: true, continueWith: false };

function contextOf(store: Operations, session: Session): HookContext {
  return {
    actingFor: [],
    event: EVENT,
    session,
    wiring: "claude",
    store,
    policy: () => DEFAULT_POLICY,
    nowMs: Date.now(),
    tells: { context: true, continueWith: false },
    log: () => {},
  };
}

/** Returns the store with its first note paused: it signals and waits. */
function paused(
  store: Operations,
  asked: () => void,
  goOn: Promise<void>,
): Operations {
  return new Proxy(store, {
    get(target, name) {
      if (name === "noteActivity") {
        return async (...args: Parameters<Operations["noteActivity"]>) => {
          asked();
          await goOn;
          return await target.noteActivity(...args);
        };
      }
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}

Deno.test("an item is told once, even by a late hook that read it earlier", async () => {
  await using home = new Home();
  const ada = await home.open({ session: "ada" });
  await using store = await openOperations(resolveOptions({ home: home.path }));
  const session = await store.registerSession({
    id: "agent",
    vendor: "copilot",
    project: null,
  });
  const { id } = await ada.publish("chat", "hello", { to: "agent" });

  const asked = Promise.withResolvers<void>();
  const goOn = Promise.withResolvers<void>();
  const slow = paused(store, asked.resolve, goOn.promise);
  const late = withPendingContext(contextOf(slow, session));
  await asked.promise;

  const result = await withPendingContext(contextOf(store, session));
  assert.ok("context" in result.decision);
  await result.onDelivered(TOLD);
  assert.equal((await ada.delivery(id))?.state, "injected");

  goOn.resolve();
  assert.deepEqual((await late).decision, { verdict: "allow" });
});
