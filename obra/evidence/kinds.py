"""Kinds of check by others: the entry-point group ``obra.checks``, asked only for keys that are none of ours."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from obra.errors import PluginError
from obra.evidence.checks import Check
from obra.plugins import CHECKS, entry_points_of


def installed_names() -> tuple[str, ...]:
    """Return the names of the kinds that installed packages offer, sorted; nothing is imported."""
    return tuple(sorted(entry_points_of(CHECKS)))


def installed_kind(name: str) -> type[Check] | None:
    """Return the kind *name* of an installed package, or ``None`` when none offers it.

    Raises:
        PluginError: it is offered and cannot be used: it cannot be imported, is no subclass of
            :class:`obra.evidence.checks.Check`, or has another ``kind`` than its name, or no field called so.
    """
    point = entry_points_of(CHECKS).get(name)
    if point is None:
        return None
    where = f"the check {name!r} ({point.value})"
    try:
        found: Any = point.load()
    except (ImportError, AttributeError) as error:
        raise PluginError(f"{where} cannot be loaded: {error}; install its package anew, or remove it") from error
    if not (isinstance(found, type) and issubclass(found, Check)):
        raise PluginError(f"{where} is no subclass of obra.evidence.checks.Check; see docs/writing-scenarios.md")
    if getattr(found, "kind", "") != name or name not in found.model_fields:
        raise PluginError(
            f"{where} needs kind = {name!r} and a field called {name}; see docs/writing-scenarios.md"
        )
    return found


def installed_kinds() -> Mapping[str, type[Check]]:
    """Return every kind that installed packages offer, by name.

    Raises:
        PluginError: one of them cannot be used.
    """
    found = {name: installed_kind(name) for name in installed_names()}
    return {name: kind for name, kind in found.items() if kind is not None}
