/**
 * The steps of a batch as data.
 *
 * @module
 */

import type { Hold } from "./lock.ts";
import type { Appended, NewMessage } from "./message.ts";
import type { Session, SessionChange } from "./session.ts";
import type { Claim, ClaimEnd, Task, TaskPosting } from "./task.ts";

/** One step of a batch. */
export type Operation =
  | { readonly kind: "append"; readonly message: NewMessage }
  | { readonly kind: "release-lock"; readonly hold: Hold }
  | { readonly kind: "post-task"; readonly posting: TaskPosting }
  | {
    readonly kind: "end-claim";
    readonly claim: Claim;
    readonly end: ClaimEnd;
  }
  | {
    readonly kind: "update-session";
    readonly id: string;
    readonly change: SessionChange;
  };

/** Result of one step of a batch. */
export type OperationResult =
  | { readonly kind: "append"; readonly appended: Appended }
  | { readonly kind: "release-lock" }
  | { readonly kind: "post-task" | "end-claim"; readonly task: Task }
  | { readonly kind: "update-session"; readonly session: Session };
