import pytest

from obra.statistics.flips import FlipCause, flips
from obra.statistics.trials import trial_of

PASSED = ("work a", "checks a", "review a", "work b", "checks b", "review b", "truth a")


@pytest.mark.parametrize(
    ("trace", "cause"),
    [
        (("work x", "checks x", "review x", "truth a"), FlipCause.AGENT),
        (("work a", "checks x", "review a", "truth a"), FlipCause.CHECKS),
        (("work a", "checks a", "review x", "truth x"), FlipCause.REVIEWER),
        (("work a", "checks a", "review a", "work x", "checks b", "review x", "truth x"), FlipCause.AGENT),
        ((*PASSED[:-1], "truth x"), FlipCause.CHECKS),
        (PASSED, FlipCause.UNEXPLAINED),
        (PASSED[:3], FlipCause.UNEXPLAINED),
        ((*PASSED[:3], "truth x"), FlipCause.UNEXPLAINED),
    ],
)
def test_a_flip_is_put_down_to_the_first_difference(line, trace, cause):
    """What comes after the first step that differs is a consequence; with none, only time remains."""
    found = flips([trial_of(line(trace=PASSED)), trial_of(line("agent_failed", repeat=2, trace=trace))])
    assert [(one.failed, one.passed, one.cause) for one in found] == [(2, 1, cause)]


def test_each_failure_is_set_beside_the_pass_that_is_most_like_it(line):
    """A pass with other work explains nothing when one with the same work exists."""
    trials = [
        line(repeat=1, trace=("work z", "checks a", "review a", "truth a")),
        line(repeat=2, trace=("work a", "checks a", "review a", "truth a")),
        line("verdict_wrong", repeat=3, trace=("work a", "checks a", "review x", "truth a")),
        line("machinery_broke", repeat=4, trace=()),
    ]
    (flip,) = flips([trial_of(one) for one in trials])
    assert (flip.failed, flip.passed, flip.cause, flip.step) == (3, 2, FlipCause.REVIEWER, 2)


def test_without_a_pass_or_a_failure_nothing_flips(line):
    """Broken machinery is no verdict, so it flips nothing."""
    assert flips([trial_of(line("agent_failed")), trial_of(line("machinery_broke", repeat=2))]) == ()
    assert flips([trial_of(line()), trial_of(line("machinery_broke", repeat=2))]) == ()
