/**
 * Random histories: whatever sessions do, the store shows what a plain model
 * shows. A difference is shrunk to the shortest history that makes it.
 *
 * @module
 */

import assert from "node:assert/strict";
import fc from "fast-check";
import type { Cases } from "./case.ts";
import { type Command, histories as arbitrary } from "./model/command.ts";
import { Model } from "./model/model.ts";
import { Subject } from "./model/subject.ts";
import type { View } from "./model/view.ts";
import { Scene } from "./scene.ts";
import type { StoreUnderTest } from "./store_under_test.ts";

const HISTORIES = 30;
const COMMANDS_MAX = 60;

// What is tried to make a history shorter that shows a difference.
const SHRINKS_MAX = 300;

/** Adds the cases. */
export function histories(cases: Cases, store: StoreUnderTest): void {
  cases.needing("movesClock").test(
    "whatever is done, the store shows what a plain model shows",
    async () => {
      const { capabilities } = store;
      const property = fc.asyncProperty(
        arbitrary(COMMANDS_MAX, capabilities.atomicBatches),
        async (commands) => {
          await using scene = new Scene(await store.storage());
          await compare(scene, commands, capabilities.exactLossCounts);
        },
      );
      const result = await fc.check(property, {
        numRuns: store.histories ?? HISTORIES,
        ...fromEnvironment(),
      });
      if (result.failed) throw new Error(describe(result));
    },
  );
}

async function compare(
  scene: Scene,
  commands: readonly Command[],
  exactLossCounts: boolean,
): Promise<void> {
  const model = new Model();
  const subject = await Subject.on(scene);
  const seen = ({ name, ...view }: View): View => ({
    ...view,
    name: name && { ...name, lost: exactLossCounts ? name.lost : 0 },
  });
  for (const [i, command] of commands.entries()) {
    const when = `after command ${i + 1}, ${JSON.stringify(command)}`;
    const [came, should] = [await subject.do(command), model.do(command)];
    assert.equal(came, should, when);
    const [shows, shown] = [await subject.view(), model.view()];
    try {
      assert.deepEqual(seen(shows), seen(shown));
    } catch (error) {
      throw new Error(`${when}: ${(error as Error).message}`);
    }
  }
}

/** A history to run again, as a failure names it. */
function fromEnvironment(): { seed?: number; path?: string } {
  const read = (name: string) => {
    try {
      return Deno.env.get(name) || undefined;
    } catch (error) {
      if (error instanceof Deno.errors.NotCapable) return undefined;
      throw error;
    }
  };
  const [seed, path] = [read("MBUS_TEST_SEED"), read("MBUS_TEST_PATH")];
  return { ...(seed && { seed: Number(seed) }), ...(path && { path }) };
}

function describe(result: fc.RunDetails<[Command[]]>): string {
  const [commands] = result.counterexample ?? [[]];
  const { seed, counterexamplePath, numShrinks, errorInstance } = result;
  return [
    "The store and the model differ. The shortest history that shows it:",
    ...commands.map((command, i) => `  ${i + 1}. ${JSON.stringify(command)}`),
    `${(errorInstance as Error)?.message}`,
    `(found after ${result.numRuns} histories, shrunk ${numShrinks} times; ` +
    `again with MBUS_TEST_SEED=${seed} MBUS_TEST_PATH=${counterexamplePath})`,
  ].join("\n");
}
