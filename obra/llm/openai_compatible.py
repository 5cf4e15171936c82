"""OpenAICompatibleLLM: a model behind ``/v1/chat/completions``, as llama.cpp, vLLM and LM Studio serve it.

The protocol has no way to choose the context window or to forbid that a prompt is cut, so the window that the
server tells in ``/v1/models`` is compared with the one that is wanted before the first question, and its token
count with the prompt after each.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from obra.errors import LLMError, LLMProtocolError, ModelMissing
from obra.llm.answer import Answer
from obra.llm.chat import LOADING_SECONDS, Chat, Messages, Schema, explained, read_settings
from obra.llm.ollama_models import NOT_FOUND, Model
from obra.llm.openai_stream import read_answer
from obra.llm.server_address import ServerAddress
from obra.llm.server_connection import ServerConnection, ServerRefused
from obra.llm.server_slots import ServerSlots
from obra.llm.stream_lines import lines_of

OLLAMA_OWNER = "library"
"""What Ollama writes as ``owned_by`` of every model (ollama/ollama openai/openai.go)."""


class OpenAICompatibleLLM:
    """An LLM behind an OpenAI-compatible server, as an :class:`obra.plugins.LLMPlugin`.

    What :class:`obra.llm.local_llm_interface.LocalLLMInterface` promises holds here too. Some of these servers
    answer with whatever model they have, so the configured one must be in their list before anything is asked.
    """

    def __init__(self, config: Mapping[str, Any]) -> None:
        """Take the settings of :class:`obra.settings.LLMSettings`; ``api_url`` and ``model`` must be given.

        ``api_url`` is the root of the server, with or without ``/v1``. Nothing is sent yet.

        Raises:
            ConfigError: a key is missing, unknown or has a wrong value.
        """
        self._settings = read_settings(config, "api_url", "model")
        address = ServerAddress.parse(self._settings.api_url.strip().rstrip("/").removesuffix("/v1"))
        key = self._settings.api_key
        self._server = ServerConnection(
            address,
            self._settings.timeout,
            key=key.get_secret_value() if key else None,
            start="start it (llama-server, vllm serve, LM Studio)",
        )
        slots = ServerSlots(address.place, self._settings.parallel)
        self._chat = Chat(self._settings, slots, self._ask)
        self._found: Model | None = None

    @property
    def identity(self) -> str:
        """``openai MODEL``: the model as the server lists it, or as the settings do while that is not known."""
        try:
            name = self._model().name
        except LLMError:
            name = self._settings.model
        return f"openai {name}"

    def generate(self, prompt: str, *, schema: Schema = None, seed: int | None = None) -> str:
        """Return the model's whole answer to *prompt*; with *schema* it is JSON that fits.

        *seed* goes before the setting of that name. First a free place among ``parallel`` is waited for. Then
        silence is limited to ``timeout`` seconds; the first byte may take 300 s, since these servers do not tell
        whether they have to load the model first.

        Raises:
            LLMUnavailable: nothing listens at the address, or the server lets us not in or not now.
            ModelMissing: the server has no such model.
            LLMTimeout: the server was silent for too long.
            LLMProtocolError: the prompt is too long for the window (nothing is sent then), the server refused,
                broke off, cut the prompt or the answer, said nothing, or did not keep to the schema.
        """
        return self._chat.generate(prompt, schema, seed)

    def is_available(self) -> bool:
        """Tell whether such a server answers at the address; a silent one is given 5 s."""
        try:
            self.models()
        except LLMError:
            return False
        return True

    def is_healthy(self) -> bool:
        """Tell whether a llama.cpp server has loaded its model (``/health``, which other servers may not have)."""
        try:
            return self._server.get("/health").get("status") == "ok"
        except LLMError:
            return False

    def missing(self) -> tuple[str, ...]:
        """Return a sentence for each thing that must be done before :meth:`generate` can work; empty if none."""
        try:
            self._model()
        except LLMError as error:
            return (str(error),)
        return ()

    def models(self) -> tuple[Model, ...]:
        """Return every model that the server offers (``/v1/models``), with its window where it tells one.

        Raises:
            LLMError: there is no such list.
        """
        return tuple(map(_model, self._listed()))

    def close(self) -> None:
        """Free the HTTP client; safe to call twice, and the next request makes a new one."""
        self._server.close()

    def _ask(self, messages: Messages, schema: Schema, seed: int) -> Answer:
        settings = self._settings
        body: dict[str, Any] = {
            "model": self._model().name,
            "messages": list(messages),
            "stream": True,
            "stream_options": {"include_usage": True},
            "max_tokens": settings.max_tokens,
            "temperature": settings.temperature,
            "seed": seed,
        }
        if schema is not None:
            form = {"name": "answer", "strict": True, "schema": dict(schema)}
            body["response_format"] = {"type": "json_schema", "json_schema": form}
        try:
            return self._server.post(
                "/v1/chat/completions",
                body,
                first=max(settings.timeout, LOADING_SECONDS),
                read=lambda chunks: read_answer(lines_of(chunks)),
            )
        except ServerRefused as refusal:
            error = self._explained(refusal)
            if error is refusal:
                raise
            raise error from refusal

    def _explained(self, refusal: ServerRefused) -> LLMError:
        """Return the error that tells what to do about a refusal."""
        if refusal.status != NOT_FOUND:
            return explained(refusal)
        self._found = None
        try:
            self._model()
        except ModelMissing as error:
            return error
        except LLMError as error:
            return LLMProtocolError(f"{refusal}; and {error}")
        return refusal

    def _model(self) -> Model:
        """Return our model as the server lists it, once it was found there with a window that is large enough."""
        if self._found is None:
            self._found = self._looked_up()
        return self._found

    def _looked_up(self) -> Model:
        where, wanted = self._server.address.shown, self._settings.model
        listed = self._listed()
        ours = [one for one in listed if one.get("id") == wanted or wanted in _aliases(one)]
        if not ours:
            there = ", ".join(sorted(str(one.get("id")) for one in listed)) or "none"
            raise ModelMissing(
                f"the server at {where} has no model {wanted}; start it with that model, or set llm.model to one "
                f"that is there: {there}"
            )
        if ours[0].get("owned_by") == OLLAMA_OWNER:
            raise LLMProtocolError(
                f"the server at {where} is an Ollama, whose OpenAI door cuts long prompts without a word; "
                f"set llm.type to ollama"
            )
        model = _model(ours[0])
        window = self._settings.context_tokens
        if model.context_tokens is not None and model.context_tokens < window:
            raise LLMProtocolError(
                f"the server at {where} runs {wanted} with a window of {model.context_tokens} tokens, and "
                f"{window} are asked for; set llm.context_tokens to {model.context_tokens} at most, or start "
                f"the server with a larger window (llama-server -c, vllm --max-model-len)"
            )
        return model

    def _listed(self) -> list[dict[str, Any]]:
        try:
            data = self._server.get("/v1/models")
        except ServerRefused as refusal:
            raise explained(refusal) from refusal
        models = data.get("data")
        if not isinstance(models, list) or not all(isinstance(model, dict) for model in models):
            raise LLMProtocolError(
                f"{self._server.address.shown}/v1/models lists no models; is this an OpenAI-compatible server?"
            )
        return models


def _model(data: Mapping[str, Any]) -> Model:
    """Read a line of the list; llama.cpp tells the window as ``meta.n_ctx``, vLLM as ``max_model_len``."""
    meta = data.get("meta")
    told = meta if isinstance(meta, Mapping) else {}
    window = told.get("n_ctx") or data.get("max_model_len")
    size = told.get("size")
    return Model(
        name=str(data.get("id")),
        size=size if isinstance(size, int) else None,
        context_tokens=window if isinstance(window, int) else None,
    )


def _aliases(data: Mapping[str, Any]) -> Iterable[str]:
    aliases = data.get("aliases")
    return aliases if isinstance(aliases, list) else ()
