"""What the model server needs to know about the API that an agent speaks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from obra.domain import ModelFault, ScriptStep
from obra.replay.acting import ReadText

DEFAULT_MODEL = "scripted"

Body = Mapping[str, Any]

MODELS: Body = {"object": "list", "data": [{"id": DEFAULT_MODEL, "object": "model"}]}
"""The list of models in OpenAI's APIs."""


class Dialect(Protocol):
    """The requests and answers of one model API; no HTTP and no state."""

    def asks_model(self, path: str) -> bool:
        """Tell whether a POST to *path* asks for a model's answer."""
        ...

    def wants_stream(self, path: str, request: Body) -> bool:
        """Tell whether that answer is to come as server-sent events."""
        ...

    def side_answer(self, method: str, path: str, size: int) -> Body | None:
        """Return what anything else is answered with, such as a list of models; ``None`` means 404.

        *size* is that of the request's body, in bytes.
        """
        ...

    def answer(self, script: Sequence[ScriptStep], request: Body, workspace: str, read: ReadText) -> Body:
        """Return the part of the model's message that the script decides: a tool call or words.

        Raises:
            ScriptMismatch: the script has no answer to this request.
        """
        ...

    def message(self, answer: Body, *, model: str, number: int, tokens: tuple[int, int]) -> dict[str, Any]:
        """Return the whole message, as a request without streaming gets it.

        Args:
            answer: what :meth:`answer` said.
            model: the model that was asked for.
            number: how many answers this is the server's.
            tokens: input and output tokens to report.
        """
        ...

    def event_stream(self, message: Body) -> bytes:
        """Return *message* as the server-sent events of a streamed answer."""
        ...

    def error(self, text: str) -> dict[str, Any]:
        """Return the body of an HTTP 400 answer; the CLI shows *text* and does not try again."""
        ...

    def prompt_number(self, request: Body) -> int:
        """Return how many prompts the conversation holds; 0 for requests that are no part of one."""
        ...

    def refusal(self, kind: ModelFault) -> tuple[int, Body]:
        """Return HTTP status and body when there are too many requests (``RATE_LIMITED``), or it is overloaded."""
        ...

    def error_event(self) -> bytes:
        """Return the event that ends a stream in its middle: the model is overloaded."""
        ...

    def lengthened(self, message: Body, text: str) -> dict[str, Any]:
        """Return *message* with *text* in front of its own; one that calls a tool stays as it is."""
        ...
