import pytest
from hypothesis import given
from hypothesis import strategies as st

from obra.domain import ChangeKind, CheckResult, Evidence, FileChange, Reply, Task
from obra.prompting.prompt_generator import REVIEW_SCHEMA, PromptGenerator
from obra.prompting.review_prompt import clean
from obra.prompting.token_counter import TokenCounter

FENCE = "4f1c09aa77e2b3d8"
TASK = Task(title="Create calculator", description="add and subtract")
NOTHING = Evidence()


def review_prompt(evidence=NOTHING, reply="done", max_tokens=8000, task=TASK, acceptance=("a.py exists",)):
    """The question to the reviewer about one reply."""
    generator = PromptGenerator(max_tokens=max_tokens)
    return generator.review_prompt(task, evidence, Reply(text=reply), acceptance, FENCE)


def test_a_review_prompt_has_its_parts_in_order():
    """Task and acceptance first, then verdicts, diff, reply, and the form of the answer last."""
    evidence = Evidence(
        checks=(
            CheckResult(name="file: a.py", passed=True, message="there"),
            CheckResult(name="lint", passed=False, message="2 found", output="E1 E2", required=False),
        ),
        total_changes=(FileChange(path="a.py", kind=ChangeKind.CREATED),),
        patch="+print(1)",
        tampering=("CLAUDE.md was changed",),
    )
    prompt = review_prompt(evidence, "I did it")
    places = [
        prompt.index(part)
        for part in ("Create calculator", "- a.py exists", "PASSED file: a.py", "FAILED (optional) lint",
                     "TAMPERING",
                     "2 found", "created a.py", "+print(1)", "I did it", "Answer with one JSON object")
    ]  # fmt: skip
    assert places == sorted(places)


def test_the_reason_comes_before_the_verdict():
    """The schema makes a model think first; every key of it is demanded."""
    assert list(REVIEW_SCHEMA["properties"])[:2] == ["reason", "verdict"]
    assert sorted(REVIEW_SCHEMA["required"]) == sorted(REVIEW_SCHEMA["properties"])


@given(st.text(st.sampled_from(FENCE[:3] + "x\n\u202e\x00"), max_size=200), st.text(max_size=100))
def test_untrusted_text_cannot_leave_its_fence(noise, other):
    """However the fence is hidden in the agent's text, it never stands there alone."""
    hostile = f"{noise}{FENCE[:8]}\u200b{FENCE[8:]}{FENCE}{other}{FENCE[:5]}{FENCE}{FENCE[5:]}"
    quiet = review_prompt(Evidence(patch="p"), "x").count(FENCE)
    assert review_prompt(Evidence(patch=hostile), hostile).count(FENCE) == quiet


@given(st.text(max_size=300))
def test_cleaned_text_is_plain(text):
    """No control, bidirectional or lone surrogate character is left, and line ends are of one kind."""
    found = clean(f"{text}\u202e\u2066\x1b[31m\r\n\x85\ud800", FENCE)
    assert not any(mark in found for mark in "\u202e\u2066\x1b\r\x85\ud800\x00")
    found.encode("utf-8")


def test_task_acceptance_and_verdicts_are_never_cut():
    """With a huge diff, reply and output, only these are cut, each keeps a part, and the budget holds."""
    checks = tuple(
        CheckResult(name=f"check {number}", passed=number % 2 == 0, message="m", output="o" * 5000)
        for number in range(20)
    )
    evidence = Evidence(checks=checks, patch="DIFF" + "d" * 100_000)
    prompt = review_prompt(evidence, "REPLY" + "r" * 100_000, max_tokens=3000)
    assert TokenCounter().count(prompt) <= 3000
    for needed in ("Create calculator", "add and subtract", "- a.py exists", "DIFFd", "REPLYr"):
        assert needed in prompt
    for number in range(20):
        assert f"{'PASSED' if number % 2 == 0 else 'FAILED'} check {number}\n" in prompt


def test_a_budget_too_small_for_anything_else():
    """What must be kept is there even when it is too much; the rest is not."""
    prompt = review_prompt(Evidence(patch="d" * 900), "SECRETREPLY" * 90, max_tokens=10, acceptance=())
    assert "judge by the words of the task" in prompt
    assert "SECRETREPLY" not in prompt


@pytest.mark.parametrize("fence", ["short", "with a space in it", "\ufffd" * 9])
def test_a_weak_fence_is_refused(fence):
    """A fence that does not protect is an error that says how to make one."""
    with pytest.raises(ValueError, match="token_hex"):
        PromptGenerator().review_prompt(TASK, Evidence(), Reply(text=""), (), fence)
