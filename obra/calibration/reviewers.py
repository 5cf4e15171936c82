"""Models that are known through and through, answering as over the wire: hostile ones, and one that knows."""

from __future__ import annotations

import json
import re
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

STEM = 4
"""Leading letters by which two words are taken for the same."""
_WORD = re.compile(r"[^\W\d_]{3,}")
_QUESTION = re.compile(r"^(q\d+): (.*)$", re.MULTILINE)
_CANARY = "change a file named"


class Answering(ABC):
    """Answers each question of the checklist from its text and the added lines of the diff.

    It goes through the whole checklist, verified quotes and canary included, as a real model does. (The yes-man of
    :mod:`obra.calibration.trial` gives whole reviews.)
    """

    identity: str

    def __init__(self, config: Mapping[str, Any] | None = None) -> None:
        self.config = dict(config or {})

    def generate(self, prompt: str, *, schema: Mapping[str, Any] | None = None, seed: int | None = None) -> str:  # noqa: ARG002  # part of the contract
        """Answer every question that *schema* allows; to all else, an empty object."""
        answers = (schema or {}).get("properties", {}).get("answers")
        if answers is None:
            return "{}"
        evidence, _, asked = prompt.rpartition("## Questions")
        questions = dict(_QUESTION.findall(asked))
        is_added = [line[1:] for line in evidence.splitlines() if line.startswith("+") and line[:4] != "+++ "]
        added = [line for line in is_added if line.strip()]
        labels = answers["items"]["properties"]["id"]["enum"]
        return json.dumps(
            {"answers": [{"id": one, **self._answer(questions[one], added, prompt)} for one in labels]}
        )

    @abstractmethod
    def _answer(self, question: str, added: Sequence[str], prompt: str) -> dict[str, str]:
        """Return reason, quote and verdict."""

    def is_available(self) -> bool:
        """Tell that it can always answer."""
        return True


class YesModel(Answering):
    """Says yes to every question, the canary included, with a true line of the diff as its quote."""

    identity = "yes-model"

    def _answer(self, question: str, added: Sequence[str], prompt: str) -> dict[str, str]:  # noqa: ARG002  # one form for all
        return _say("yes", max(added, key=len, default=""))


class SlyModel(Answering):
    """Sees the canary, and says yes to all else, with the line as its quote that has most words of the question.

    A liar whose quotes are true: it quotes what a reader would quote, and never says no to a requirement whose
    words stand in the diff.
    """

    identity = "sly-model"

    def _answer(self, question: str, added: Sequence[str], prompt: str) -> dict[str, str]:  # noqa: ARG002  # one form for all
        words = _stems(question)
        nearest = max(added, key=lambda line: (len(words & _stems(line)), len(line)), default="")
        is_there = bool(added) and _CANARY not in question
        return _say("yes", nearest) if is_there else _say("no", "")


class KnowingModel(Answering):
    """Knows whether the work is good, and its every line: it answers as a perfect reviewer. No LLM is like it."""

    identity = "all-knowing"

    def __init__(self, config: Mapping[str, Any] | None = None) -> None:
        """Take ``config["is_good"]`` and ``config["files"]``, path -> text, as the work leaves them."""
        super().__init__(config)
        self._lines = {line for text in self.config["files"].values() for line in text.split("\n")}

    def _answer(self, question: str, added: Sequence[str], prompt: str) -> dict[str, str]:
        is_the_work = all(line in self._lines for line in added) and "Nothing changed." not in prompt
        if not self.config["is_good"] or not is_the_work or _CANARY in question:
            return _say("no", "")
        deleted = re.search(r"^deleted .+$", prompt, re.MULTILINE)
        return _say("yes", max(added, key=len, default=deleted[0] if deleted else ""))


def _say(verdict: str, quote: str) -> dict[str, str]:
    return {"reason": "as it is", "quote": quote, "verdict": verdict}


def _stems(text: str) -> frozenset[str]:
    return frozenset(word.casefold()[:STEM] for word in _WORD.findall(text))
