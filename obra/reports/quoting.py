"""Foreign text in a Markdown page: whatever it holds, it stays text and the page keeps its shape."""

from __future__ import annotations

import html
import re

_SPACE = re.compile(r"\s+")
_BACKTICKS = re.compile("`+")
_CONTROL = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]"
)
"""What a terminal obeys, what ends a line unseen, and marks that turn text: a diff must not read other than it is
run (N. Boucher, R. Anderson, "Trojan Source: invisible vulnerabilities", arXiv:2111.00169, 2021)."""
_ACTIVE = re.compile(r"([\\`*_\[\]|~$])")
_OPENING = re.compile(r"^([#+=-]|\d+(?=[.)](?:\s|$)))")
"""What would begin a heading, a list or a line at the start of a block."""
_PLAIN = re.compile(
    r"[A-Za-z][A-Za-z0-9.,:;()/%'-]*(?: [A-Za-z0-9.,:;()/%'-]+)*|\d+(?:\.\d+)?(?: ?[A-Za-z%]+)?", re.ASCII
)
"""Words and numbers in which nothing can be markup: most of a page."""
_SHORTEST_FENCE = 3


def inline(text: str, longest: int = 1000) -> str:
    """Return *text* on one line in which nothing is markup: fit for a sentence, a list item or a table cell.

    Args:
        text: anything.
        longest: characters kept before escaping.
    """
    if len(text) <= longest and _PLAIN.fullmatch(text):
        return text
    text = _SPACE.sub(" ", visible(text)).strip()
    if len(text) > longest:
        text = f"{text[:longest]} [...]"
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    text = _ACTIVE.sub(r"\\\1", text)
    return _OPENING.sub(lambda found: f"{found[1]}\\" if found[1].isdigit() else f"\\{found[1]}", text)


def html_line(text: str) -> str:
    """Return *text* on one line, fit for the inside of an HTML element, where Markdown is not read."""
    return html.escape(_SPACE.sub(" ", visible(text)).strip())


def fenced(text: str, language: str = "text") -> str:
    """Return *text* as a code block whose fence is longer than any row of backticks in it."""
    text = visible(text.replace("\r\n", "\n").replace("\r", "\n")).strip("\n")
    longest = max((len(run) for run in _BACKTICKS.findall(text)), default=0)
    fence = "`" * max(_SHORTEST_FENCE, longest + 1)
    return f"{fence}{language}\n{text}\n{fence}\n"


def visible(text: str) -> str:
    """Return *text* with control characters, but tab and line ends, and marks that turn text shown as U+FFFD."""
    return _CONTROL.sub("\ufffd", text)
