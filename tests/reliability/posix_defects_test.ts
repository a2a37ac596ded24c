import { canTrace } from "../posix_trace.ts";
import { testDefects } from "./seeded_defect.ts";

testDefects(
  !canTrace ? [] : [{
    name: "the database is opened, and so closed, by something beside SQLite",
    file: "lib/sqlite/store.ts",
    text: "return Deno.statSync(path).size;",
    instead: "return Deno.readFileSync(path).length;",
    test: "posix_test.ts",
    filter: "no command opens the database",
    says: /mbus stats: .*messaging\.db", O_RDONLY/,
  }],
);
