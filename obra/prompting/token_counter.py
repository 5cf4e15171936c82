"""How long a text is for a model, without asking one."""

from __future__ import annotations

CHARACTERS_PER_TOKEN = 3
"""Fewer than English prose and code have (about 4), so that an estimate errs on the long side.

A server that is given too much cuts silently and loses the front first; the estimate must not be the low one.
Text without spaces between words (Chinese, Japanese) can still have more tokens than this says.
"""


class TokenCounter:
    """Estimates tokens from characters; no tokenizer, no model, the same number everywhere."""

    def count(self, text: str) -> int:
        """Return ``ceil(len(text) / 3)``: never 0 for a text that is not empty."""
        return -(-len(text) // CHARACTERS_PER_TOKEN)
