#!/bin/sh
# Checks that a command is a working mbus: sends a message and reads it in another process.
# `--version` is not enough, because `deno compile` can build a program that starts and exits with
# 0 but is only the plain runtime.
#
#   sh .github/check-binary.sh ./mbus
#   sh .github/check-binary.sh deno run --allow-all cli.ts
set -eu

if [ $# -eq 0 ]; then
  echo "usage: check-binary.sh COMMAND [ARG...]" >&2
  exit 2
fi

# Relative paths must still be valid in the empty folder below.
for argument in "$@"; do
  shift
  case $argument in
    /* | ?:*) ;;
    *) if [ -f "$argument" ]; then argument=$PWD/$argument; fi ;;
  esac
  set -- "$@" "$argument"
done

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
mkdir "$work/home" "$work/cwd"

MBUS_HOME=$work/home
# A Windows program does not know the shell's /tmp.
if command -v cygpath >/dev/null 2>&1; then MBUS_HOME=$(cygpath -w "$MBUS_HOME"); fi
NO_COLOR=1
export MBUS_HOME NO_COLOR
unset MBUS_SESSION MBUS_SQLITE_DRIVER

# In an empty folder, because the plain runtime's own `init` writes files to its working folder.
cd "$work/cwd"

fail() {
  echo "check-binary: $1" >&2
  for file in "$work/out" "$work/err"; do
    if [ -s "$file" ]; then sed 's/^/  | /' "$file" >&2; fi
  done
  exit 1
}

# run NAME COMMAND...: writes output to $work/out; a prompt ends at once without input.
run() {
  name=$1
  shift
  "$@" </dev/null >"$work/out" 2>"$work/err" || fail "$name: exit code $?"
}

run init "$@" init
[ -n "$(find "$work/home" -name messaging.db -size +0)" ] ||
  fail "init: no messaging.db under MBUS_HOME"

run send "$@" send state '{"status":"working"}' --json
grep -q '^{.*"id"' "$work/out" || fail "send: expected a JSON object with an id"

run poll "$@" poll state --json
count=$(grep -c '^{.*"payload": *{"status": *"working"}' "$work/out" || true)
[ "$count" -eq 1 ] || fail "poll: expected the message once, found it $count times"
grep -q '"channel": *"state"' "$work/out" || fail "poll: the message does not name its channel"

echo "check-binary: ok: init, send and poll"
