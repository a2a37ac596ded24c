import assert from "node:assert/strict";
import fc from "fast-check";
import type { MessageBus, Subscription } from "../mod.ts";
import { Home, within } from "./fixture.ts";
import type { Peer } from "./peer.ts";

const CHANNELS = ["a", "b", "c"];

/** Act: a publish, a new reader, or a read. */
type Step =
  | { do: "publish"; by: number; channel: string; count: number }
  | { do: "read"; channels: string[] | null; from: "now" | "start" | "last" }
  | { do: "take"; reader: number }
  | { do: "tick" };

const steps = fc.array(
  fc.oneof(
    {
      weight: 5,
      arbitrary: fc.record({
        do: fc.constant("publish" as const),
        by: fc.nat(2),
        channel: fc.constantFrom(...CHANNELS),
        count: fc.integer({ min: 1, max: 4 }),
      }),
    },
    {
      weight: 2,
      arbitrary: fc.record({
        do: fc.constant("read" as const),
        channels: fc.oneof(
          fc.constant(null),
          fc.subarray(CHANNELS, { minLength: 1 }),
        ),
        from: fc.constantFrom(
          "now" as const,
          "start" as const,
          "last" as const,
        ),
      }),
    },
    {
      weight: 2,
      arbitrary: fc.record({
        do: fc.constant("take" as const),
        reader: fc.nat(),
      }),
    },
    { weight: 1, arbitrary: fc.record({ do: fc.constant("tick" as const) }) },
  ),
  { minLength: 3, maxLength: 25 },
);

interface Reader {
  readonly subscription: Subscription;
  readonly channels: readonly string[];
  /** Ids given when the reader began. */
  readonly after: number;
  /** Pending reads so far, never more than wanted messages. */
  readonly asked: Promise<string>[];
}

function ask({ subscription, asked }: Reader): void {
  asked.push(subscription.next().then(({ value }) => value?.id ?? "the end"));
}

/** Publishes from this process, by two buses, or from another process. */
async function publish(
  buses: readonly MessageBus[],
  peer: Peer,
  { by, channel, count }: Step & { do: "publish" },
): Promise<{ id: number; channel: string }[]> {
  const ids = by < buses.length
    ? await Promise.all(
      Array.from({ length: count }, () => buses[by].publish(channel, by)),
    )
    : (await peer.call<string[]>("flood", { channel, first: 0, count }))
      .map((id) => ({ id }));
  return ids.map(({ id }) => ({ id: Number(id), channel }));
}

Deno.test("every reader gets its messages once and in order after any sequence of acts", async () => {
  await using home = new Home();
  const options = { pollIntervalMs: 60_000, publishesPerSecondMax: 1e6 };
  const buses = [await home.open(options), await home.open(options)];
  const peer = await home.start(options);
  for (const bus of buses) await bus.sessions.register();
  await peer.call("register");
  // After the messages of the registrations.
  const begun = await buses[0].publish("begun", 0);
  const given = [{ id: Number(begun.id), channel: "begun" }];

  await fc.assert(
    fc.asyncProperty(steps, async (script) => {
      const first = given.length;
      const readers: Reader[] = [];
      const publishing: Promise<void>[] = [];
      for (const step of script) {
        if (step.do === "publish") {
          publishing.push(
            publish(buses, peer, step).then((ids) => void given.push(...ids)),
          );
        } else if (step.do === "read") {
          // Cursors need the ids of all earlier messages.
          await Promise.all(publishing);
          const last = Math.max(0, ...given.map(({ id }) => id));
          const begin = given[first]?.id ?? last + 1;
          const from = step.from === "start"
            ? String(begin - 1)
            : step.from === "last"
            ? String(last)
            : "now";
          const subscription = buses[readers.length % 2]
            .subscribe(step.channels, { from });
          await subscription.ready;
          readers.push({
            subscription,
            channels: step.channels ?? CHANNELS,
            after: step.from === "start" ? begin - 1 : last,
            asked: [],
          });
        } else if (step.do === "take" && readers.length > 0) {
          // Not awaited, because it may resolve much later.
          ask(readers[step.reader % readers.length]);
        } else await new Promise((resolve) => setTimeout(resolve, 0));
      }
      await Promise.all(publishing);
      for (const reader of readers) {
        const { subscription, channels, after, asked } = reader;
        const wanted = given
          .filter(({ id, channel }) => id > after && channels.includes(channel))
          .map(({ id }) => id)
          .sort((a, b) => a - b)
          .map(String);
        while (asked.length < wanted.length) ask(reader);
        const got = await within(
          "what is wanted",
          Promise.all(asked.slice(0, wanted.length)),
        );
        assert.deepEqual(got, wanted);
        await subscription.close();
      }
    }),
    // Not shrunk, because each run needs a new bus.
    { numRuns: 60, endOnFailure: true },
  );
});
