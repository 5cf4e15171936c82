"""Whether an answer has the form that was asked for: JSON that fits a schema. A model's word is never enough."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, NoReturn

_THOUGHT = re.compile(r"\A\s*<think>.*?</think>", re.DOTALL)
_FENCED = re.compile(r"\A```(?:json)?[ \t]*\n(.*)\n```\Z", re.DOTALL)
LONGEST_SHOWN = 300


def unwrapped(text: str) -> str:
    """Return *text* without thinking before it and without one code fence round all of it.

    Models that are not held to the schema wrap their JSON so; the JSON itself is not touched.
    """
    bare = _THOUGHT.sub("", text, count=1).strip()
    fenced = _FENCED.match(bare)
    return fenced[1].strip() if fenced else bare


def problem_of(text: str, schema: Mapping[str, Any]) -> str:
    """Return what keeps *text* from being JSON that fits *schema*; empty when it does."""
    try:
        data = json.loads(text, object_pairs_hook=_unique, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        return f"it is not JSON ({str(error)[:LONGEST_SHOWN]})"
    from jsonschema.exceptions import best_match
    from jsonschema.validators import validator_for

    found = best_match(validator_for(schema)(schema).iter_errors(data))
    return "" if found is None else f"at {found.json_path}: {found.message[:LONGEST_SHOWN]}"


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    data = dict(pairs)
    if len(data) != len(pairs):
        raise ValueError("a key stands in it twice")
    return data


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")
