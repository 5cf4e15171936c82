"""What is wrong with values that a person wrote, as sentences in the words of YAML and not of a library."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import UnionType
from typing import TYPE_CHECKING, Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

Location = tuple[str | int, ...]
_SECRET = re.compile("key|password|secret|token$")
"""Keys whose values never stand in a message."""
_KINDS = {
    "list": ("tuple_type", "list_type", "set_type", "frozen_set_type"),
    "mapping of keys to values": ("dict_type", "mapping_type"),
    "text": ("string_type",),
    "whole number": ("int_type", "int_parsing", "int_from_float"),
    "number": ("float_type", "float_parsing"),
    "truth value (true or false)": ("bool_type", "bool_parsing"),
}
_KIND_OF = {name: kind for kind, names in _KINDS.items() for name in names}
"""What pydantic's names of errors say should have been there."""
_MODELS = frozenset({"model_type", "model_attributes_type", "dataclass_type"})


@dataclass(frozen=True, slots=True)
class ValueProblem:
    """One wrong value: where in the data, and a sentence."""

    location: Location
    text: str


def problems_of(error: ValidationError, model: type[BaseModel]) -> Iterator[ValueProblem]:
    """Turn pydantic's errors into sentences that name the key, the value and the nearest right word."""
    details = error.errors(include_url=False)
    places = [tuple(step for step in detail["loc"] if not _is_tag(step)) for detail in details]
    for location, detail in zip(places, details, strict=True):
        key = ".".join(str(step) for step in location) or "the document"
        if detail["type"] == "extra_forbidden":
            yield ValueProblem(location, f"unknown key '{key}'" + nearest_key(location, model))
        elif detail["type"] == "missing":
            yield ValueProblem(location, f"the key '{key}' is missing")
        elif not _is_only_the_sum(detail, location, places):
            reason = reason_of(detail, _model_at(location, model))
            if not _SECRET.search(key) and "; it is " not in reason:
                reason += f"; it is {_shown(detail['input'])}"
            yield ValueProblem(location, f"'{key}': {reason}")


def reason_of(detail: ErrorDetails, form: Any = None) -> str:
    """Return what a value should be, as the end of a sentence about it.

    Args:
        detail: one of ``ValidationError.errors()``.
        form: the model that should stand there, if one should; its keys are named.
    """
    kind = detail["type"]
    if kind in _MODELS:
        names = ", ".join(_names(form))
        return "should be a mapping" + (f" with keys such as {names}" if names else " of keys to values")
    if kind in _KIND_OF:
        return f"should be {'' if kind == 'string_type' else 'a '}{_KIND_OF[kind]}"
    if kind == "too_short":
        return f"should have at least {detail['ctx']['min_length']} item(s)"
    if kind == "string_too_short":
        return "should not be empty"
    return detail["msg"].removeprefix("Value error, ").removeprefix("Input ")


def _is_only_the_sum(detail: ErrorDetails, location: Location, places: Sequence[Location]) -> bool:
    """Tell whether a list is called too short only since its items are wrong, which is told of each."""
    below = len(location)
    return detail["type"] == "too_short" and any(len(one) > below and one[:below] == location for one in places)


def _names(form: Any, most: int = 6) -> list[str]:
    """Return the first keys of a model, those that it must have before the others."""
    fields = getattr(form, "model_fields", {})
    names = sorted(fields, key=lambda name: not fields[name].is_required())
    return [fields[name].alias or name for name in names[:most]]


def nearest_key(location: Sequence[str | int], model: type[BaseModel]) -> str:
    """Return ``"; did you mean '...'?"`` or the list of keys that may stand there, or nothing."""
    owner = _model_at(location[:-1], model)
    fields = getattr(owner, "model_fields", None)
    if not fields:
        return ""
    names = [info.alias or name for name, info in fields.items()]
    close = difflib.get_close_matches(str(location[-1]), names, n=1)
    parent = ".".join(str(step) for step in location[:-1])
    if close:
        return f"; did you mean '{parent + '.' if parent else ''}{close[0]}'?"
    return f"; it may be one of: {', '.join(sorted(names))}"


def _model_at(location: Sequence[str | int], model: type[BaseModel]) -> Any:
    """Return the model that should stand at *location* of *model*, or ``None``."""
    annotation: Any = model
    for step in location:
        annotation = _below(annotation, step)
    return next((part for part in _parts(annotation) if _is_model(part)), None)


def _below(annotation: Any, step: str | int) -> Any:
    """Return what is declared to stand under a key or an index."""
    for part in _parts(annotation):
        if _is_model(part):
            for name, info in part.model_fields.items():
                if step in (name, info.alias):
                    return info.annotation
        origin = get_origin(part)
        if isinstance(origin, type) and issubclass(origin, Mapping):
            return get_args(part)[1]
        if isinstance(origin, type) and issubclass(origin, Sequence) and isinstance(step, int):
            return get_args(part)[0]
    return None


def _parts(annotation: Any) -> Iterator[Any]:
    """Yield the types that an annotation allows."""
    origin = get_origin(annotation)
    if origin is Annotated:
        yield from _parts(get_args(annotation)[0])
    elif origin in (Union, UnionType):
        for part in get_args(annotation):
            yield from _parts(part)
    else:
        yield annotation


def _is_model(part: Any) -> bool:
    return isinstance(part, type) and issubclass(part, BaseModel)


def _is_tag(step: str | int) -> bool:
    """Tell whether pydantic put *step* into a location itself, to name a branch of a union."""
    return isinstance(step, str) and (step.startswith(("function-", "tagged-", "constrained-")) or "[" in step)


def _shown(value: Any, limit: int = 60) -> str:
    text = repr(value)
    return text if len(text) <= limit else text[: limit - 1] + "…"
