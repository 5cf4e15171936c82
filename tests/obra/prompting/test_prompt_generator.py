import string
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from obra.domain import (
    Action,
    Attempt,
    Decision,
    Evidence,
    Quality,
    Reply,
    Review,
    Task,
    Validation,
    Verdict,
)  # fmt: skip
from obra.prompting.prompt_generator import PromptGenerator
from obra.prompting.token_counter import TokenCounter

TASK = Task(title="Create calculator", description="add and subtract")


def attempt(number, reason, started_at):
    """A stored attempt that ended with *reason*."""
    return Attempt(
        number=number, prompt="p", reply=Reply(text="r"), evidence=Evidence(), review=Review(verdict=Verdict.NO),
        validation=Validation(), quality=Quality(overall_score=1.0), confidence=1.0,
        decision=Decision(action=Action.RETRY, reason=reason), started_at=started_at,
    )  # fmt: skip


def test_the_plans_call():
    """The plan's own snippet works: an LLM by position, empty files, empty history."""
    prompt = PromptGenerator(object()).generate_prompt(
        Task(title="Create calculator", description="..."), {"files": [], "history": []}
    )
    assert "calculator" in prompt.lower()


def test_a_first_prompt_has_all_that_is_needed():
    """Task, acceptance, files, ground rules and the number of attempts stand in the first prompt."""
    prompt = PromptGenerator().generate_prompt(
        TASK, {"files": ["a.py", "b/c.py"], "acceptance": ["a.py exists"], "iteration": 1, "max_iterations": 3}
    )
    for needed in ("Create calculator", "add and subtract", "- a.py exists", "b/c.py", "attempt 1 of 3", "2 more"):
        assert needed in prompt
    assert "Change only what the task needs" in prompt


def test_a_task_with_a_title_alone():
    """Nothing but a title is needed, not even a context."""
    assert "Fix it" in PromptGenerator().generate_prompt(Task(title="Fix it"))


def test_acceptance_of_the_task_is_used_when_the_context_has_none():
    """A task's own sentences are told."""
    prompt = PromptGenerator().generate_prompt(Task(title="t", acceptance=("it runs",)), {})
    assert "- it runs" in prompt


@given(st.text(min_size=1, max_size=3000), st.integers(200, 2000))
def test_feedback_stands_word_for_word_in_the_next_prompt(feedback, max_tokens):
    """Whatever the feedback and the budget, the feedback, the task and its acceptance are whole."""
    prompt = PromptGenerator(max_tokens=max_tokens).generate_prompt(
        TASK, {"feedback": feedback, "acceptance": ["a.py exists"], "iteration": 2, "max_iterations": 3}
    )
    assert feedback in prompt
    assert "add and subtract" in prompt
    assert "- a.py exists" in prompt


def test_a_later_prompt_tells_history_question_and_answer():
    """Earlier reasons, the reviewer's question and a person's answer reach the agent."""
    history = [attempt(1, "two checks failed", datetime.now(UTC)), "a plain thing"]
    prompt = PromptGenerator().generate_prompt(
        TASK,
        {
            "history": history,
            "question": "Which unit?",
            "answer": "Use SQLite.",
            "iteration": 3,
            "max_iterations": 3,
        },
    )
    for needed in (
        "1. two checks failed",
        "2. a plain thing",
        "Which unit?",
        "Use SQLite.",
        "It is the last one.",
    ):
        assert needed in prompt
    assert "do not start over" in prompt


def test_a_second_attempt_is_known_by_its_number():
    """Without feedback and history the number says that it is a later attempt."""
    prompt = PromptGenerator().generate_prompt(TASK, {"iteration": 2, "files": ["a.py"]})
    assert "do not start over" in prompt
    assert "a.py" not in prompt


def test_many_files_are_cut_to_the_budget():
    """A long file list is cut; the prompt keeps to the budget."""
    files = [f"folder/file_{number}.py" for number in range(5000)]
    prompt = PromptGenerator(max_tokens=1000).generate_prompt(TASK, {"files": files})
    assert "characters left out here" in prompt
    assert TokenCounter().count(prompt) <= 1000


@given(st.text(string.printable, max_size=200))
def test_prompts_are_deterministic(text):
    """The same arguments give the same text."""
    context = {"feedback": text, "files": [text]}
    assert PromptGenerator().generate_prompt(TASK, context) == PromptGenerator().generate_prompt(TASK, context)
