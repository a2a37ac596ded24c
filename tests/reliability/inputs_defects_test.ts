import { testDefects } from "./seeded_defect.ts";

testDefects([
  {
    name: "a project's name is truncated at a NUL",
    file: "lib/bus/bus.ts",
    text: 'assertNoNul("project", options.project);',
    by: "",
    test: "inputs_test.ts",
    filter: "random messages",
    says: /Seed \d+\. To run it again: MBUS_SEED=/,
  },
  {
    name: "a number from another program makes every list of locks throw",
    file: "lib/sqlite/schema.ts",
    text: 'AND ${isNumber("NEW.expires_at", 0, LAST_DATE_MS)}',
    by: "",
    test: "inputs_found_test.ts",
    filter: "numbers and path sets",
    // Closing the bus, which releases its locks, throws as well.
    says: /Invalid time value|too large to be represented|during disposal/,
  },
]);
