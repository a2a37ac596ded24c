import { canInject } from "./faults_injection.ts";
import { testDefects } from "./seeded_defect.ts";

testDefects([
  {
    name: "a moved file is still written to",
    file: "lib/sqlite/connection.ts",
    text: 'if (file === this.#file || this.#access === "snapshot") {',
    by: "if (true) {",
    test: "faults_place_test.ts",
    filter: "moved back",
    says: /nothing was refused/,
  },
  {
    name: "a message that a full disk rejects is acknowledged",
    file: "lib/sqlite/store.ts",
    text: "await insertAlone(",
    by: "await (async (...a: Parameters<typeof insertAlone>) => { " +
      "try { return await insertAlone(...a); } " +
      'catch { return { id: "0", bells: new Set<string>() }; } })(',
    test: "faults_disk_test.ts",
    filter: "goes on after its disk is full",
    says: /acknowledged, and missing|Never came: what was acknowledged/,
  },
].filter(({ test }) => canInject || test !== "faults_disk_test.ts"));
