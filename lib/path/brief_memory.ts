/**
 * A memory that forgets everything at once when it gets old.
 *
 * What is asked of the file system again and again within one command is asked
 * once; a process that runs for days still sees a folder become a repository.
 * Forgetting all together also bounds the memory: it holds what was asked
 * within {@linkcode BriefMemoryOptions.keptMs}, not all that ever was.
 *
 * @module
 */

/** How long a memory lasts. */
export interface BriefMemoryOptions {
  /**
   * Age in milliseconds, counted from the first thing remembered, at which all
   * is forgotten.
   *
   * @default {10000}
   */
  readonly keptMs?: number;
}

/** Answers by name, each found once and believed for a short time. */
export class BriefMemory<Answer> {
  readonly #answers = new Map<string, Answer>();
  readonly #keptMs: number;
  #sinceMs = 0;

  /** Makes an empty memory. */
  constructor(options: BriefMemoryOptions = {}) {
    this.#keptMs = options.keptMs ?? 10_000;
  }

  /** What is remembered under `name`; `undefined` if nothing is, or no longer. */
  get(name: string): Answer | undefined {
    if (performance.now() - this.#sinceMs > this.#keptMs) this.#answers.clear();
    return this.#answers.get(name);
  }

  /** Remembers `answer` under `name`. */
  set(name: string, answer: Answer): void {
    if (this.#answers.size === 0) this.#sinceMs = performance.now();
    this.#answers.set(name, answer);
  }
}
