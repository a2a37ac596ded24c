/**
 * The claims of a command's session: what it takes to renew or end one.
 *
 * A person names the task; which claim on it is the session's is read from the
 * store, which checks the token once more when the claim is used. With
 * `--token` the caller insists on the claim that it was given.
 *
 * @module
 */

import type { MessageBus } from "../bus/bus.ts";
import { TaskStateError } from "../model/errors.ts";
import type { Claim, Task } from "../model/task.ts";
import type { OptionDeclarations } from "./arguments.ts";

/** The option by which a caller insists on one claim. */
export const TOKEN_OPTION = {
  token: {
    kind: "integer",
    least: 1,
    placeholder: "N",
    help: "Only if it is still claimed under this token",
  },
} as const satisfies OptionDeclarations;

/**
 * The claim that the bus's session has on a task.
 *
 * @param act What is to be done with it, such as `renew`.
 * @throws {TaskStateError} If it has none.
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
      `it is ${status} already`,
      `Read its result with "mbus task show ${id}"`,
    );
  }
  if (status === "open" || session === undefined) {
    throw new TaskStateError(
      act,
      id,
      "no session has claimed it, or the claim has expired or its holder has ended",
      `Claim it (mbus task claim ${id})`,
    );
  }
  if (session !== bus.session) {
    throw new TaskStateError(
      act,
      id,
      `${session} has claimed it, and this is ${bus.session}`,
      `Ask its holder, or take another task (mbus task next)`,
    );
  }
  return { ...task, session, token: token ?? task.token! };
}

/**
 * The task with this id in the bus's project.
 *
 * @throws {TaskStateError} If there is none.
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
    "no task with that id is in this project",
    `List the tasks with "mbus task list"`,
  );
}
