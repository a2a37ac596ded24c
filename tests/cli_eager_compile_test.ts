import assert from "node:assert/strict";
import { compileEagerly, coveredIn } from "../lib/packaging/eager_compile.ts";

// Functions that are called before, after and within each other, a function used
// as a value, text that looks like a function, and nested functions.
const PROGRAM = `const early = first(2);
function first(n) { return n > 0 ? first(n - 1) + "\\u00e9" : second.name; }
function second() { function inner() { return 1; } return inner(); }
async function third() { return await second(); }
function* fourth() { yield "};function text() { return 1 }"; }
function never() { return 5; }
const expression=function named() { return named.name; };
const twice=(f)=>(n)=>f(f(n));
const many=async({ n = (1) }, ...more)=>[n, ...more, await (async(m)=>m)(3)];
const object = {arrow:n=>n + 1,method(n) { return n; },get got() { return 2; }};
class Kept { static made=()=>{ function inner() { return 7; } return inner(); }; }
function chosen(n) { switch (n) { case 1:function f() { return f.name; } return f(); } }
class Count{#n=1;constructor(n){this.#n=n}now(){return this.#twice()+this.#n}async late(f=()=>this.#n){return f()}*each(){yield*this.#all()}#twice(){return 2*this.#n}async#soon(){return this.#n}*#all(){yield this.#n}async*slow(){yield this.#soon()}get n(){return this.#n}set n(n){this.#n=n}static of(n){return new Count(n)}async(){return this.n}delete(){return arguments.length}async[Symbol.asyncDispose](){this.n=0}}
class More extends Count{#m=1;constructor(n){super(n)}now(){return super.now()+this.#m}}
async function counted() { const count = Count.of(2); const all = [count.now(), await count.late(), ...count.each()];
  for await (const each of count.slow()) all.push(each); all.push(count.async(), count.delete(1, 2), new More(3).now());
  await count[Symbol.asyncDispose](); return [...all, count.n]; }
export { first as renamed };
console.log(JSON.stringify([early, second(), await third(), ...fourth(),
  expression(), typeof never, first.name, third.name, first.length,
  twice((n) => n * 2)(3), await many({}, 2), object.arrow(1), object.method(1),
  object.got, Kept.made(), chosen(1), twice.name, object.arrow.name, await counted()]));
`;

async function run(
  file: string,
  env: Readonly<Record<string, string>> = {},
): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "--no-config", "--allow-all", file],
    env,
  }).output();
  const text = new TextDecoder();
  assert(success, text.decode(stderr));
  return text.decode(stdout);
}

Deno.test("compileEagerly() keeps the behaviour of a program", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const file = `${folder}/program.js`;
    await Deno.writeTextFile(file, PROGRAM);
    const before = await run(file, { DENO_COVERAGE_DIR: `${folder}/reports` });
    const [functions] = coveredIn(`${folder}/reports`).values();
    const ahead = compileEagerly(PROGRAM, functions);
    await Deno.writeTextFile(file, ahead);
    assert.equal(await run(file), before);
    for (const name of ["first", "second", "third", "fourth"]) {
      assert.match(ahead, new RegExp(`[ ,]${name}=\\((async )?function`));
    }
    assert.match(ahead, /^function never\(\)/m, "never called: left alone");
    assert.match(ahead, /function inner\(\)/, "within another: left alone");
    for (
      const value of [
        "expression=(function named() { return named.name; });",
        "twice=((f)=>((n)=>f(f(n))));",
        "twice(((n) => n * 2))",
        "{arrow:(n=>n + 1),method(n) { return n; },get got() { return 2; }}",
        "made=(()=>{ function inner() { return 7; } return inner(); });",
        "case 1:function f() { return f.name; }",
        "static{this.prototype.now=(function(){return this.#twice()+this.#n})}",
        "static{this.prototype.late=(async function(f=(()=>this.#n)){return f()})}",
        "static{this.prototype.each=(function*(){yield*this.#all()})}",
        "#twice=(function(){return 2*this.#n});#soon=(async function(){",
        "#all=(function*(){yield this.#n});",
        "static{this.prototype.slow=(async function*(){yield this.#soon()})}",
        "get n(){return this.#n}set n(n){this.#n=n}static of(n){",
        "async(){return this.n}static{this.prototype.delete=(function(){",
        "now(){return super.now()+this.#m}}",
      ]
    ) assert.ok(ahead.includes(value), `${value} is not in ${ahead}`);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("compileEagerly() changes no program without called functions", () => {
  const source = "function never() {}\n";
  const functions = [{ start: 0, end: 19, called: false }];
  assert.equal(compileEagerly(source, functions), source);
});
