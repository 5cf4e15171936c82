"""CodexAgent: OpenAI's Codex CLI, ``codex exec --json``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from obra.agents.headless import HeadlessAgent
from obra.agents.settings import CLISettings
from obra.monitoring.codex_events import CodexEvents
from obra.plugins import ContractCase

_KEY = "OBRA_CODEX_API_KEY"
_PROVIDER = "obra"
_RETRIES = 3
"""How often Codex itself asks a failing model API again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CodexSettings(CLISettings):
    """The settings of :class:`CLISettings`, and what only Codex has."""

    own_sandbox: str = "workspace-write"
    """Codex's own: read-only, workspace-write or danger-full-access; none where ``agent.sandbox`` is around it."""


class CodexAgent(HeadlessAgent[CodexSettings, CodexEvents]):
    """Codex, seen to work with 0.169.0.

    ``agent.options`` may hold ``command``, ``timeout_ready``, ``timeout_response``, ``base_url`` (of a Responses
    API, with its ``/v1``), ``api_key``, ``pass_environment`` and ``own_sandbox``; see :class:`CodexSettings`.
    To use a person's own login, set no ``base_url`` and no ``api_key`` and pass ``HOME`` on (their
    ``config.toml`` then holds too), or pass ``CODEX_API_KEY``.

    Nobody is asked anything: what its sandbox forbids fails. It tells no cost, so ``cost_usd`` limits nothing.
    """

    NAME = "codex"
    PROGRAM = "codex"
    INSTALL = "npm install -g @openai/codex@0.169.0"
    SETTINGS = CodexSettings
    SESSION_FILES = ".codex/sessions/*/*/*/*-{session}.jsonl"

    contract_exceptions: ClassVar[Mapping[ContractCase, str]] = {
        ContractCase.COST_LIMIT: "it tells no cost",
        ContractCase.PERMISSION_DENIED: "its output does not tell what its sandbox forbids",
    }

    def _new_reader(self) -> CodexEvents:
        return CodexEvents()

    def _command(self, settings: CodexSettings, prompt: str, home: Path) -> list[str]:  # noqa: ARG002  # see below
        """The prompt goes to standard input; values of ``-c`` are TOML, whose strings JSON's are."""
        values = {
            "approval_policy": "never",
            "sandbox_mode": settings.own_sandbox if settings.sandbox == "none" else "danger-full-access",
            "sandbox_workspace_write.exclude_slash_tmp": True,
            "check_for_update_on_startup": False,
        }
        if settings.base_url:
            provider = f"model_providers.{_PROVIDER}"
            values |= {
                "model_provider": _PROVIDER,
                f"{provider}.name": _PROVIDER,
                f"{provider}.base_url": settings.base_url,
                f"{provider}.wire_api": "responses",
                f"{provider}.env_key": _KEY,
                f"{provider}.request_max_retries": _RETRIES,
                f"{provider}.stream_max_retries": _RETRIES,
            }
        if settings.model:
            values["model"] = settings.model
        resumed = ["resume", self._reader.session] if self._reader.session else []
        given = [part for key, value in values.items() for part in ("-c", f"{key}={json.dumps(value)}")]
        return [self._executable, "exec", *resumed, "--json", "--skip-git-repo-check", *given, "-"]

    def _variables(self, settings: CodexSettings, home: Path) -> Mapping[str, str]:  # noqa: ARG002  # see below
        """Codex finds its private configuration folder under its HOME."""
        variables = {}
        if settings.base_url:
            variables[_KEY] = settings.api_key or "none"
        elif settings.api_key:
            variables["CODEX_API_KEY"] = settings.api_key
        return variables
