from itertools import product

from hypothesis import given, settings
from hypothesis import strategies as st

from obra.statistics.gates import GateState, certain, false_accept_gate, pass_rate_gate, share_text
from obra.statistics.proportions import Share
from obra.statistics.runs import run_statistics


def rows(line, **cases):
    """Return lines from words such as ``a="ppf"``: p passed, f failed, w false accept, x broken machinery."""
    words = {"p": "passed", "f": "agent_failed", "w": "verdict_wrong", "x": "machinery_broke"}
    return [
        line(words[letter], case=case, repeat=number)
        for case, letters in cases.items()
        for number, letter in enumerate(letters, start=1)
    ]


def test_each_case_must_reach_the_rate_by_itself(line):
    """A dead case fails the gate, however good the mean is, and is named with its interval."""
    run = run_statistics(rows(line, good="p" * 97, dead="fff"))
    gate = pass_rate_gate(run, 0.9)
    assert run.pass_rate.rate == 0.97
    assert gate.state is GateState.FAILED
    assert gate.findings == ("dead (mock): 0 of 3 (0.0%; 95% interval 0.0% to 56.1%)",)
    assert gate.name == "the observed pass rate of every case is at least 90.0%"
    assert pass_rate_gate(run, 0.0).state is GateState.HELD


def test_the_bound_itself_is_enough(line):
    """11 of 20 is 0.55, also in binary fractions."""
    assert pass_rate_gate(run_statistics(rows(line, a="p" * 11 + "f" * 9)), 0.55).state is GateState.HELD


def test_broken_machinery_decides_nothing(line):
    """It counts into no rate; a case without any verdict leaves the gate undecided."""
    assert pass_rate_gate(run_statistics(rows(line, a="pxx")), 1.0).state is GateState.HELD
    gate = pass_rate_gate(run_statistics(rows(line, a="p", b="xx")), 1.0)
    assert gate.state is GateState.UNDECIDED
    assert gate.findings == ("b (mock): no verdict in 2 runs, as the machinery broke",)
    assert pass_rate_gate(run_statistics([]), 0.5).state is GateState.UNDECIDED


def test_false_accepts_are_counted_over_the_run(line):
    """One more than allowed fails; a false reject is none."""
    run = run_statistics([*rows(line, a="pw", b="w"), line("verdict_wrong", case="c", status="escalated")])
    assert false_accept_gate(run, 2).state is GateState.HELD
    gate = false_accept_gate(run, 1)
    assert gate.state is GateState.FAILED
    assert gate.findings[0] == "a (mock): 1 of 2 accepted, and not true"
    assert false_accept_gate(run_statistics([]), 0).state is GateState.UNDECIDED


def test_runs_without_obra_are_asked_by_no_gate(line):
    """An agent alone may fail as often as it likes."""
    run = run_statistics([line(), line("agent_failed", bare=True)])
    assert pass_rate_gate(run, 1.0).state is GateState.HELD
    assert false_accept_gate(run, 0).state is GateState.HELD


@settings(deadline=None)
@given(st.text("pfx", max_size=4), st.integers(0, 4), st.sampled_from([0.0, 0.25, 0.5, 0.6, 0.75, 0.9, 1.0]))
def test_certain_is_what_every_future_agrees_on(past, left, minimum):
    """Tried with every way in which the repeats that are left can end."""
    passed, judged = past.count("p"), len(past) - past.count("x")
    ends = set()
    for future in product("pfx", repeat=left):
        all_judged = judged + left - future.count("x")
        if all_judged:
            ends.add((passed + future.count("p")) / all_judged >= minimum)
    found = certain(passed=passed, judged=judged, left=left, minimum=minimum)
    if judged:
        expected = GateState.UNDECIDED if len(ends) == 2 else GateState.HELD if True in ends else GateState.FAILED
        assert found is expected
    else:
        assert found is GateState.UNDECIDED


def test_a_share_of_nothing_has_words():
    """No number is made up for it."""
    assert share_text(Share.counted(0, 0)) == "nothing judged"
