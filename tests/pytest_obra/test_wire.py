"""A report on its way from an xdist worker: nothing of it changes, and only ours is packed."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from obra.reports.rows import error_row, json_line
from pytest_obra import PACKED
from pytest_obra.wire import ROW_TEXT, packed, unpacked

ROW = error_row(
    scenario="s", agent="mock", path="s.obra.yaml", node="s.obra.yaml::t[mock-s]", message="ü\u2028 off"
)
VALUES = st.one_of(st.text(), st.integers(), st.floats(allow_nan=False), st.booleans(), st.tuples(st.integers()))


def report_data(**changes):
    """The data of a report as pytest makes it."""
    return {
        "$report_type": "TestReport",
        "nodeid": "s.obra.yaml::t[mock-s]",
        "location": ("s.obra.yaml", 0, "t"),
        "keywords": {"t[mock-s]": 1},
        "outcome": "passed",
        "user_properties": [],
        "sections": [("Captured stdout call", "x")],
        **changes,
    }


def arrived(data):
    """What the controller has of it."""
    sent = packed(data)
    if PACKED in sent:
        unpacked(sent)
    return sent


def test_a_row_travels_as_the_line_that_is_written_and_comes_out_equal():
    """The text is that of the file; row, keywords and properties are equal to what they were."""
    data = report_data(
        obra_row=ROW, user_properties=[("mine", (1, 2)), ("obra_result", "passed"), ("obra_tokens", 3)]
    )
    sent = packed(data)
    assert sent["obra_row"] == json_line(ROW)
    assert "keywords" not in sent
    unpacked(sent)
    assert sent.pop(ROW_TEXT) == json_line(ROW)
    assert sent == data
    assert all(type(one) is tuple for one in sent["user_properties"])


@given(st.lists(st.tuples(st.sampled_from(["obra_a", "obra_b", "other", "x"]), VALUES), max_size=6))
def test_properties_arrive_as_they_were(properties):
    """Whatever the properties are, also foreign ones with our prefix that JSON would change, none is changed."""
    found = arrived(report_data(user_properties=list(properties)))["user_properties"]
    assert sorted(map(repr, found)) == sorted(map(repr, properties))


def test_a_report_without_a_row_travels_as_one_text():
    """The setup of a scenario and its teardown are plain; they come out equal, of the same types."""
    times = {"when": "setup", "duration": 0.1 + 0.2, "longrepr": None, "start": 1795402343.357802}
    data = report_data(sections=[], keywords={"t[mock-s]": 1, "s.obra.yaml": None, "": True}, **times)
    sent = packed(data)
    assert set(sent) == {PACKED, "user_properties", "sections"}
    unpacked(sent)
    assert sent == data
    assert all(type(sent[name]) is type(data[name]) for name in data)


class Named(str):
    """A text that is more than one."""

    __slots__ = ()


def test_what_json_would_change_stays():
    """A subclass, a longer explanation, captured output, a place that is a list: all of them go as they are."""
    odd = {"outcome": Named("passed"), "longrepr": {"reprcrash": (1,)}, "location": ["s.obra.yaml", 0, "t"]}
    data = report_data(**odd)
    sent = packed(data)
    assert {name: sent[name] for name in (*odd, "sections")} == {**odd, "sections": data["sections"]}
    unpacked(sent)
    assert sent == data


def test_a_variants_row_arrives_too():
    """The row of a saboteur's variant is equal; it has no line of its own."""
    found = arrived(report_data(obra_variant_row={"name": "liar", "caught": True}))
    assert found["obra_variant_row"] == {"name": "liar", "caught": True}
    assert ROW_TEXT not in found


def test_reports_of_other_tests_travel_as_they_were():
    """Without a row and properties of ours the data is the same object."""
    data = report_data(nodeid="test_s.py::test_s", user_properties=[("mine", 1)])
    assert packed(data) is data


def test_keywords_that_json_would_change_stay():
    """A keyword that is no text, or has a value that is no number, is not packed."""
    keywords = {"a": (1,), 2: 1}
    assert packed(report_data(obra_row=ROW, keywords=keywords))["keywords"] == keywords


def test_two_workers_write_what_one_process_writes(pytester, scenario_file, run):
    """Rows, results and JUnit's properties are the same, whoever ran the scenario."""
    pytest.importorskip("xdist", reason="pytest-xdist is not installed")
    scenario_file("good", task={"title": "Grüße \u2028 an alle"})
    scenario_file("bad", script=[{"say": "Done."}], limits={"iterations": 1})
    found = []
    for more in ((), ("-n", "2")):
        result = run(*more, "--obra-report-dir", f"out{len(more)}", f"--junitxml=out{len(more)}.xml")
        result.assert_outcomes(passed=1, failed=1)
        (file,) = pytester.path.glob(f"out{len(more)}/*/results.jsonl")
        rows = sorted(map(json.loads, file.read_text(encoding="utf-8").splitlines()), key=lambda row: row["case"])
        found.append([(row["case"], row["title"], row["result"], row["trace"], sorted(row)) for row in rows])
        junit = (pytester.path / f"out{len(more)}.xml").read_text(encoding="utf-8")
        assert junit.count('<property name="obra_result"') == 2
    assert found[0] == found[1]
