/**
 * Several tasks from standard input, one a line: a title, or a JSON object with the
 * fields of a new task (JSON Lines).
 *
 * @module
 */

import type { NewTask } from "../model/task.ts";
import { UsageError } from "./arguments.ts";

/**
 * Returns the tasks of a text, without its empty lines.
 *
 * @param defaults Fields of each task that its line does not set.
 * @throws {UsageError} If no line has a task, or a line is not valid JSON.
 */
export function tasksIn(
  text: string,
  defaults: Partial<NewTask>,
): { readonly line: number; readonly task: NewTask }[] {
  const tasks = text.split("\n").flatMap((written, at) => {
    const title = written.trim();
    const line = at + 1;
    if (title === "") return [];
    const fields = title.startsWith("{") ? fieldsOf(title, line) : { title };
    return [{ line, task: { ...defaults, ...fields } as NewTask }];
  });
  if (tasks.length > 0) return tasks;
  throw new UsageError(
    "TITLE",
    "Cannot post tasks: standard input is empty. Pipe one title or JSON " +
      "object a line.",
  );
}

function fieldsOf(json: string, line: number): Partial<NewTask> {
  try {
    return JSON.parse(json);
  } catch {
    throw lineError(line, "It is not a JSON object. Check its quotes.");
  }
}

/** Returns the error for a line; `cause` is a sentence with the remedy. */
export function lineError(line: number, cause: string): UsageError {
  return new UsageError(
    "TITLE",
    `Cannot post tasks: line ${line} is not a task, so none is posted. ${cause}`,
  );
}
