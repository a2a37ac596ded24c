/**
 * The cost of payload checks on top of `JSON.stringify`, in process.
 *
 * @module
 */

import { encodePayload, type Json } from "../lib/model/json.ts";

const PAYLOADS: Readonly<Record<string, Json>> = {
  "state, 100 B": {
    status: "working",
    task: "T-31",
    files: ["src/server/routes.ts", "src/server/session.ts"],
    step: 4,
  },
  "report, 10 KB": Array.from({ length: 100 }, (_, i) => ({
    file: `src/module_${i}/index.ts`,
    line: i,
    message: "Type 'string' is not assignable to type 'number'.",
    fixed: i % 2 === 0,
  })),
  "text, 60 KB": "a line of a log that one session wants to share\n".repeat(
    1_300,
  ),
};

for (const [group, payload] of Object.entries(PAYLOADS)) {
  Deno.bench("JSON.stringify", { group, baseline: true }, () => {
    JSON.stringify(payload);
  });
  Deno.bench("encodePayload", { group }, () => {
    encodePayload("state", payload, 65_536);
  });
}
