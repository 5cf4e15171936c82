"""How the parts of a score are told."""

from __future__ import annotations

from obra.cli.scores import parts_of_confidence, parts_of_quality
from obra.domain import Factor


def factor(name, points, weight):
    """Return one."""
    return Factor(name=name, points=points, weight=weight, why="so it is")


def test_points_are_told_with_what_they_could_have_been():
    """A deduction could not have been anything else, and a remark has no points."""
    given = (factor("review", 28.5, 30.0), factor("false claim", -30.0, 0.0), factor("measured", 0.0, 0.0))
    expected = ["28.5 of 30  review: so it is", "-30.0  false claim: so it is", "measured: so it is"]
    assert parts_of_quality(given) == expected
    assert parts_of_confidence(given) == expected


def test_a_confidence_that_nobody_measured_says_so():
    """It is a sum of points then, and nothing is told of 0 measured."""
    told = parts_of_confidence((factor("evidence", 25.0, 50.0),))
    assert told[1:] == ["not measured: the number is the sum of these points, and no chance"]
