import json

from obra.statistics.fidelity import fidelities


def test_one_agent_has_nobody_to_agree_with(line):
    """A run with one agent has no fidelity, and one without Obra is no rung."""
    assert fidelities([line(), line(case="b")]) == ()
    assert fidelities([line(), line(agent="replay", bare=True)]) == ()


def test_each_agent_is_held_to_the_first(line):
    """Pairs are one repeat of one case; what ran with one agent only is no pair."""
    rows = [
        line(), line(case="b"), line(case="c"),
        line(agent="replay"), line("agent_failed", case="b", agent="replay"),
        line(agent="real", status="escalated"),
    ]  # fmt: skip
    replay, real = fidelities(rows)
    assert (replay.first, replay.other) == ("mock", "replay")
    assert (replay.agreeing.count, replay.agreeing.of) == (1, 2)
    assert [(one.case, one.first, one.other) for one in replay.disagreements] == [
        ("b", "passed completed", "agent_failed failed")
    ]
    assert (real.agreeing.count, real.agreeing.of) == (0, 1)
    assert real.disagreements[0].differs == "status"
    json.dumps(replay.as_data(), allow_nan=False)


def test_broken_machinery_is_no_disagreement(line):
    """A pair of which one half came to no verdict says nothing about the rung, and is counted apart."""
    (found,) = fidelities([line(), line("machinery_broke", agent="replay")])
    assert (found.agreeing.of, found.without_verdict, found.disagreements) == (0, 1, ())


def test_the_same_ending_for_other_reasons_is_told(line):
    """Agreement of verdicts and agreement of what was seen are two things."""
    rows = [
        line(trace=("work a", "checks a", "truth a")),
        line(agent="replay", trace=("work x", "checks x", "work b", "checks a", "truth a")),
        line(case="b", trace=("checks a", "truth a")),
        line(case="b", agent="replay", trace=("checks z", "truth a")),
    ]
    (found,) = fidelities(rows)
    assert (found.agreeing.count, found.same_evidence.count) == (2, 1)


def test_a_disagreement_names_the_first_thing_that_differs(line):
    """Other checks, other hidden checks, or the same evidence and another result."""
    rows = [
        line(case="checks", trace=("checks a", "truth a")),
        line("agent_failed", case="checks", agent="replay", trace=("checks b", "truth b")),
        line(case="truth", trace=("checks a", "truth a")),
        line("verdict_wrong", case="truth", agent="replay", trace=("checks a", "truth b")),
        line(case="result", trace=("checks a", "truth a")),
        line("verdict_wrong", case="result", agent="replay", trace=("checks a", "truth a")),
    ]
    (found,) = fidelities(rows)
    assert [one.differs for one in found.disagreements] == ["checks", "truth", "result"]


def test_the_first_agent_is_the_one_that_was_asked_for_first(line):
    """With workers, rows come in any order; the order of the command line decides who is held to whom."""
    rows = [line(agent="real"), line(agent="replay"), line()]
    assert [(one.first, one.other) for one in fidelities(rows, ("mock", "replay", "gone"))] == [
        ("mock", "replay"), ("mock", "real"),
    ]  # fmt: skip
