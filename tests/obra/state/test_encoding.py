from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from types import MappingProxyType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from obra.domain import (
    Action,
    Attempt,
    ChangeKind,
    CheckResult,
    Confidence,
    Decision,
    Evidence,
    Factor,
    FileChange,
    Problem,
    Quality,
    Reply,
    Review,
    Validation,
    Verdict,
)
from obra.errors import StateError
from obra.state import encoding

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
ANY_TEXT = st.text(st.characters(categories=None), max_size=20)
NUMBER = st.floats(allow_nan=False, allow_infinity=False)
COUNT = st.none() | st.integers()
SCORE = st.floats(0, 100)
FACTORS = st.lists(st.builds(Factor, name=TEXT, points=NUMBER, weight=NUMBER, why=TEXT), max_size=2).map(tuple)
WORDS = st.lists(TEXT, max_size=3).map(tuple)
CHECKS = st.builds(
    CheckResult, name=TEXT, passed=st.booleans(), message=TEXT, kind=TEXT, required=st.booleans(), output=TEXT
)
CHANGES = st.lists(
    st.builds(FileChange, path=TEXT, kind=st.sampled_from(ChangeKind), old_path=TEXT, added=st.integers()),
    max_size=2,
).map(tuple)
DECISION = Decision(action=Action.RETRY, reason="it stands elsewhere")
ATTEMPTS = st.builds(
    Attempt,
    id=st.integers(1, 9),
    task_id=st.integers(1, 9),
    number=st.integers(1, 9),
    prompt=TEXT,
    reply=st.builds(
        Reply, text=TEXT, seconds=NUMBER, turns=COUNT, tokens_in=COUNT, cost_usd=st.none() | NUMBER, denials=WORDS
    ),
    evidence=st.builds(
        Evidence,
        changes=CHANGES,
        total_changes=CHANGES,
        patch=TEXT,
        checks=st.lists(CHECKS, max_size=2).map(tuple),
        tampering=WORDS,
        files=WORDS,
    ),
    review=st.builds(
        Review, verdict=st.sampled_from(Verdict), score=st.none() | SCORE, issues=WORDS, raw=TEXT, model=TEXT
    ),
    validation=st.builds(Validation, problems=st.lists(st.sampled_from(Problem)).map(tuple), question=TEXT),
    quality=st.builds(Quality, overall_score=SCORE, factors=FACTORS, issues=WORDS),
    confidence=SCORE,
    confidence_factors=FACTORS,
    decision=st.just(DECISION),
    started_at=st.datetimes(timezones=st.sampled_from([UTC, timezone(timedelta(hours=-3, minutes=-30))])).filter(
        lambda moment: 2 < moment.year < 9998
    ),
    seconds=NUMBER,
)


@given(ATTEMPTS)
@settings(max_examples=60, deadline=None)
def test_every_attempt_comes_back_equal(attempt):
    """Tuples, enums, times, unknown costs and floating point numbers all survive."""
    text = encoding.attempt_to_json(attempt)
    back = encoding.attempt_from_json(
        text, key=attempt.id, task_id=attempt.task_id, number=attempt.number, decision=DECISION
    )
    assert back == attempt
    assert back.started_at.utcoffset() == timedelta(0)
    assert isinstance(back.review.verdict, Verdict)
    assert isinstance(back.evidence.checks, tuple)


@given(ANY_TEXT)
@settings(max_examples=300, deadline=None)
def test_hostile_text_is_replaced_the_same_way_in_columns_and_in_records(text):
    """Lone surrogates and NULs become U+FFFD; everything else stays, and the result can be stored."""
    expected = "".join("\ufffd" if char == "\0" or "\ud800" <= char <= "\udfff" else char for char in text)
    assert encoding.clean(text) == expected
    stored = encoding.to_json({"text": [text]})
    stored.encode()
    assert "\0" not in stored
    assert json.loads(stored) == {"text": [expected]}


@pytest.mark.parametrize(
    "text", ["\0", "\0\0\0", "\\u0000", "\\\0", "\\\\\0", "\\\\u0000", 'x"\0"', "u0000\0u0000"]
)
def test_an_escaped_nul_is_told_from_the_letters_that_look_like_one(text):
    """A backslash followed by ``u0000`` that somebody wrote is kept, a real NUL is replaced."""
    assert json.loads(encoding.to_json(text)) == text.replace("\0", "\ufffd")


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | NUMBER | TEXT,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
        max_leaves=10,
    )
)
@settings(max_examples=100, deadline=None)
def test_plain_data_comes_back_with_its_types(data):
    """A decision's inputs come back as they were: 90 stays a whole number, 90.0 a broken one."""
    back = encoding.from_json(encoding.to_json(data))
    assert back == data
    assert repr(back) == repr(data)


def test_mappings_enums_and_number_subclasses_are_written_as_plain_data():
    """Read-only mappings, enums and Confidence need no special care from callers."""
    data = MappingProxyType({"action": Action.RETRY, "sure": Confidence(50), "tuple": (1, 2)})
    assert encoding.from_json(encoding.to_json(data)) == {"action": "retry", "sure": 50.0, "tuple": [1, 2]}


@pytest.mark.parametrize("value", [float("nan"), float("inf"), {1, 2}, b"bytes", {(1, 2): 3}, object(), Reply])
def test_what_is_not_json_is_refused_by_name(value):
    """Something that would not come back equal is refused, with advice."""
    with pytest.raises(StateError, match="cannot be stored as JSON.*Give plain data"):
        encoding.to_json({"inputs": value})


def test_circles_and_bottomless_data_are_refused():
    """Data that never ends is an error, not a crash."""
    circle: list[object] = []
    circle.append(circle)
    deep: list[object] = []
    for _ in range(100_000):
        deep = [deep]
    for value in (circle, deep):
        with pytest.raises(StateError, match="cannot be stored as JSON"):
            encoding.to_json(value)
    with pytest.raises(StateError, match="not JSON"):
        encoding.from_json("[" * 100_000)


def test_times_without_a_zone_are_refused():
    """A naive time could mean anything."""
    with pytest.raises(StateError, match="no time zone"):
        encoding.utc(datetime(2025, 1, 1))  # noqa: DTZ001  # that is the point
    with pytest.raises(StateError, match="no time zone"):
        encoding.to_json(datetime(2025, 1, 1))  # noqa: DTZ001


def test_records_that_somebody_else_changed_are_named():
    """A damaged record tells which attempt it belongs to."""
    with pytest.raises(StateError, match="not JSON"):
        encoding.from_json("{")
    for text in ("{}", '{"prompt": 3}'):
        with pytest.raises(StateError, match="attempt 2 of task 7 cannot be read"):
            encoding.attempt_from_json(text, key=1, task_id=7, number=2, decision=DECISION)
    with pytest.raises(StateError, match="attempt 2 of task 7 cannot be read"):
        encoding.attempt_from_json("[]", key=1, task_id=7, number=2, decision=DECISION)
