import { testDefects } from "./seeded_defect.ts";

testDefects([
  {
    name: "a program checkpoints the WAL of a newer file",
    file: "lib/sqlite/fast_open.ts",
    text:
      "if (db !== undefined) closeWithoutCheckpoint(db, location.databasePath);",
    by: "db?.close();",
    test: "upgrade_test.ts",
    filter: "a newer file with a log",
    says: /send state 1/,
  },
  {
    name: "a program works on a file that is too new for it",
    file: "lib/sqlite/connection.ts",
    text: "if (needs <= version) return;",
    by: "if (needs <= version + 1) return;",
    test: "upgrade_test.ts",
    filter: "a newer file is told of",
    says: /AssertionError/,
  },
]);
