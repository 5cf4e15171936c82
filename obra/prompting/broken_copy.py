"""A copy of the work in which nothing is as it was: what a reviewer must not say yes to. Pure.

Whoever says yes to the work and to this copy has not looked at either, so that its yes shows nothing. The copy has
the same files, as many lines, and the same words; so it cannot be told from the work by its length, by the words
of the task that stand in it, or by whether there is something to quote.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace

from obra.domain import Evidence
from obra.prompting.review_prompt import visible

STEM = 4
"""Leading letters by which a word of a line is taken for a word of a requirement."""
SHORTEST = 8
"""Characters that a line must have to be found in a quote of several lines."""

_PART = re.compile(r"\w+")
_WORD = re.compile(r"[^\W\d_]{3,}")
_MARKS = " `'\"\u201c\u201d"
_DIGITS = str.maketrans("0123456789", "5678901234")


def broken_copy(evidence: Evidence, requirements: Sequence[str], quotes: Sequence[str]) -> Evidence:
    """Return *evidence* with its added lines broken, and without the results of checks, which nobody ran on it.

    A line that the reviewer quoted, or that has a word of a requirement in it, changes places with another one of
    the same file; its words stand in reverse order and its numbers are others. Other lines stay: an instruction to
    the reviewer that the agent planted speaks in the copy, too. Where nothing was added, nothing was done at all.

    Args:
        evidence: what a reviewer said yes to.
        requirements: what it was asked for.
        quotes: the lines by which it said that they are met.
    """
    stems = frozenset(stem for text in requirements for stem in _stems(text))
    quoted = tuple(folded for quote in quotes if (folded := _folded(quote)))
    lines = visible(evidence.patch).split("\n")
    if not any(_is_added(line) for line in lines):
        return replace(evidence, patch="", changes=(), total_changes=(), checks=())
    copied: list[str] = []
    chosen: list[int] = []
    for line in lines:
        if line.startswith(("+++ ", "--- ")):
            _turn(copied, chosen)
            chosen = []
        if _is_added(line) and (_stems(line) & stems or _is_quoted(line, quoted)):
            chosen.append(len(copied))
        copied.append(line)
    _turn(copied, chosen)
    return replace(evidence, patch="\n".join(copied), checks=())


def _turn(lines: list[str], chosen: Sequence[int]) -> None:
    """Break the *chosen* lines and put them in reverse order."""
    broken = [_broken(lines[place][1:]) for place in chosen]
    for place, text in zip(chosen, reversed(broken), strict=True):
        lines[place] = f"+{text}"


def _broken(line: str) -> str:
    """Return *line* with its words in reverse order and other numbers; a lone word is spelled backwards."""
    words = [word.translate(_DIGITS) for word in _PART.findall(line)]
    turned = [words[0][::-1]] if len(words) == 1 else words[::-1]
    return _PART.sub(lambda _: turned.pop(0), line)


def _is_added(line: str) -> bool:
    return line.startswith("+") and not line.startswith("+++ ") and bool(_PART.search(line))


def _is_quoted(line: str, quotes: Iterable[str]) -> bool:
    folded = _folded(line[1:])
    return any(quote in folded or (len(folded) >= SHORTEST and folded in quote) for quote in quotes)


def _stems(text: str) -> frozenset[str]:
    return frozenset(word.casefold()[:STEM] for word in _WORD.findall(text))


def _folded(text: str) -> str:
    return " ".join(visible(text).lstrip("+").strip(_MARKS).split())
