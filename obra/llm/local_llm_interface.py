"""LocalLLMInterface: a model on an Ollama server answers prompts, or there is a typed error that says why not.

Ollama's native API is used and not its ``/v1`` door, because only there can the context window be chosen and
silent cutting of the prompt be forbidden; a judge that has lost the front of its prompt has lost its rubric.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from obra.config import LLMSettings
from obra.documents import problems_of
from obra.errors import ConfigError, LLMError, LLMProtocolError, LLMTimeout, LLMUnavailable, ModelMissing
from obra.llm.ollama_stream import Answer, estimated_tokens, lines_of, looks_cut, read_answer
from obra.llm.server_address import ServerAddress
from obra.llm.server_connection import ServerConnection, ServerRefused

LOADING_SECONDS = 300.0
"""Ollama's own limit for loading a model, OLLAMA_LOAD_TIMEOUT; giving up sooner makes it abort the load."""

ROOM_USED = 0.9
"""Share of the window, less the answer, that an estimated prompt may fill: the chat template needs the rest."""

NOT_FOUND = 404
BUSY = 503


class LocalLLMInterface:
    """An LLM behind a native Ollama server, as an :class:`obra.plugins.LLMPlugin`.

    One request for each :meth:`generate`, streamed, never repeated. No connection outlives its request, so an
    instance that is simply dropped leaves nothing open. May be used from several threads.
    """

    def __init__(self, config: Mapping[str, Any]) -> None:
        """Take the settings of :class:`obra.config.LLMSettings`; ``api_url`` and ``model`` must be given.

        Nothing is sent yet.

        Raises:
            ConfigError: a key is missing, unknown or has a wrong value.
        """
        self._settings = _settings(config)
        address = ServerAddress.parse(self._settings.api_url)
        if address.url.endswith("/v1"):
            raise ConfigError(
                f"llm.api_url {address.shown!r} is Ollama's OpenAI door, where the context window cannot "
                f"be chosen; leave out '/v1'"
            )
        self._server = ServerConnection(address, self._settings.timeout)
        self._digest = ""

    @property
    def identity(self) -> str:
        """``ollama MODEL@DIGEST`` with 12 digits of the digest, or ``ollama MODEL`` while it is not known."""
        if not self._digest:
            try:
                digests = [digest for name, digest in self._installed().items() if self._is_ours(name)]
            except LLMError:
                digests = []
            self._digest = digests[0] if digests else ""
        digest = f"@{self._digest[:12]}" if self._digest else ""
        return f"ollama {self._settings.model}{digest}"

    def generate(self, prompt: str, *, schema: Mapping[str, Any] | None = None, seed: int | None = None) -> str:
        """Return the model's whole answer to *prompt*; with *schema* the server is told to keep to it.

        *seed* goes before the setting of that name.

        Silence is limited to the setting ``timeout`` seconds; the first byte may take 300 s when the model is
        not loaded. The caller still has to check the answer against *schema*: some models leave it.

        Raises:
            LLMUnavailable: nothing listens at the address, or the server's queue is full.
            ModelMissing: the server has no such model.
            LLMTimeout: the server was silent for too long.
            LLMProtocolError: the prompt is too long for the window (nothing is sent then), the server refused,
                broke off, cut the prompt or the answer, or said nothing.
        """
        estimate = self._fitting(prompt)
        answer = self._chat(self._body(prompt, schema, seed))
        self._check(answer, estimate)
        return answer.text

    def is_available(self) -> bool:
        """Tell whether an Ollama server answers at the address; a silent one is given 5 s."""
        try:
            return "version" in self._server.get("/api/version")
        except LLMError:
            return False

    def missing(self) -> tuple[str, ...]:
        """Return a sentence for each thing that must be done before :meth:`generate` can work; empty if none."""
        try:
            names = self._installed()
        except LLMError as error:
            return (str(error),)
        return () if any(map(self._is_ours, names)) else (self._pull_it(names),)

    def close(self) -> None:
        """Free the HTTP client; safe to call twice, and the next request makes a new one."""
        self._server.close()

    def _fitting(self, prompt: str) -> int:
        settings = self._settings
        estimate = estimated_tokens(prompt)
        room = int(ROOM_USED * (settings.context_tokens - settings.max_tokens))
        if estimate > room:
            raise LLMProtocolError(
                f"the prompt was not sent: it has about {estimate} tokens, and only {room} are safe in a window "
                f"of {settings.context_tokens} (llm.context_tokens) that keeps {settings.max_tokens} "
                f"(llm.max_tokens) for the answer; raise llm.context_tokens or shorten the prompt"
            )
        return estimate

    def _body(self, prompt: str, schema: Mapping[str, Any] | None, seed: int | None) -> dict[str, Any]:
        settings = self._settings
        body: dict[str, Any] = {
            "model": settings.model,
            "messages": [{"role": "user", "content": _sendable(prompt)}],
            "stream": True,
            "think": False,
            # Both default to true, and then a long prompt is cut without a word. They stand beside `options`,
            # not in it (ollama/ollama api/types.go, ChatRequest).
            "truncate": False,
            "shift": False,
            "options": {
                "num_ctx": settings.context_tokens,
                "num_predict": settings.max_tokens,
                "temperature": settings.temperature,
                "seed": settings.seed if seed is None else seed,
            },
        }
        if schema is not None:
            body["format"] = dict(schema)
        return body

    def _chat(self, body: Mapping[str, Any]) -> Answer:
        timeout = self._settings.timeout
        first = timeout if self._is_loaded() else max(timeout, LOADING_SECONDS)
        try:
            return self._server.post(
                "/api/chat", body, first=first, read=lambda chunks: read_answer(lines_of(chunks))
            )
        except ServerRefused as refusal:
            error = self._explained(refusal)
            if error is refusal:
                raise
            raise error from refusal

    def _explained(self, refusal: ServerRefused) -> LLMError:
        """Return the error that tells what to do about a refusal."""
        if refusal.status == BUSY:
            return LLMUnavailable(
                f"the LLM server at {self._server.address.shown} is too busy: {refusal.words}; "
                f"ask it fewer things at once, or raise its OLLAMA_MAX_QUEUE"
            )
        if refusal.status == NOT_FOUND:
            try:
                return ModelMissing(self._pull_it(self._installed()))
            except LLMError as error:
                return LLMProtocolError(f"{refusal}; and {error}")
        return refusal

    def _check(self, answer: Answer, estimate: int) -> None:
        settings = self._settings
        if answer.done_reason == "length":
            raise LLMProtocolError(
                f"the answer of {settings.model} was cut off at llm.max_tokens = {settings.max_tokens}; "
                f"raise it, or ask for less. It ends with {answer.text[-80:]!r}"
            )
        read = answer.prompt_tokens
        if read is not None and looks_cut(read, estimate, settings.context_tokens):
            raise LLMProtocolError(
                f"the server read {read} tokens of a prompt of about {estimate}, so it cut the prompt although "
                f"a window of {settings.context_tokens} was asked for; the model's own window may be smaller "
                f"(`ollama show {settings.model}`), or the server too old: set llm.context_tokens to what it has"
            )
        if not answer.text.strip():
            raise LLMProtocolError(f"{settings.model} gave an empty answer; try another model or prompt")

    def _is_loaded(self) -> bool:
        """Tell whether the model is in memory with our window; if that cannot be known, say no."""
        try:
            models = self._listed("/api/ps")
        except (LLMProtocolError, LLMTimeout):
            return False
        window = self._settings.context_tokens
        return any(
            self._is_ours(str(model.get("name"))) and model.get("context_length", window) == window
            for model in models
        )

    def _is_ours(self, name: str) -> bool:
        """Tell whether the server means our model by *name*; it does not tell capitals from small letters."""
        return name.lower() == _full_name(self._settings.model).lower()

    def _installed(self) -> dict[str, str]:
        """Return digest by full name of every model on the server."""
        models = self._listed("/api/tags")
        return {str(model.get("name")): str(model.get("digest", "")).removeprefix("sha256:") for model in models}

    def _listed(self, path: str) -> list[dict[str, Any]]:
        data = self._server.get(path)
        models = data["models"] or [] if "models" in data else None  # Go may write an empty list as null
        if not isinstance(models, list) or not all(isinstance(model, dict) for model in models):
            raise LLMProtocolError(
                f"{self._server.address.shown}{path} lists no models; is this an Ollama server?"
            )
        return models

    def _pull_it(self, names: Mapping[str, str]) -> str:
        there = ", ".join(sorted(names)) or "none"
        model = self._settings.model
        return (
            f"the model {model} is not on the server at {self._server.address.shown}: `ollama pull {model}`, "
            f"or set llm.model to one that is there: {there}"
        )


def _settings(config: Mapping[str, Any]) -> LLMSettings:
    absent = [key for key in ("api_url", "model") if not config.get(key)]
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


def _full_name(model: str) -> str:
    """Return *model* as the server lists it: a name without a tag means ``:latest``."""
    return model if ":" in model.rpartition("/")[2] else f"{model}:latest"


def _sendable(prompt: str) -> str:
    r"""Return *prompt* with halves of surrogate pairs (from odd file names) written out as ``\udcff``."""
    return prompt.encode("utf-8", "backslashreplace").decode("utf-8")
