"""Answer: what a server said, and whether it can be trusted to be whole. Nothing here knows about HTTP."""

from __future__ import annotations

from dataclasses import dataclass

from obra.errors import LLMProtocolError
from obra.settings import LLMSettings

BYTES_PER_TOKEN = 3
"""Pessimistic: English prose has about 4.5 bytes a token, code about 3.3, Chinese about 3."""

ENDED_WELL = frozenset({"", "stop"})


@dataclass(frozen=True, slots=True)
class Answer:
    """A finished answer.

    ``done_reason`` is why the model stopped; ``prompt_tokens`` what the server says it read, ``None`` when it does
    not say; ``thought`` the number of characters that it thought aloud beside the answer.
    """

    text: str
    done_reason: str = ""
    prompt_tokens: int | None = None
    thought: int = 0


def estimated_tokens(prompt: str) -> int:
    """Return a pessimistic number of tokens for *prompt*: its UTF-8 bytes divided by three, rounded up.

    For ASCII this is characters divided by three; other scripts, which need more tokens a character, count more.
    """
    return -(-len(prompt.encode("utf-8", "surrogatepass")) // BYTES_PER_TOKEN)


def looks_cut(prompt_tokens: int, estimate: int, context_tokens: int) -> bool:
    """Tell whether the server read far less than was sent.

    An over-long prompt is cut to half the window plus two, and the number reported is the one *after* the cut
    (ollama/ollama#3839 and #17427). The window may be smaller than the one asked for, mostly a power of two, so
    half of any such window is a tell-tale. Otherwise more than 12 bytes a token are implausible.
    """
    half = prompt_tokens - 2
    tell_tales = [context_tokens // 2, *(1 << power for power in range(9, 20))]
    is_half_a_window = any(abs(half - tell_tale) <= 2 for tell_tale in tell_tales)  # noqa: PLR2004  # rounding
    return estimate > 4 * prompt_tokens or (is_half_a_window and 2 * estimate >= 3 * prompt_tokens)


def check(answer: Answer, estimate: int, settings: LLMSettings) -> None:
    """Pass when *answer* is whole and the prompt, of about *estimate* tokens, was read whole.

    Raises:
        LLMProtocolError: it was cut off, stopped for a reason of its own, is empty, or the prompt was cut.
    """
    thought = f" ({answer.thought} characters of thinking came before it)" if answer.thought else ""
    if answer.done_reason == "length":
        raise LLMProtocolError(
            f"the answer of {settings.model} was cut off at llm.max_tokens = {settings.max_tokens}{thought}; "
            f"raise it, or ask for less. It ends with {answer.text[-80:]!r}"
        )
    if answer.done_reason not in ENDED_WELL:
        raise LLMProtocolError(
            f"{settings.model} ended its answer for the reason {answer.done_reason[:80]!r} and not because it was "
            f"complete; try another model or prompt"
        )
    read = answer.prompt_tokens
    if read is not None and looks_cut(read, estimate, settings.context_tokens):
        raise LLMProtocolError(
            f"the server read {read} tokens of a prompt of about {estimate}, so it cut the prompt although "
            f"a window of {settings.context_tokens} was asked for; the model's own window may be smaller "
            f"(`obra llm check`), or the server too old: set llm.context_tokens to what it has"
        )
    if not answer.text.strip():
        if answer.thought:
            raise LLMProtocolError(
                f"{settings.model} thought for {answer.thought} characters and then answered nothing; "
                f"choose a model that can be told not to think, or raise llm.max_tokens"
            )
        raise LLMProtocolError(f"{settings.model} gave an empty answer; try another model or prompt")
