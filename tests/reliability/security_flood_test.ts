/**
 * A session that floods the bus meets the limits, and the others lose nothing.
 * (Sizes of payloads: payload_test; messages of a channel: retention_test;
 * locks: locks_test.)
 */

import assert from "node:assert/strict";
import type { Message } from "../../mod.ts";
import { respondToCall } from "../../lib/hooks/respond.ts";
import { HookLog } from "../../lib/hooks/hook_log.ts";
import { AGENTS } from "../../lib/hooks/agents/agents.ts";
import { Home, numbers, until } from "../fixture.ts";

const CAP = 500;

Deno.test("publish() rejects with RateLimitError for a flooding process alone", async () => {
  await using home = new Home();
  const options = { channelMessagesMax: CAP, pollIntervalMs: 20 };
  const flooder = await home.start({ ...options, publishesPerSecondMax: 100 });
  const others = await Promise.all(
    numbers(0, 3).map(() => home.start(options)),
  );
  for (const [i, peer] of others.entries()) {
    await peer.call("subscribe", {
      name: "s",
      channels: "calm",
      durable: `d${i}`,
      ack: true,
    });
  }
  const flooding = flooder.call<{ count: number; error: { type: string } }>(
    "fill",
    { channel: "flood", payload: "x".repeat(1_000), max: 1_000_000 },
  );
  const calm: string[] = [];
  for (let i = 0; i < 60; i++) {
    const payload = `m${i}`;
    await others[i % 3].call("publish", { channel: "calm", payload });
    calm.push(payload);
  }
  const { count, error } = await flooding;
  assert.equal(error.type, "RateLimitError");
  // The burst, and the rate during it.
  assert.ok(count >= 1_000 && count < 5_000, String(count));
  for (const peer of others) {
    const seen = await peer.wait<Message>("s", calm.length);
    assert.deepEqual(seen.map(({ payload }) => payload), calm);
    assert.deepEqual(peer.seen("s.lost"), []);
  }
  await others[0].call("purge");
  const kept = await others[0].call<Message[]>("poll", {
    channels: ["flood"],
    limit: 10_000,
  });
  assert.ok(kept.length <= CAP, String(kept.length));
});

Deno.test("a reader loses nothing while another program floods the bus with rows", async () => {
  await using home = new Home();
  const bus = await home.open({ channelMessagesMax: CAP });
  const reader = bus.subscribe("calm", { durable: "d" });
  await reader.ready;
  const other = home.foreign();
  const flood = (channel: string, rows: number) =>
    other.exec(`INSERT INTO inter_session_messages(sender_id, channel, payload)
      WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n
        WHERE i < ${rows})
      SELECT 'flooder', '${channel}', i FROM n`);
  const calm: string[] = [];
  for (let round = 0; round < 5; round++) {
    flood("flood", 4_000);
    const payload = `m${round}`;
    await bus.publish("calm", payload, { ttlSeconds: 3_600 });
    calm.push(payload);
  }
  for (const payload of calm) {
    const { value } = await reader.next();
    assert.equal(value!.payload, payload);
    await reader.ack(value!);
  }
  assert.equal(reader.lost, 0);
  await bus.purge();
  const { channels } = await bus.stats();
  const kept = channels.find(({ channel }) => channel === "flood")!.messages;
  assert.ok(kept <= CAP, String(kept));
  await until("the file to shrink", async () => {
    await bus.publish("calm", "more");
    return (await bus.stats()).storeBytes < 2 << 20;
  });
});

Deno.test("a hook tells a flood of messages to a model in small parts", async () => {
  await using home = new Home();
  const bus = await home.open({ session: "flooder" });
  const victim = await home.start({ session: "victim" });
  await victim.call("register", {});
  for (let i = 0; i < 10; i++) {
    await bus.publishMany(
      numbers(0, 100).map((n) => ({
        channel: "chat",
        payload: `${i} ${n} ${"look here ".repeat(200)}`,
        to: "victim",
        ttlSeconds: 3_600,
      })),
    );
  }
  await victim.end();
  const agent = AGENTS.claude;
  const event = agent.parse({
    session_id: "victim",
    transcript_path: "/nowhere",
    cwd: home.root,
    hook_event_name: "UserPromptSubmit",
    prompt: "go on",
  }, () => undefined);
  let shown = 0;
  for (let call = 0; call < 3; call++) {
    const outputs: string[] = [];
    await respondToCall({
      agent,
      event,
      home: home.path,
      db: undefined,
      below: undefined,
      ends: false,
      log: new HookLog(home.path, "claude"),
      write: (output) => outputs.push(output),
    });
    const text = outputs.join("");
    if (text === "") continue;
    const { additionalContext } = JSON.parse(text).hookSpecificOutput;
    assert.ok(new TextEncoder().encode(additionalContext).length <= 4_096);
    assert.match(additionalContext, /more waiting, read with `mbus inbox`\]$/);
    shown++;
  }
  assert.ok(shown > 0);
});
