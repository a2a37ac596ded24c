/**
 * The writes read off a shell command.
 *
 * A write is spelled `path`, `base : path` or `glob path`.
 * LOST means that the path of a write is unknown.
 *
 * @module
 */

import assert from "node:assert/strict";
import fc from "fast-check";
import {
  type ShellWrite,
  type ShellWrites,
  shellWrites,
} from "../../lib/hooks/shell/shell.ts";
import { EMPTY_DISK, type ShellDisk } from "../../lib/hooks/shell/disk.ts";

const HOME = "/home/dev";
const LOST = "lost";
const NOTHING: ShellWrites = {
  writes: [],
  reads: [],
  wholeTree: [],
  unknown: false,
};

type Row = readonly [string, readonly string[], typeof LOST?];

const ROWS: readonly Row[] = [
  // Redirections.
  ["echo a > b.txt", ["b.txt"]],
  ["echo a>b", ["b"]],
  ["echo a >> b", ["b"]],
  ["echo a >| b", ["b"]],
  ["cmd &> log", ["log"]],
  ["cmd &>> log", ["log"]],
  ["cmd 2> err", ["err"]],
  ["cmd 2>err >out", ["err", "out"]],
  ["cmd >out 2>&1", ["out"]],
  ["cmd >&2", []],
  ["cmd >& log", ["log"]],
  ["cmd 3<> both", ["both"]],
  // Redirections of zsh and fish.
  ["cmd >! a >>! b &>! c &>| d >>| e &>>| f >&| g", [..."abcdefg"]],
  ["cmd >? a", ["a"]],
  ["true; and rm a; or not rm b", ["a", "b"]],
  ["begin; rm a; end", ["a"]],
  ["> made", ["made"]],
  [": > made", ["made"]],
  ["exec > log", ["log"]],
  ["cat < in", []],
  ["cat << EOF\n> x\nEOF", []],
  ["cat <<< text", []],
  ["echo a > /dev/null 2>/dev/stderr", []],
  ["{ a; b; } > both", ["both"]],
  ["for f in a b; do echo $f; done > list", ["list"]],
  ["( a; b ) >> sub", ["sub"]],
  ["a > one > two", ["one", "two"]],
  ["echo '>' x \\> y \"> z\"", []],
  // Words.
  ["echo x > 'a b'", ["a b"]],
  ['echo x > "a b"', ["a b"]],
  ["echo x > a\\ b", ["a b"]],
  ["echo x > $'a\\tb'", ["a\tb"]],
  ["echo x > 'it'\\''s'", ["it's"]],
  ["echo x > ~/f", ["/home/dev/f"]],
  ["echo x > $HOME/f", ["/home/dev/f"]],
  ["echo x > ${HOME}/f", ["/home/dev/f"]],
  ['echo x > "$F"', [], LOST],
  ["echo x > out/$F.txt", [], LOST],
  ["echo x > ~other/f", [], LOST],
  ["echo x > '$F'", ["$F"]],
  ["echo x > \\$F", ["$F"]],
  ["echo x > a$", ["a$"]],
  ["rm *.log", ["glob *.log"]],
  ["rm 'a*'", ["a*"]],
  ["touch {a,b}.ts", ["a.ts", "b.ts"]],
  ["touch x{a,b{1..3}}{,.ts}", [
    ..."a b1 b2 b3".split(" ").flatMap((name) => [`x${name}`, `x${name}.ts`]),
  ]],
  ["touch {08..10}", ["08", "09", "10"]],
  ["touch {c..a} {1..5..2} {2..0}", [..."cba13520"]],
  ["cp a.ts{,.bak}", ["a.ts.bak"]],
  ["mv {a,b}.ts", ["a.ts", "b.ts"]],
  ["touch 'x{a,b}' \\{c,d} {e\\,f} \"{g,h}\"", [
    "x{a,b}",
    "{c,d}",
    "{e,f}",
    "{g,h}",
  ]],
  ["touch {id}.ts {} {a..} [id].ts", ["{id}.ts", "{}", "{a..}", "[id].ts"]],
  ["touch app/[id]/[[...opt]]/{x}.tsx", ["app/[id]/[[...opt]]/{x}.tsx"]],
  ["rm src/**/*.ts", ["glob src/**/*.ts"]],
  ["rm '[x]'/*.ts", ["glob \\[x\\]/*.ts"]],
  ["rm {a,*.b}", ["a", "glob *.b"]],
  ["# rm a", []],
  ["echo a # > b", []],
  ["echo a#b > c", ["c"]],
  ["rm \\\n a", ["a"]],
  // Here-documents.
  ["cat <<'EOF' > x.md\nrm y > z\nEOF\nrm w", ["x.md", "w"]],
  ["cat > a <<A > b <<B\n1\nA\n2\nB\nrm c", ["a", "b", "c"]],
  ["cat <<-EOF > x\n\trm y\n\tEOF\nrm z", ["x", "z"]],
  ["cat <<EOF > x", ["x"]],
  ["tee a <<EOF >/dev/null\nrm b\nEOF", ["a"]],
  ["(cat <<EOF\nx\nEOF\n) > y", ["y"]],
  // Programs.
  ["tee a b", ["a", "b"]],
  ["echo x | tee -a a", ["a"]],
  ["sed -i s/a/b/ f g", ["f", "g"]],
  ["sed -i.bak -e s/a/b/ f", ["f"]],
  ["sed -i '' s/a/b/ f", ["f"]],
  ["sed -ni '/x/p' f", ["f"]],
  ["sed --in-place=.orig -f script f", ["f"]],
  ["sed --expression=s/a/b/ -i f", ["f"]],
  ["sed s/a/b/ f", []],
  ["gsed -Ei s/a/b/ f", ["f"]],
  ["perl -pi -e 's/x/y/' f g", ["f", "g"]],
  ["perl -i.bak -pe 's/x/y/' f", ["f"]],
  ["perl -ne print f", []],
  ["mv a b", ["a", "b"]],
  ["mv a b c/", ["a", "b", "c/a", "c/b"]],
  ["mv -t dir a b", ["a", "b", "dir/a", "dir/b"]],
  ["mv -f a dir/", ["a", "dir/a"]],
  ["cp a b", ["b"]],
  ["cp -r a b c", ["c/a", "c/b"]],
  ["cp -a src dst", ["dst"]],
  ["cp -d a b", ["b"]],
  ["cp -T a b", ["b"]],
  ["cp --target-directory=d a", ["d/a"]],
  ["ln -sf a b", ["b"]],
  ["ln -s ../x/y", ["./y"]],
  ["install -m 755 a bin/a", ["bin/a"]],
  ["install -d x/y", []],
  ["rm -rf dist a", ["dist", "a"]],
  ["rm -- -x", ["-x"]],
  ["unlink a", ["a"]],
  ["touch -d yesterday a", ["a"]],
  ["truncate -s 0 a", ["a"]],
  ["truncate --size=0 a", ["a"]],
  ["dd if=a of=b bs=1M", ["b"]],
  ["sort -o out in", ["out"]],
  ["sort in", []],
  ["curl -o f http://x", ["f"]],
  ["curl -O http://x/f", [], LOST],
  ["curl http://x", []],
  ["wget http://x", [], LOST],
  ["wget -O f http://x", ["f"]],
  ["tar xf a.tgz", [], LOST],
  ["tar czf a.tgz src", ["a.tgz"]],
  ["tar -cf a.tar src", ["a.tar"]],
  ["tar tf a.tgz", []],
  ["unzip a.zip", [], LOST],
  ["rsync -a a b", ["b"]],
  ["rsync -a a/ b", ["b/"]],
  ["rsync -a --delete a b", ["b/"]],
  ["rsync -a --exclude x a b c", ["c/a", "c/b"]],
  ["rsync -an a b", []],
  ["rsync a host:b", []],
  ["rsync --remove-source-files a host:b", ["a"]],
  ["rsync host:x/a b/", ["b/a"]],
  ["rsync host::m/a .", ["./a"]],
  ["scp -P 22 a host:b", []],
  ["scp me@host:x/a b", ["b"]],
  ["scp host:a host:b c", ["c/a", "c/b"]],
  ["patch -p1 < fix.diff", [], LOST],
  ["patch -p1 <<EOF\n--- a/x\n+++ b/x\nEOF", ["x"]],
  ["patch f fix.diff", ["f"]],
  ["patch --dry-run -p1 < d", []],
  ["mkdir -p a/b", []],
  ["chmod +x a", []],
  ["ls > /dev/tty", []],
  // Formatters and other programs that rewrite the files they name.
  ["prettier --write a b", ["a", "b"]],
  ["npx prettier@3 -w a", ["a"]],
  ["pnpm exec prettier --write a", ["a"]],
  ["yarn prettier --check a", []],
  ["npm install a b", []],
  ["pnpm rm a", []],
  ["npx --yes eslint --fix a", ["a"]],
  ["eslint a", []],
  ["black -l 88 a", ["a"]],
  ["python -m black a", ["a"]],
  ["uv run ruff format a", ["a"]],
  ["ruff check --fix a", ["a"]],
  ["ruff check a", []],
  ["black --check a", []],
  ["black src/", [], LOST],
  ["isort a", ["a"]],
  ["gofmt -w a", ["a"]],
  ["gofmt -l a", []],
  ["rustfmt --edition 2021 a", ["a"]],
  ["clang-format -i a", ["a"]],
  ["shfmt -i 2 -w a", ["a"]],
  ["deno fmt a", ["a"]],
  ["deno fmt --check a", []],
  ["biome check --write a", ["a"]],
  ["terraform fmt a", ["a"]],
  ["yq -i '.x = 1' a", ["a"]],
  ["yq .x a", []],
  ["sd x y a b", ["a", "b"]],
  ["sd -p x y a", []],
  ["sort a | sponge a", ["a"]],
  ["gawk -i inplace '{print}' a", ["a"]],
  ["vim -es -c '%s/x/y/' -c wq a", ["a"]],
  ["nvim --headless +%s/a/b/ +x a", ["a"]],
  ["vim a", []],
  ["ex a <<E\n%s/x/y/\nwq\nE", ["a"]],
  ["gzip a", ["a", "a.gz"]],
  ["gzip -k a", ["a.gz"]],
  ["gzip -c a", []],
  ["gunzip a.gz", ["a.gz", "a"]],
  ["xz -d a.xz", ["a.xz", "a"]],
  ["dos2unix a", ["a"]],
  ["flock lock rm a", ["a"]],
  ["flock lock -c 'rm a'", ["a"]],
  ["su me -c 'rm a'", ["a"]],
  ["busybox rm a", ["a"]],
  ["gh pr checkout 7", [], LOST],
  ["gh pr list", []],
  // Git.
  ["git checkout -- a b", ["a", "b"]],
  ["git checkout HEAD~1 -- a", ["a"]],
  ["git checkout main", [], LOST],
  ["git checkout -b new", [], LOST],
  ["git restore a b", ["a", "b"]],
  ["git restore --source=HEAD a", ["a"]],
  ["git restore -s HEAD a", ["a"]],
  ["git restore --staged a", []],
  ["git restore -SW a", ["a"]],
  ["git rm -f a", ["a"]],
  ["git rm --cached a", []],
  ["git mv a b", ["a", "b"]],
  ["git apply fix.diff", [], LOST],
  ["git apply --check fix.diff", []],
  ["git apply <<EOF\n--- a/x\n+++ b/y\nEOF", ["x", "y"]],
  ["git -C sub restore a", ["sub : a"]],
  ["git -c x=y rm a", ["a"]],
  ["git stash", [], LOST],
  ["git stash list", []],
  ["git reset --hard", [], LOST],
  ["git reset a", []],
  ["git pull", [], LOST],
  ["git status", []],
  ["git commit -m 'x > y'", []],
  ["git clean -fd", [], LOST],
  // Patches.
  [
    "apply_patch <<'EOF'\n*** Begin Patch\n*** Add File: a.txt\n+hi\n*** Update File: /b\n*** End Patch\nEOF",
    ["a.txt", "/b"],
  ],
  ["apply_patch '*** Begin Patch\n*** Delete File: d\n*** End Patch'", ["d"]],
  ["cd sub && apply_patch <<EOF\n*** Add File: a\nEOF", ["sub : a"]],
  ['apply_patch "$P"', [], LOST],
  // Folders.
  ["cd src && touch a", ["src : a"]],
  ["cd src; touch a", ["src : a"]],
  ["cd /abs && touch a ../b /c", ["/abs : a", "/abs : ../b", "/c"]],
  ["cd a && cd b && touch c", ["a/b : c"]],
  ["cd a && cd .. && touch c", ["a/.. : c"]],
  ["cd a || exit 1; touch b", ["a : b"]],
  ["(cd a; touch x); touch y", ["a : x", "y"]],
  ["cd a | touch c", ["c"]],
  ["cd a & touch b", ["b"]],
  ["cd $X && touch y /abs", ["/abs"], LOST],
  ["cd && touch a", ["/home/dev : a"]],
  ["cd - && touch a", [], LOST],
  ["pushd a; touch b; popd; touch c", ["a : b"], LOST],
  ["cd -P a && touch b", ["a : b"]],
  ["cd ~/p && touch a", ["/home/dev/p : a"]],
  ["git -C a -C b restore c", ["a/b : c"]],
  // Scripts and substitutions.
  ["bash -c 'echo x > y'", ["y"]],
  ["bash -lc 'cd q && echo x >> y'", ["q : y"]],
  ['sh -ec "rm a"', ["a"]],
  ['bash -c "$X"', [], LOST],
  ["bash script.sh", []],
  ["bash <<EOF\nrm a\nEOF", ["a"]],
  ["bash <<< 'rm a'", ["a"]],
  ["eval 'rm a'", ["a"]],
  ["eval rm a", ["a"]],
  ['eval "$X"', [], LOST],
  ["zsh -o pipefail -c 'rm a'", ["a"]],
  ["bash -c 'bash -c \"rm a\"'", ["a"]],
  ["echo $(touch a)", ["a"]],
  ['echo "$(touch a; echo $(rm b))"', ["a", "b"]],
  ["echo `rm a`", ["a"]],
  ["echo `echo \\`rm a\\``", ["a"]],
  ["x=$(cat f) && rm a", ["a"]],
  ["diff <(sort a > s1) <(sort b)", ["s1"]],
  ["tee >(cat > a) b", ["a", "b"]],
  ["cmd > >(tee log)", ["log"]],
  // Programs that run others.
  ["sudo rm a", ["a"]],
  ["sudo -u me -E tee a", ["a"]],
  ["env A=1 B=2 touch a", ["a"]],
  ["env -i -u X touch a", ["a"]],
  ["env -C d touch a", ["d : a"]],
  ["env -S 'rm a'", ["a"]],
  ["A=1 touch a", ["a"]],
  ["nohup touch a &", ["a"]],
  ["timeout 5 touch a", ["a"]],
  ["timeout -k 1 5s touch a", ["a"]],
  ["nice -n 5 touch a", ["a"]],
  ["stdbuf -oL tee a", ["a"]],
  ["command rm a", ["a"]],
  ["command -v rm", []],
  ["exec -a x rm a", ["a"]],
  ["time touch a", ["a"]],
  ["time -p touch a", ["a"]],
  ["! rm a", ["a"]],
  ["xargs rm < list", [], LOST],
  ["find . | xargs -n 1 sed -i s/a/b/", [], LOST],
  ["ls | xargs echo", []],
  ["find . -name '*.o' -delete", [], LOST],
  ["find . -exec rm {} +", [], LOST],
  ["find . -exec sed -i s/a/b/ fixed.txt \\;", ["fixed.txt"]],
  ["find . -name x", []],
  ["/bin/rm a", ["a"]],
  ["sudo env X=1 timeout 1 bash -c 'rm a'", ["a"]],
  // Compound commands.
  ["if test -f a; then rm a; else touch b; fi", ["a", "b"]],
  ["while read f; do rm x; done < list", ["x"]],
  ["for f in a b; do rm $f; done", [], LOST],
  ["case x in a) rm f;; *) rm g;; esac", ["f", "g"]],
  ["f() { rm h; }; f", ["h"]],
  ["[[ a > b ]] && touch c", ["c"]],
  ['[[ -n "x ]]" ]] && rm a', ["a"]],
  ["(( a > b )) && rm c", ["c"]],
  ["echo $((1 > 2)) > r", ["r"]],
  ["[ a -gt b ] || rm x", ["x"]],
  ["a && b || c > d; e | f > g", ["d", "g"]],
  ["true&&rm a", ["a"]],
  ["rm a;rm b", ["a", "b"]],
  ["rm a\nrm b\r\nrm c", ["a", "b", "c"]],
  // Other languages.
  ["python3 -c 'open(1)'", [], LOST],
  ["python - <<EOF\nx\nEOF", [], LOST],
  ["python script.py", []],
  ["node -e 'x'", [], LOST],
  ["deno eval x", [], LOST],
  ["ruby -i -pe x f", ["f"]],
  ["ruby x.rb", []],
  ["php -r x", [], LOST],
  ["make > log", ["log"]],
  ["npm run build", []],
  // Nothing written.
  ["ls -la", []],
  ["cat a b | grep x", []],
  ["", []],
  ["   ", []],
  // Broken text.
  ['"', []],
  ["'", []],
  ["$(", []],
  ["`", []],
  ["<<", []],
  ["> ", []],
  ["cat <<", []],
  ["((", []],
  ["[[", []],
  ["&& rm a", ["a"]],
  [")rm a", ["a"]],
  ["(((", []],
  ["$'", []],
];

function spelled({ path, base, isGlob }: ShellWrite): string {
  const placed = base === undefined ? path : `${base} : ${path}`;
  return isGlob ? `glob ${placed}` : placed;
}

for (const [command, writes, lost] of ROWS) {
  Deno.test(`shellWrites(): ${JSON.stringify(command)}`, () => {
    const found = shellWrites(command, { home: HOME });
    assert.deepEqual(found.writes.map(spelled), writes);
    assert.equal(found.unknown, lost === LOST);
  });
}

const READS: readonly (readonly [string, ...(readonly string[])])[] = [
  ["cat a b", "a", "b"],
  ["cat -n a", "a"],
  ["cat < a", "a"],
  ["cat - a", "a"],
  ["head -20 a", "a"],
  ["head -n 20 a", "a"],
  ["tail -c +5 a", "a"],
  ["nl -ba a", "a"],
  ["sed -n 1,20p a", "a"],
  ["sed -n -e 1p -e 2p a b", "a", "b"],
  ["sed 1d < a", "a"],
  ["sed -i s/a/b/ a"],
  ["grep -n pattern a b", "a", "b"],
  ["grep -e x -e y a", "a"],
  ["grep -A 3 x a", "a"],
  ["grep -q x a"],
  ["grep -l x a"],
  ["rg -n x a", "a"],
  ["rg -g '*.ts' x a", "a"],
  ["rg x"],
  ["rg -c x a"],
  ["awk -F: '{print $1}' a", "a"],
  ["awk '{print}' < a", "a"],
  ["jq .x a", "a"],
  ["bat --line-range 1:9 a", "a"],
  ["less a", "a"],
  ["diff -u a b", "a", "b"],
  ["xxd a", "a"],
  ["wc -l a"],
  ["cd src && cat a", "src : a"],
  ["cat a | head -5", "a"],
  ["cat a 2>/dev/null", "a"],
  ["cat a >&2", "a"],
  ["bash -c 'cat a'", "a"],
  ["sudo cat a", "a"],
  ["if true; then cat a; fi", "a"],
  ["while read x; do echo $x; done < a", "a"],
  ["timeout 5 cat < a", "a"],
  ["cat a && echo x > b", "a"],
  // These commands show no content.
  ["cat a > b"],
  ["cat a >> b"],
  ["cat a &> b"],
  ["cat a 1> b"],
  ["x=$(cat a)"],
  ["bash -c 'cat a' > b"],
  ["mysql < a"],
  ["patch -p1 < a"],
  ["cat <<E\na\nE"],
  ["cat $X"],
  ["cat *.ts"],
  ["cd $X && cat a"],
  ["cat /dev/null"],
  ["echo cat a"],
];

for (const [command, ...reads] of READS) {
  Deno.test(`shellWrites(): reads of ${JSON.stringify(command)}`, () => {
    assert.deepEqual(shellWrites(command).reads.map(spelled), reads);
  });
}

Deno.test("shellWrites() returns at most 32 reads", () => {
  const files = Array.from({ length: 50 }, (_, at) => `f${at}`);
  assert.equal(shellWrites(`cat ${files.join(" ")}`).reads.length, 32);
});

Deno.test("shellWrites() reads the meaning of a name off the disk", () => {
  const disk: ShellDisk = {
    ...EMPTY_DISK,
    isFolder: (path) => path === "dir" || path === "/dir" || path === "link",
    isThere: (path) => ["dir", "link", "file"].includes(path),
    isLink: (path) => path === "link",
  };
  for (
    const [command, ...writes] of [
      ["cp a dir", "dir/a"],
      ["cp a dir/", "dir/a"],
      ["cp a /dir", "/dir/a"],
      ["cp x/a dir", "dir/a"],
      ["cp a file", "file"],
      ["cp a none", "none"],
      ["cp -T a dir", "dir"],
      ["cp dir none", "none/"],
      ["cp -r dir link", "link/dir"],
      ["ln -s a link", "link/a"],
      ["ln -sn a link", "link"],
      ["ln -sn a dir", "dir/a"],
      ["cd x && cp a dir", "x : dir"],
      ["cd / && cp a dir", "/ : dir/a"],
      ["mkdir new && cp a new", "new/a"],
      ["mkdir new; cd x && cp a new", "x : new"],
      ["cp a new && mkdir new", "new"],
      ["rsync -a dir file", "file/dir"],
    ]
  ) {
    const found = shellWrites(command, { disk });
    assert.deepEqual(found.writes.map(spelled), writes, command);
    assert.equal(found.unknown, false, command);
  }
});

Deno.test("shellWrites() returns no path below an unknown home", () => {
  for (const command of ["touch ~/f", "touch $HOME/f", "cd && touch f"]) {
    assert.deepEqual(shellWrites(command), { ...NOTHING, unknown: true });
  }
});

Deno.test("shellWrites() returns a repeated write once", () => {
  const { writes } = shellWrites("echo a > f; echo b >> f");
  assert.deepEqual(writes, [{ path: "f" }]);
});

Deno.test("shellWrites() sets isCut past a bound", () => {
  const files = Array.from({ length: 12_000 }, (_, at) => `f${at}`);
  const many = shellWrites(`touch ${files.join(" ")}`);
  assert.equal(many.writes.length, 10_000);
  assert.deepEqual([many.unknown, many.isCut], [true, true]);

  const long = shellWrites(`${"# ".padEnd(263_000, "x")}\nrm a`);
  assert.deepEqual(long, { ...NOTHING, unknown: true, isCut: true });

  const deep = shellWrites(`${"$(".repeat(200)}rm a${")".repeat(200)}`);
  assert.equal(deep.unknown, true);

  let script = "rm a";
  for (let at = 0; at < 12; at++) {
    script = `eval '${script.replaceAll("'", `'\\''`)}'`;
    if (script.length > 60_000) break;
  }
  assert.equal(shellWrites(script).unknown, true);
});

Deno.test("shellWrites() throws for no text", () => {
  const pieces = fc.constantFrom(
    "rm",
    "a",
    " ",
    ">",
    "<<E",
    "\n",
    "E",
    "$(",
    ")",
    "`",
    "'",
    '"',
    "\\",
    "${",
    "}",
    "((",
    "[[",
    "]]",
    "&&",
    "|",
    ";",
    "sed -i",
    "-e",
    "bash -c",
    "env",
    "git",
    "checkout",
    "--",
    "cd",
    "find -exec",
    "xargs",
    "*",
    "~",
    "case",
    "esac",
  );
  const commands = fc.oneof(
    fc.string({ unit: "binary", maxLength: 200 }),
    fc.array(pieces, { maxLength: 60 }).map((parts) => parts.join("")),
    fc.array(pieces, { maxLength: 60 }).map((parts) => parts.join(" ")),
  );
  const property = fc.property(commands, (command) => {
    const { writes, unknown } = shellWrites(command, { home: HOME });
    assert.equal(typeof unknown, "boolean");
    assert.ok(writes.every(({ path }) => path !== "" && !path.includes("\0")));
  });
  fc.assert(property, { numRuns: 2000 });
});

Deno.test("shellWrites() takes no quoted text for a write", () => {
  const property = fc.property(fc.string(), (text) => {
    const quoted = `'${text.replaceAll("'", `'\\''`)}'`;
    const found = shellWrites(`echo ${quoted}`);
    assert.deepEqual(found, NOTHING);
    const named = shellWrites(`touch -- ${quoted}`);
    const path = text.replaceAll("\r\n", "\n");
    if (path === "" || path === "-" || path.startsWith("/dev/")) return;
    assert.deepEqual(named, { ...NOTHING, writes: [{ path }] });
  });
  fc.assert(property, { numRuns: 500 });
});
