import pytest

from obra.statistics.budget import Budget, amount, used_up
from obra.statistics.runs import measure

NOTHING = measure([])


def reason(budget, *, usd=(), tokens=(), seconds=0.0):
    """Ask whether another scenario may begin."""
    return used_up(budget, cost_usd=measure(usd), tokens=measure(tokens), seconds=seconds)


def test_without_limits_all_may_begin():
    """No budget is used up by anything, and unknown costs do not matter."""
    assert not Budget().is_limited
    assert not reason(Budget(), usd=[None, 1e9], tokens=[None], seconds=1e9)


@pytest.mark.parametrize(
    ("budget", "spent", "words"),
    [
        (Budget(usd=1.0), {"usd": [0.5, 0.5]}, "budget of 1 USD is used up (1.00 USD spent)"),
        (Budget(tokens=100), {"tokens": [101]}, "budget of 100 tokens is used up (101 tokens spent)"),
        (Budget(usd=1.0), {"usd": [0.1] * 10}, "budget of 1 USD is used up"),
        (Budget(usd=0.8), {"usd": [0.1] * 8}, "budget of 0.8 USD is used up"),
        (Budget(seconds=60), {"seconds": 60.0}, "budget of 60 seconds is used up"),
        (Budget(usd=1.0), {"usd": [1.5, None]}, "(at least 1.50 USD, 1 unknown spent)"),
    ],
)
def test_a_budget_that_is_used_up_says_so(budget, spent, words):
    """With what was allowed and what was spent."""
    assert budget.is_limited
    assert words in reason(budget, **spent)


def test_what_is_left_lets_another_begin():
    """Below every limit nothing is said."""
    budget = Budget(usd=1.0, tokens=100, seconds=60)
    assert not reason(budget, usd=[0.99], tokens=[99], seconds=59.9)


def test_an_unknown_cost_is_not_zero():
    """Under a budget of that kind nothing more begins, and the reason names a budget that can be held."""
    told = reason(Budget(usd=1.0), usd=[0.1, None])
    assert "1 of 2 runs did not tell how many USD they used, so --obra-budget-usd=1 cannot be held" in told
    assert "--obra-budget-seconds" in told
    assert not reason(Budget(tokens=5), usd=[None], tokens=[1])


def test_amounts_say_what_is_unknown():
    """At least so much, or nothing at all."""
    assert amount(measure([1.0, 0.25]), "USD") == "1.25 USD"
    assert amount(measure([1.0, None, None]), "USD") == "at least 1.00 USD, 2 unknown"
    assert amount(measure([None]), "tokens") == "tokens unknown"
    assert amount(NOTHING, "tokens") == "0 tokens"
