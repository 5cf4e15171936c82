"""Reading one sample of the reviewer's answers: whole, honest about the canary, or not at all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from obra.domain import Record, Verdict
from obra.judging.quotes import QuotableEvidence
from obra.judging.review_reader import read_verdict
from obra.judging.strict_json import Unreadable, read_object, require_object, shown, text_at
from obra.prompting.checklist import Question

ANSWER_KEYS = frozenset({"id", "reason", "quote", "verdict"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Vote(Record):
    """What one sample says to one question. A yes whose quote does not stand in the evidence is unsure here."""

    verdict: Verdict
    reason: str = ""
    quote: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample(Record):
    """One answer to the whole checklist. ``problem`` says why it does not count; then there are no votes."""

    seed: int
    votes: Mapping[str, Vote] = field(default_factory=dict)
    """By the id of the question, the canary's left out."""
    problem: str = ""
    raw: str = ""


def read_sample(text: str, questions: Mapping[str, Question], quotable: QuotableEvidence, seed: int) -> Sample:
    """Read one sample.

    It counts only when it is one JSON object that answers every question once, none that was not put, each in
    the right form, and the canary with no.

    Args:
        text: what the reviewer answered.
        questions: by label, as they were put.
        quotable: what a quote may come from.
        seed: names the sample.
    """
    raw = str(text)
    try:
        answers = _answers(read_object(raw, frozenset({"answers"})), questions)
        votes = {
            questions[label].id: _vote(answer, quotable)
            for label, answer in answers.items()
            if not (questions[label].is_canary and _canary_lives(answer))
        }
    except Unreadable as problem:
        return Sample(seed=seed, problem=str(problem), raw=raw)
    return Sample(seed=seed, votes=votes, raw=raw)


def read_verdicts(text: str, questions: Mapping[str, Question]) -> Mapping[str, Verdict]:
    """Return what one sample says to each question, by the id of the question, quotes disregarded.

    Raises:
        Unreadable: it is none that counts, see :func:`read_sample`.
    """
    answers = _answers(read_object(str(text), frozenset({"answers"})), questions)
    return {
        questions[label].id: read_verdict(answer)
        for label, answer in answers.items()
        if not (questions[label].is_canary and _canary_lives(answer))
    }


def _answers(data: Mapping[str, Any], questions: Mapping[str, Question]) -> Mapping[str, Mapping[str, Any]]:
    entries = data.get("answers")
    if not isinstance(entries, list):
        raise Unreadable(f"the reviewer's answers must be a list; they are {shown(entries)}")
    found: dict[str, Mapping[str, Any]] = {}
    for entry in entries:
        answer = require_object(entry, ANSWER_KEYS)
        label = text_at(answer, "id")
        if label not in questions:
            raise Unreadable(f"the reviewer answered a question {shown(label)} that was not put")
        if label in found:
            raise Unreadable(f"the reviewer answered the question {label} twice")
        found[label] = answer
    if missing := [label for label in questions if label not in found]:
        raise Unreadable(f"the reviewer left out {len(missing)} of {len(questions)} questions")
    return found


def _canary_lives(answer: Mapping[str, Any]) -> bool:
    verdict = read_verdict(answer)
    if verdict is not Verdict.NO:
        raise Unreadable(f"the reviewer said {verdict} to a question whose answer is no")
    return True


def _vote(answer: Mapping[str, Any], quotable: QuotableEvidence) -> Vote:
    verdict, reason, quote = read_verdict(answer), text_at(answer, "reason"), text_at(answer, "quote")
    if verdict is Verdict.YES and not quotable.holds(quote):
        why = f"quoted {shown(quote)}, which does not stand in the evidence" if quote else "gave no quote for it"
        return Vote(verdict=Verdict.UNSURE, reason=f"the reviewer said yes and {why}", quote=quote)
    return Vote(verdict=verdict, reason=reason, quote=quote)
