import json
import math
import time

import pytest

from obra.domain import Confidence, Evidence, Reply
from obra.reports.rows import LONGEST_TEXT, error_row, row_of
from obra.reports.run_writer import RunWriter

PLAIN = (str, int, float, bool, type(None), list, dict)


def types_in(value):
    """Yield the exact type of every value in a row, keys included."""
    yield type(value)
    for one in value if isinstance(value, list) else ():
        yield from types_in(one)
    for key, one in value.items() if isinstance(value, dict) else ():
        yield type(key)
        yield from types_in(one)


def test_a_row_tells_everything_that_was_found(make_report):
    """Result, scores, checks, decision and breakpoint stand in the row with their values."""
    row = row_of(make_report(), node="scenarios/calculator.obra.yaml::test_scenario[mock]")

    assert row["result"] == "agent_failed"
    assert row["status"] == "escalated"
    assert row["node"].endswith("[mock]")
    assert row["breakpoint"] == {"id": 3, "trigger": "quality_too_low", "reason": "55 is below 70"}
    assert (row["quality"], row["confidence"], row["cost_usd"], row["tokens"]) == (55.0, 61.5, 0.5, 240)
    assert [one["number"] for one in row["attempts"]] == [1, 2]
    first = row["attempts"][0]
    assert first["prompt"] == "Write a calculator."
    assert first["tokens"] == 120
    assert first["checks"][1]["message"] == "expected exit 0, got 1"
    assert first["review"]["issues"] == ["no tests"]
    assert first["problems"] == ["truncated"]
    assert first["quality_factors"] == [{"name": "checks", "points": 20.0, "weight": 50.0, "why": "1 of 2"}]
    assert first["confidence_factors"][0]["why"] == "it says no"
    assert (first["action"], first["reason"], first["reasons"]) == ("retry", "a check failed", ["pytest failed"])
    assert first["feedback"] == "Make pytest pass."
    assert first["changes"][0] == {
        "path": "calculator.py",
        "kind": "created",
        "old_path": "",
        "added": 1,
        "removed": 0,
    }
    assert row["truth"][0]["output"] == "boom"


def test_a_row_is_made_of_exact_plain_types(make_report):
    """No enum, no tuple and no number with factors is left: another process would not take them."""
    row = row_of(make_report(outcome={"confidence": Confidence(61.5)}))

    assert set(types_in(row)) <= set(PLAIN)


def test_an_error_row_has_the_keys_of_every_row(make_report):
    """Who reads rows needs no special case for broken machinery."""
    row = error_row(scenario="calculator", agent="replay", path="a.obra.yaml", node="a::b", message="no such file")

    assert list(row) == list(row_of(make_report()))
    assert row["result"] == "machinery_broke"
    assert row["reason"] == "no such file"
    assert row["cost_usd"] is None
    assert set(types_in(row)) <= set(PLAIN)


def test_an_unknown_cost_stays_unknown(make_report, make_attempt):
    """None is not zero, and half-known tokens are unknown."""
    silent = make_attempt(reply=Reply(text="ok", tokens_in=5))

    row = row_of(make_report(attempts=(silent,), outcome={"cost_usd": None, "tokens": None}))

    assert row["cost_usd"] is None
    assert row["tokens"] is None
    assert row["attempts"][0]["cost_usd"] is None
    assert row["attempts"][0]["tokens"] is None


def test_a_very_long_text_is_cut_and_says_by_how_much(make_report, make_attempt):
    """A row stays small enough to be sent, and nobody takes the part for the whole."""
    long = make_attempt(prompt="p" * LONGEST_TEXT, evidence=Evidence(patch="d" * (LONGEST_TEXT + 17)))

    first = row_of(make_report(attempts=(long,)))["attempts"][0]

    assert first["prompt"] == "p" * LONGEST_TEXT
    assert first["patch"] == "d" * LONGEST_TEXT + "\n[17 more characters are cut here]"


def test_text_that_is_not_unicode_and_numbers_without_end_are_made_fit(make_report, make_attempt):
    """A lone surrogate and a number that is not finite would break every reader."""
    odd = make_attempt(reply=Reply(text="a\ud800b\u00e9", cost_usd=math.inf), confidence=math.nan)

    row = row_of(make_report(attempts=(odd,)))

    assert row["attempts"][0]["reply"] == "a\ufffdb\u00e9"
    assert row["attempts"][0]["cost_usd"] is None
    assert row["attempts"][0]["confidence"] is None
    json.dumps(row, ensure_ascii=False, allow_nan=False).encode()


@pytest.mark.parametrize("attempts", [1, 3])
def test_a_small_report_costs_next_to_nothing(attempts, tmp_path, make_report, make_attempt):
    """Row and file together stay far below the five milliseconds that a whole mock scenario may cost."""
    report = make_report(attempts=tuple(make_attempt(number) for number in range(1, attempts + 1)))
    writer = RunWriter(tmp_path / "run")
    writer.add(row_of(report))
    best = math.inf
    for _ in range(50):
        began = time.process_time()  # what others do on this machine at the same time is not counted
        writer.add(row_of(report))
        best = min(best, time.process_time() - began)

    assert best < 0.002
