"""Reading one JSON object that a model wrote, strictly: what is not certainly it is unreadable."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NoReturn

from obra.judging.fences import read_markdown

LONGEST_SHOWN = 80


class Unreadable(Exception):  # a verdict on a text, not an error of the program
    """Why a text cannot be read; never leaves this room."""


def read_object(text: str, keys: frozenset[str]) -> Mapping[str, Any]:
    """Return the one JSON object in *text*, alone or as the only thing inside one code fence.

    Raises:
        Unreadable: there is anything else, a key that stands twice, or one that is not among *keys*.
    """
    body = _unfenced(text.strip())
    if not body:
        raise Unreadable("the reviewer answered nothing")
    try:
        data = json.loads(body, object_pairs_hook=_unique, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise Unreadable(f"the reviewer's answer is not JSON: {error}; it is {shown(body)}") from error
    return require_object(data, keys)


def require_object(data: object, keys: frozenset[str]) -> Mapping[str, Any]:
    """Return *data*, which must be an object with no other key than *keys*.

    Raises:
        Unreadable: it is something else.
    """
    if not isinstance(data, Mapping):
        raise Unreadable(f"the reviewer's answer is not a JSON object; it is {shown(data)}")
    if unknown := sorted(set(data) - keys):
        raise Unreadable(f"the reviewer's answer has an unknown key {shown(unknown[0])}")
    return data


def text_at(data: Mapping[str, Any], key: str) -> str:
    """Return the text at *key*, stripped; an empty one where there is none.

    Raises:
        Unreadable: it is no text.
    """
    value = data.get(key, "")
    if not isinstance(value, str):
        raise Unreadable(f"the reviewer's {key} must be a text; it is {shown(value)}")
    return value.strip()


def shown(value: object) -> str:
    """Return *value* for a message: short, and never more than its kind where it is large."""
    if not isinstance(value, str | int | float | None):
        return (
            f"a {type(value).__name__} of {len(value)}" if isinstance(value, list | dict) else "of no known type"
        )
    text = repr(value)
    return text if len(text) <= LONGEST_SHOWN else text[:LONGEST_SHOWN] + "\N{HORIZONTAL ELLIPSIS}"


def _unfenced(text: str) -> str:
    if not text.startswith(("```", "~~~")):
        return text
    markdown = read_markdown(text)
    if markdown.prose.strip() or len(markdown.fences) != 1 or not markdown.fences[0].closed:
        raise Unreadable("the reviewer's answer has text or code besides its one JSON object")
    if markdown.fences[0].language not in {"", "json"}:
        raise Unreadable(f"the reviewer's answer is {shown(markdown.fences[0].language)}, not JSON")
    return markdown.fences[0].body.strip()


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    data = dict(pairs)
    if len(data) != len(pairs):
        raise ValueError("a key stands in it twice")
    return data


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")
