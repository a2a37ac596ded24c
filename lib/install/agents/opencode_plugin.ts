/**
 * The text of our opencode plugin.
 *
 * opencode loads the plugin into its own process, Bun or Node, so it uses only
 * what both have. It opens no database. For each relevant event it spawns
 * `mbus hook opencode`, with a timeout. Without `mbus`, or after the timeout,
 * opencode goes on. One default export serves both generations: 1.x calls
 * `server`, 2.x calls `setup`.
 *
 * `hooks/agents/opencode.ts` describes its messages. It sends no prompt and no
 * file content except a patch's text, which contains the paths.
 *
 * @module
 */

import { FRAME_MARK } from "../../hooks/frame.ts";
import { READ_FIELDS } from "../../hooks/agents/tool.ts";
import { TIMEOUT_SECONDS } from "./config.ts";

/** The plugin's first line, which marks it as ours. */
export const PLUGIN_MARK =
  "// message-bus: written by `mbus install opencode`; edits here get lost.";

/**
 * Makes the plugin.
 *
 * @returns The text of a JavaScript module.
 */
export function opencodePlugin(): string {
  return `${PLUGIN_MARK}
// Passes opencode's events to \`mbus hook opencode\` and acts on the response.
import { spawn } from "node:child_process";

const TIMEOUT_MS = ${TIMEOUT_SECONDS * 1000};
const FRAME_MARK = ${JSON.stringify(FRAME_MARK)};
const FIELDS = new Set(${JSON.stringify(READ_FIELDS)});
${PLUGIN_BODY}`;
}

const PLUGIN_BODY = `const OUTPUT_CHARS_MAX = 1048576;
const SESSIONS_MAX = 1000;
const TEXT_CHARS_MAX = 4096;
const LIST_MAX = 10001;
const OWN = new Set(["write", "edit", "multiedit", "apply_patch", "patch",
  "bash", "shell", "powershell", "read"]);
const LOOKS = new Set(["glob", "grep", "list", "lsp", "webfetch", "websearch",
  "codesearch", "todowrite", "todoread", "task", "skill", "question"]);
const LONG = new Set(["command", "cmd", "script", "patchText"]);
const parents = new Map();

function ask(record) {
  return new Promise((resolve) => {
    let output = "";
    let child;
    try {
      child = spawn("mbus", ["hook", "opencode"], {
        stdio: ["pipe", "pipe", "ignore"],
      });
    } catch {
      return resolve({});
    }
    const timer = setTimeout(() => {
      child.kill("SIGKILL");
      child.stdout.destroy();
      resolve({});
    }, TIMEOUT_MS);
    child.on("error", () => {
      clearTimeout(timer);
      resolve({});
    });
    child.on("close", () => {
      clearTimeout(timer);
      try {
        const answer = JSON.parse(output);
        resolve(typeof answer === "object" && answer !== null ? answer : {});
      } catch {
        resolve({});
      }
    });
    child.stdout.setEncoding("utf8");
    child.stdout.on("data", (text) => {
      if (output.length < OUTPUT_CHARS_MAX) output += text;
    });
    child.stdin.on("error", () => {});
    child.stdin.end(JSON.stringify(record));
  });
}

function withParent(sessionID, record) {
  const parentID = parents.get(sessionID);
  return parentID === undefined ? record : { ...record, parentID };
}

function isKept(name, value) {
  if (!FIELDS.has(name)) return false;
  if (typeof value === "boolean") return true;
  if (typeof value !== "string") return false;
  return LONG.has(name) || value.length <= TEXT_CHARS_MAX ||
    value.includes("*** ");
}

function argumentsOf(args, isNested = false) {
  const kept = {};
  if (typeof args !== "object" || args === null) return kept;
  for (const [name, value] of Object.entries(args)) {
    if (isKept(name, value)) kept[name] = value;
    else if (Array.isArray(value)) {
      const list = value.slice(0, LIST_MAX).map((each) =>
        isKept(name, each) || isNested ? each : argumentsOf(each, true)
      ).filter((each) =>
        typeof each === "string"
          ? isKept(name, each)
          : typeof each === "object" && Object.keys(each ?? {}).length > 0
      );
      if (list.length > 0) kept[name] = list;
    } else if (typeof value === "object" && !isNested) {
      const inner = argumentsOf(value, true);
      if (Object.keys(inner).length > 0) kept[name] = inner;
    }
  }
  return kept;
}

function concerns(tool, kept) {
  if (OWN.has(tool)) return true;
  return !LOOKS.has(tool) && Object.keys(kept).length > 0;
}

function isOwnText(parts) {
  return parts.some((part) => String(part?.text ?? "").includes(FRAME_MARK));
}

// Without its terminal interface opencode shows nothing: not a failure.
async function show(client, message) {
  try {
    await client?.tui?.showToast?.({ body: { message, variant: "warning" } });
  } catch {}
}

async function before(client, cwd, { tool, sessionID, callID }, args) {
  const kept = argumentsOf(args);
  if (tool === "read" || !concerns(tool, kept)) return;
  const answer = await ask(withParent(sessionID, {
    ev: "tool.execute.before",
    cwd,
    input: { tool, sessionID, callID },
    output: { args: kept },
  }));
  if (typeof answer.deny !== "string") return;
  if (typeof answer.notice === "string") void show(client, answer.notice);
  throw new Error(answer.deny);
}

async function after(cwd, { tool, sessionID, callID }, args, exit) {
  const kept = argumentsOf(args);
  if (!concerns(tool, kept)) return undefined;
  const answer = await ask(withParent(sessionID, {
    ev: "tool.execute.after",
    cwd,
    input: { tool, sessionID, callID, args: kept },
    output: { metadata: { exit } },
  }));
  return typeof answer.context === "string" ? answer.context : undefined;
}

async function prompt(cwd, sessionID, model, isRepeatPrompt) {
  const answer = await ask(withParent(sessionID, {
    ev: "chat.message",
    cwd,
    input: { sessionID },
    output: { message: { model } },
    isRepeatPrompt,
  }));
  return typeof answer.context === "string" ? answer.context : undefined;
}

async function happened(client, cwd, { type, properties }) {
  const info = properties?.info ?? {};
  const sessionID = properties?.sessionID ?? info.id;
  if (type === "session.created" && info.parentID !== undefined) {
    if (parents.size >= SESSIONS_MAX) {
      parents.delete(parents.keys().next().value);
    }
    parents.set(sessionID, info.parentID);
  }
  const answer = await ask(withParent(sessionID, {
    ev: "event",
    type,
    cwd,
    properties: {
      sessionID,
      info: { id: info.id, parentID: info.parentID, directory: info.directory },
      permission: properties?.permission ?? properties?.type,
    },
  }));
  if (type === "session.deleted") parents.delete(sessionID);
  if (typeof answer.continueWith !== "string") return;
  await client?.session?.prompt?.({
    path: { id: sessionID },
    body: { parts: [{ type: "text", text: answer.continueWith }] },
  });
}

const EVENTS = new Set(["session.created", "session.idle", "session.deleted",
  "permission.asked", "permission.updated", "permission.replied",
  "question.asked", "question.replied", "question.rejected"]);

async function server({ client, directory }) {
  const cwd = directory ?? process.cwd();
  return {
    "tool.execute.before": (input, output) => before(client, cwd, input, output.args),
    "tool.execute.after": async (input, output) => {
      const exit = output?.metadata?.exit;
      const context = await after(cwd, input, input.args, exit);
      if (context === undefined) return;
      if (Array.isArray(output.content)) {
        output.content.push({ type: "text", text: context });
      } else output.output = \`\${output.output ?? ""}\\n\\n\${context}\`;
    },
    "chat.message": async (input, output) => {
      const parts = output?.parts ?? [];
      const model = output?.message?.model;
      const sessionID = input.sessionID;
      const context = await prompt(cwd, sessionID, model, isOwnText(parts));
      const last = parts.findLast((part) => part.type === "text");
      if (context !== undefined && last !== undefined) {
        last.text = \`\${last.text}\\n\\n\${context}\`;
      }
    },
    event: async ({ event }) => {
      if (EVENTS.has(event?.type)) await happened(client, cwd, event);
    },
  };
}

async function setup(ctx) {
  const cwd = process.cwd();
  await ctx.tool.hook("execute.before", (event) =>
    before(undefined, cwd, { ...event, callID: event.id }, event.input));
  await ctx.tool.hook("execute.after", async (event) => {
    const call = { ...event, callID: event.id };
    const exit = event.status === "error" ? 1 : undefined;
    const context = await after(cwd, call, event.input, exit);
    if (context === undefined) return;
    const text = context;
    await ctx.session.synthetic({ sessionID: event.sessionID, text, resume: false });
  });
  await ctx.session.hook("prompt", async (event) => {
    const { sessionID, prompt: said } = event;
    const isOwn = isOwnText([said]);
    const context = await prompt(cwd, sessionID, undefined, isOwn);
    if (context !== undefined) said.text = \`\${said.text ?? ""}\\n\\n\${context}\`;
  });
}

export default { id: "message-bus", server, setup };
`;
