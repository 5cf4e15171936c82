"""LocalLLMInterface: a model on an Ollama server answers prompts, or there is a typed error that says why not.

Ollama's native API is used and not its ``/v1`` door, because only there can the context window be chosen and
silent cutting of the prompt be forbidden; a judge that has lost the front of its prompt has lost its rubric.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from obra.errors import ConfigError, LLMError, LLMProtocolError, LLMTimeout, ModelMissing
from obra.llm.answer import Answer
from obra.llm.chat import LOADING_SECONDS, Chat, Messages, Schema, explained, read_settings
from obra.llm.ollama_models import NOT_FOUND, Model, OllamaModels, full_name
from obra.llm.ollama_stream import read_answer
from obra.llm.server_address import ServerAddress
from obra.llm.server_connection import ServerConnection, ServerRefused
from obra.llm.server_slots import ServerSlots
from obra.llm.stream_lines import lines_of, object_in


class LocalLLMInterface:
    """An LLM behind a native Ollama server, as an :class:`obra.plugins.LLMPlugin`.

    One streamed request for each :meth:`generate`, and a second one only to repair the form of an answer (see
    :class:`obra.llm.chat.Chat`). No connection outlives its request, so an instance that is simply dropped leaves
    nothing open. May be used from several threads.

    Attributes:
        models: what the server has, and how to fetch more.
    """

    def __init__(self, config: Mapping[str, Any]) -> None:
        """Take the settings of :class:`obra.settings.LLMSettings`; ``api_url`` and ``model`` must be given.

        Nothing is sent yet.

        Raises:
            ConfigError: a key is missing, unknown or has a wrong value.
        """
        self._settings = read_settings(config, "api_url", "model")
        address = ServerAddress.parse(self._settings.api_url)
        if address.url.endswith("/v1"):
            raise ConfigError(
                f"llm.api_url {address.shown!r} is Ollama's OpenAI door, where the context window cannot "
                f"be chosen; leave out '/v1'"
            )
        key = self._settings.api_key
        self._server = ServerConnection(
            address, self._settings.timeout, key=key.get_secret_value() if key else None
        )
        self.models = OllamaModels(self._server)
        slots = ServerSlots(address.place, self._settings.parallel)
        self._chat = Chat(self._settings, slots, self._ask, self._check_window)
        self._digest = ""
        self._window_is_right = False

    @property
    def identity(self) -> str:
        """``ollama MODEL@DIGEST`` with 12 digits of the digest, or ``ollama MODEL`` while it is not known."""
        if not self._digest:
            try:
                digests = [model.digest for model in self.models.installed() if self._is_ours(model)]
            except LLMError:
                digests = []
            self._digest = digests[0] if digests else ""
        digest = f"@{self._digest[:12]}" if self._digest else ""
        return f"ollama {self._settings.model}{digest}"

    def generate(self, prompt: str, *, schema: Schema = None, seed: int | None = None) -> str:
        """Return the model's whole answer to *prompt*; with *schema* it is JSON that fits.

        *seed* goes before the setting of that name. First a free place among ``parallel`` is waited for. Then
        silence is limited to ``timeout`` seconds; the first byte may take 300 s when the model is not loaded.

        Raises:
            LLMUnavailable: nothing listens at the address, or the server lets us not in or not now.
            ModelMissing: the server has no such model.
            LLMTimeout: the server was silent for too long.
            LLMProtocolError: the prompt is too long for the window (nothing is sent then), the server refused,
                broke off, cut the prompt or the answer, said nothing, or did not keep to the schema.
        """
        return self._chat.generate(prompt, schema, seed)

    def preload(self) -> None:
        """Have the model loaded, with our window, so that the next question is answered at once.

        Raises:
            LLMError: it cannot be loaded.
        """
        settings = self._settings
        body = {
            "model": settings.model,
            "stream": False,
            "keep_alive": settings.keep_alive,
            "options": {"num_ctx": settings.context_tokens},
        }
        self._post("/api/generate", body, LOADING_SECONDS, lambda chunks: object_in(b"".join(chunks)))
        self._check_window()

    def is_available(self) -> bool:
        """Tell whether an Ollama server answers at the address; a silent one is given 5 s."""
        try:
            return "version" in self._server.get("/api/version")
        except LLMError:
            return False

    def missing(self) -> tuple[str, ...]:
        """Return a sentence for each thing that must be done before :meth:`generate` can work; empty if none."""
        try:
            models = self.models.installed()
        except ServerRefused as refusal:
            return (str(explained(refusal)),)
        except LLMError as error:
            return (str(error),)
        return () if any(map(self._is_ours, models)) else (self._pull_it(models),)

    def close(self) -> None:
        """Free the HTTP client; safe to call twice, and the next request makes a new one."""
        self._server.close()

    def _ask(self, messages: Messages, schema: Schema, seed: int) -> Answer:
        settings = self._settings
        body: dict[str, Any] = {
            "model": settings.model,
            "messages": list(messages),
            "stream": True,
            "think": False,
            "keep_alive": settings.keep_alive,
            # Both default to true, and then a long prompt is cut without a word. They stand beside `options`,
            # not in it (ollama/ollama api/types.go, ChatRequest).
            "truncate": False,
            "shift": False,
            "options": {
                "num_ctx": settings.context_tokens,
                "num_predict": settings.max_tokens,
                "temperature": settings.temperature,
                "seed": seed,
            },
        }
        if schema is not None:
            body["format"] = dict(schema)
        first = settings.timeout if self._is_loaded() else max(settings.timeout, LOADING_SECONDS)
        answer: Answer = self._post("/api/chat", body, first, lambda chunks: read_answer(lines_of(chunks)))
        return answer

    def _post(self, path: str, body: Mapping[str, Any], first: float, read: Any) -> Any:
        try:
            return self._server.post(path, body, first=first, read=read)
        except ServerRefused as refusal:
            error = self._explained(refusal)
            if error is refusal:
                raise
            raise error from refusal

    def _explained(self, refusal: ServerRefused) -> LLMError:
        """Return the error that tells what to do about a refusal."""
        if refusal.status == NOT_FOUND:
            try:
                return ModelMissing(self._pull_it(self.models.installed()))
            except LLMError as error:
                return LLMProtocolError(f"{refusal}; and {error}")
        return explained(refusal)

    def _check_window(self) -> None:
        """See, until it was right once, that the model has the window we asked for; servers shrink it unsaid."""
        if self._window_is_right:
            return
        window = self._loaded_window()
        wanted = self._settings.context_tokens
        if window is not None and window < wanted:
            raise LLMProtocolError(
                f"the server runs {self._settings.model} with a window of {window} tokens, and {wanted} were "
                f"asked for; set llm.context_tokens to {window} at most, or choose a model with a larger window"
            )
        self._window_is_right = window is not None

    def _loaded_window(self) -> int | None:
        """Return the window that our model is in memory with; ``None`` when that cannot be known."""
        try:
            windows = [model.context_tokens for model in self.models.loaded() if self._is_ours(model)]
        except (LLMProtocolError, LLMTimeout):
            return None
        return windows[0] if windows else None

    def _is_loaded(self) -> bool:
        """Tell whether the model is in memory with our window; if that cannot be known, say no."""
        try:
            models = self.models.loaded()
        except (LLMProtocolError, LLMTimeout):
            return False
        window = self._settings.context_tokens
        return any(self._is_ours(model) and model.context_tokens in (None, window) for model in models)

    def _is_ours(self, model: Model) -> bool:
        """Tell whether the server means our model; it does not tell capitals from small letters."""
        return model.name.lower() == full_name(self._settings.model)

    def _pull_it(self, models: Iterable[Model]) -> str:
        there = ", ".join(sorted(model.name for model in models)) or "none"
        model = self._settings.model
        return (
            f"the model {model} is not on the server at {self._server.address.shown}: `obra llm pull {model}`, "
            f"or set llm.model to one that is there: {there}"
        )
