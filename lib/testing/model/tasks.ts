/**
 * Tasks as a model has them.
 *
 * @module
 */

/** A task. */
export interface ModelTask {
  readonly id: string;
  readonly priority: number;
  readonly needs: readonly string[];
  status: "open" | "claimed" | "done" | "failed";
  attempts: number;
  session?: string;
  expiresMs: number;
}

/** A claim: which of a task's it is. */
export interface ModelClaim {
  readonly task: ModelTask;
  readonly attempt: number;
}

/** The tasks; `say` is told what is broadcast. */
export class ModelTasks {
  readonly #tasks: ModelTask[] = [];
  readonly #say: (sender: string, event: string, task: string) => void;

  /** Makes it empty. */
  constructor(say: (sender: string, event: string, task: string) => void) {
    this.#say = say;
  }

  /** In the order in which they are claimed. */
  get all(): readonly ModelTask[] {
    // Sorting keeps the order of those that are equal.
    return this.#tasks.toSorted((a, b) => b.priority - a.priority);
  }

  /** How many tasks it waits for. */
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

  /** Opens again what nobody renewed. */
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

  /** Whether a claim is good. */
  isHeld({ task, attempt }: ModelClaim, nowMs: number): boolean {
    return task.status === "claimed" && task.attempts === attempt &&
      task.expiresMs > nowMs;
  }

  /** Ends a claim that is good. */
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

  /** Opens again what a session has claimed. */
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
