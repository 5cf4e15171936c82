"""The control of a reviewer whose yes decides: does it say no where no is right?

A yes to work that nobody measured is worth as much as the reviewer's ability to say no. So the same questions are
put once more, about a copy of the work that is broken (:mod:`obra.prompting.broken_copy`). The right answer to
most of them is known, and it is not yes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from obra.domain import Evidence, Review, Verdict
from obra.judging.chances import has_written_checks
from obra.prompting.checklist import Question

UNTOLD = "the reviewer did not tell the work from a broken copy of it"


def is_decisive(evidence: Evidence, review: Review) -> bool:
    """Tell whether the reviewer's yes would decide: nobody wrote a check, and nothing that was seen says no."""
    nothing_failed = not evidence.tampering and not evidence.failed_checks
    return review.verdict is Verdict.YES and nothing_failed and not has_written_checks(evidence)


def requirement_quotes(questions: Sequence[Question], review: Review) -> tuple[str, ...]:
    """Return the lines by which the reviewer said that requirements are met."""
    asked = {question.id for question in questions if question.requirements}
    return tuple(answer.quote for answer in review.answers if answer.id in asked and answer.quote)


def is_told_apart(questions: Sequence[Question], verdicts: Mapping[str, Verdict]) -> bool:
    """Tell whether a reviewer withdrew its yes for most requirements when the work was broken.

    Most, not all: that a file is left alone, or that something does not stand there, is true of the copy as well.

    Args:
        questions: all that were put.
        verdicts: what it said of the copy, by the id of the question, with or without a quote.
    """
    asked = [question.id for question in questions if question.requirements]
    withdrawn = sum(verdicts[one] is not Verdict.YES for one in asked)
    return withdrawn * 2 > len(asked)
