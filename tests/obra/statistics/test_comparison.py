import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from obra.statistics.comparison import Change, compare

WORDS = {"p": "passed", "f": "agent_failed", "x": "machinery_broke"}


def rows(line, agent="real", reviewer="ollama llama3.2", **cases):
    """Return lines from words such as ``a="ppf"``."""
    return [
        line(WORDS[letter], case=case, agent=agent, repeat=number, llm_identity="" if letter == "x" else reviewer)
        for case, letters in cases.items()
        for number, letter in enumerate(letters, start=1)
    ]


@pytest.mark.parametrize(
    ("before", "after", "change"),
    [
        ("pp", "pppp", Change.SAME),
        ("p", "f", Change.UNCLEAR),
        ("ppp", "fff", Change.UNCLEAR),
        ("pppp", "ffff", Change.WORSE),
        ("ffff", "pppp", Change.BETTER),
        ("ppp", "ppf", Change.UNCLEAR),
        ("xx", "pp", Change.NO_VERDICT),
        ("p", "x", Change.NO_VERDICT),
    ],
)
def test_with_chance_in_play_an_exact_test_decides(line, before, after, change):
    """A single flip of a real agent proves nothing; four of four do."""
    (case,) = compare(rows(line, a=before), rows(line, a=after)).cases
    assert case.change is change
    assert not case.is_scripted


@pytest.mark.parametrize("agent", ["mock", "replay", "replay:codex", "cassette"])
def test_where_all_is_scripted_any_change_is_one(line, agent):
    """The same script ends the same way, so one flip is a regression."""
    found = compare(rows(line, agent, "scripted", a="p", b="f"), rows(line, agent, "scripted", a="f", b="p"))
    assert [case.change for case in found.cases] == [Change.WORSE, Change.BETTER]
    assert found.is_regression
    assert found.tested == 0
    mixed = compare(rows(line, agent, "scripted", a="p"), rows(line, agent, "ollama", a="f"))
    assert mixed.cases[0].change is Change.UNCLEAR


def test_a_script_whose_repeats_differed_is_left_to_chance(line):
    """It flips by itself, so one flip more is no regression; one that never flipped and does now is worse."""
    before = rows(line, "mock", "scripted", flips="ppfpp", firm="ppp", fell="pppppf")
    found = compare(before, rows(line, "mock", "scripted", flips="ppfp", firm="ppf", fell="ffffff"))
    assert [case.change for case in found.cases] == [Change.UNCLEAR, Change.WORSE, Change.WORSE]
    assert found.tested == 2


def test_machinery_that_broke_before_a_reviewer_was_there_is_no_chance(line):
    """A scripted case whose machinery broke once is still scripted."""
    found = compare(rows(line, "mock", "scripted", a="p"), rows(line, "mock", "scripted", a="xf"))
    assert found.cases[0].change is Change.WORSE


def test_cases_that_came_and_went_are_named(line):
    """They are neither better nor worse."""
    found = compare(rows(line, a="p", b="p"), rows(line, b="p", c="f"))
    assert [(case.case, case.change) for case in found.cases] == [("a", "gone"), ("b", "same"), ("c", "new")]
    assert not found.is_regression


def test_many_small_falls_are_a_regression_together(line):
    """No single flip is clear; six cases that fell and none that rose are (p = 2 / 64)."""
    before = rows(line, **dict.fromkeys("abcdef", "p"))
    found = compare(before, rows(line, **dict.fromkeys("abcdef", "f")))
    assert not found.worse
    assert found.p == pytest.approx(2 / 64)
    assert found.is_worse_overall
    assert found.is_regression
    assert not compare(rows(line, **dict.fromkeys("abcdef", "f")), before).is_regression


def test_repeats_are_compared_case_by_case_and_bare_runs_among_themselves(line):
    """A run without Obra is another case, and counts into no sign test."""
    before = [line(), line(bare=True)]
    after = [line(), line("agent_failed", bare=True)]
    found = compare(before, after)
    assert [(case.bare, case.change) for case in found.cases] == [(False, "same"), (True, "worse")]
    assert found.lower == 0
    assert not found.is_regression  # how an agent fares alone fails nobody


@given(st.text("pfx", min_size=1, max_size=6), st.text("pfx", min_size=1, max_size=6))
def test_turned_round_better_is_worse(before, after):
    """The comparison is symmetric, and its data is JSON."""

    def lines(letters):
        return [
            {
                "scenario": "a", "agent": "real", "repeat": number, "node": "n", "result": WORDS[letter],
                "status": None, "seconds": 1, "tokens": 1, "cost_usd": 1,
            }
            for number, letter in enumerate(letters)
        ]  # fmt: skip

    there, back = compare(lines(before), lines(after)), compare(lines(after), lines(before))
    turned = {Change.BETTER: Change.WORSE, Change.WORSE: Change.BETTER}
    change = there.cases[0].change
    assert back.cases[0].change is turned.get(change, change)
    assert (there.higher, there.lower, there.p) == (back.lower, back.higher, back.p)
    json.dumps(there.as_data(), allow_nan=False)
