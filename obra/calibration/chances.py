"""From points to chances: how often a verdict with so many points was right. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence

from obra.calibration.corpus import BARE, share_of
from obra.calibration.isotonic import Steps, fit
from obra.calibration.metrics import Forecasts
from obra.calibration.trial import Judged, Label, Reviewer
from obra.judging.chances import chance_of, kind_of

Chances = Mapping[str, Steps]
"""For each kind of verdict (:func:`obra.judging.chances.kind_of`) its step function."""
FITTED, HELD_BACK = 0, 1
"""The two halves: what is fitted to the one is reported on the other."""


def half_of(task: str) -> int:
    """Return which half a task belongs to, by its name alone; all attempts at a task are in one half."""
    return share_of(task.removesuffix(f" {BARE}"), 2)


def countable(judged: Iterable[Judged]) -> list[Judged]:
    """Return what has a label that counts."""
    return [one for one in judged if one.label in {Label.GOOD, Label.BAD}]


def with_verdict(judged: Iterable[Judged]) -> list[Judged]:
    """Return what came to a verdict and has a label that counts."""
    return [one for one in countable(judged) if one.says_good is not None and one.points is not None]


def weights(judged: Sequence[Judged]) -> list[float]:
    """Return for how many observations each counts, so that good and bad ones weigh the same.

    A corpus of saboteurs has more bad attempts than any agent makes. What share of them is good says nothing about
    the agent at hand; as long as nothing is known of that, one half is as good as the other (Laplace's principle).
    """
    good = sum(one.is_good for one in judged)
    shares = {True: good, False: len(judged) - good}
    kinds = sum(1 for count in shares.values() if count)
    return [len(judged) / (kinds * shares[one.is_good]) for one in judged]


def kind(one: Judged) -> str:
    """Return the kind of its verdict."""
    return kind_of(says_good=bool(one.says_good), is_measured=one.is_measured, told_apart=one.told_apart)


def fit_chances(judged: Iterable[Judged]) -> Chances:
    """Fit one step function for each kind of verdict, over all reviewers in *judged* alike."""
    known = with_verdict(judged)
    found: dict[str, list[tuple[float, bool, float]]] = {}
    for one, weight in zip(known, weights(known), strict=True):
        found.setdefault(kind(one), []).append((one.points or 0.0, one.is_right, weight))
    return {name: fit(found[name]) for name in sorted(found)}


def proposed(judged: Sequence[Judged]) -> dict[str, Chances]:
    """Return the chances by model identity, fitted to the first half.

    Those under ``""`` are for every model that was not measured: they come from the scripted reviewers together,
    the hostile ones included, so that nobody's word counts for more than theirs has shown to be worth. The one
    that knows everything stands apart: no model is like it.
    """
    half = [one for one in judged if half_of(one.task) == FITTED]
    apart = {Reviewer.MODEL, Reviewer.KNOWING}
    found = {"": fit_chances(one for one in half if one.reviewer not in apart)}
    for model in sorted({one.model for one in half if one.reviewer is Reviewer.MODEL}):
        found[model] = fit_chances(one for one in half if one.model == model)
    return found


def forecasts(judged: Iterable[Judged], chances: Mapping[str, Chances] | None = None) -> Forecasts:
    """Return the chance that each verdict was given, whether it was right, and its weight.

    With *chances* they are applied to the points; without, the points themselves are taken for a chance.
    """
    known = with_verdict(judged)
    return [
        (
            one.points or 0.0 if chances is None else chance_of(chances, one.model, kind(one), one.points or 0.0),
            one.is_right,
            weight,
        )
        for one, weight in zip(known, weights(known), strict=True)
    ]


def module_text(chances: Mapping[str, Mapping[str, Sequence[Sequence[float]]]]) -> str:
    """Return *chances* as the text of ``obra/judging/measured_chances.py``."""
    lines = [_MODULE_HEAD]
    for model, verdicts in chances.items():
        lines.append(f"    {json.dumps(model)}: {{")
        for verdict, steps in verdicts.items():
            pairs = ", ".join(f"({points!r}, {chance!r})" for points, chance in steps)
            lines.append(f'        "{verdict}": ({pairs}{"," if len(steps) == 1 else ""}),')
        lines.append("    },")
    return "\n".join((*lines, "}", ""))


_MODULE_HEAD = '''"""How often verdicts were right, by points: written by a command, not by hand.

Made again by ``obra calibrate --out docs --chances obra/judging/measured_chances.py``; how good it is on attempts
that it was not fitted to stands in ``docs/calibration.md``.
"""

from __future__ import annotations

from collections.abc import Mapping

from obra.judging.chances import Steps

# fmt: off
CHANCES: Mapping[str, Mapping[str, Steps]] = {'''
