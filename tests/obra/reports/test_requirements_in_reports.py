import json

from obra.domain import Requirement, RequirementState, Review, ReviewAnswer, Verdict
from obra.reports.markdown import report_markdown
from obra.reports.rows import row_of
from obra.reports.summary import summarize

REQUIREMENTS = (
    Requirement(text="It adds", state=RequirementState.SHOWN, evidence="return a + b"),
    Requirement(text="It has docs | and more", state=RequirementState.NOT_SHOWN, evidence="<script>"),
    Requirement(text="tests pass", state=RequirementState.CONTRADICTED, evidence="1 failed"),
)
ANSWER = ReviewAnswer(
    id="requirement 1",
    question="Does it add?",
    verdict=Verdict.YES,
    reason="r",
    quote="return a + b",
    agreement=0.6667,
)


def row(make_report, make_attempt, **changes):
    """The row of a report with one attempt."""
    return row_of(make_report(attempts=(make_attempt(1, **changes),)))


def test_a_row_holds_each_requirement_and_each_answer(make_report, make_attempt):
    """What a task demands, what became of it and what the reviewer said stand in the row, as plain data."""
    review = Review(verdict=Verdict.YES, score=100, answers=(ANSWER,), agreement=0.6667)
    found = row(make_report, make_attempt, requirements=REQUIREMENTS, review=review)["attempts"][0]

    assert found["requirements"][0] == {"text": "It adds", "state": "shown", "evidence": "return a + b"}
    assert [one["state"] for one in found["requirements"]] == ["shown", "not_shown", "contradicted"]
    assert found["review"]["agreement"] == 0.6667
    assert found["review"]["answers"][0]["verdict"] == "yes"
    json.dumps(found, allow_nan=False)


def test_the_page_has_a_table_of_requirements(make_report, make_attempt):
    """Each line is one requirement with its state and evidence; hostile text stays inside its cell."""
    one = row(make_report, make_attempt, requirements=REQUIREMENTS)
    page = report_markdown(summarize([one], not_run=(), exit_status=1, seconds=1.0), [one], {})

    assert "| Requirement | State | Evidence |" in page
    assert "| It adds | shown | return a + b |" in page
    assert "not shown" in page
    assert "<script>" not in page


def test_without_requirements_there_is_no_table(make_report, make_attempt):
    """An attempt of an older run has none, and the page says nothing of them."""
    one = row(make_report, make_attempt)
    page = report_markdown(summarize([one], not_run=(), exit_status=1, seconds=1.0), [one], {})
    assert "**Requirements**" not in page
