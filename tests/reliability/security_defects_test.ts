import { testDefects } from "./seeded_defect.ts";

const isRoot = Deno.build.os === "linux" && Deno.uid() === 0;

testDefects([
  {
    name: "a peer's id reaches a model unescaped",
    file: "lib/hooks/deny_message.ts",
    text: "return /^[\\w.\\-/:~@+]{1,128}$/.test(name)",
    by: "return true",
    test: "security_output_test.ts",
    filter: "hooks frame a peer's text",
    says: /AssertionError/,
  },
  ...(isRoot
    ? [{
      name: "hooks and send open a folder that others can change",
      file: "lib/sqlite/fast_open.ts",
      text: "    assertUsablePlace(location);\n",
      by: "",
      test: "security_place_test.ts",
      filter: "a folder that its group may write to",
      says: /AssertionError/,
    }]
    : []),
]);
