/**
 * Scripts of `mbus completion` for bash and zsh, which share their tables.
 *
 * @module
 */

import type { CompletionTables, Table } from "./tables.ts";

/** Returns the script for bash, of version 3.2 and later. */
export function bashScript(tables: CompletionTables): string {
  return `# bash completion of mbus. Load it with: source <(mbus completion bash)
${functions(tables)}
_mbus_words() {
  local line word
  while IFS= read -r line; do
    word=\${line%%$'\\t'*}
    [[ $word == "$1"* && -n $word ]] && COMPREPLY+=("$(printf %q "$word")")
  done
}

_mbus() {
  local cur=\${COMP_WORDS[COMP_CWORD]} word name= kind= line REPLY
  local -i i count=0
  COMPREPLY=()
  [[ $cur == = ]] && cur=
  for ((i = 1; i < COMP_CWORD; i++)); do
    word=\${COMP_WORDS[i]}
    [[ $word == = ]] && continue
    if [[ $word == -- ]]; then
      compopt -o default 2>/dev/null
      return
    fi
    _mbus_step "$word"
  done
  _mbus_kind "$cur"
  case $kind in
  options) _mbus_words "$cur" <<<"$REPLY" ;;
  names) _mbus_words "$cur" <<<"$REPLY" ;;
  choices:*) _mbus_words "$cur" < <(tr , '\\n' <<<"\${kind#choices:}") ;;
  none) ;;
  files | folders)
    compopt -o filenames 2>/dev/null
    local flag=-f
    [[ $kind == folders ]] && flag=-d
    while IFS= read -r line; do COMPREPLY+=("$line"); done \\
      < <(compgen $flag -- "$cur")
    ;;
  *) _mbus_words "$cur" < <(mbus __complete "$kind" 2>/dev/null) ;;
  esac
}
complete -F _mbus mbus
`;
}

/** Returns the script for zsh. */
export function zshScript(tables: CompletionTables): string {
  return `#compdef mbus
# zsh completion of mbus. Load it after compinit with:
#   source <(mbus completion zsh)
${functions(tables)}
_mbus_words() {
  local -a items
  local line
  for line in "\${(@f)1}"; do
    [[ -n $line ]] || continue
    items+=("\${\${line%%$'\\t'*}//:/\\\\:}:\${line#*$'\\t'}")
  done
  _describe -V mbus items
}

_mbus() {
  local cur=\${words[CURRENT]} word name= kind= REPLY=
  local -i i count=0
  for ((i = 2; i < CURRENT; i++)); do
    word=\${words[i]}
    if [[ $word == -- ]]; then
      shift $i words
      ((CURRENT -= i))
      _normal
      return
    fi
    _mbus_step "$word"
  done
  _mbus_kind "$cur"
  case $kind in
  options | names) _mbus_words "$REPLY" ;;
  choices:*) _mbus_words "\${(F)\${(s:,:)\${kind#choices:}}}" ;;
  none) ;;
  files) _files ;;
  folders) _files -/ ;;
  *) _mbus_words "$(mbus __complete "$kind" 2>/dev/null)" ;;
  esac
}

if [[ \${funcstack[1]} == _mbus ]]; then _mbus; else compdef _mbus mbus; fi
`;
}

/** Returns the functions that both shells share. */
function functions(tables: CompletionTables): string {
  return `
${lookup("_mbus_command", tables.command)}
${lookup("_mbus_value", tables.value)}
${lookup("_mbus_argument", tables.argument)}
${lookup("_mbus_options", tables.options)}
${lookup("_mbus_names", tables.names)}
# Reads one word: a command, an option with a value to come, or an argument.
_mbus_step() {
  if [[ -n $kind ]]; then
    kind=
  elif [[ $1 == -?* ]]; then
    _mbus_value "$name $1" || _mbus_value " $1" || return 0
    kind=$REPLY
  elif _mbus_command "$name $1" && [[ $name != help ]]; then
    name=$REPLY
  else
    count+=1
  fi
}

# Sets the kind of the word to complete, and REPLY to its lines.
_mbus_kind() {
  if [[ -n $kind ]]; then
    return
  elif [[ $1 == -* ]]; then
    _mbus_options ""
    local all=$REPLY
    _mbus_options "$name" || REPLY=
    REPLY="$REPLY"$'\\n'"$all" kind=options
  elif _mbus_names "$name"; then
    kind=names
  else
    _mbus_argument "$name" || REPLY=none
    local rest=$REPLY
    while ((count-- > 0)) && [[ $rest == *' '* && $rest != *' …' ]]; do
      rest=\${rest#* }
    done
    ((count >= 0)) && [[ $rest != *' …' ]] && rest=none
    kind=\${rest%% *}
  fi
}
`;
}

function lookup(name: string, table: Table): string {
  // One case for all keys of a text keeps the script short.
  const byText = Map.groupBy(table, ([, text]) => text);
  const cases = [...byText].map(([text, entries]) =>
    `  ${entries.map(([key]) => quoted(key)).join(" | ")}) REPLY=${
      quoted(text)
    } ;;`
  );
  return `${name}() {\n  case $1 in\n${
    cases.join("\n")
  }\n  *) return 1 ;;\n  esac\n}`;
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}
