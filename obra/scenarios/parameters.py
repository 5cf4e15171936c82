"""``parameters:`` of a scenario: from one file to its cases, each with its values put where ``$name`` stands.

That is all there is to it: a name is replaced by its value in texts of the scenario, once, before anything else is
looked at. Nothing is computed, and a file without ``parameters:`` is taken as it stands.
"""

from __future__ import annotations

import difflib
import itertools
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from obra.wrong_values import Location, ValueProblem

Value = str | int

TEXT_KEYS = (
    "task",
    "tasks",
    "settings",
    "workspace",
    "checks",
    "script",
    "reviewer",
    "permissions",
    "human",
    "expect",
)
"""Where in a scenario ``$name`` is replaced: in every text below these keys."""
PATH_KEYS = frozenset({"files", "write", "edit"})
"""Mappings whose keys are paths; ``$name`` is replaced in those, too."""

_PLACE = re.compile(r"\$(?:(?P<dollar>\$)|(?P<bare>[A-Za-z_]\w*)|\{(?P<braced>[A-Za-z_]\w*)\})", re.ASCII)
_NOT_IN_IDS = re.compile(r"[^\w.+]+")
_LONGEST_IN_ID = 30


@dataclass(frozen=True, slots=True)
class Case:
    """One case: what it is called, and its values by name."""

    id: str
    values: Mapping[str, Value]


def cases_of(parameters: Mapping[str, Sequence[Value]] | Sequence[Mapping[str, Value]]) -> Iterator[Case]:
    """Yield the cases: every combination of a matrix, the first name slowest; or those of a list, in its order.

    A case is called by its ``id`` where it has one, else by its values, joined by hyphens.
    """
    if isinstance(parameters, Mapping):
        for values in itertools.product(*parameters.values()):
            case = dict(zip(parameters, values, strict=True))
            yield Case(_id_of(case), case)
        return
    for given in parameters:
        case = {name: value for name, value in given.items() if name != "id"}
        yield Case(_in_id("id", given["id"]) if "id" in given else _id_of(case), case)


def problems_of_parameters(
    parameters: Mapping[str, Sequence[Value]] | Sequence[Mapping[str, Value]],
) -> Iterator[ValueProblem]:
    """Yield what is wrong beyond types: doubles, an ``id`` in a matrix, cases with other names than the first."""
    if isinstance(parameters, Mapping):
        if "id" in parameters:
            yield ValueProblem(
                ("parameters", "id"), "'parameters.id': the name is taken; ids are made of the values"
            )
    else:
        first = set(parameters[0]) - {"id"}
        for index, case in enumerate(parameters):
            if set(case) - {"id"} != first:
                yield ValueProblem(
                    ("parameters", index),
                    f"'parameters.{index}': should have the names {', '.join(sorted(first)) or 'none'}, as the "
                    f"first case has; it has {', '.join(sorted(set(case) - {'id'})) or 'none'}",
                )
    seen: dict[str, int] = {}
    for index, one in enumerate(cases_of(parameters)):
        if one.id in seen:
            place: Location = ("parameters",) if isinstance(parameters, Mapping) else ("parameters", index)
            key = ".".join(map(str, place))
            yield ValueProblem(
                place,
                f"'{key}': cases {seen[one.id] + 1} and {index + 1} are both called {one.id!r}; "
                f"give other values, or write the cases as a list, each with an id",
            )
        seen.setdefault(one.id, index)


@dataclass(slots=True)
class Substitution:
    """Puts the values of one case into the texts of a scenario, and remembers what did not fit."""

    values: Mapping[str, Value]
    problems: list[ValueProblem] = field(default_factory=list)
    used: set[str] = field(default_factory=set)

    def of(self, data: Mapping[str, Any]) -> dict[str, Any]:
        """Return *data*, a whole scenario, with its values in place."""
        return {
            key: self._inside(value, (key,)) if key in TEXT_KEYS else value
            for key, value in data.items()
            if key != "parameters"
        }

    def _inside(self, value: Any, place: Location) -> Any:
        if isinstance(value, str):
            return self._text(value, place)
        if isinstance(value, Mapping):
            in_keys = place[-1] in PATH_KEYS
            return {
                self._text(key, (*place, key)) if in_keys and isinstance(key, str) else key: self._inside(
                    inner, (*place, key)
                )
                for key, inner in value.items()
            }
        if isinstance(value, list):
            return [self._inside(inner, (*place, index)) for index, inner in enumerate(value)]
        return value

    def _text(self, text: str, place: Location) -> str:
        return _PLACE.sub(self._replacer(place), text) if "$" in text else text

    def _replacer(self, place: Location) -> Callable[[re.Match[str]], str]:
        def replace(match: re.Match[str]) -> str:
            if match["dollar"]:
                return "$"
            name = match["bare"] or match["braced"]
            if name in self.values:
                self.used.add(name)
                return str(self.values[name])
            self.problems.append(ValueProblem(place, self._unknown(name, place)))
            return match[0]

        return replace

    def _unknown(self, name: str, place: Location) -> str:
        close = difflib.get_close_matches(name, self.values, n=1)
        hint = f"did you mean '${close[0]}'?" if close else f"there are: {', '.join(self.values)}."
        key = ".".join(map(str, place))
        return f"'{key}': no parameter is called '{name}'; {hint} For a dollar sign write '$$'"


def _id_of(values: Mapping[str, Value]) -> str:
    return "-".join(_in_id(name, value) for name, value in values.items())


def _in_id(name: str, value: Value) -> str:
    """Return a value as it reads well in an id: a minus stays, what else is not of a word becomes one."""
    if isinstance(value, int):
        return str(value)
    text = _NOT_IN_IDS.sub("_", value).strip("_")
    return text if 0 < len(text) <= _LONGEST_IN_ID else f"{name}={'empty' if not text else text[:_LONGEST_IN_ID]}"
