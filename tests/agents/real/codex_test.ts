/**
 * Codex works beside another session.
 *
 * @module
 */

import { STORY } from "./codex_story.ts";
import { testRealAgent } from "./real_agent.ts";

await testRealAgent(STORY);
