"""PromptGenerator: what the agent is told, and what the reviewer is asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from obra.domain import Evidence, Reply
from obra.prompting.checklist import Question
from obra.prompting.checklist_prompt import write_checklist_prompt
from obra.prompting.context_manager import ContextItem, ContextManager
from obra.prompting.interrupted import message_item
from obra.prompting.review_prompt import REVIEW_SCHEMA, write_review_prompt
from obra.prompting.token_counter import TokenCounter

__all__ = ["REVIEW_SCHEMA", "PromptGenerator"]

GROUND_RULES = """- Work in the current folder and nowhere else.
- Change only what the task needs.
- Your work is measured in the folder, not by your words. Say plainly what you did.
- If something cannot be done, say so, and say what is missing."""

REMINDER = (
    "Go on from what is in the current folder now; do not start over. The ground rules hold as before: "
    "work only there, change only what the task needs, say plainly what you did and what could not be done."
)


class PromptGenerator:
    """Writes prompts. The same arguments give the same text; no model is asked."""

    def __init__(self, llm: Any = None, *, max_tokens: int = 8000) -> None:
        """Take the budget of a prompt in estimated tokens.

        The LLM is accepted for the plan's signature and never asked: what the agent hears has to be the same in
        every run.
        """
        self.llm = llm
        self.budget = ContextManager(max_tokens, TokenCounter())

    def generate_prompt(self, task: Any, context: Mapping[str, Any] | None = None) -> str:
        """Write the prompt of one attempt.

        The task, its acceptance, the feedback and a person's answer stand in it word for word, whatever the
        budget says; the file list and the history fill what is left.

        Args:
            task: anything with a ``title`` and perhaps ``description`` and ``acceptance``.
            context: may hold ``files`` (paths), ``history`` (attempts), ``feedback`` (on the attempt before),
                ``acceptance`` (sentences; else the task's), ``iteration`` and ``max_iterations`` (from 1),
                ``answer`` (of a person), ``question`` (of the reviewer), ``messages`` (of people, while it ran).
        """
        context = context or {}
        later = _is_later(context)
        items = [_task_item(task), *_acceptance_items(task, context)]
        items += _later_items(context) if later else _first_items(context)
        items += _spoken_items(context)
        items += _attempt_items(context)
        return "".join(item.render() for item in self.budget.select(items)).rstrip() + "\n"

    def review_prompt(
        self, task: Any, evidence: Evidence, reply: Reply, acceptance: Sequence[str], fence: str
    ) -> str:
        """Write the question to the reviewing LLM, whose answer fits :data:`REVIEW_SCHEMA`.

        Task, acceptance and the verdicts of the checks are never cut; diff, reply and outputs are, in their
        middle. All that the agent could have written stands between *fence* lines.

        Args:
            task: anything with a ``title`` and perhaps a ``description``.
            evidence: what really happened.
            reply: what the agent says about it.
            acceptance: sentences.
            fence: random text, new for each call, that the agent cannot guess.

        Raises:
            ValueError: the fence is shorter than 8 characters or holds white space.
        """
        return write_review_prompt(task, evidence, reply, acceptance, fence=fence, budget=self.budget)

    def checklist_prompt(
        self, task: Any, evidence: Evidence, reply: Reply, questions: Mapping[str, Question], fence: str
    ) -> str:
        """Write the checklist for the reviewing LLM; see :func:`write_checklist_prompt`.

        Raises:
            ValueError: the fence is shorter than 8 characters or holds white space.
        """
        return write_checklist_prompt(task, evidence, reply, questions, fence=fence, budget=self.budget)


def _is_later(context: Mapping[str, Any]) -> bool:
    return bool(context.get("feedback") or context.get("history")) or (context.get("iteration") or 1) > 1


def _task_item(task: Any) -> ContextItem:
    description = str(getattr(task, "description", "") or "").strip()
    text = f"{task.title}\n\n{description}" if description else str(task.title)
    return ContextItem(title="Task", text=text, must_keep=True)


def _acceptance_items(task: Any, context: Mapping[str, Any]) -> list[ContextItem]:
    sentences = context.get("acceptance") or getattr(task, "acceptance", ())
    if not sentences:
        return []
    text = "\n".join(f"- {sentence}" for sentence in sentences)
    return [ContextItem(title="The work is accepted when", text=text, must_keep=True)]


def _first_items(context: Mapping[str, Any]) -> list[ContextItem]:
    files = [str(path) for path in context.get("files") or ()]
    listing = "\n".join(files)
    return [
        ContextItem(title="Files in the current folder", text=listing, priority=1, divisible=True)
        if files
        else ContextItem(title="Files in the current folder", text="None: it is empty.", priority=1),
        ContextItem(title="Ground rules", text=GROUND_RULES, must_keep=True),
    ]


def _later_items(context: Mapping[str, Any]) -> list[ContextItem]:
    items = []
    if feedback := context.get("feedback"):
        items.append(
            ContextItem(title="Why the last attempt was not accepted", text=str(feedback), must_keep=True)
        )
    if history := context.get("history"):
        text = "\n".join(_told(number, attempt) for number, attempt in enumerate(history, start=1))
        items.append(ContextItem(title="Attempts so far", text=text, priority=1, divisible=True))
    items.append(ContextItem(title="Now", text=REMINDER, must_keep=True))
    return items


def _told(number: int, attempt: Any) -> str:
    decision = getattr(attempt, "decision", None)
    return f"{getattr(attempt, 'number', number)}. {getattr(decision, 'reason', None) or attempt}"


def _spoken_items(context: Mapping[str, Any]) -> list[ContextItem]:
    titles = {
        "question": "The reviewer asks; answer in your reply and act on it",
        "answer": "A person answered",
    }
    items = [
        ContextItem(title=title, text=str(context[key]), must_keep=True)
        for key, title in titles.items()
        if context.get(key)
    ]
    return [*items, *(message_item(text) for text in context.get("messages") or ())]


def _attempt_items(context: Mapping[str, Any]) -> list[ContextItem]:
    iteration, most = context.get("iteration"), context.get("max_iterations")
    if not iteration or not most:
        return []
    left = most - iteration
    rest = f"{left} more may follow." if left > 0 else "It is the last one."
    return [ContextItem(title="Attempt", text=f"This is attempt {iteration} of {most}. {rest}", must_keep=True)]
