/**
 * Tasks of the model.
 *
 * @module
 */

/** Task. */
export interface ModelTask {
  readonly id: string;
  readonly priority: number;
  readonly needs: readonly string[];
  status: "open" | "claimed" | "done" | "failed";
  attempts: number;
  session?: string;
  expiresMs: number;
}

/** Claim, by its number among the claims of a task. */
export interface ModelClaim {
  readonly task: ModelTask;
  readonly attempt: number;
}

/** Tasks; `say` receives announcements. */
export class ModelTasks {
  readonly #tasks: ModelTask[] = [];
  readonly #say: (sender: string, event: string, task: string) => void;

  /** Makes an empty list. */
  constructor(say: (sender: string, event: string, task: string) => void) {
    this.#say = say;
  }

  /** Returns tasks in the order in which they are claimed. */
  get all(): readonly ModelTask[] {
    // Sorting is stable.
    return this.#tasks.toSorted((a, b) => b.priority - a.priority);
  }

  /** Returns the number of tasks that it waits for. */
  waitsFor({ needs }: ModelTask): number {
    return needs.filter((id) => this.#find(id)?.status !== "done").length;
  }

  /** Posts a task. */
  post(
    by: string,
    id: string,
    priority: number,
    needs: readonly string[],
  ): string {
    if (this.#find(id) !== undefined) return "TaskStateError";
    if (needs.some((other) => this.#find(other) === undefined)) {
      return "InvalidInputError";
    }
    this.#tasks.push({
      id,
      priority,
      needs,
      status: "open",
      attempts: 0,
      expiresMs: 0,
    });
    this.#say(by, "posted", id);
    return "posted";
  }

  /** Requeues tasks whose lease has expired. */
  look(nowMs: number): void {
    for (const task of this.#tasks) {
      if (task.status === "claimed" && task.expiresMs <= nowMs) {
        this.#reopen(task, "returned");
      }
    }
  }

  /** Claims a task, or the next one. */
  claim(
    by: string,
    id: string | null,
    lastsMs: number,
    nowMs: number,
  ): ModelClaim | "none" | "TaskStateError" {
    const free = this.all.filter((task) =>
      task.status === "open" && this.waitsFor(task) === 0
    );
    const task = id === null ? free.at(0) : free.find((each) => each.id === id);
    if (task === undefined) return id === null ? "none" : "TaskStateError";
    task.status = "claimed";
    task.session = by;
    task.attempts++;
    task.expiresMs = nowMs + lastsMs;
    this.#say(by, "claimed", task.id);
    return { task, attempt: task.attempts };
  }

  /** Returns whether a claim is valid. */
  isHeld({ task, attempt }: ModelClaim, nowMs: number): boolean {
    return task.status === "claimed" && task.attempts === attempt &&
      task.expiresMs > nowMs;
  }

  /** Ends a valid claim. */
  end({ task }: ModelClaim, status: "done" | "failed" | "open"): void {
    if (status === "open") {
      this.#reopen(task, "released");
      return;
    }
    task.status = status;
    this.#say(
      task.session!,
      status === "done" ? "completed" : "failed",
      task.id,
    );
  }

  /** Requeues the tasks of a session. */
  endSession(session: string): void {
    for (const task of this.#tasks) {
      if (task.status === "claimed" && task.session === session) {
        this.#reopen(task, "returned");
      }
    }
  }

  #find(id: string): ModelTask | undefined {
    return this.#tasks.find((task) => task.id === id);
  }

  #reopen(task: ModelTask, event: "released" | "returned"): void {
    this.#say(task.session!, event, task.id);
    task.status = "open";
    task.session = undefined;
  }
}
