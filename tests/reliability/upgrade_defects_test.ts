import { testDefects } from "./seeded_defect.ts";

testDefects([
  {
    name: "a program checkpoints the WAL of a file too new for it",
    file: "lib/sqlite/fast_open.ts",
    text:
      "if (db !== undefined) closeWithoutCheckpoint(db, location.databasePath);",
    by: "db?.close();",
    test: "upgrade_test.ts",
    filter: "a newer file with a WAL",
    says: /send state 1/,
  },
  {
    name: "a program uses a file too new for it",
    file: "lib/sqlite/connection.ts",
    text: "if (needs <= version) return;",
    by: "if (needs <= version + 1) return;",
    test: "upgrade_test.ts",
    filter: "a newer file is rejected",
    says: /AssertionError/,
  },
]);
