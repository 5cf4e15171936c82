"""The baseline: what could be told from the words of the reply and of the diff alone. Pure."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Sequence

Labelled = Sequence[tuple[Collection[str], bool]]
"""The words of an attempt, and whether it is good."""


class WordsAlone:
    """Naive Bayes over bags of words: each word that occurs counts once, whatever stands around it.

    Source: A. McCallum and K. Nigam, "A comparison of event models for naive Bayes text classification", AAAI-98
    workshop on learning for text categorization; the binary multinomial form, with Laplace's smoothing.
    """

    def __init__(self, examples: Labelled) -> None:
        """Learn from *examples*; there must be both good and bad ones.

        Raises:
            ValueError: all examples are of one kind.
        """
        counts: dict[bool, Counter[str]] = {True: Counter(), False: Counter()}
        numbers = Counter(is_good for _, is_good in examples)
        if len(numbers) < len(counts):
            raise ValueError("words can only be learned from good and bad examples; these are all of one kind")
        for words, is_good in examples:
            counts[is_good].update(words)
        known = counts[True].keys() | counts[False].keys()
        totals = {kind: sum(counts[kind].values()) + len(known) for kind in counts}
        self._prior = math.log(numbers[True] / numbers[False])
        self._weights = {
            word: math.log((counts[True][word] + 1) / totals[True] * totals[False] / (counts[False][word] + 1))
            for word in sorted(known)
        }

    def score(self, words: Collection[str]) -> float:
        """Return the logarithm of the odds that an attempt with these words is good."""
        return self._prior + math.fsum(self._weights.get(word, 0.0) for word in words)
