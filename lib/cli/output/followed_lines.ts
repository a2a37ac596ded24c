/**
 * Followed channels as lines for people and as JSON.
 *
 * @module
 */

import type { FollowedChannel } from "../../model/session.ts";
import { printJson, printLine } from "./output.ts";
import { visible } from "./visible_text.ts";

/** Prints followed channels, one a line. */
export function printFollowed(
  channels: readonly FollowedChannel[],
  json: boolean,
): void {
  if (json) channels.forEach(printJson);
  else if (channels.length === 0) printLine("No followed channels.");
  else channels.forEach(({ channel }) => printLine(visible(channel)));
}
