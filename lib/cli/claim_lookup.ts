/**
 * Lookup of the session's claim on a task, to renew or end it.
 *
 * The caller names the task, and the claim's token is read from the store, which
 * checks it again when the claim is used. `--token` sets the token explicitly.
 *
 * @module
 */

import type { MessageBus } from "../bus/bus.ts";
import { TaskStateError } from "../model/errors.ts";
import type { Claim, Task } from "../model/task.ts";
import type { OptionDeclarations } from "./arguments.ts";

/** Option that names the token of a claim. */
export const TOKEN_OPTION = {
  token: {
    kind: "integer",
    min: 1,
    placeholder: "N",
    help: "Token that the claim must have",
    default: "any",
  },
} as const satisfies OptionDeclarations;

/**
 * Returns the session's claim on a task.
 *
 * @param act Verb for errors, such as `renew`.
 * @throws {TaskStateError} If the session has no claim on the task.
 */
export async function claimOf(
  bus: MessageBus,
  act: string,
  id: string,
  token: number | undefined,
): Promise<Claim> {
  const task = await taskOf(bus, act, id);
  const { session, status } = task;
  if (status === "done" || status === "failed") {
    throw new TaskStateError(
      act,
      id,
      status,
      `the task is ${status}`,
      `See its result (mbus task show ${id})`,
    );
  }
  if (status === "open" || session === undefined) {
    throw new TaskStateError(
      act,
      id,
      "open",
      "the task is not claimed, or its claim expired or ended with its session",
      `Claim it (mbus task claim ${id})`,
    );
  }
  if (session !== bus.session) {
    throw new TaskStateError(
      act,
      id,
      status,
      `the task is claimed by ${session}, and this session is ${bus.session}`,
      `Ask its holder, or claim another task (mbus task next)`,
    );
  }
  return { ...task, session, token: token ?? task.token! };
}

/**
 * Returns the task with this id in the project of the bus.
 *
 * @throws {TaskStateError} If it does not exist.
 */
export async function taskOf(
  bus: MessageBus,
  act: string,
  id: string,
): Promise<Task> {
  const task = await bus.tasks.get(id);
  if (task !== undefined) return task;
  throw new TaskStateError(
    act,
    id,
    "missing",
    "the task does not exist in this project",
    `Check its id (mbus task list)`,
  );
}
