/**
 * Gemini CLI works beside another session.
 *
 * @module
 */

import { STORY } from "./gemini_story.ts";
import { testRealAgent } from "./real_agent.ts";

await testRealAgent(STORY);
