from obra.statistics.comparison import Change, compare
from obra.statistics.fidelity import fidelities
from obra.statistics.gates import GateState, pass_rate_gate
from obra.statistics.runs import run_statistics
from obra.statistics.same_names import shared_names, told_apart
from obra.statistics.uplift import uplifts


def test_scenarios_of_one_name_are_no_repeats_of_each_other(line) -> None:
    """One that passes does not hide one that never does, nor is either called flaky."""
    rows = [line(path="a.obra.yaml", node="a"), line("agent_failed", path="b.obra.yaml", node="b")]
    run = run_statistics(rows)
    assert [case.case for case in run.cases] == ["hello [a.obra.yaml]", "hello [b.obra.yaml]"]
    assert (run.flaky, run.has_repeats) == ((), False)
    assert pass_rate_gate(run, 0.5).state is GateState.FAILED


def test_one_file_in_several_tests_stays_one_case(line) -> None:
    """A test in Python may run the same scenario once more; rows of older runs do not tell their file."""
    rows = [line(path="a.obra.yaml", node="a"), line(path="a.obra.yaml", node="test_mine.py::test_a")]
    assert [case.case for case in run_statistics(rows).cases] == ["hello"]
    assert shared_names([line(), line(node="other")]) == frozenset()
    assert told_apart([line(), line(path="a")], {"hello"})[0]["case"] == "hello"


def test_a_comparison_does_not_set_one_against_the_other(line) -> None:
    """Two that changed places are one better and one worse, and not the same."""
    before = [line(path="a", node="a"), line("agent_failed", path="b", node="b")]
    after = [line("agent_failed", path="a", node="a"), line(path="b", node="b")]
    changes = {case.case: case.change for case in compare(before, after).cases}
    assert changes == {"hello [a]": Change.WORSE, "hello [b]": Change.BETTER}
    only = {case.case: case.change for case in compare(before, after[:1]).cases}
    assert only == {"hello [a]": Change.WORSE, "hello [b]": Change.GONE}


def test_a_file_that_moved_is_still_the_same_case(line) -> None:
    """Names that are clear on both sides are compared by name alone."""
    (case,) = compare([line(path="old/a")], [line(path="new/a")]).cases
    assert (case.case, case.change) == ("hello", Change.SAME)


def test_pairs_are_made_within_one_file(line) -> None:
    """Neither the uplift nor the agreement of two agents crosses files."""
    rows = [line(path=path, node=path, bare=bare) for path in "ab" for bare in (False, True)]
    (found,) = uplifts(rows)
    assert found.pairs == 2
    rows = [
        line("passed" if path == "a" else "agent_failed", path=path, node=path, agent=agent)
        for path in "ab"
        for agent in ("mock", "replay")
    ]
    (alike,) = fidelities(rows)
    assert (alike.agreeing.count, alike.agreeing.of) == (2, 2)
