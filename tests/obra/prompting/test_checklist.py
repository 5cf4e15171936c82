import pytest
from hypothesis import given
from hypothesis import strategies as st

from obra.prompting.checklist import FEWEST, STANDING, arranged, checklist_schema, make_questions

ABSENT = "module_0123.py"


@pytest.mark.parametrize(
    ("requirements", "most", "asked", "standing"),
    [(1, 12, 1, 5), (3, 12, 3, 5), (8, 12, 8, 4), (12, 12, 12, 0), (13, 12, 12, 0), (40, 12, 12, 0), (1, 5, 1, 4)],
)
def test_how_many_questions_there_are(requirements, most, asked, standing):
    """Requirements come first, standing questions fill up, and the canary is one more."""
    questions = make_questions([f"r{number}" for number in range(requirements)], most=most, absent=ABSENT)
    assert len([one for one in questions if one.requirements]) == asked
    assert len([one for one in questions if one.id in STANDING]) == standing
    assert [one.id for one in questions if one.is_canary] == ["canary"]
    assert len(questions) == asked + standing + 1


@given(st.integers(1, 200), st.integers(FEWEST, 40))
def test_every_requirement_is_asked_for_once(count, most):
    """However many there are, each stands in exactly one question, word for word, and there are never too many."""
    requirements = [f"requirement<{number}>" for number in range(count)]
    questions = make_questions(requirements, most=most, absent=ABSENT)
    places = [place for question in questions for place in question.requirements]
    assert places == list(range(count))
    for question in questions:
        assert all(requirements[place] in question.text for place in question.requirements)
    assert FEWEST <= len(questions) - 1 <= most
    assert len({question.id for question in questions}) == len(questions)


def test_requirements_count_double():
    """What the task asks for weighs more than what every task asks for."""
    weights = {one.id: one.weight for one in make_questions(["a"], most=12, absent=ABSENT)}
    assert weights["requirement 1"] == 2 * weights["scope"]


def test_each_seed_has_an_order_of_its_own():
    """The same questions are put in another order for each seed, always the same one, with plain labels."""
    questions = make_questions(["a", "b", "c"], most=12, absent=ABSENT)
    orders = [tuple(one.id for one in arranged(questions, seed).values()) for seed in range(1, 30)]
    assert arranged(questions, 3) == arranged(questions, 3)
    assert list(arranged(questions, 1)) == [f"q{number}" for number in range(1, len(questions) + 1)]
    assert len(set(orders)) == len(orders)
    assert all(sorted(order) == sorted(orders[0]) for order in orders)
    assert len({order.index("canary") for order in orders}) > 4


def test_the_schema_asks_for_the_reason_first():
    """Order of the keys: id, reason, quote, verdict; as many answers as questions, and no other label."""
    schema = checklist_schema(["q1", "q2"])
    answers = schema["properties"]["answers"]
    assert list(answers["items"]["properties"]) == ["id", "reason", "quote", "verdict"]
    assert answers["items"]["required"] == list(answers["items"]["properties"])
    assert (answers["minItems"], answers["maxItems"]) == (2, 2)
    assert answers["items"]["properties"]["id"]["enum"] == ["q1", "q2"]
