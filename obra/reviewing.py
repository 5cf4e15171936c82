"""Who reviews: a model that answers a checklist several times, or a script that gives whole reviews.

The sampling loop and its random fences live here; what is asked and what is made of the answers is decided in the
pure rooms. The loop sees only :class:`Reviewer`.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from obra.domain import Evidence, Record, Reply, Requirement, Review, Task, Verdict
from obra.errors import LLMProtocolError
from obra.judging.ballot import count_votes
from obra.judging.checklist_reader import Sample, read_sample, read_verdicts
from obra.judging.control import is_decisive, is_told_apart, requirement_quotes
from obra.judging.quotes import QuotableEvidence
from obra.judging.requirements import read_split, settle
from obra.judging.review_reader import read_review
from obra.judging.strict_json import Unreadable
from obra.logbook import logger
from obra.plugins import LLMPlugin
from obra.prompting.broken_copy import broken_copy
from obra.prompting.checklist import Question, arranged, checklist_schema, make_questions
from obra.prompting.prompt_generator import PromptGenerator
from obra.prompting.requirements import SPLIT_SCHEMA, split_description, write_split_prompt
from obra.prompting.review_prompt import CONTROL_SCHEMA, REVIEW_SCHEMA

FENCE_BYTES = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Work(Record):
    """What is reviewed: one attempt after it was looked at."""

    task: Task
    evidence: Evidence
    reply: Reply
    requirements: tuple[str, ...]
    """What the task demands, in sentences."""
    described: tuple[str, ...]
    """One sentence for each check that somebody wrote, in their order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reviewed(Record):
    """The review, and what became of each requirement."""

    review: Review
    requirements: tuple[Requirement, ...]


class Reviewer(Protocol):
    """Someone who says what a task demands, and whether the work shows it."""

    def split(self, task: Task) -> tuple[str, ...]:
        """Return the requirements of a task for which nobody wrote acceptance sentences; never empty."""
        ...

    def review(self, work: Work) -> Reviewed:
        """Review one attempt.

        Raises:
            LLMError: there is nobody who answers.
        """
        ...


class ScriptedReviewer:
    """Takes each review whole from an LLM that plays a script, one answer for each attempt.

    Where its yes decides it is asked about a broken copy of the work as well; the script says ``control: no`` to
    play a reviewer who notices, and else says the same of the copy.
    """

    def __init__(self, llm: LLMPlugin, prompts: PromptGenerator) -> None:
        self._llm, self._prompts = llm, prompts

    def split(self, task: Task) -> tuple[str, ...]:
        """Split by the words of the task alone: a script has no answer to a question that it does not expect."""
        return split_description(task.title, task.description)

    def review(self, work: Work) -> Reviewed:
        """Ask once and read the review as it is; no sentence is shown by it, since none is answered alone.

        Raises:
            LLMError: the script has no more answers, or the LLM has none.
        """
        review = self._asked(work, REVIEW_SCHEMA)
        if is_decisive(work.evidence, review):
            copy = broken_copy(work.evidence, work.requirements, ())
            of_copy = self._asked(replace(work, evidence=copy), CONTROL_SCHEMA)
            review = replace(review, told_apart=of_copy.verdict in {Verdict.NO, Verdict.UNSURE})
        return Reviewed(
            review=review,
            requirements=settle(work.requirements, work.described, work.evidence, (), review),
        )

    def _asked(self, work: Work, schema: Mapping[str, Any]) -> Review:
        prompt = self._prompts.review_prompt(
            work.task,
            work.evidence,
            work.reply,
            (*work.requirements, *work.described),
            fence=secrets.token_hex(FENCE_BYTES),
        )
        return read_review(self._llm.generate(prompt, schema=schema), model=self._llm.identity)


class ChecklistReviewer:
    """Puts a checklist to a model several times, each time in another order, and counts what can be verified."""

    def __init__(
        self, llm: LLMPlugin, prompts: PromptGenerator, *, samples: int, questions: int, first_seed: int = 1
    ) -> None:
        """Take who answers and who writes.

        Args:
            llm: asked with a JSON schema and a seed.
            prompts: writes the checklist.
            samples: how often each checklist is put.
            questions: how many there may be beside the canary.
            first_seed: seed of the first sample; each further one gets the next.
        """
        self._llm, self._prompts = llm, prompts
        self._samples, self._questions = samples, questions
        self._seeds = range(first_seed, first_seed + samples)

    def split(self, task: Task) -> tuple[str, ...]:
        """Ask the model; what it answers has to be about the task, and what it leaves out is put back.

        Raises:
            LLMError: nobody answers. An answer that cannot be used is no error: the task's own sentences are.
        """
        try:
            text = self._llm.generate(write_split_prompt(task), schema=SPLIT_SCHEMA, seed=self._seeds[0])
        except LLMProtocolError as error:
            logger.warning("the requirements of task %d are its own sentences: %s", task.id, error)
            text = ""
        return read_split(text, task.title, task.description)

    def review(self, work: Work) -> Reviewed:
        """Put the checklist once for each seed and count; where its yes decides, put it about a broken copy, too.

        Raises:
            LLMError: nobody answers. A sample that is cut off, refused or not readable is discarded instead.
        """
        absent = f"module_{secrets.token_hex(FENCE_BYTES)}.py"
        questions = make_questions(work.requirements, most=self._questions, absent=absent)
        quotable = QuotableEvidence(work.evidence)
        samples = [self._sample(work, questions, quotable, seed) for seed in self._seeds]
        for sample in samples:
            if sample.problem:
                logger.info("review of task %d, seed %d, discarded: %s", work.task.id, sample.seed, sample.problem)
        review = count_votes(questions, samples, model=self._llm.identity)
        if is_decisive(work.evidence, review):
            review = replace(review, told_apart=self._tells_apart(work, questions, review))
        return Reviewed(
            review=review,
            requirements=settle(work.requirements, work.described, work.evidence, questions, review),
        )

    def _sample(self, work: Work, questions: Sequence[Question], quotable: QuotableEvidence, seed: int) -> Sample:
        order = arranged(questions, seed)
        try:
            text = self._answers(work, order, seed)
        except LLMProtocolError as error:
            return Sample(seed=seed, problem=str(error))
        return read_sample(text, order, quotable, seed)

    def _tells_apart(self, work: Work, questions: Sequence[Question], review: Review) -> bool:
        """Put the same questions about a broken copy of the work, in another order.

        Raises:
            LLMError: nobody answers. An answer that cannot be used shows nothing.
        """
        copy = broken_copy(work.evidence, work.requirements, requirement_quotes(questions, review))
        order = arranged(questions, self._seeds.stop)
        try:
            answers = self._answers(replace(work, evidence=copy), order, self._seeds.stop)
            verdicts = read_verdicts(answers, order)
        except (LLMProtocolError, Unreadable) as error:
            logger.info("the control review of task %d counts for nothing: %s", work.task.id, error)
            return False
        return is_told_apart(questions, verdicts)

    def _answers(self, work: Work, order: Mapping[str, Question], seed: int) -> str:
        prompt = self._prompts.checklist_prompt(
            work.task, work.evidence, work.reply, order, fence=secrets.token_hex(FENCE_BYTES)
        )
        return self._llm.generate(prompt, schema=checklist_schema(tuple(order)), seed=seed)


def make_reviewer(
    llm: LLMPlugin, prompts: PromptGenerator, *, samples: int, questions: int, first_seed: int = 1
) -> Reviewer:
    """Return the reviewer that fits *llm*: one that says ``answers_whole_reviews`` is asked for whole reviews."""
    if getattr(llm, "answers_whole_reviews", False):
        return ScriptedReviewer(llm, prompts)
    return ChecklistReviewer(llm, prompts, samples=samples, questions=questions, first_seed=first_seed)
