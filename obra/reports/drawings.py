"""Where lines and bars of the page's drawings lie. Pure numbers; the templates draw."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

Row = Mapping[str, Any]

_WIDTH, _HEIGHT, _LEFT, _RIGHT, _TOP, _BOTTOM = 480, 200, 34, 460, 12, 172
_LEVELS = (0, 25, 50, 75, 100)
_FULL = 100.0
_SPARK_WIDTH, _SPARK_HEIGHT, _SPARK_EDGE = 40.0, 16.0, 2.0
_LANE = 1000.0
_THINNEST = 1.5
"""Width of a stage that hardly took time, so that it can still be seen."""


def quality_chart(attempts: Sequence[Row]) -> dict[str, Any] | None:
    """Return the chart of quality and confidence over attempts; nothing when there are not two to compare."""
    if len(attempts) <= 1:
        return None
    gate = (attempts[-1]["decision_inputs"].get("gates") or {}).get("quality")
    columns = [(_x(index, len(attempts)), attempt) for index, attempt in enumerate(attempts)]
    points = [
        {"kind": kind, "x": x, "y": _y(one[kind]), "title": f"attempt {one['number']}: {kind} {one[kind]:.1f}"}
        for kind in ("confidence", "quality")
        for x, one in columns
        if one[kind] is not None
    ]
    return {
        "width": _WIDTH,
        "height": _HEIGHT,
        "left": _LEFT,
        "right": _RIGHT,
        "levels": [{"value": level, "y": _y(level)} for level in _LEVELS],
        "gate": None if gate is None else {"value": gate, "y": _y(gate)},
        "points": points,
        "labels": [{"x": x, "text": one["number"]} for x, one in columns],
        **{kind: _line(points, kind) for kind in ("quality", "confidence")},
        "words": "; ".join(str(point["title"]) for point in points),
    }


def sparkline(values: Sequence[float | None]) -> str:
    """Return the points of a small line of scores from 0 to 100; empty for fewer than two."""
    known = [value for value in values if value is not None]
    if len(known) <= 1:
        return ""
    step = (_SPARK_WIDTH - 2 * _SPARK_EDGE) / (len(known) - 1)
    room = _SPARK_HEIGHT - 2 * _SPARK_EDGE
    return " ".join(
        f"{_SPARK_EDGE + index * step:.1f},{_SPARK_EDGE + room * (1 - value / _FULL):.1f}"
        for index, value in enumerate(known)
    )


def timeline(attempts: Sequence[Row]) -> dict[str, Any] | None:
    """Return one lane for each attempt, on a common scale; nothing when no time was measured.

    Where the stages were not seen, an attempt is one bar, laid end to end with the others.
    """
    lanes = _lanes(attempts)
    end = max((stage["at"] + stage["seconds"] for lane in lanes for stage in lane["stages"]), default=0.0)
    if end <= 0:
        return None
    return {
        "seconds": end,
        "names": list(dict.fromkeys(stage["name"] for lane in lanes for stage in lane["stages"])),
        "lanes": [_bars(lane, end) for lane in lanes],
    }


def shares(counts: Mapping[str, int]) -> list[dict[str, Any]]:
    """Return the parts of one bar, 1000 wide, for counts by kind."""
    total = sum(counts.values())
    parts, at = [], 0.0
    for key, count in counts.items():
        if count:
            width = _LANE * count / total
            parts.append({"key": key, "at": round(at, 2), "width": round(width, 2), "title": f"{key}: {count}"})
            at += width
    return parts


def _lanes(attempts: Sequence[Row]) -> list[dict[str, Any]]:
    lanes, at = [], 0.0
    for attempt in attempts:
        seconds = attempt["seconds"] or 0.0
        stages = attempt["stages"] or [{"name": "whole", "at": at, "seconds": seconds}]
        at = stages[-1]["at"] + stages[-1]["seconds"]
        lanes.append({"number": attempt["number"], "stages": stages, "seconds": attempt["seconds"]})
    return lanes


def _bars(lane: Row, end: float) -> dict[str, Any]:
    titles = [f"{stage['name']}: {stage['seconds']:.3f} s" for stage in lane["stages"]]
    return {
        "number": lane["number"],
        "seconds": lane["seconds"],
        "words": ", ".join(titles),
        "bars": [
            {
                "name": stage["name"],
                "x": round(_LANE * stage["at"] / end, 2),
                "width": round(max(_LANE * stage["seconds"] / end, _THINNEST), 2),
                "title": title,
            }
            for stage, title in zip(lane["stages"], titles, strict=True)
        ],
    }


def _line(points: Sequence[Row], kind: str) -> str:
    return " ".join(f"{point['x']},{point['y']}" for point in points if point["kind"] == kind)


def _x(index: int, count: int) -> float:
    width = _RIGHT - _LEFT
    return round(_LEFT + width * (index + 0.5) / count, 1)


def _y(score: float) -> float:
    return round(_BOTTOM - (_BOTTOM - _TOP) * min(max(score, 0.0), _FULL) / _FULL, 1)
