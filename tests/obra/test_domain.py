"""The nouns: reading by key, numbers that carry their factors, and the table of status changes."""

import json
import pickle

import pytest

from obra.domain import (
    LEGAL_STATUS_CHANGES,
    PERMISSION_ASKED,
    Action,
    Breakpoint,
    CheckResult,
    Confidence,
    Decision,
    Evidence,
    Factor,
    FileChange,
    Outcome,
    Override,
    Reply,
    Task,
    TaskStatus,
    Trigger,
    Validation,
)
from obra.events import AgentEvent, AgentEventKind


def test_a_record_reads_by_key_and_by_attribute():
    """outcome['status'] is outcome.status, equal to its plain word; unknown keys are a KeyError."""
    outcome = Outcome(task_id=1, status=TaskStatus.COMPLETED, reason="all good", response="Done")
    assert outcome["status"] == outcome.status == "completed"
    assert outcome.get("quality_score", "N/A") is None
    assert outcome.get("nonsense", "N/A") == "N/A"
    assert "response" in outcome
    assert "nonsense" not in outcome
    assert 3 not in outcome
    with pytest.raises(KeyError):
        outcome["nonsense"]
    with pytest.raises(KeyError):
        outcome["__class__"]


def test_a_record_becomes_a_mapping():
    """dict(record) has every field, so that it can be written as JSON."""
    outcome = Outcome(task_id=1, status=TaskStatus.COMPLETED, reason="all good")
    assert json.loads(json.dumps(dict(outcome)))["status"] == "completed"
    assert list(outcome) == list(outcome.keys())


def test_records_are_frozen():
    """Nobody can change what happened."""
    with pytest.raises(AttributeError):
        Task(title="x").title = "y"


def test_a_reply_is_its_text():
    """Str and len of a reply are those of its text."""
    assert str(Reply(text="hello")) == "hello"
    assert len(Reply(text="hello")) == 5
    assert "hell" in Reply(text="hello")
    assert "text" not in Reply(text="hello")
    assert Reply(text="hello").get("text") == "hello"
    assert Reply(text="hello").get("nonsense", 1) == 1


def test_confidence_is_a_number_that_survives_pickling():
    """A confidence compares as a number and keeps its factors when it is sent to another process."""
    confidence = Confidence(72.5, (Factor(name="evidence", points=50, weight=50, why="checks ran"),))
    assert 0 <= confidence <= 100
    again = pickle.loads(pickle.dumps(confidence))
    assert again == 72.5
    assert again.factors == confidence.factors


def test_evidence_knows_what_is_missing():
    """Only required checks that did not pass count as failed; no check and no change is no evidence."""
    bad = CheckResult(name="a", passed=False, message="no")
    optional = CheckResult(name="b", passed=False, message="no", required=False, implied=True)
    evidence = Evidence(checks=(bad, optional))
    assert evidence.failed_checks == (bad,)
    assert evidence.written_checks == (bad,)
    assert Evidence().is_empty
    assert not Evidence(total_changes=(FileChange(path="a", kind="created"),)).is_empty


def test_the_plans_names_for_things():
    """decision.type is its action, validation['valid'] says whether there is no problem."""
    assert Decision(action="retry", reason="r").type == "retry"
    assert Validation()["valid"] is True
    assert AgentEvent(kind=AgentEventKind.TEXT)["kind"] == "text"


def test_every_status_has_its_legal_changes():
    """The table names every status, only a completed task is at its end, and nothing returns to pending."""
    assert set(LEGAL_STATUS_CHANGES) == set(TaskStatus)
    assert [status for status, after in LEGAL_STATUS_CHANGES.items() if not after] == [TaskStatus.COMPLETED]
    assert all(TaskStatus.PENDING not in after for after in LEGAL_STATUS_CHANGES.values())


def test_a_breakpoint_about_a_tool_call_is_known():
    """A permission was answered in the middle of a turn; its answer is not one to the task."""
    asked = Breakpoint(trigger=Trigger.AGENT_ASKS, reason=f"{PERMISSION_ASKED}Bash: rm -rf /?")
    assert asked.is_permission
    assert not Breakpoint(trigger=Trigger.AGENT_ASKS, reason="the agent asks: may it use tabs?").is_permission


def test_a_decision_knows_who_made_it_instead():
    """What a person decided stands among the inputs as plain data, and comes back as it was."""
    made = Override(
        by="ann",
        reason="seen by hand",
        action=Action.PROCEED,
        instead_of=Action.RETRY,
        instead_of_reason="a check failed",
        at="2026-11-22T20:00:00+00:00",
    )
    stored = {name: str(made[name]) for name in made}
    assert Decision(action="proceed", reason="r", inputs={"override": stored}).override == made
    assert Decision(action="retry", reason="r").override is None


def test_only_what_changes_something_is_an_act():
    """A tool's call is told by its text or its file; words are no act."""
    assert AgentEvent(kind=AgentEventKind.TOOL_CALL, text="ls").act == "ls"
    assert AgentEvent(kind=AgentEventKind.FILE_EDIT, path="a.py").act == "a.py"
    assert AgentEvent(kind=AgentEventKind.TEXT, text="I would").act == ""


@pytest.mark.parametrize("told", [float("nan"), float("inf"), -1.0, -float("inf"), 10**400])
def test_an_amount_that_is_none_is_unknown(told):
    """It would be below every budget, whatever is spent after it."""
    reply = Reply(text="Done.", cost_usd=told, tokens_in=-1, tokens_out=3)
    assert (reply.cost_usd, reply.tokens_in, reply.tokens_out) == (None, None, 3)
    assert Reply(text="Done.", cost_usd=0.0).cost_usd == 0.0
