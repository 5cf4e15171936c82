from dataclasses import replace

from obra.config import Config
from obra.domain import Outcome, TaskStatus
from obra.errors import LLMUnavailable, PrerequisiteError
from obra.orchestrator import Orchestrator
from obra.reports.rows import error_row, row_of
from obra.reports.run_writer import RunWriter
from obra.scenarios.scenario import Scenario
from obra.scenarios.scenario_run import ScenarioResult, run_scenario
from pytest_obra.reporters.terminal import error_text, failure_text, summary_lines

PLAN = ("hello_world", "calculator", "vague_task", "gui_multi_iteration")


def test_the_table_of_the_usual_scenarios_fits_80_columns(make_report):
    """Even on the slowest rung, with the longest words in every column."""
    rows = [
        row_of(make_report(scenario=name, agent="replay", seconds=1234.5, outcome={"cost_usd": None}))
        for name in PLAN
    ]

    lines = summary_lines(rows, directory="reports/20260101-000000-abcdef", not_run={})

    assert max(len(line) for line in lines) <= 80
    assert all(not line.endswith(" ") for line in lines)


def test_every_line_of_the_table_has_its_values_under_the_head(make_report, make_passing_report):
    """Numbers stand to the right, words to the left, in the order of the rows."""
    rows = [row_of(make_passing_report()), row_of(make_report(agent="replay"))]

    head, first, second, *_ = summary_lines(rows, directory="d", not_run={})

    assert head.split() == ["scenario", "agent", "result", "status", "tries", "quality", "sure", "time", "cost"]
    assert first.split() == ["calculator", "mock", "passed", "completed", "1", "55.0", "61.5", "4.2s", "$0.50"]
    assert second.split()[2:4] == ["failed", "escalated"]
    for column in ("agent", "result", "status"):
        assert second[head.index(column) - 1] == " "
        assert second[head.index(column)] != " "
    for column in ("tries", "quality", "sure", "time", "cost"):
        end = head.index(column) + len(column)
        assert second[end - 1] != " "
        assert second[end : end + 1] in {" ", ""}


def test_cases_and_repeats_are_told_apart_within_the_columns(make_report):
    """The case's id with its values stands there, its repeat where there are several; its middle is cut."""
    long = "a_scenario_with_quite_a_long_name[postgres-16-large]"
    rows = [row_of(make_report(case=case)) for case in ("calculator[add-1]", "calculator[sub-2]")]
    rows += [row_of(make_report(case=long, repeat=number)) for number in (1, 2)]

    shown = summary_lines(rows, directory="d", not_run={})[1:5]
    wide = summary_lines(rows, directory="d", not_run={}, columns=120)[1:5]

    assert [line.split()[0] for line in shown[:2]] == ["calculator[add-1]", "calculator[sub-2]"]
    assert [line.split(" mock")[0] for line in shown[2:]] == [
        "a_scenario_w...16-large] #1", "a_scenario_w...16-large] #2",
    ]  # fmt: skip
    assert max(map(len, shown)) <= 80
    assert wide[2].startswith(f"{long} #1 mock")


def test_of_a_long_run_only_what_did_not_simply_pass_is_listed(make_report, make_passing_report):
    """Above fifty rows: those that did not pass, every run of a case that flipped, and where the rest stands."""
    passed = row_of(make_passing_report())
    rows = [{**passed, "case": f"good-{number}", "scenario": f"good-{number}"} for number in range(60)]
    rows += [{**row_of(make_report()), "case": "bad", "scenario": "bad"}]
    rows += [{**row, "case": "flips", "scenario": "flips"} for row in (passed, row_of(make_report()))]

    lines = summary_lines(rows, directory="d", not_run={})

    assert [line.split()[0] for line in lines[1:4]] == ["bad", "flips", "flips"]
    assert lines[4:] == [
        "not shown: 60 that passed; every row stands in d/report.md",
        "",
        "scenarios: 63, 61 passed, 2 failed",
        "report: d/report.md",
    ]
    assert len(summary_lines(rows[:50], directory="d", not_run={})) == 54


def test_a_long_run_that_passed_has_no_table(make_passing_report):
    """Then the counts say everything."""
    rows = [row_of(make_passing_report())] * 51
    assert summary_lines(rows, directory="d", not_run={})[0].startswith("not shown: 51 that passed")


def test_the_lines_below_say_how_many_and_where_the_report_lies(make_report, make_passing_report):
    """Counts of each result, what did not run, and the file to open."""
    broken = error_row(scenario="b", agent="mock", path="b", node="", message="x")
    rows = [row_of(make_passing_report()), row_of(make_report()), broken]

    lines = summary_lines(
        rows, directory="reports/1", not_run=dict.fromkeys((f"n{number}" for number in range(7)), "why")
    )

    assert lines[3].split() == ["b", "mock", "broke", "-", "0", "-", "-", "-", "unknown"]
    assert lines[4:] == [
        "",
        "scenarios: 3, 1 passed, 1 failed, 1 broke",
        "not run: n0, n1, n2, n3, n4 and 2 more (why)",
        "report: reports/1/report.md",
    ]


def test_nothing_is_said_of_a_report_that_is_not_there():
    """Without a scenario no file is written, so none is named."""
    assert summary_lines([], directory="d", not_run={}) == []
    assert summary_lines([], directory="d", not_run={"a": "why"}) == ["not run: a (why)"]


def test_hostile_names_neither_break_the_table_nor_reach_the_terminal(make_report):
    """Escape sequences and line ends are shown, long names are cut."""
    rows = [row_of(make_report(scenario="a\x1b[31m\nb" + "c" * 100)), row_of(make_report())]

    lines = summary_lines(rows, directory="d", not_run={"x\n\x1b[2Jy": "z\x1b[2J"})

    assert len(lines) == 7
    assert not any("\x1b" in line or "\n" in line for line in lines)
    assert lines[1].startswith("a\ufffd[31m bccc")
    assert len(lines[1]) < 110


def test_a_failure_begins_with_what_was_expected_and_what_was_seen(make_report):
    """The first line alone tells the story; no traceback follows."""
    text = failure_text(make_report())

    assert text.splitlines()[0] == (
        "calculator (mock): the agent failed: status: expected completed, got escalated (too low)"
    )
    assert "Traceback" not in text


def test_a_run_that_broke_off_begins_with_why_its_last_attempt_was_sent_back(make_report):
    """A script that is too short is told second: what was wrong with the work comes first."""
    used_up = {
        "status": TaskStatus.FAILED,
        "reason": "the agent's script has 2 step(s) and a prompt number 3 came",
    }
    first = failure_text(make_report(outcome=used_up)).splitlines()[0]
    assert first.startswith("calculator (mock): the agent failed: a check failed; then status: expected completed")


def test_a_failure_tells_each_shortfall_each_attempt_and_where_to_look(make_report):
    """A person need not open any file to know what happened."""
    text = failure_text(make_report())

    for expected in (
        "  status: expected completed, got escalated (too low)\n",
        "  hidden check command python -c ...: expected exit 0, got 1\n      boom\n",
        "Attempt 1: quality 55.0, confidence 61.5, 2.0s, cost $0.25 -> retry\n  a check failed\n",
        "  1 file(s) changed, 1 of 2 check(s) passed\n  failed: pytest: expected exit 0, got 1\n",
        "  review: no, score 40.0: no tests\n",
        "Attempt 2:",
        "Ended escalated: the quality is too low\n",
        "Breakpoint 3 (quality_too_low): 55 is below 70\n",
        "workspaces/calculator\n",
        "obra task show 7\n",
        "obra breakpoint resolve 3 'your answer'",
    ):
        assert expected in text


def test_a_wrong_verdict_is_told_as_one(make_report, make_check):
    """What Obra said stands against what the hidden check saw."""
    text = failure_text(
        make_report(
            result=ScenarioResult.VERDICT_WRONG,
            outcome={"status": TaskStatus.COMPLETED},
            expectations=(make_check("status"),),
        )
    )

    assert text.splitlines()[0] == (
        "calculator (mock): the verdict is wrong: Obra ended it as completed, but hidden check "
        "command python -c ...: expected exit 0, got 1"
    )


def test_a_failure_without_any_attempt_is_explained_too(make_report):
    """An agent that crashed at once leaves its reason."""
    ended = Outcome(task_id=9, status=TaskStatus.FAILED, reason="claude ended with exit code 1")
    text = failure_text(replace(make_report(), outcome=ended))

    assert "Attempt" not in text
    assert "Ended failed: claude ended with exit code 1" in text
    assert text.endswith("obra task show 9")


def test_long_and_hostile_output_is_cut_to_its_end(make_report, make_check):
    """The last lines of an output are those that tell; nothing in them is obeyed."""
    output = "\n".join(f"\x1b[31mline {number}" for number in range(100)) + "\n" + "z" * 1000
    text = failure_text(make_report(truth=(make_check("t", passed=False, message="m" * 1000, output=output),)))

    assert "[89 lines before]" in text
    assert "\ufffd[31mline 99" in text
    assert "line 88\n" not in text
    assert "\x1b" not in text
    assert max(len(line) for line in text.splitlines()) < 500


def test_an_error_says_that_there_is_no_verdict():
    """Its kind, its whole message and its notes are told; the agent is not blamed."""
    error = LLMUnavailable("no server at http://127.0.0.1:1; start it with: ollama serve\x1b[2J")
    error.add_note("task 3 could not be stored as failed")

    assert error_text(error) == (
        "The machinery broke, so there is no verdict (LLMUnavailable): "
        "no server at http://127.0.0.1:1; start it with: ollama serve\ufffd[2J\n"
        "task 3 could not be stored as failed"
    )
    assert "  - git: install it" in error_text(PrerequisiteError(["git: install it"]))


SCENARIO = """\
task: {title: Say hello, description: "Write hello.py that prints hello."}
checks: [{file: hello.py}]
script:
  - say: I am done.
  - say: Now it is there.
    write: {hello.py: "print('hello')\\n"}
reviewer: [{score: 20, issues: ["there is no hello.py"]}, {score: 95}]
expect:
  status: completed
  truth: [{command: "python hello.py | grep -x goodbye"}]
"""


def test_a_real_run_of_the_loop_is_reported_from_end_to_end(tmp_path):
    """A lie, a second attempt that works, and a hidden check that is not met: all of it is told."""
    path = tmp_path / "hello.obra.yaml"
    path.write_text(SCENARIO)
    scenario = Scenario.load(path)
    config = Config()
    config.set("agent.type", "mock")
    config.set("llm.type", "scripted")
    config.set("database.url", f"sqlite:///{tmp_path / 'obra.db'}")
    config.set("workspace.store", str(tmp_path / "store"))
    with Orchestrator(config, script=scenario.script, reviewer=scenario.reviewer) as orchestrator:
        report = run_scenario(scenario, orchestrator, root=tmp_path / "workspace")

    writer = RunWriter(tmp_path / "reports" / "run")
    row = row_of(report, node="hello")
    writer.add(row)
    writer.finish({"obra": "1"}, not_run=(), exit_status=1, seconds=1.0)
    text, page = failure_text(report), (writer.directory / "report.md").read_text()

    assert row["result"] == "verdict_wrong"
    assert [attempt["action"] for attempt in row["attempts"]] == ["retry", "proceed"]
    assert "the verdict is wrong: Obra ended it as completed, but hidden check" in text.splitlines()[0]
    assert "hello.py" in text
    assert "there is no hello.py" in text
    assert "+print('hello')" in page
    assert "### Attempt 2: proceed" in page
    assert row["attempts"][0]["feedback"].split("\n")[0] in row["attempts"][1]["prompt"]
