"""OpenCodeAgent: opencode, ``opencode run --format json``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from obra.agents.headless import HeadlessAgent
from obra.agents.settings import CLISettings
from obra.monitoring.opencode_events import OpenCodeEvents

_PROVIDER = "obra"
_CONTEXT_TOKENS = 200_000
_OUTPUT_TOKENS = 32_000
_TITLE = "Obra"
"""Title of the sessions; without one, a model is asked for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenCodeSettings(CLISettings):
    """The settings of :class:`CLISettings`, and what only opencode has."""

    permission: Mapping[str, Any] = field(
        default_factory=lambda: {"edit": "allow", "bash": "allow", "external_directory": "deny"}
    )
    """Its rules of permission; what they would ask about is denied, since nobody is there."""
    prices: Mapping[str, float] = field(default_factory=dict)
    """Dollars for a million tokens, ``input`` and ``output``, of the model behind ``base_url``; without them it
    tells no cost, and ``cost_usd`` limits nothing."""


class OpenCodeAgent(HeadlessAgent[OpenCodeSettings, OpenCodeEvents]):
    """opencode, seen to work with 1.18.33.

    ``agent.options`` may hold ``command``, ``timeout_ready``, ``timeout_response``, ``base_url`` (of chat
    completions, with its ``/v1``), ``api_key``, ``pass_environment``, ``permission`` and ``prices``; see
    :class:`OpenCodeSettings`. With ``base_url``, ``agent.model`` is the model's name there; without, it is
    ``provider/model``, and the provider's key is to be passed on (such as ``ANTHROPIC_API_KEY``).

    The ``opencode.json`` and plugins of a workspace are not read: they could run commands and move the traffic.
    """

    NAME = "opencode"
    PROGRAM = "opencode"
    INSTALL = "npm install -g opencode-ai@1.18.33"
    SETTINGS = OpenCodeSettings
    SESSION_FILES = ".local/share/opencode/opencode.db*"
    LOSES_OUTPUT = True

    def _new_reader(self) -> OpenCodeEvents:
        return OpenCodeEvents()

    def _command(self, settings: OpenCodeSettings, prompt: str, home: Path) -> list[str]:  # noqa: ARG002  # see below
        """The prompt goes to standard input: on the command line it would be quoted."""
        chosen = [f"--model={_model_of(settings)}"] if settings.model else []
        session = self._reader.session
        return [
            *(self._executable, "run", "--format=json", "--pure", *chosen),
            f"--session={session}" if session else f"--title={_TITLE}",
        ]

    def _variables(self, settings: OpenCodeSettings, home: Path) -> Mapping[str, str]:  # noqa: ARG002  # nothing is written
        config: dict[str, Any] = {
            "autoupdate": False,
            "share": "disabled",
            "permission": dict(settings.permission),
        }
        if settings.base_url:
            limit = {"context": _CONTEXT_TOKENS, "output": _OUTPUT_TOKENS}
            name = settings.model or "default"
            config["provider"] = {
                _PROVIDER: {
                    "npm": "@ai-sdk/openai-compatible",  # one that comes inside opencode
                    "name": _PROVIDER,
                    "options": {"baseURL": settings.base_url, "apiKey": settings.api_key or "none"},
                    "models": {name: {"name": name, "limit": limit, **_cost_of(settings)}},
                }
            }
            config["model"] = config["small_model"] = f"{_PROVIDER}/{name}"
        return {
            "OPENCODE_CONFIG_CONTENT": json.dumps(config),
            "OPENCODE_DISABLE_PROJECT_CONFIG": "1",
            "OPENCODE_DISABLE_AUTOUPDATE": "1",
            "OPENCODE_DISABLE_LSP_DOWNLOAD": "1",
            **({"OPENCODE_DISABLE_MODELS_FETCH": "1"} if settings.base_url else {}),
        }


def _cost_of(settings: OpenCodeSettings) -> dict[str, Any]:
    return {"cost": {"input": 0, "output": 0, **settings.prices}} if settings.prices else {}


def _model_of(settings: OpenCodeSettings) -> str:
    return f"{_PROVIDER}/{settings.model}" if settings.base_url else str(settings.model)
