"""The one page: self-contained, safe whatever the agent wrote, and fit for long runs."""

import base64
import gzip
import hashlib
import html
import json
import re
import time
from dataclasses import replace

import pytest

from obra.domain import Evidence, Reply, Requirement, RequirementState, Review, ReviewAnswer, Verdict
from obra.events import AgentEvent, AgentEventKind
from obra.reports.html_page import page_parts, scenario_html
from obra.reports.rows import error_row, row_of
from obra.reports.run_writer import RunWriter
from obra.reports.stored_run import StoredRun
from obra.scenarios.story import AttemptStory, SeenEvent, Stage
from obra.statistics.comparison import compare
from obra.statistics.uplift import uplifts

HOSTILE = (
    "</script></style><script>alert(1)</script>\"'><img src=x onerror=alert(1)>"
    "\x00\x1b[31m \u202etxt.exe {{ 7*7 }}"
)


@pytest.fixture
def write_run(tmp_path):
    """Return a function that writes rows as a run and returns it read back."""

    def write(*rows, **finish):
        writer = RunWriter(tmp_path / "20261122-141500-ab12cd")
        for row in rows:
            writer.add(row)
        writer.finish({"obra": "1"}, **{"not_run": (), "exit_status": 1, "seconds": 2.0, **finish})
        return StoredRun(writer.directory)

    return write


def details_of(page):
    """Return the packed details of a page, opened."""
    packed = re.findall(r'<script type="text/plain" id="p\d+">([A-Za-z0-9+/=]+)</script>', page)
    return [gzip.decompress(base64.b64decode(one)).decode() for one in packed]


def test_the_page_needs_nothing_beside_it(write_run, make_report):
    """It loads nothing from anywhere, and its policy allows only the script and style that stand in it."""
    page = "".join(page_parts(write_run(row_of(make_report()))))
    assert not re.findall(r"""(?:src|href)=["'](?!#|data:)""", page + "".join(details_of(page)))
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', page)[1]
    assert policy.startswith("default-src 'none';")
    assert "unsafe" not in policy
    for tag in ("style", "script"):
        (text,) = re.findall(rf"<{tag}>(.*?)</{tag}>", page, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy
    assert not re.search(r"""\s(style|on\w+)=["']""", page + "".join(details_of(page)))


def test_everything_of_a_scenario_is_shown(write_run, make_report, make_attempt):
    """Prompt, reply, events, diff, checks, requirements, answers with quotes, factors, inputs, breakpoint."""
    answer = ReviewAnswer(
        id="q1", question="Does it add?", verdict=Verdict.YES, reason="seen", quote="return a + b"
    )
    made = make_attempt(
        review=Review(verdict=Verdict.NO, score=40, issues=("no tests",), raw="RAW", model="m", answers=(answer,)),
        requirements=(Requirement(text="it adds", state=RequirementState.SHOWN, evidence="line 1"),),
    )
    story = AttemptStory(
        task_id=made.task_id,
        number=1,
        stages=[Stage(name="agent", at=0.0, seconds=1.5), Stage(name="checks", at=1.5, seconds=0.5)],
        events=[SeenEvent(at=1.0, event=AgentEvent(kind=AgentEventKind.TOOL_CALL, text="pytest -q", tool="Bash"))],
        events_left_out=3,
    )
    row = row_of(make_report(attempts=(made, replace(made, number=2)), stories=(story,), markers=("smoke",)))
    row["attempts"][0]["decision_inputs"] = {"gates": {"quality": 70.0}}
    page = "".join(page_parts(write_run(row)))
    (detail,) = details_of(page)
    text = html.unescape(re.sub(r"<[^>]+>", "\n", detail))
    for words in (
        "Write a calculator.", "Done.", "pytest -q", "3 more events are left out", "def add(a, b): return a + b",
        "expected exit 0, got 1", "it adds", "Does it add?", "return a + b", "1 of 2", "it says no",
        "Make pytest pass.", '"quality": 70.0', "Breakpoint 3", "obra breakpoint resolve 3", "smoke",
    ):  # fmt: skip
        assert words in text, words
    assert '<polyline class="quality" points="' in detail
    assert '<rect class="stage checks" x="375.0"' in detail


def test_foreign_text_stays_text(write_run, make_report, make_attempt, make_check):
    """Whatever stands in names, replies, diffs or outputs, no tag, attribute or control character survives."""
    bad = make_check(HOSTILE, passed=False, message=HOSTILE, output=HOSTILE)
    made = make_attempt(prompt=HOSTILE, reply=Reply(text=HOSTILE), evidence=Evidence(patch=HOSTILE, checks=(bad,)))
    report = make_report(attempts=(made,), scenario=HOSTILE, case=HOSTILE, agent=HOSTILE,
                         agent_identity=HOSTILE, title=HOSTILE, description=HOSTILE, path=HOSTILE,
                         parameters={HOSTILE: HOSTILE})  # fmt: skip
    page = "".join(page_parts(write_run(row_of(report, node=HOSTILE), not_run=(HOSTILE,))))
    (detail,) = details_of(page)
    assert page.count("<script>") == 1
    for part in (page, detail):
        assert "<img" not in part
        assert "alert(1)</script>" not in part
        assert not set("\x00\x1b\u202e") & set(part)
        assert "{{ 7*7 }}" in part
    assert "&lt;img src=x onerror=alert(1)&gt;" in detail


def test_unknown_stays_unknown(write_run, make_report):
    """A cost that nobody told is not shown as a number, neither of the scenario nor of the run."""
    row = row_of(make_report(outcome={"cost_usd": None, "tokens": None}))
    page = "".join(page_parts(write_run(row, row_of(make_report()))))
    assert "unknown; 0.5000 USD where it was told, 1 did not tell" in page
    assert re.search(r'data-value="-1">unknown</td>', page)


def test_repeats_and_reruns_are_grouped_by_case(write_run, make_report, make_passing_report):
    """A case that ran more than once has one line with its pass rate; of reruns the first verdict counts."""
    failed, passed = row_of(make_report(case="calculator", repeat=1)), row_of(make_passing_report(repeat=2))
    first = row_of(make_report(case="calculator", repeat=3))
    again = {**row_of(make_passing_report(repeat=3)), "execution": 2}
    broke = error_row(scenario="calculator", agent="mock", path="p", node="n", message="no", repeat=4)
    page = "".join(page_parts(write_run(failed, passed, first, again, broke)))
    table = page[page.index('id="cases"') : page.index('id="results"')]
    assert table.count("<tr>") == 2
    assert "1 of 3 (33.3%" in table
    assert table.count('class="dot') == 5
    assert 'title="repeat 3, execution 2: passed, does not count"' in table
    assert '<span class="number">1</span>\n    <span class="name">passed</span>' in page


def test_a_run_that_was_cut_off_has_a_page(tmp_path, make_report):
    """Without summary.json the page says that the run left none, and shows what there is."""
    writer = RunWriter(tmp_path / "run")
    writer.add(row_of(make_report()))
    page = "".join(page_parts(StoredRun(writer.directory)))
    assert "This run was cut off" in page
    assert "calculator" in page


def test_rows_of_an_older_version_have_a_page(tmp_path, make_report):
    """Keys that came later may be missing."""
    row = row_of(make_report())
    for key in ("title", "description", "markers", "execution", "trace", "case", "parameters", "repeat"):
        del row[key]
    for attempt in row["attempts"]:
        for key in ("events", "stages", "events_left_out", "decision_inputs", "started_at", "tokens_in"):
            del attempt[key]
    (tmp_path / "results.jsonl").write_text(json.dumps(row) + "\n")
    (detail,) = details_of("".join(page_parts(StoredRun(tmp_path))))
    assert "Write a calculator." in detail


def test_a_thousand_scenarios_stay_linear_and_small(write_run, make_report):
    """A page of a thousand takes about ten times as long as one of a hundred, and some megabytes."""
    row = row_of(make_report())

    def measured(count):
        began = time.process_time()
        size = sum(map(len, page_parts(run_of(count))))
        return time.process_time() - began, size

    def run_of(count):
        found = StoredRun.__new__(StoredRun)
        found.__dict__.update(run.__dict__)
        found.rows = lambda: ({**row, "scenario": f"s{index}"} for index in range(count))
        return found

    run = write_run(row)
    measured(20)
    (small, _), (large, size) = measured(100), measured(1000)
    assert size < 8_000_000
    assert large < 25 * small


def test_an_error_row_has_its_page():
    """A scenario without attempts shows why there is no verdict."""
    text = scenario_html(error_row(scenario="s", agent="mock", path="p", node="p::s", message="no <b>server</b>"))
    assert "ended without a verdict, because: no &lt;b&gt;server&lt;/b&gt;" in text


def test_the_page_tells_whether_the_agents_agree(write_run, make_report, make_passing_report):
    """A run with two agents has a table of pairs, and names each case that ended differently; so has report.md."""
    passed, failed = (
        row_of(make_passing_report(scenario="<b>")),
        row_of(make_report(scenario="<b>", agent="replay")),
    )
    run = write_run(passed, failed)
    page = "".join(page_parts(run))
    assert "<td>replay and mock</td><td>0 of 1</td>" in page
    assert "&lt;b&gt;, repeat 1: passed completed with mock, agent_failed escalated with replay" in page
    report = (run.directory / "report.md").read_text()
    assert "## Do the agents agree" in report
    assert "| replay and mock | 0 of 1 | 0.0% |" in report
    told = json.loads((run.directory / "summary.json").read_text())
    assert told["fidelity"][0]["disagreements"][0]["differs"] == "checks"
    assert "Do the agents agree" not in "".join(page_parts(run)).replace("Do the agents agree</h2>", "", 1)


def test_a_page_of_one_agent_says_nothing_of_agreement(write_run, make_report):
    """There is nobody to agree with."""
    run = write_run(row_of(make_report()))
    assert "agents agree" not in "".join(page_parts(run)) + (run.directory / "report.md").read_text()


def test_the_page_compares_with_the_baseline_and_with_the_agent_alone(write_run, make_report, make_passing_report):
    """Better, worse, unclear with its chance, gone with a warning, the uplift with its interval; report.md too."""
    good, bad = row_of(make_passing_report()), row_of(make_report())

    def rows(case, passed, failed, agent="claude", **more):
        made = [{**good} for _ in range(passed)] + [{**bad} for _ in range(failed)]
        return [
            {**row, "case": case, "agent": agent, "repeat": number, **more} for number, row in enumerate(made, 1)
        ]

    before = [*rows("rises", 0, 4), *rows("falls", 4, 0), *rows("wavers", 1, 0), *rows("<gone>", 1, 0)]
    after = [*rows("rises", 4, 0), *rows("falls", 0, 4), *rows("wavers", 0, 1), *rows("new", 1, 0)]
    alone = rows("rises", 1, 3, bare=True)
    conclusion = {
        "comparison": {"baseline": "old", **compare(before, after).as_data()},
        "uplift": [one.as_data() for one in uplifts([*after, *alone])],
    }
    run = write_run(*after, *alone, conclusion=conclusion)
    page = html.unescape(re.sub(r"\s*<[^>]+>\s*", "|", "".join(page_parts(run))))
    page = re.sub(r"\|+", "|", page)
    for words in (
        "|regression against old: 1 better, 1 worse, 1 unclear, 1 gone, 1 new|",
        "|better|rises (claude)|0/4|4/4|p = 0.029|",
        "|worse|falls (claude)|4/4|0/4|p = 0.029|",
        "|unclear|wavers (claude)|1/1|0/1|p = 1.000|",
        "|gone|<gone> (claude)|1/1|0/0|-|",
        "warning: 1 of the baseline's cases did not run, so nothing is known of them: <gone> (claude). They",
        "|claude|4/4|1/4|+75.0%|+8.5% to +95.4%|3 and 0|",
        "|rises|repeat 1|",
        "|claude alone|",
    ):
        assert words in page, words
    told = (run.directory / "report.md").read_text()
    assert "- unclear: wavers (claude): 1/1 -&gt; 0/1 (p = 1.000)" in told
    assert "## rises (claude alone, repeat 2): agent failed" in told


def test_a_page_without_baseline_says_nothing_of_one(write_run, make_report):
    """Nobody asked."""
    page = "".join(page_parts(write_run(row_of(make_report()))))
    assert 'id="baseline"' not in page
    assert 'id="uplift"' not in page
