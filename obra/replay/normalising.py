"""What of a request says where a conversation stands, and nothing of the machine, the day or the person; pure.

Two runs of one scenario ask the same questions, but the workspace stands elsewhere, the CLI adds reminders with
the date, and a tool tells how long it took. A cassette is matched by what is left when all that is taken away.
"""

from __future__ import annotations

import difflib
import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from obra.domain import Record
from obra.replay.redacting import keys_in, replaced

Json = Any

_REMINDER = re.compile(r"<system-reminder>.*?</system-reminder>\s*", re.DOTALL)
_MODELS_OWN_TYPES = ("function_call", "custom_tool_call", "local_shell_call", "reasoning")
_MODELS_OWN_ROLES = ("assistant", "model")
_VOLATILE = (
    (re.compile(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b"), "{ID}"),
    (re.compile(r"\b\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:?\d\d)?)?"), "{DATE}"),
    (re.compile(r"\b(Mon|Tue|Wed|Thu|Fri|Sat|Sun) \w{3} +\d+ \d\d:\d\d:\d\d( \w+)? \d{4}"), "{DATE}"),
    (re.compile(r"\b\d+(\.\d+)? ?(ms|s|secs?|seconds?)\b"), "{TIME}"),
    (re.compile(r"\b0x[0-9a-f]{6,}\b"), "{ADDRESS}"),
    (re.compile(r"\b(127\.0\.0\.1|localhost):\d+"), "{LOOPBACK}"),
    (re.compile(r"/tmp/(obra|pytest|claude|tmp)[\w.-]*"), "{TEMPORARY}"),  # noqa: S108  # found, not used
    (re.compile(r"=+ (.*?) =+(?=\n|$)"), r"== \1 =="),  # pytest fills its lines up to the width of the screen
)
_SHOWN_LINES = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Place(Record):
    """Where a request stands in a conversation."""

    lane: int
    """Number of the session, in order of appearance."""
    turn: int
    """How often the model has spoken before."""
    new: tuple[str, ...]
    """What is new since it spoke last, normalised."""
    tools: bool
    """Whether tools are offered: titles and summaries are asked for without."""

    @property
    def key(self) -> str:
        """Hash of what is new."""
        return hashlib.sha256(json.dumps([self.new, self.tools]).encode()).hexdigest()[:16]


def place_of(request: Mapping[str, Any], *, lane: int, paths: Mapping[str, str]) -> Place:
    """Return where *request* stands.

    Args:
        request: the body, in the dialect of Anthropic, of OpenAI (chat or responses) or of Gemini.
        lane: number of its session.
        paths: what to write instead of paths and keys of this run.
    """
    items = [one for one in _items(request) if isinstance(one, Mapping)]
    spoken = [index for index, one in enumerate(items) if _is_models_own(one)]
    after = items[spoken[-1] + 1 :] if spoken else items
    new = tuple(text for one in after for text in _texts(one, paths))
    return Place(lane=lane, turn=len(spoken), new=new, tools=bool(request.get("tools")))


def difference(wanted: Place, nearest: Place) -> str:
    """Return a unified diff from what was recorded to what was asked, at most some 60 lines."""
    before = [line for text in nearest.new for line in text.splitlines()]
    now = [line for text in wanted.new for line in text.splitlines()]
    lines = list(difflib.unified_diff(before, now, "recorded", "asked now", lineterm="", n=2))
    if len(lines) > _SHOWN_LINES:
        lines = [*lines[:_SHOWN_LINES], f"[{len(lines) - _SHOWN_LINES} more lines]"]
    return "\n".join(lines) or "(the texts are the same; the place in the conversation differs)"


def _items(request: Mapping[str, Any]) -> Sequence[Any]:
    for name in ("messages", "input", "contents"):
        if isinstance(request.get(name), list):
            return list(request[name])
    return ()


def _is_models_own(item: Mapping[str, Any]) -> bool:
    return item.get("role") in _MODELS_OWN_ROLES or item.get("type") in _MODELS_OWN_TYPES


def _texts(item: Mapping[str, Any], paths: Mapping[str, str]) -> Iterable[str]:
    """Yield the normalised texts of one message; instructions of the program itself are left out."""
    if item.get("role") in ("system", "developer"):
        return
    content = item.get("content", item.get("parts", item.get("output")))
    for block in content if isinstance(content, list) else [content]:
        text = normalised(_plain(block), paths)
        if text:
            yield text


def _plain(block: Json) -> str:
    if isinstance(block, str):
        return block
    if isinstance(block, Mapping):
        for name in ("text", "content", "output"):
            inner = block.get(name)
            if isinstance(inner, str):
                return inner
            if isinstance(inner, list):
                return "\n".join(_plain(one) for one in inner)
        kept = {key: value for key, value in block.items() if key not in ("cache_control", "id")}
        return json.dumps(kept, sort_keys=True)
    return "" if block is None else json.dumps(block)


def normalised(text: str, paths: Mapping[str, str]) -> str:
    """Return *text* without what differs between two runs of the same conversation."""
    text = _REMINDER.sub("", text)
    text = replaced(text, {**paths, **keys_in(text)})
    for pattern, word in _VOLATILE:
        text = pattern.sub(word, text)
    return text.strip()
