/**
 * Random histories: after any acts of sessions, a store shows what a plain model
 * shows. A difference is shrunk to the shortest history that causes it.
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

const HISTORIES = 50;
const COMMANDS_MAX = 60;

// Largest number of attempts to shorten a failing history.
const SHRINKS_MAX = 300;

/** Adds the cases. */
export function histories(cases: Cases, store: StoreUnderTest): void {
  const timed = cases.needing("movesClock");
  timed.test("a store shows what a plain model shows after any history", async () => {
    const { capabilities } = store;
    let shrinksLeft = Infinity;
    const property = fc.asyncProperty(
      arbitrary(COMMANDS_MAX, capabilities.atomicBatches),
      async (commands) => {
        if (shrinksLeft-- <= 0) return;
        await using scene = new Scene(await store.storage(), store.operations);
        try {
          await compare(scene, commands, capabilities.exactLossCounts);
        } catch (error) {
          shrinksLeft = Math.min(shrinksLeft, SHRINKS_MAX);
          throw error;
        }
      },
    );
    const result = await fc.check(property, {
      numRuns: store.histories ?? HISTORIES,
      ...fromEnvironment(),
    });
    if (result.failed) throw new Error(describe(result));
  });
}

/** Difference of a store and the model after a number of commands. */
class Difference extends Error {
  readonly commands: number;

  constructor(commands: number, how: string) {
    super(how);
    this.commands = commands;
  }
}

/** Fails if a store and the model differ in a history. */
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
    const [came, should] = [await subject.do(command), model.do(command)];
    if (came !== should) {
      throw new Difference(
        i + 1,
        `The last came to "${came}", not "${should}"`,
      );
    }
    const [shows, shown] = [seen(await subject.view()), seen(model.view())];
    try {
      assert.deepEqual(shows, shown);
    } catch (error) {
      throw new Difference(i + 1, (error as Error).message);
    }
  }
}

/** Returns a history to run again, as a failure names it. */
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
  const { seed, counterexamplePath, errorInstance } = result;
  const [history] = result.counterexample ?? [[]];
  // Commands after the difference are irrelevant.
  const commands = errorInstance instanceof Difference
    ? history.slice(0, errorInstance.commands)
    : history;
  return [
    "The store and the model differ after these commands:",
    ...commands.map((command, i) => `  ${i + 1}. ${JSON.stringify(command)}`),
    String((errorInstance as Error)?.message),
    `To run it again: MBUS_TEST_SEED=${seed} ` +
    `MBUS_TEST_PATH=${counterexamplePath}`,
  ].join("\n");
}
