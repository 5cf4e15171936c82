"""How bash, zsh and fish ask for obra's words; click's own completion, with scripts that keep what was typed.

Click's scripts lose a value behind ``--name=`` (zsh replaces the whole word, fish offers nothing), offer nothing
in bash behind the colon of ``replay:codex``, cut descriptions at their first comma in fish, and let errors of a
half-typed line into the prompt.
"""

from __future__ import annotations

import os
from typing import Any

from click.shell_completion import (
    BashComplete,
    CompletionItem,
    FishComplete,
    ZshComplete,
    add_completion_class,
    split_arg_string,
)

COMPLETE = "_OBRA_COMPLETE"
"""The variable by which a shell's script asks the command for words, as click names it."""

_BASH = """\
%(complete_func)s() {
    local IFS=$'\\n' type value
    COMPREPLY=()
    while IFS=',' read -r type value; do
        if [[ $type == 'dir' ]]; then
            compopt -o dirnames
        elif [[ $type == 'file' ]]; then
            compopt -o default
        elif [[ $type == 'plain' ]]; then
            COMPREPLY+=("$value")
        fi
    done < <(env COMP_LINE="${COMP_LINE:0:COMP_POINT}" COMP_WORD="$2" \\
%(complete_var)s=bash_complete "$1" 2>/dev/null)
    [[ ${COMPREPLY[0]} != *= ]] || compopt -o nospace
}

complete -o nosort -F %(complete_func)s %(prog_name)s
"""
_ZSH = """\
#compdef %(prog_name)s

%(complete_func)s() {
    local -a response plain described open how=(-U)
    local type key told
    (( $+commands[%(prog_name)s] )) || return 1
    response=("${(@f)$(env COMP_WORDS="${words[*]}" COMP_CWORD=$((CURRENT-1)) \\
%(complete_var)s=zsh_complete %(prog_name)s 2>/dev/null)}")
    [[ $PREFIX == -*=* ]] && compset -P 1 '*=' && how=()
    for type key told in ${response}; do
        if [[ $type == plain && $key == *= ]]; then
            open+=("$key")
        elif [[ $type == plain && $told == _ ]]; then
            plain+=("$key")
        elif [[ $type == plain ]]; then
            described+=("$key":"$told")
        elif [[ $type == dir ]]; then
            _path_files -/
        elif [[ $type == file ]]; then
            _path_files -f
        fi
    done
    (( ! $#described )) || _describe -V unsorted described $how
    (( ! $#plain )) || compadd $how -V unsorted -a plain
    (( ! $#open )) || compadd $how -S '' -V unsorted -a open
}

if [[ $zsh_eval_context[-1] == loadautofunc ]]; then
    %(complete_func)s "$@"
else
    (( $+functions[compdef] )) || { autoload -Uz compinit && compinit; }
    compdef %(complete_func)s %(prog_name)s
fi
"""
_FISH = """\
function %(complete_func)s
    set -l prefix (commandline -ct | string match -r -- '^-[^=]*=')
    for completion in (env %(complete_var)s=fish_complete COMP_WORDS=(commandline -cp | string collect) \\
COMP_CWORD=(commandline -ct | string collect) %(prog_name)s 2>/dev/null)
        set -l parts (string split -m 1 "," -- $completion)
        if test $parts[1] = "dir"
            for found in (__fish_complete_directories $parts[2])
                echo "$prefix$found"
            end
        else if test $parts[1] = "file"
            for found in (__fish_complete_path $parts[2])
                echo "$prefix$found"
            end
        else if test $parts[1] = "plain"
            echo "$prefix$parts[2]"
        end
    end
end

complete --no-files --keep-order --command %(prog_name)s --arguments "(%(complete_func)s)"
"""


def value_of(incomplete: str) -> str:
    """Return the part of a word that is being typed which is completed: behind the ``=`` of ``--name=value``."""
    name, equals, value = incomplete.partition("=")
    return value if equals and name.startswith("-") else incomplete


def half_typed(line: str) -> tuple[list[str], str]:
    """Return the whole words of *line*, and the one that is being typed at its end, without its quotes."""
    *words, last = split_arg_string(f"{line}|")  # the cursor, so that a space before it counts
    return words, last[:-1]


@add_completion_class
class Bash(BashComplete):
    """Reads the line itself, since bash splits words at ``=`` and ``:`` and replaces the last piece alone."""

    source_template = _BASH
    _kept = 0
    """Letters of the value that stand before the piece which bash replaces."""

    def get_completion_args(self) -> tuple[list[str], str]:
        """Return the whole words and the one that is being typed."""
        words, incomplete = half_typed(os.environ["COMP_LINE"])
        self._kept = max(0, len(value_of(incomplete)) - len(os.environ["COMP_WORD"]))
        return words[1:], incomplete

    def format_completion(self, item: CompletionItem[Any]) -> str:
        """Leave out what bash keeps."""
        value = item.value[self._kept :] if item.type == "plain" else item.value
        return f"{item.type},{value}"


@add_completion_class
class Zsh(ZshComplete):
    """Completes the value of ``--name=value`` alone."""

    source_template = _ZSH


@add_completion_class
class Fish(FishComplete):
    """Puts ``--name=`` in front of its values again, and shows whole descriptions."""

    source_template = _FISH


SHELLS = {one.name: one for one in (Bash, Zsh, Fish)}
