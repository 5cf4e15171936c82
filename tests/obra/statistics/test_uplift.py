import json

import pytest

from obra.statistics.uplift import uplifts


def test_pairs_are_one_repeat_of_one_case_with_and_without(line):
    """What broke, or has no other half, is left out; costs stand beside the rates."""
    rows = [
        line(repeat=1), line("agent_failed", repeat=1, bare=True, cost_usd=0.1),
        line(repeat=2), line(repeat=2, bare=True, cost_usd=None),
        line(case="b"), line("agent_failed", case="b", bare=True),
        line(case="c"), line("machinery_broke", case="c", bare=True),
        line(case="d"),
    ]  # fmt: skip
    (found,) = uplifts(rows)
    assert (found.agent, found.pairs, found.only_with_obra, found.only_bare) == ("mock", 3, 2, 0)
    assert (found.with_obra.count, found.bare.count) == (3, 1)
    assert found.difference.value == pytest.approx(2 / 3)
    assert found.difference.low < found.difference.value <= found.difference.high
    assert (found.cost_with_obra.total, found.cost_bare.unknown) == (0.75, 1)
    json.dumps(found.as_data(), allow_nan=False)


def test_each_agent_has_its_own(line):
    """An agent that never worked alone has no uplift."""
    rows = [line(), line(bare=True), line(agent="x"), line("agent_failed", agent="x", bare=True), line(agent="y")]
    assert [(one.agent, one.difference.value) for one in uplifts(rows)] == [("mock", 0.0), ("x", 1.0)]
