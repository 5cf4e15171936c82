"""What became of each thing that the task demands."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from obra.domain import CheckResult, Evidence, Requirement, RequirementState, Review, ReviewAnswer, Verdict
from obra.judging.strict_json import Unreadable, read_object
from obra.prompting.checklist import Question
from obra.prompting.requirements import MOST_SPLIT, split_description
from obra.prompting.review_prompt import visible

STEM = 5
"""Leading letters by which two words are taken for the same."""
GROUNDED, COVERED = 1 / 3, 2 / 3
"""Shares of the words of a sentence. So many must stand in the task for the sentence to be about it at all; and so
many of a sentence of the task must stand in the model's for it to be said there. Saying one twice costs little."""

_WORD = re.compile(r"[^\W_]{3,}")
_SMALL_WORDS = "the and for with that this are not all any has have its must should when then from into each"
_SMALL = frozenset(_SMALL_WORDS.split())

_STATES = {Verdict.YES: RequirementState.SHOWN, Verdict.NO: RequirementState.CONTRADICTED}


def read_split(text: str, title: str, description: str = "") -> tuple[str, ...]:
    """Return the requirements of a task, as an LLM split them.

    A sentence that shares no words with the task is dropped. A sentence of the task that no requirement is about
    is put back as it stands, so that nothing that was demanded can get lost. When the answer cannot be read, or
    nothing of it is left, the task's own sentences are its requirements.
    """
    own = split_description(title, description)
    try:
        entries = read_object(str(text), frozenset({"requirements"})).get("requirements")
    except Unreadable:
        return own
    if not isinstance(entries, list) or not all(isinstance(entry, str) for entry in entries):
        return own
    said = dict.fromkeys(" ".join(visible(entry).split()) for entry in entries[:MOST_SPLIT])
    task = _stems(f"{title} {description}")
    grounded = [entry for entry in said if _shares(_stems(entry), task, GROUNDED)]
    if not grounded:
        return own
    covered = frozenset[str]().union(*map(_stems, grounded))
    return (*grounded, *(one for one in own if not _shares(_stems(one), covered, COVERED)))


def settle(
    sentences: Sequence[str],
    described: Sequence[str],
    evidence: Evidence,
    questions: Sequence[Question],
    review: Review,
) -> tuple[Requirement, ...]:
    """Return every requirement with its state: first the sentences, then the checks that somebody wrote.

    Args:
        sentences: requirements in words.
        described: one sentence for each written check, in their order.
        evidence: holds the results of those checks, in the same order.
        questions: what the reviewer was asked; none where its whole review was scripted.
        review: what it answered.
    """
    answers = {answer.id: answer for answer in review.answers}
    by_place: Mapping[int, ReviewAnswer] = {
        place: answers[question.id]
        for question in questions
        for place in question.requirements
        if question.id in answers
    }
    worded = [_worded(text, by_place.get(place), review) for place, text in enumerate(sentences)]
    measured = [_measured(text, check) for text, check in zip(described, evidence.written_checks, strict=True)]
    return (*worded, *measured)


def _worded(text: str, answer: ReviewAnswer | None, review: Review) -> Requirement:
    if answer is None:
        unread = review.verdict is Verdict.UNREADABLE
        why = "the review cannot be read" if unread else "the reviewer did not answer requirement by requirement"
        return Requirement(text=text, state=RequirementState.NOT_SHOWN, evidence=why)
    state = _STATES.get(answer.verdict, RequirementState.NOT_SHOWN)
    return Requirement(text=text, state=state, evidence=answer.quote or answer.reason)


def _measured(text: str, check: CheckResult) -> Requirement:
    state = RequirementState.SHOWN if check.passed else RequirementState.CONTRADICTED
    return Requirement(text=text, state=state, evidence=check.message)


def _stems(text: str) -> frozenset[str]:
    words = (word.casefold() for word in _WORD.findall(text))
    return frozenset(word[:STEM] for word in words if word not in _SMALL)


def _shares(words: frozenset[str], others: frozenset[str], share: float) -> bool:
    """Tell whether that *share* of *words* stands among *others*; a sentence without words shares none."""
    return bool(words) and len(words & others) >= share * len(words)
