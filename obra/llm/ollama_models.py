"""OllamaModels: what an Ollama server has, has in memory, and can fetch. Nothing is asked of a model here."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from obra.domain import Record
from obra.errors import LLMProtocolError, ModelMissing
from obra.llm.server_connection import ServerConnection, ServerRefused
from obra.llm.stream_lines import lines_of, object_in, words_of

FIRST_SECONDS = 60.0
"""To the first line of a download, or the description of a model: the server asks its registry, or opens files."""

NOT_FOUND = 404


@dataclass(frozen=True, slots=True, kw_only=True)
class Model(Record):
    """A model on a server.

    ``size`` is in bytes; ``digest`` is hexadecimal; ``context_tokens`` is the window that it is loaded with,
    ``None`` where the server does not say.
    """

    name: str
    digest: str = ""
    size: int | None = None
    context_tokens: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PullProgress(Record):
    """One line of a download: what is being done and, for the layer ``digest``, how many bytes of how many."""

    status: str
    digest: str = ""
    completed: int = 0
    total: int = 0


class OllamaModels:
    """The models of one server."""

    def __init__(self, server: ServerConnection) -> None:
        self._server = server

    def installed(self) -> tuple[Model, ...]:
        """Return every model on the server (``/api/tags``), in its order: the newest first.

        Raises:
            LLMError: there is no such list.
        """
        return self._listed("/api/tags")

    def loaded(self) -> tuple[Model, ...]:
        """Return every model in the server's memory (``/api/ps``), each with its window.

        Raises:
            LLMError: there is no such list.
        """
        return self._listed("/api/ps")

    def own_window(self, name: str) -> int | None:
        """Return the window that the model *name* was made for, in tokens (``/api/show``).

        Raises:
            ModelMissing: it is not on the server.
            LLMError: the server does not say.
        """
        try:
            data = self._server.post("/api/show", {"model": name}, first=FIRST_SECONDS, read=_whole)
        except ServerRefused as refusal:
            if refusal.status != NOT_FOUND:
                raise
            raise ModelMissing(f"{name} is not on the server: `obra llm pull {name}`") from refusal
        info = data.get("model_info")
        windows = [value for key, value in (info or {}).items() if str(key).endswith(".context_length")]
        return windows[0] if windows and isinstance(windows[0], int) else None

    def pull(self, name: str, on_progress: Callable[[PullProgress], None]) -> None:
        """Let the server fetch the model *name*; silence is limited as in an answer.

        Raises:
            ModelMissing: there is no such model, or it cannot be fetched; with the server's words.
            LLMError: the server is not there, silent or broke off.
        """
        body = {"model": name, "stream": True}
        self._server.post(
            "/api/pull", body, first=FIRST_SECONDS, read=lambda chunks: _follow(chunks, name, on_progress)
        )

    def _listed(self, path: str) -> tuple[Model, ...]:
        data = self._server.get(path)
        models = data["models"] or [] if "models" in data else None  # Go may write an empty list as null
        if not isinstance(models, list) or not all(isinstance(model, dict) for model in models):
            raise LLMProtocolError(
                f"{self._server.address.shown}{path} lists no models; is this an Ollama server?"
            )
        return tuple(map(_model, models))


def full_name(model: str) -> str:
    """Return *model* as a server lists it, in small letters: a name without a tag means ``:latest``."""
    return (model if ":" in model.rpartition("/")[2] else f"{model}:latest").lower()


def _model(data: Mapping[str, Any]) -> Model:
    return Model(
        name=str(data.get("name")),
        digest=str(data.get("digest", "")).removeprefix("sha256:"),
        size=_number(data.get("size")),
        context_tokens=_number(data.get("context_length")),
    )


def _number(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _whole(chunks: Iterable[bytes]) -> Mapping[str, Any]:
    return object_in(b"".join(chunks))


def _follow(chunks: Iterable[bytes], name: str, on_progress: Callable[[PullProgress], None]) -> None:
    for line in lines_of(chunks):
        if not line.strip():
            continue
        data = object_in(line)
        if "error" in data:
            raise ModelMissing(
                f"the server could not fetch {name}: {words_of(data['error'])}; check the name, and the "
                f"server's way to its registry"
            )
        status = str(data.get("status", ""))
        on_progress(
            PullProgress(
                status=status,
                digest=str(data.get("digest") or ""),
                completed=_number(data.get("completed")) or 0,
                total=_number(data.get("total")) or 0,
            )
        )
        if status == "success":
            return
    raise LLMProtocolError(f"fetching {name} stopped before it was done; see the server's log and try again")
