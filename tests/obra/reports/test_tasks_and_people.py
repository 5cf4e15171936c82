"""Several tasks, and what a person answered, in the reports."""

from dataclasses import replace

from obra.domain import TaskStatus, Trigger
from obra.reports.html_page import scenario_html
from obra.reports.markdown import report_markdown
from obra.reports.rows import row_of
from obra.reports.summary import summarize
from obra.scenarios.playing import HumanAnswer
from obra.scenarios.scenario_run import TaskReport


def in_two_tasks(make_report, make_attempt):
    """Return the row of a scenario whose second task asked a person."""
    ends = {"reason": "as it should", "iterations": 1, "quality_score": 90.0, "confidence": 95.0}
    return row_of(
        make_report(
            attempts=(replace(make_attempt(1), task_id=7), replace(make_attempt(1), task_id=8)),
            tasks=(
                TaskReport(name="store <b>", task_id=7, status=TaskStatus.COMPLETED, **ends),
                TaskReport(name="page", task_id=8, status=TaskStatus.ESCALATED, **ends),
            ),
            answers=(
                HumanAnswer(
                    task="page",
                    task_id=8,
                    attempt_number=1,
                    trigger=Trigger.AGENT_ASKS,
                    reason="Which colour?",
                    answer="Blue, <i>please</i>.",
                ),
            ),
        )
    )


def test_markdown_tells_tasks_and_answers(make_report, make_attempt):
    """Each task has its ending, each attempt its task, and each answer what was asked."""
    row = in_two_tasks(make_report, make_attempt)
    page = report_markdown(summarize([row], not_run=(), exit_status=0, seconds=1.0), [row], {})
    assert "| store &lt;b&gt; | completed | 1 | 90.0 | as it should |" in page
    assert "### page: Attempt 1" in page
    assert "Which colour? Answered by the scenario's person: Blue, &lt;i&gt;please&lt;/i&gt;." in page


def test_the_html_page_tells_tasks_and_answers(make_report, make_attempt):
    """The same on the page that people open; foreign text stays text."""
    page = scenario_html(in_two_tasks(make_report, make_attempt))
    assert "<td>store &lt;b&gt;</td><td>completed</td>" in page
    assert "page: Attempt 1" in page
    assert "<blockquote>Blue, &lt;i&gt;please&lt;/i&gt;.</blockquote>" in page
