"""Chat: one question to a server, whatever its protocol. What is right for one LLM server is right for all."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from obra.errors import ConfigError, LLMError, LLMProtocolError, LLMUnavailable
from obra.llm.answer import Answer, check, estimated_tokens
from obra.llm.schema_check import problem_of, unwrapped
from obra.llm.server_connection import ServerRefused
from obra.llm.server_slots import ServerSlots
from obra.settings import LLMSettings
from obra.wrong_values import problems_of

Messages = Sequence[Mapping[str, str]]
Schema = Mapping[str, Any] | None
Ask = Callable[[Messages, Schema, int], Answer]

LOADING_SECONDS = 300.0
"""Ollama's own limit for loading a model, OLLAMA_LOAD_TIMEOUT; giving up sooner makes it abort the load."""

ROOM_USED = 0.9
"""Share of the window, less the answer, that an estimated prompt may fill: the chat template needs the rest."""

_FORBIDDEN = frozenset({401, 403})
_BUSY = frozenset({429, 503})
_HUNG_UP = 499


class Chat:
    """Asks, checks and, where a form was asked for, has the form repaired once.

    Adapters never try again, with this one exception. Models that a server cannot hold to a schema (thinking ones
    among them) miss it often enough, and what is then sent is another question: the answer, what is wrong with its
    form, and the wish for the same in the right one. No fault of the server or the network is retried by it.
    """

    def __init__(
        self, settings: LLMSettings, slots: ServerSlots, ask: Ask, confirm: Callable[[], None] = lambda: None
    ) -> None:
        """Take how to ask.

        Args:
            settings: model, window, seed.
            slots: one is held while a question is worked on.
            ask: sends messages with a schema and a seed, and returns the answer as it came.
            confirm: called after an answer that looks right, to see what only a server that has answered can tell.
        """
        self._settings = settings
        self._slots = slots
        self._ask = ask
        self._confirm = confirm

    def generate(self, prompt: str, schema: Schema, seed: int | None) -> str:
        """Return the whole answer; with *schema* it is JSON that fits.

        Raises:
            LLMError: there is none.
        """
        messages = [_message("user", prompt)]
        estimate = self._fitting(messages)
        seed = self._settings.seed if seed is None else seed
        with self._slots.held():
            text = self._checked(messages, estimate, schema, seed)
            if schema is None:
                return text
            text = unwrapped(text)
            problem = problem_of(text, schema)
            return self._repaired(messages, text, problem, schema, seed) if problem else text

    def _repaired(self, messages: Messages, text: str, problem: str, schema: Mapping[str, Any], seed: int) -> str:
        told = [*messages, _message("assistant", text), _message("user", _repair(problem, schema))]
        model = self._settings.model
        try:
            estimate = self._fitting(told)
        except LLMProtocolError as error:
            raise LLMProtocolError(
                f"the answer of {model} has not the form that was asked for: {problem}. "
                f"Asking again is not possible: {error}"
            ) from error
        again = unwrapped(self._checked(told, estimate, schema, seed))
        if left := problem_of(again, schema):
            raise LLMProtocolError(
                f"the answer of {model} has not the form that was asked for, first ({problem}) and after it was "
                f"told so ({left}); choose a model that keeps to a JSON schema. It begins with {again[:80]!r}"
            )
        return again

    def _checked(self, messages: Messages, estimate: int, schema: Schema, seed: int) -> str:
        answer = self._ask(messages, schema, seed)
        check(answer, estimate, self._settings)
        self._confirm()
        return answer.text

    def _fitting(self, messages: Messages) -> int:
        settings = self._settings
        estimate = estimated_tokens("".join(message["content"] for message in messages))
        room = int(ROOM_USED * (settings.context_tokens - settings.max_tokens))
        if estimate > room:
            raise LLMProtocolError(
                f"the prompt was not sent: it has about {estimate} tokens, and only {room} are safe in a window "
                f"of {settings.context_tokens} (llm.context_tokens) that keeps {settings.max_tokens} "
                f"(llm.max_tokens) for the answer; raise llm.context_tokens or shorten the prompt"
            )
        return estimate


def read_settings(config: Mapping[str, Any], *needed: str) -> LLMSettings:
    """Return the settings in *config*, where the keys *needed* must be given.

    Raises:
        ConfigError: a key is missing, unknown or has a wrong value.
    """
    absent = [key for key in needed if not config.get(key)]
    if absent:
        raise ConfigError(f"the LLM settings lack {' and '.join(absent)}; give llm.{absent[0]} a value")
    try:
        settings = LLMSettings.model_validate(dict(config))
    except ValidationError as error:
        problems = "; ".join(problem.text for problem in problems_of(error, LLMSettings))
        raise ConfigError(f"the LLM settings are wrong: {problems}") from error
    if settings.max_tokens >= settings.context_tokens:
        raise ConfigError(
            f"llm.max_tokens is {settings.max_tokens} and llm.context_tokens {settings.context_tokens}, "
            f"which leaves no room for a prompt; raise llm.context_tokens"
        )
    return settings


def explained(refusal: ServerRefused) -> LLMError:
    """Return the error that tells what to do about a refusal; the refusal itself when there is nothing to add."""
    where, words = refusal.where, refusal.words
    if refusal.status in _BUSY:
        return LLMUnavailable(
            f"the LLM server at {where} is too busy: {words}; ask it fewer things at once (llm.parallel), wait "
            f"until its model is loaded, or raise its queue (OLLAMA_MAX_QUEUE)"
        )
    if refusal.status in _FORBIDDEN:
        return LLMUnavailable(f"the LLM server at {where} does not let us in: {words}; set llm.api_key to its key")
    if refusal.status == _HUNG_UP:
        return LLMUnavailable(
            f"the LLM server at {where} says that its client hung up, and we did not: {words}; look at what "
            f"stands between, such as a proxy with a time limit, and at the server's log"
        )
    return refusal


def _repair(problem: str, schema: Mapping[str, Any]) -> str:
    return (
        f"That answer has the wrong form: {problem}. Give the same answer again as one JSON value that fits this "
        f"JSON schema, and nothing beside it:\n{json.dumps(schema)}"
    )


def _message(role: str, text: str) -> dict[str, str]:
    r"""Return a message; halves of surrogate pairs (from odd file names) are written out as ``\udcff``."""
    return {"role": role, "content": text.encode("utf-8", "backslashreplace").decode("utf-8")}
