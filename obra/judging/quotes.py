"""Whether a line that the reviewer quotes really stands in the evidence."""

from __future__ import annotations

import re

from obra.domain import Evidence
from obra.prompting.review_prompt import change_line, verdict_line, visible

SHORTEST_PART = 8
"""Characters, white space folded, that a part of a line must have to be a quote; a whole line may be shorter."""

_SAYS_NOTHING = re.compile(r"(?:@@ |index [0-9a-f]+\.\.|\\ No newline)")
_LETTER_OR_DIGIT = re.compile(r"[^\W_]")
_MARKS = "`'\"\u201c\u201d"


class QuotableEvidence:
    """What a quote may come from: the diff, the changed text without its marks, and the checks that passed.

    The agent's reply is not in it, nor the output of failed checks: what somebody says is no evidence for it.
    White space is folded and invisible characters are dropped on both sides, since models do not keep them.
    """

    def __init__(self, evidence: Evidence) -> None:
        patch = [line for line in visible(evidence.patch).split("\n") if not _SAYS_NOTHING.match(line)]
        changed = [line[1:] for line in patch if line[:1] in {"+", " "}]
        removed = [line[1:] for line in patch if line[:1] == "-"]
        passed = [check for check in evidence.checks if check.passed]
        seen = [visible(text) for check in passed for text in (verdict_line(check), check.name, check.message)]
        seen += [visible(change_line(change)) for change in evidence.total_changes]
        self._lines = frozenset(_folded(line) for part in (patch, changed, removed, seen) for line in part)
        self._texts = tuple(_folded("\n".join(part)) for part in (patch, changed, seen))

    def holds(self, quote: str) -> bool:
        """Tell whether *quote* stands here, as a whole line or as a part that is long enough to mean something."""
        folded = _folded(visible(quote))
        return any(self._stands(one) for one in dict.fromkeys((folded, _folded(folded.strip(_MARKS)))))

    def _stands(self, quote: str) -> bool:
        if not _LETTER_OR_DIGIT.search(quote):
            return False
        return quote in self._lines or (len(quote) >= SHORTEST_PART and any(quote in text for text in self._texts))


def _folded(text: str) -> str:
    return " ".join(text.split())
