/**
 * Tasks as lines for people.
 *
 * @module
 */

import type { Task } from "../../model/task.ts";
import { ageOf, expiryOf } from "./hold_lines.ts";
import { printJson, printLine } from "./output.ts";
import { type Cell, tableLines } from "./table.ts";
import type { Paint } from "./terminal.ts";
import { visible, visibleJson } from "./visible_text.ts";

/** Prints a changed task: `verb`, such as `Claimed`, with its id and title. */
export function printTask(task: Task, verb: string, json: boolean): void {
  if (json) printJson(task);
  else printLine(visible(`${verb} ${task.id}: ${task.title}`));
}

/** Prints a claimed task, with its payload, its token and its lease. */
export function printClaim(task: Task, verb: string, json: boolean): void {
  printTask(task, verb, json);
  if (json) return;
  if (task.payload !== null) printLine(`  ${visibleJson(task.payload)}`);
  printLine(
    `  token ${task.token}, claim expires ${expiryOf(leaseOf(task))}`,
  );
}

/** Returns tasks as the lines of a table, each session as `shown` returns it. */
export function taskTable(
  tasks: readonly Task[],
  shown: (session: string) => string,
): string[] {
  return tableLines(COLUMNS, tasks.map((task) => row(task, shown)));
}

/** Returns all fields of a task, as lines, each session as `shown` returns it. */
export function taskLines(
  task: Task,
  shown: (session: string) => string,
): string[] {
  const rows: [string, string | undefined][] = [
    ["task", task.id],
    ["title", task.title],
    ["status", wordFor(task)[0]],
    ["kind", task.kind],
    ["priority", String(task.priority)],
    ["depends on", task.dependsOn.join(", ") || undefined],
    ["posted", `${ageOf(task.postedAt)} ago by ${shown(task.postedBy)}`],
    ["changed", `${ageOf(task.changedAt)} ago`],
    ["assigned to", task.assignedTo && shown(task.assignedTo)],
    ["session", task.session && shown(task.session)],
    ["agent", task.agent],
    ["token", task.token === undefined ? undefined : String(task.token)],
    [
      "lease ends",
      task.leaseExpiresAt === undefined ? undefined : expiryOf(leaseOf(task)),
    ],
    ["attempts", String(task.attempts)],
    ["payload", task.payload === null ? undefined : json(task.payload)],
    ["result", task.result === undefined ? undefined : json(task.result)],
    ["project", task.project],
  ];
  return tableLines(
    [{}, { isProse: true }],
    rows.flatMap(([name, value]): Cell[][] =>
      value === undefined
        ? []
        : [[{ text: name, paint: "bold" }, { text: value }]]
    ),
  );
}

const COLUMNS = [
  { heading: "TASK" },
  { heading: "STATUS" },
  { heading: "PRIO", align: "right" },
  { heading: "KIND" },
  { heading: "SESSION" },
  { heading: "LEASE" },
  { heading: "TRIES", align: "right" },
  { heading: "TITLE", isProse: true },
] as const;

function row(task: Task, shown: (session: string) => string): Cell[] {
  const [word, paint] = wordFor(task);
  const holder = task.session ?? task.assignedTo;
  return [
    { text: task.id },
    { text: word, paint },
    { text: String(task.priority) },
    { text: task.kind ?? "-" },
    { text: holder === undefined ? "-" : shown(holder) },
    {
      text: task.leaseExpiresAt === undefined ? "-" : expiryOf(leaseOf(task)),
    },
    { text: String(task.attempts) },
    { text: task.title },
  ];
}

function wordFor(task: Task): [string, Paint] {
  switch (task.status) {
    case "open":
      return task.waitsFor === 0
        ? [task.assignedTo === undefined ? "open" : "assigned", "green"]
        : [`waits for ${task.waitsFor}`, "dim"];
    case "claimed":
      return ["claimed", "yellow"];
    case "failed":
      return ["failed", "red"];
    case "done":
      return ["done", "dim"];
  }
}

function leaseOf(task: Task): { expiresAt: string; overdue: boolean } {
  return { expiresAt: task.leaseExpiresAt ?? "", overdue: false };
}

function json(value: unknown): string {
  return JSON.stringify(value);
}
