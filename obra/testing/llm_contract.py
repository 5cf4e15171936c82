"""check_llm: the contract of :class:`obra.plugins.LLMPlugin` as code."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from obra.plugins import LLMPlugin
from obra.testing.requirements import LLM, identity_of, must_raise, no_error, require, require_bool, require_shape


def check_llm(
    make_llm: Callable[[], LLMPlugin],
    *,
    prompt: str = "Say hello",
    schema: Mapping[str, Any] | None = None,
    unreachable: Callable[[], LLMPlugin] | None = None,
) -> None:
    """Ask an LLM twice freely, once with a seed, and, when *schema* is given, once more for JSON.

    *unreachable*, when given, makes one whose server is not there: it must say so without raising, and raise an
    LLMError only when it is asked.

    Raises:
        AssertionError: the LLM does not keep the contract of :class:`obra.plugins.LLMPlugin`.
    """
    with _llm(make_llm) as llm:
        require_bool(llm.is_available, "is_available()", expected=True)
        name = identity_of(llm, LLM)
        with no_error(LLM, "generate()"):
            answers: list[object] = [llm.generate(prompt), llm.generate(prompt, seed=7)]
        for answer in answers:
            is_text = isinstance(answer, str) and bool(answer.strip())
            require(is_text, f"generate() must return a text, not {answer!r}")
        if schema is not None:
            _check_json(llm, prompt, schema)
        require(identity_of(llm, LLM) == name, "identity must not change while the LLM is used")
    if unreachable is not None:
        with _llm(unreachable) as llm:
            require_bool(llm.is_available, "is_available() without a server", expected=False)
            identity_of(llm, LLM)
            must_raise(LLM, "generate() without a server", lambda: llm.generate(prompt))


def _check_json(llm: LLMPlugin, prompt: str, schema: Mapping[str, Any]) -> None:
    with no_error(LLM, "generate() with a schema"):
        answer: object = llm.generate(prompt, schema=schema)
    try:
        json.loads(str(answer))
    except ValueError as error:
        raise AssertionError(f"generate() with a schema must return JSON, not {answer!r}") from error


@contextlib.contextmanager
def _llm(make_llm: Callable[[], LLMPlugin]) -> Iterator[LLMPlugin]:
    llm = make_llm()
    require_shape(llm, LLMPlugin)
    try:
        yield llm
    finally:
        close = getattr(llm, "close", None)  # no part of the contract, but polite
        if callable(close):
            close()
