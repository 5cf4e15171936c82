"""Runs in other viewers' formats: all of a run, nothing made up, read by the packages they are made for."""

import json
import os
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest

from obra.domain import Reply
from obra.events import AgentEvent, AgentEventKind
from obra.reports.exports.atif import trajectory_of
from obra.reports.exports.inspect_log import log_parts
from obra.reports.exports.moments import began, nanoseconds
from obra.reports.exports.otlp import request_of
from obra.reports.rows import error_row, row_of
from obra.reports.run_writer import RunWriter
from obra.reports.stored_run import StoredRun
from obra.scenarios.story import AttemptStory, SeenEvent, Stage

RUN = "20261122-141500-ab12cd"


def seen(at, kind, tool, text):
    """Return one event."""
    return SeenEvent(at=at, event=AgentEvent(kind=AgentEventKind(kind), tool=tool, text=text))


@pytest.fixture
def row(make_report, make_attempt):
    """Return a row of one attempt with stages, tool calls and results."""
    stages = [
        Stage(name=name, at=at, seconds=1.0)
        for at, name in enumerate(("prompt", "agent", "checks", "review", "decision", "record"))
    ]
    events = [
        seen(1.2, "tool_call", "Bash", "ls"),
        seen(1.4, "tool_result", "Bash", "a.py"),
        seen(1.5, "tool_result", "Other", "from nowhere"),
    ]
    story = AttemptStory(task_id=7, number=1, stages=stages, events=events)
    return row_of(make_report(attempts=(make_attempt(),), stories=(story,)))


@pytest.fixture
def unknown_row(make_report, make_attempt):
    """Return a row of which nobody told cost and tokens."""
    made = make_attempt(reply=Reply(text="Done."))
    return row_of(make_report(attempts=(made,), outcome={"cost_usd": None, "tokens": None}, scenario="\ud800 {x}"))


@pytest.fixture
def broken_row():
    """Return a row without a verdict."""
    return error_row(scenario="broke", agent="mock", path="p", node="n", message="no server")


def spans_of(request):
    """Return the spans of a trace by name, each with its attributes as a mapping."""
    (found,) = request["resourceSpans"][0]["scopeSpans"]
    return {
        span["name"]: {
            **span,
            "attributes": {one["key"]: next(iter(one["value"].values())) for one in span.get("attributes", ())},
        }
        for span in found["spans"]
    }


def test_a_trace_has_a_tree_of_spans_at_their_times(row):
    """Scenario over attempt over stages; tokens, checks and the review stand where the conventions say."""
    spans = spans_of(request_of(row, RUN, 0))
    root, attempt, agent = (
        spans[name] for name in ("scenario calculator", "attempt 1", "invoke_agent mock agent")
    )
    assert "parentSpanId" not in root
    assert (attempt["parentSpanId"], agent["parentSpanId"]) == (root["spanId"], attempt["spanId"])
    assert root["status"] == {"code": 2}
    assert root["attributes"]["obra.bare"] is False
    start = datetime(2026, 1, 1, tzinfo=UTC)
    assert agent["startTimeUnixNano"] == nanoseconds(start.replace(second=1))
    assert agent["attributes"]["gen_ai.usage.input_tokens"] == "100"
    assert [event["name"] for event in agent["events"]] == [
        "obra.agent.tool_call", "obra.agent.tool_result", "obra.agent.tool_result",
    ]  # fmt: skip
    assert len(attempt["events"]) == 2
    assert spans["chat scripted"]["events"][0]["name"] == "gen_ai.evaluation.result"
    assert len({span["spanId"] for span in spans.values()}) == len(spans)
    assert request_of(row, RUN, 0) == request_of(row, RUN, 0) != request_of(row, RUN, 1)


def test_a_trajectory_tells_calls_and_results_apart(row):
    """A result belongs to the call of its tool; one without a call stands alone."""
    made = trajectory_of(row, RUN)
    user, agent, system = made["steps"]
    assert [step["step_id"] for step in made["steps"]] == [1, 2, 3]
    assert (user["message"], agent["message"]) == ("Write a calculator.", "Done.")
    assert agent["tool_calls"] == [
        {"tool_call_id": "call-1-1", "function_name": "Bash", "arguments": {"text": "ls"}}
    ]
    assert agent["observation"]["results"] == [
        {"source_call_id": "call-1-1", "content": "a.py"},
        {"content": "from nowhere"},
    ]
    assert made["final_metrics"] == {
        "total_prompt_tokens": 100, "total_completion_tokens": 20, "total_cost_usd": 0.5, "total_steps": 3,
    }  # fmt: skip
    assert system["message"].startswith("retry: a check failed")


def test_what_is_unknown_is_left_out(unknown_row):
    """No cost and no token count is made up in any format."""
    made = trajectory_of(unknown_row, RUN)
    assert made["final_metrics"] == {"total_steps": 3}
    assert "metrics" not in made["steps"][1]
    text = json.dumps(request_of(unknown_row, RUN, 0))
    assert "cost_usd" not in text
    assert "_tokens" not in text


def test_a_row_without_attempts_is_exported(broken_row):
    """It has a span and a step that say why, at the time of its run."""
    assert [span["name"] for span in spans_of(request_of(broken_row, RUN, 0)).values()] == ["scenario broke"]
    (step,) = trajectory_of(broken_row, RUN)["steps"]
    assert (step["message"], step["timestamp"]) == ("no server", "2026-11-22T14:15:00+00:00")
    assert began(broken_row, "no time").year == 1970


def test_a_log_has_a_sample_for_each_row(row, broken_row, tmp_path):
    """Repeats are epochs of one sample; broken machinery is an error without scores."""
    log = log_of((row, {**row, "repeat": 2, "result": "passed"}, broken_row), tmp_path)
    assert [(one["id"], one["epoch"]) for one in log["samples"]] == [
        ("calculator (mock)", 1), ("calculator (mock)", 2), ("broke (mock)", 1),
    ]  # fmt: skip
    assert log["samples"][2]["error"]["message"] == "no server"
    assert log["samples"][2]["scores"] == {}
    (passed,) = [one for one in log["results"]["scores"] if one["name"] == "passed"]
    assert passed["metrics"]["mean"]["value"] == 0.5


def test_a_log_keeps_apart_what_is_not_the_same(row, tmp_path):
    """Files with a case of one name, an agent alone, and a rerun; a mean is that of the rows that count."""
    good = {**row, "result": "passed", "path": "good.obra.yaml", "node": "good"}
    bad = {**row, "result": "agent_failed", "path": "bad.obra.yaml", "node": "bad"}
    alone = {**good, "bare": True, "node": "alone", "quality": None}
    log = log_of((good, bad, {**bad, "result": "passed", "execution": 2}, alone), tmp_path)
    assert [(one["id"], one["epoch"], one["metadata"]["counts"]) for one in log["samples"]] == [
        ("calculator (mock) in good.obra.yaml", 1, True),
        ("calculator (mock) in bad.obra.yaml", 1, True),
        ("calculator (mock) in bad.obra.yaml", 2, False),
        ("calculator (mock alone)", 1, True),
    ]
    means = {one["name"]: one["metrics"]["mean"]["value"] for one in log["results"]["scores"]}
    assert means == {"passed": 0.5, "quality": row["quality"], "confidence": row["confidence"]}


def test_real_readers_take_all_three(row, unknown_row, broken_row, tmp_path):
    """inspect_ai reads the log, OTLP's own messages the traces, Harbor's models the trajectories."""
    readers = os.environ.get("EXPORT_READERS")
    if not readers:
        pytest.skip("needs inspect-ai, opentelemetry-proto and harbor: .ci/run installs them (EXPORT_READERS)")
    rows = (row, unknown_row, broken_row)
    (tmp_path / "log.json").write_text(json.dumps(log_of(rows, tmp_path)))
    (tmp_path / "otlp.jsonl").write_text(
        "".join(json.dumps(request_of(one, RUN, index)) + "\n" for index, one in enumerate(rows))
    )
    (tmp_path / "atif").mkdir()
    for index, one in enumerate(rows):
        (tmp_path / "atif" / f"{index}.json").write_text(json.dumps(trajectory_of(one, RUN)))
    done = subprocess.run(
        [f"{readers}/bin/python", Path(__file__).with_name("read_exports.py"), tmp_path / "otlp.jsonl",
         tmp_path / "log.json", tmp_path / "atif", f"{readers}/harbor"],
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["steps"] == [3, 3, 1]
    assert [sample[2].get("passed") for sample in found["samples"]] == [0.0, 0.0, None]
    assert found["samples"][2][3] is True
    assert found["passed"] == 0.0
    assert found["spans"].count("attempt 1") == 2


def log_of(rows, folder):
    """Return the log of rows that were written as a run."""
    writer = RunWriter(folder / RUN)
    for one in rows:
        writer.add(one)
    writer.finish({"obra": "1"}, not_run=(), exit_status=1, seconds=2.0)
    run = StoredRun(writer.directory)
    return json.loads("".join(log_parts(run.rows(), run.summary())))
