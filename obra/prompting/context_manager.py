"""What fits: choosing the parts of a prompt under a token budget."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from obra.domain import Record
from obra.prompting.token_counter import TokenCounter


@dataclass(frozen=True, slots=True, kw_only=True)
class ContextItem(Record):
    """One part of a prompt.

    ``must_keep`` parts are never left out and never cut; of the others, higher ``priority`` goes first, and a
    ``divisible`` one may be cut in its middle.
    """

    title: str
    text: str
    must_keep: bool = False
    priority: int = 0
    divisible: bool = False

    def render(self) -> str:
        """Return the part as it stands in a prompt: a heading and the text."""
        return f"## {self.title}\n\n{self.text}\n\n"


class ContextManager:
    """Fills a budget of tokens with the parts that matter most."""

    def __init__(self, max_tokens: int, counter: TokenCounter | None = None) -> None:
        """Take the budget and who counts; the counter's numbers must not fall as a text grows."""
        self.max_tokens = max_tokens
        self.counter = counter or TokenCounter()

    def select(self, items: Sequence[ContextItem]) -> tuple[ContextItem, ...]:
        """Return the parts that fit, in the order they were given.

        Must-keep parts are always there, whole. Only they can exceed the budget.
        """
        chosen: dict[int, ContextItem] = {index: item for index, item in enumerate(items) if item.must_keep}
        left = self.max_tokens - sum(self.cost(item) for item in chosen.values())
        optional = [index for index, item in enumerate(items) if not item.must_keep]
        for index in sorted(optional, key=lambda index: (-items[index].priority, index)):
            fitting = self.fit(items[index], left)
            if fitting is not None:
                chosen[index] = fitting
                left -= self.cost(fitting)
        return tuple(chosen[index] for index in sorted(chosen))

    def cost(self, item: ContextItem) -> int:
        """Return the tokens that *item* takes in a prompt, its heading included."""
        return self.counter.count(item.render())

    def fit(self, item: ContextItem, tokens: int) -> ContextItem | None:
        """Return *item* whole or, where it may be, cut to *tokens*; ``None`` when it does not fit."""
        if self.cost(item) <= tokens:
            return item
        if not item.divisible:
            return None
        fits, too_many = 0, len(item.text)
        while too_many - fits > 1:
            middle = (fits + too_many) // 2
            if self.cost(replace(item, text=cut_middle(item.text, middle))) <= tokens:
                fits = middle
            else:
                too_many = middle
        return replace(item, text=cut_middle(item.text, fits)) if fits else None


def cut_middle(text: str, keep: int) -> str:
    """Return *text* with *keep* of its characters, half from each end, and a mark that counts the rest."""
    if keep >= len(text):
        return text
    tail = keep // 2
    end = text[-tail:] if tail else ""
    return f"{text[: keep - tail]}\n[... {len(text) - keep} characters left out here ...]\n{end}"
