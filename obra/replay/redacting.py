"""What of a conversation belongs to a person or a machine, and how it is kept out of a cassette; no file access.

Paths, keys and session ids are replaced wherever they stand; the names of the user and of the machine only as
whole words, since they may be part of other ones.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any

Json = Any

WORKSPACE, HOME, KEY, SESSION, USER, HOST = "{WORKSPACE}", "{HOME}", "{KEY}", "{SESSION}", "{USER}", "{HOST}"
"""What stands in a cassette instead of the real thing."""

_WHOLE_WORDS = (USER, HOST)
_NOBODY = frozenset(
    [
        "root",
        "admin",
        "user",
        "users",
        "runner",
        "ubuntu",
        "debian",
        "docker",
        "node",
        "vscode",
        "build",
        "builder",
        "ci",
        "test",
        "tests",
        "localhost",
    ]
)
"""Accounts and machines that are no person's; as words of plain English they must stay as they are."""
_SHORTEST = 3
_KEYS = re.compile(
    r"\bsk-[A-Za-z0-9_-]{16,}|\bgh[oprsu]_[A-Za-z0-9]{20,}|\bgithub_pat_\w{20,}|\bAIza[\w-]{30,}|\bxox[abprs]-[\w-]{10,}"
    r"|\bAKIA[0-9A-Z]{16}\b"
)
"""Keys by their look (Anthropic and OpenAI, GitHub, Google, Slack, AWS), in case one is read out of a file."""


def names_of(user: str, host: str) -> dict[str, str]:
    """Return the names of this run and what stands for them.

    Args:
        user: login name.
        host: name of the machine, with or without its domain.
    """
    names = {host: HOST, host.partition(".")[0]: HOST, user: USER}
    return {name: word for name, word in names.items() if name}


def personal(names: Mapping[str, str]) -> dict[str, str]:
    """Return those of *names* that must be kept out of a cassette: not those that are nobody's."""
    return {name: word for name, word in names.items() if len(name) >= _SHORTEST and name.lower() not in _NOBODY}


def keys_in(text: str) -> dict[str, str]:
    """Return what looks like a key, and what to write instead."""
    return dict.fromkeys(_KEYS.findall(text), KEY)


def replaced(text: str, replacements: Mapping[str, str]) -> str:
    """Return *text* with every key of *replacements* replaced, the longest first."""
    for old in sorted(replacements, key=len, reverse=True):
        if old and replacements[old] in _WHOLE_WORDS:
            text = _word(old).sub(replacements[old], text)
        elif old:
            text = text.replace(old, replacements[old])
    return text


@cache
def _word(name: str) -> re.Pattern[str]:
    return re.compile(rf"(?<![A-Za-z0-9]){re.escape(name)}(?![A-Za-z0-9])")


def deep_replaced(value: Json, replacements: Mapping[str, str]) -> Json:
    """Return JSON data with every text in it replaced, keys of mappings included."""
    if isinstance(value, str):
        return replaced(value, replacements)
    if isinstance(value, Mapping):
        return {replaced(key, replacements): deep_replaced(one, replacements) for key, one in value.items()}
    if isinstance(value, list):
        return [deep_replaced(one, replacements) for one in value]
    return value


def joined_deltas(texts: Sequence[str], secrets: Iterable[str]) -> list[str]:
    """Return the pieces of a streamed text so that no secret is spread over two of them; the whole is the same.

    A piece whose text went into an earlier one is left empty.
    """
    pieces = list(texts)
    for secret in secrets:
        whole = "".join(pieces)
        start = whole.find(secret) if secret else -1
        while start >= 0:
            _join(pieces, start, start + len(secret))
            start = whole.find(secret, start + len(secret))
    return pieces


def _join(pieces: list[str], start: int, end: int) -> None:
    at, first = 0, -1
    for index, piece in enumerate(pieces):
        begins, at = at, at + len(piece)
        if first < 0 and at > start:
            first = index
        elif first >= 0 and begins < end:
            pieces[first] += piece
            pieces[index] = ""
