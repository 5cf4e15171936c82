"""What a task demands, one sentence at a time, and whether there is anything in it that can be checked.

Splitting needs no model: lists by their items, prose by its sentences. A model may split finer; what it leaves out
is put back by :func:`obra.judging.requirements.read_split`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from obra.prompting.review_prompt import visible

MOST_SPLIT = 10
"""Requirements a model may answer with; more than that is no longer a list that anyone reads."""

SPLIT_SCHEMA: Mapping[str, Any] = {
    "type": "object",
    "properties": {
        "requirements": {"type": "array", "items": {"type": "string"}, "minItems": 1, "maxItems": MOST_SPLIT}
    },
    "required": ["requirements"],
    "additionalProperties": False,
}

MAKE_CHECKABLE = (
    "nothing in the task can be checked: give it acceptance sentences or checks that name a file, a command and "
    "its output, or a behaviour, such as 'greet() returns Hello, NAME' or {file: app.py}"
)
"""What a person hears who can make a vague task checkable."""

_SPLIT_PROMPT = """Split the task below into its separate requirements, so that each can be answered with yes or \
no by looking at the finished work.

Keep to the words of the task. Add nothing that it does not say, leave nothing out, and write each requirement as \
one short sentence. Between 1 and {most} of them.

## Task

{task}

Answer with one JSON object and nothing else, by this schema:
{schema}
"""

_ITEM = re.compile(r"[ \t>]*(?:[-*+\u2022]|\(?[0-9]{1,3}[.)])[ \t]+(?:\[[ xX]\][ \t]+)?(?=\S)")
_HEADING = re.compile(r" {0,3}#{1,6}[ \t]")
_CODE_FENCE = re.compile(r"[ \t>]*(`{3,}|~{3,})")
_SENTENCE_END = re.compile(r"(?<=[.!?;])[\"')\]]?\s+|(?<=[\u3002\uff01\uff1f\uff1b])")
_ABBREVIATION = re.compile(
    r"\b(?:e\.g|i\.e|cf|vs|resp|approx|incl|no|fig|dr|mr|mrs|ms|st|[a-z])\.$", re.IGNORECASE
)
_WORD = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)?")
_NAMED = re.compile(r"[0-9_`\"/\\(){}\[\]=<>@#]|\w[.:]\w|[a-z][A-Z]")
"""A number, a path, a quoted text, a call, a name in code: something that one can look for."""

_VAGUE_TEXT = """
a about again all also an and any anything app application appropriate as at awesome bad be been best better
bit but by can clean cleaner cleanup code codebase could do does done each easier enhance enhanced everything
existing fast faster file files first fix fixed for from general get go good great had has have help i if
important improve improved improvement improvements in into is issue issues it its just kind like little look
looks maintainable make makes making me mess messy modern modernise modernize more most much my necessary need
needed needs neat neater new nice nicer of ok on one optimise optimize or our overall performance perfect
please polish possible pretty problem problems professional program project proper properly quality quick
quickly readability readable really refactor review right robust should simple simpler simplify so software
solid some something stuff sure task than that the their them then there these they thing things this those
tidy to try up update us use very want was way we well were what whatever when where which will with work
working works would you your
"""
_VAGUE_WORDS = frozenset(_VAGUE_TEXT.split())
"""Words that say of any work on any code that it should be good: nothing that one could look for."""


def split_description(title: str, description: str = "") -> tuple[str, ...]:
    """Return the requirements of a task by its own words: list items, sentences, or at last the title.

    Headings, code blocks and lines that only introduce a list are left out; a sentence that stands twice is one.
    Never empty.
    """
    unique: dict[str, str] = {}
    for piece in _pieces(visible(description)):
        text = _folded(piece)
        if _WORD.search(text):
            unique.setdefault(text.casefold(), text)
    return tuple(unique.values()) or (_folded(visible(title)) or "the task is done",)


def is_checkable(texts: Iterable[str]) -> bool:
    """Tell whether *texts* name anything that one can look for, or only that something should be good.

    Reads English; in another language every word counts as a name for something.
    """
    for text in texts:
        if _NAMED.search(text) or any(word.casefold() not in _VAGUE_WORDS for word in _WORD.findall(text)):
            return True
    return False


def write_split_prompt(task: Any) -> str:
    """Return the question to an LLM for the requirements of *task*; its answer fits :data:`SPLIT_SCHEMA`."""
    words = [str(getattr(task, "title", "")), str(getattr(task, "description", "") or "")]
    text = visible("\n\n".join(word for word in words if word))
    return _SPLIT_PROMPT.format(most=MOST_SPLIT, task=text, schema=json.dumps(SPLIT_SCHEMA))


def _pieces(description: str) -> Iterator[str]:
    """Yield list items and sentences in the order of the text."""
    for kind, text in _blocks(_prose_lines(description)):
        if kind == "item":
            yield text.strip().rstrip(";,")
        else:
            yield from (sentence.strip().rstrip(";") for sentence in _sentences(text))


def _prose_lines(description: str) -> Iterator[str]:
    """Yield the lines outside code blocks; a heading becomes an empty line, since it ends a paragraph."""
    fence = ""
    for line in description.split("\n"):
        mark = _CODE_FENCE.match(line)
        if fence:
            fence = "" if mark and mark[1].startswith(fence) else fence
        elif mark:
            fence = mark[1]
            yield ""
        else:
            yield "" if _HEADING.match(line) else line


def _blocks(lines: Iterable[str]) -> list[tuple[str, str]]:
    """Join lines to list items and paragraphs; a paragraph that ends in a colon before an item introduces it."""
    blocks: list[tuple[str, str]] = []
    is_open = False
    for line in lines:
        marker = _ITEM.match(line)
        if marker:
            if blocks and blocks[-1][0] == "prose" and blocks[-1][1].endswith(":"):
                blocks[-1] = ("prose", _without_last_sentence(blocks[-1][1]))
            blocks.append(("item", line[marker.end() :]))
            is_open = True
        elif not line.strip():
            is_open = False
        elif is_open and (blocks[-1][0] == "prose" or line[0] in " \t>"):
            kind, text = blocks[-1]
            blocks[-1] = (kind, f"{text} {line.strip()}")
        else:
            blocks.append(("prose", line.strip()))
            is_open = True
    return blocks


def _without_last_sentence(text: str) -> str:
    return " ".join(_sentences(text)[:-1])


def _sentences(text: str) -> list[str]:
    found: list[str] = []
    for part in _SENTENCE_END.split(text):
        if found and _ABBREVIATION.search(found[-1]):
            found[-1] = f"{found[-1]} {part}"
        else:
            found.append(part)
    return found


def _folded(text: str) -> str:
    return " ".join(text.split())
