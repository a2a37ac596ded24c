import { canTrace } from "../posix_trace.ts";
import { testDefects } from "./seeded_defect.ts";

testDefects(
  !canTrace ? [] : [{
    name: "the database is opened, and so closed, by something beside SQLite",
    file: "lib/sqlite/connection.ts",
    text: "const { dev, ino } = Deno.lstatSync(path);",
    by:
      "using open = Deno.openSync(path); const { dev, ino } = open.statSync();",
    test: "posix_test.ts",
    filter: "no command opens the database",
    says: /messaging\.db", O_RDONLY/,
  }],
);
