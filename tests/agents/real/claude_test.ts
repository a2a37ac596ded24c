/**
 * Claude Code works beside another session.
 *
 * @module
 */

import { STORY } from "./claude_story.ts";
import { testRealAgent } from "./real_agent.ts";

await testRealAgent(STORY);
