"""Records to JSON text and back, and what happens to text that a database cannot hold.

Agents and models may answer with anything. Two things in a Python text cannot be stored everywhere: a lone
surrogate is not Unicode, and PostgreSQL knows no NUL (SQLite's own functions stop at one). Both are replaced
by U+FFFD, wherever they stand; all other text comes back as it was. No attempt is lost because of its text.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime
from functools import cache
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from obra.domain import Attempt, Decision
from obra.errors import StateError

if TYPE_CHECKING:
    from pydantic import TypeAdapter

REPLACEMENT = "\ufffd"

_SURROGATE = re.compile("[\ud800-\udfff]")
_NUL_IN_JSON = re.compile(r"(?<!\\)((?:\\\\)*)\\u0000")
"""An escaped NUL, but not an escaped backslash before the letters ``u0000``."""


def clean(text: str) -> str:
    """Return *text* with lone surrogates and NULs replaced by U+FFFD."""
    text = _without_surrogates(text)
    return text.replace("\0", REPLACEMENT) if "\0" in text else text


def to_json(value: Any) -> str:
    """Return *value* as JSON text, cleaned as this module says.

    Records, enums, mappings, sequences, aware datetimes (written in UTC) and plain JSON data can be written.

    Raises:
        StateError: it holds something else, or a number that is not finite.
    """
    try:
        text = _ENCODER.encode(value)
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise StateError(
            f"this cannot be stored as JSON: {error}. Give plain data: text, finite numbers, lists, mappings"
        ) from error
    if "\\u0000" in text:
        text = _NUL_IN_JSON.sub(rf"\1{REPLACEMENT}", text)
    return _without_surrogates(text)


def from_json(text: str) -> Any:
    """Return the plain data that stands in *text*.

    Raises:
        StateError: it is not JSON; someone else has written into the database.
    """
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise StateError(f"a stored record is not JSON ({error}): {text[:80]!r}; restore a backup") from error


def attempt_to_json(attempt: Attempt) -> str:
    """Return all of *attempt* but its ids and its decision, which have columns and a table of their own."""
    return to_json({name: getattr(attempt, name) for name in _ATTEMPT_FIELDS})


def attempt_from_json(text: str, *, key: int, task_id: int, number: int, decision: Decision) -> Attempt:
    """Return the attempt that :func:`attempt_to_json` wrote, equal to the one it was given.

    Raises:
        StateError: the text is not such a record.
    """
    from pydantic import ValidationError

    data = from_json(text)
    try:
        return _attempts().validate_python(
            {**data, "id": key, "task_id": task_id, "number": number, "decision": decision}
        )
    except (ValidationError, TypeError) as error:
        raise StateError(
            f"attempt {number} of task {task_id} cannot be read: {error}; restore a backup of the database"
        ) from error


def utc(moment: datetime) -> datetime:
    """Return *moment* in UTC.

    Raises:
        StateError: it does not say which time zone it is in.
    """
    if moment.tzinfo is None:
        raise StateError(f"the time {moment.isoformat()} has no time zone; use datetime.now(UTC)")
    return moment.astimezone(UTC)


def _without_surrogates(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        return _SURROGATE.sub(REPLACEMENT, text)
    return text


def _plain(value: Any) -> Any:
    """Turn what the JSON encoder does not know into something it does."""
    kind: Any = type(value)  # which is what mypy does not take for a key where it knows more
    way = _WAYS.get(kind)
    if way is None:
        way = _WAYS[kind] = _way_of(kind)
    return way(value)


_WAYS: dict[Any, Callable[[Any], Any]] = {}


def _way_of(kind: Any) -> Callable[[Any], Any]:
    """Return how what is of one kind is turned into what the JSON encoder knows."""
    is_record = is_dataclass(kind)
    if is_record:
        names, values = _fields_of(kind)
        return lambda value: dict(zip(names, values(value), strict=True))
    if issubclass(kind, Mapping):
        return dict
    if issubclass(kind, datetime):
        return lambda value: utc(value).isoformat()
    return _refuse


def _refuse(value: Any) -> Any:
    raise TypeError(f"{value!r} is a {type(value).__name__}")


_ENCODER = json.JSONEncoder(default=_plain, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


@cache
def _fields_of(record: type[Any]) -> tuple[tuple[str, ...], Callable[[Any], tuple[Any, ...]]]:
    """Return the names of the fields of a kind of record, and what reads their values."""
    names = tuple(field.name for field in fields(record))
    if len(names) > 1:
        return names, attrgetter(*names)
    return names, lambda value: tuple(getattr(value, name) for name in names)


_ATTEMPT_FIELDS = tuple(
    name for name in _fields_of(Attempt)[0] if name not in {"id", "task_id", "number", "decision"}
)


@cache
def _attempts() -> TypeAdapter[Attempt]:
    """Build the reader once, when it is first needed: it costs some milliseconds."""
    from pydantic import TypeAdapter

    return TypeAdapter(Attempt)
