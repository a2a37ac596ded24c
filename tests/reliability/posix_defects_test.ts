import { canTrace } from "../posix_trace.ts";
import { testDefects } from "./seeded_defect.ts";

testDefects(
  !canTrace ? [] : [{
    name: "the database is opened and closed outside SQLite",
    file: "lib/sqlite/connection.ts",
    text: "const { dev, ino } = Deno.lstatSync(path);",
    by:
      "using open = Deno.openSync(path); const { dev, ino } = open.statSync();",
    test: "posix_test.ts",
    filter: "commands open the database",
    says: /messaging\.db", O_RDONLY/,
  }],
);
