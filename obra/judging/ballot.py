"""Counting the samples: one verdict for each question, and a review made of them. The score is ours."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence

from obra.domain import Review, ReviewAnswer, Verdict
from obra.judging.checklist_reader import Sample, Vote
from obra.prompting.checklist import Question
from obra.prompting.review_prompt import visible

LONGEST_REASON = 300


def count_votes(questions: Sequence[Question], samples: Sequence[Sample], model: str = "") -> Review:
    """Return the review that *samples* make together.

    A question is yes when more than half of all samples that were asked say so with a quote that stands in the
    evidence: a sample that was discarded supports nothing. It is no when more than half of the samples that
    count say so. All else is unsure. The review is yes when every question about a requirement is yes, no when
    one of them is no, unreadable when no sample counts, and else unsure. Its score is the weighted share of yes
    among all questions, from 0 to 100.

    Args:
        questions: all that were put; the canary is left out here.
        samples: one for each time the list was put, discarded ones too.
        model: who answered.
    """
    raw = json.dumps(
        [{"seed": one.seed, "discarded": one.problem, "answer": one.raw} for one in samples], ensure_ascii=False
    )
    if all(sample.problem for sample in samples):
        problems = tuple(dict.fromkeys(sample.problem for sample in samples))
        return Review(verdict=Verdict.UNREADABLE, issues=problems, raw=raw, model=model)
    counted = [question for question in questions if not question.is_canary]
    answers = tuple(_answer(question, samples) for question in counted)
    said = {answer.id: answer.verdict for answer in answers}
    return Review(
        verdict=_verdict([said[question.id] for question in counted if question.requirements]),
        score=_score(counted, answers),
        issues=tuple(_issue(answer) for answer in answers if answer.verdict is not Verdict.YES),
        raw=raw,
        model=model,
        answers=answers,
        agreement=_mean([answer.agreement for answer in answers]) if len(samples) > 1 else None,
    )


def _answer(question: Question, samples: Sequence[Sample]) -> ReviewAnswer:
    votes = [sample.votes[question.id] for sample in samples if not sample.problem]
    counts = Counter(vote.verdict for vote in votes)
    if counts[Verdict.YES] * 2 > len(samples):
        verdict = Verdict.YES
    elif counts[Verdict.NO] * 2 > len(votes):
        verdict = Verdict.NO
    else:
        verdict = Verdict.UNSURE
    backing = next((vote for vote in votes if vote.verdict is verdict), None)
    spokesman = backing or Vote(verdict=verdict, reason="the samples of the review do not agree")
    return ReviewAnswer(
        id=question.id,
        question=question.text,
        verdict=verdict,
        reason=_one_line(spokesman.reason),
        quote=spokesman.quote if verdict is Verdict.YES else "",
        agreement=max(counts.values()) / len(samples),
    )


def _verdict(said: Sequence[Verdict]) -> Verdict:
    if Verdict.NO in said:
        return Verdict.NO
    return Verdict.YES if said and all(one is Verdict.YES for one in said) else Verdict.UNSURE


def _score(questions: Sequence[Question], answers: Sequence[ReviewAnswer]) -> float:
    weights = {question.id: question.weight for question in questions}
    reached = sum(weights[answer.id] for answer in answers if answer.verdict is Verdict.YES)
    return round(100 * reached / sum(weights.values()), 2)


def _issue(answer: ReviewAnswer) -> str:
    state = "No" if answer.verdict is Verdict.NO else "Not shown"
    return f"{answer.question} {state}: {answer.reason}" if answer.reason else f"{answer.question} {state}."


def _one_line(text: str) -> str:
    folded = " ".join(visible(text).split())
    return folded if len(folded) <= LONGEST_REASON else folded[:LONGEST_REASON] + "\N{HORIZONTAL ELLIPSIS}"


def _mean(values: Sequence[float]) -> float:
    return round(sum(values) / len(values), 4)
