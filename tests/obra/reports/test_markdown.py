import re
import shlex

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from obra.domain import ChangeKind, Evidence, FileChange, Reply, Review, Verdict
from obra.reports.markdown import report_markdown
from obra.reports.rows import error_row, row_of
from obra.reports.summary import summarize

ENVIRONMENT = {"obra": "0.1", "python": "CPython 3.11"}
HOSTILE = (
    "```\n````\n~~~\n</details>\n<script>alert(1)</script>\n| a | b |\n# title\n---\n"
    "- item\n![x](http://localhost)\n`code` *b* _i_ \\ &amp; \x1b[2J \u2028 $x$\r\n"
)


def page(rows, not_run=()):
    """Return the page of some rows."""
    summary = summarize(rows, not_run=not_run, exit_status=1, seconds=12.0)
    return report_markdown(summary, rows, ENVIRONMENT)


def outside_fences(text):
    """Return the lines of a page that a reader takes as Markdown, without the code blocks."""
    kept, fence = [], ""
    for line in text.split("\n"):
        opening = re.match(r"(`{3,})\w*$", line)
        if fence:
            fence = "" if line.strip() == fence else fence
        elif opening:
            fence = opening[1]
        else:
            kept.append(line)
    assert not fence, "a code block is never closed"
    return kept


def shape(text):
    """Return what holds the page together: headings, tags, and the number of cells of each table line."""
    lines = outside_fences(text)
    return (
        [line.split(" ")[0] for line in lines if line.startswith("#")],
        [tag for line in lines for tag in re.findall(r"<[^>]*>", line)],
        [len(re.findall(r"(?<!\\)\|", line)) for line in lines if line.startswith("|")],
    )


def test_the_page_tells_what_a_reader_asks(make_report):
    """Result and why, prompts, diff, checks, scores with factors, decisions, durations, cost, hidden checks."""
    text = page(
        [row_of(make_report(), node="scenarios/calculator.obra.yaml::test_scenario[mock]")], ["vague task"]
    )

    for expected in (
        "0 passed, 1 agent failed, 0 verdict wrong, 0 machinery broke, 1 not run.",
        "| obra | 0.1 |",
        "| calculator | mock | agent failed | escalated | 2 | 55.0 | 61.5 | 4.2 | 240 | 0.5000 USD |",
        "- Status: escalated, because: the quality is too low",
        "- status: expected completed, got escalated (too low)",
        "- attempt 1: the reviewer says: no tests",
        "- attempt 2: pytest: expected exit 0, got 1",
        "- Breakpoint: 3 (quality\\_too\\_low): 55 is below 70",
        "**Hidden checks**",
        "### Attempt 2: retry",
        "<summary>Prompt</summary>\n\n```text\nWrite a calculator.\n```\n",
        "```diff\n--- a/calculator.py\n",
        "| pytest | failed | expected exit 0, got 1 |",
        "| checks | 20.0 | 50.0 | 1 of 2 |",
        "| review | 5.0 | 20.0 | it says no |",
        "2.00 s, turns 3, tokens 120, cost 0.2500 USD",
        "<summary>Output of command python -c ...</summary>\n\n```text\nboom\n```",
        "- vague task\n",
        "pytest --obra-agent=mock 'scenarios/calculator.obra.yaml::test_scenario[mock]'",
    ):
        assert expected in text


def test_an_unknown_cost_is_called_unknown(make_report, make_attempt):
    """Never 0, neither in the table, nor in the facts, nor in an attempt, nor in the total."""
    silent = row_of(make_report(attempts=(make_attempt(reply=Reply(text="ok")),), outcome={"cost_usd": None}))
    text = page([silent, row_of(make_report())])

    assert "| 4.2 | 240 | unknown |" in text
    assert "- Cost: unknown\n" in text
    assert "turns unknown, tokens unknown, cost unknown" in text
    assert "- Cost: unknown (not told by 1 of the scenarios; the others: 0.5000 USD)" in text
    assert "0.0000" not in text


def test_broken_machinery_is_told_apart(make_passing_report):
    """The message stands there, and that it says nothing about the agent."""
    broken = error_row(scenario="b", agent="replay", path="b.obra.yaml", node="", message="claude is not there")
    text = page([row_of(make_passing_report()), broken])

    assert "Pass rate: 100% of what was judged" in text
    assert "## b (replay): machinery broke" in text
    assert "this says nothing about the agent" in text
    assert "- Status: none, because: claude is not there" in text
    assert "pytest --obra-agent=replay b.obra.yaml" in text


def test_an_attempt_that_changed_nothing_and_a_reviewer_who_asks_are_told(make_report, make_attempt):
    """Nothing done is said in words, and a question is not lost."""
    idle = make_attempt(evidence=Evidence(), review=Review(verdict=Verdict.UNSURE, question="Which file?"))
    text = page([row_of(make_report(attempts=(idle,)))])

    assert "No file changed." in text
    assert "**Review**: unsure, score none\n\n- asks: Which file?\n" in text
    assert "```diff" not in text


def test_a_run_without_verdict_has_no_rate():
    """Nothing is invented."""
    text = page([error_row(scenario="b", agent="", path="b.obra.yaml", node="", message="x")])

    assert "Pass rate: unknown, as nothing was judged" in text
    assert "pytest b.obra.yaml" in text


def hostile_report(make_report, make_attempt, make_check, text):
    """Return a report in which every text that others write is *text*."""
    bad = make_check(text, passed=False, message=text, output=text)
    change = FileChange(path=text, kind=ChangeKind.RENAMED, old_path=text)
    made = make_attempt(
        prompt=text,
        reply=Reply(text=text, limit=text, denials=(text,)),
        evidence=Evidence(changes=(change,), patch=text, checks=(bad,), tampering=(text,)),
    )
    return make_report(
        scenario=text,
        agent_identity=text,
        attempts=(made,),
        outcome={"reason": text},
        expectations=(bad,),
        truth=(bad,),
    )


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])  # the fixtures are plain functions
@given(text=st.text(alphabet=st.sampled_from(list("`|<>&\\*_[]~#-=1.\n\r ab\x1b")), max_size=40))
def test_no_text_can_break_the_page(text, make_report, make_attempt, make_check):
    """Headings, tags and tables are the same whether agents wrote plain words or markup."""
    parts = (make_report, make_attempt, make_check)
    words = page([row_of(hostile_report(*parts, "words"))], ["words"])

    assert shape(page([row_of(hostile_report(*parts, f"x{text}x"))], [text])) == shape(words)


def test_hostile_text_keeps_the_shape_of_the_page(make_report, make_attempt, make_check):
    """The worst of everything, in every place at once."""
    words = page([row_of(hostile_report(make_report, make_attempt, make_check, "words"))])
    text = page([row_of(hostile_report(make_report, make_attempt, make_check, HOSTILE))])

    assert shape(text) == shape(words)
    assert "\x1b" not in text
    assert "<script>" not in "\n".join(outside_fences(text))
    assert "\n<script>alert(1)</script>\n" in text, "inside a code block it stays as it was"


@pytest.mark.parametrize("node", ["a b.obra.yaml::t[mock-$(x)]", "it's.obra.yaml::t"])
def test_the_command_to_run_again_can_be_pasted(node, make_report):
    """The node id reaches pytest whole, whatever a shell would make of it."""
    block = page([row_of(make_report(), node=node)]).rsplit("```sh\n", 1)[1].split("\n```")[0]

    assert shlex.split(block) == ["pytest", "--obra-agent=mock", node]
