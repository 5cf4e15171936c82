"""GeminiAgent: Google's Gemini CLI, ``gemini --output-format stream-json``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from obra.agents.headless import HeadlessAgent
from obra.agents.settings import CLISettings
from obra.errors import AgentUnavailable
from obra.monitoring.gemini_events import GeminiEvents
from obra.plugins import ContractCase

_CONTENT: Mapping[str, Any] = {
    "general": {"enableAutoUpdate": False, "enableAutoUpdateNotification": False},
    "privacy": {"usageStatisticsEnabled": False},
    "security": {"auth": {"selectedType": "gemini-api-key"}},
    "hooksConfig": {"enabled": False},
    "advanced": {"ignoreLocalEnv": True},
}
_RULE = """[[rule]]
toolName = {tool}
decision = "allow"
priority = 500
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class GeminiSettings(CLISettings):
    """The settings of :class:`CLISettings`, and what only Gemini CLI has."""

    approval_mode: str = "auto_edit"
    """default, auto_edit, yolo or plan."""
    tools_without_asking: tuple[str, ...] = ("run_shell_command",)
    """Tools that need no approval beside those of the mode; what needs one is denied, since nobody is there."""
    trust_workspace: bool = False
    """Let the ``.gemini`` folder of a workspace count."""


class GeminiAgent(HeadlessAgent[GeminiSettings, GeminiEvents]):
    """Gemini CLI, seen to work with 0.61.0.

    ``agent.options`` may hold ``command``, ``timeout_ready``, ``timeout_response``, ``base_url``, ``api_key``,
    ``pass_environment``, ``approval_mode``, ``tools_without_asking`` and ``trust_workspace``; see
    :class:`GeminiSettings`. A person's own key is passed on as ``GEMINI_API_KEY``.

    Gemini CLI works in no folder without trusting it, and settings in a trusted one can run commands and move the
    traffic. So a turn in a workspace with a ``.gemini`` folder is refused, unless ``trust_workspace`` is set. A
    word that begins with ``@`` and names a file is replaced by the file's content, as Gemini CLI does it. It tells
    no cost, so ``cost_usd`` limits nothing.
    """

    NAME = "gemini"
    PROGRAM = "gemini"
    INSTALL = "npm install -g @google/gemini-cli@0.61.0"
    SETTINGS = GeminiSettings
    SESSION_FILES = ".gemini/tmp/*/chats/*-{session:.8}.json*"
    LOSES_OUTPUT = True

    contract_exceptions: ClassVar[Mapping[ContractCase, str]] = {
        ContractCase.COST_LIMIT: "it tells no cost",
    }

    def _new_reader(self) -> GeminiEvents:
        return GeminiEvents()

    def _command(self, settings: GeminiSettings, prompt: str, home: Path) -> list[str]:  # noqa: ARG002  # see below
        """The prompt goes to standard input."""
        chosen = [f"--model={settings.model}"] if settings.model else []
        resumed = [f"--resume={self._reader.session}"] if self._reader.session else []
        if Path(settings.workspace_dir, ".gemini").exists() and not settings.trust_workspace:
            raise AgentUnavailable(
                f"the workspace {settings.workspace_dir} has a .gemini folder, whose settings could run commands "
                f"and move the traffic: remove it, or set agent.options.trust_workspace"
            )
        mode = f"--approval-mode={settings.approval_mode}"
        return [self._executable, "--output-format=stream-json", "--skip-trust", mode, *chosen, *resumed]

    def _input(self, settings: GeminiSettings, prompt: str) -> bytes:  # noqa: ARG002  # not needed here
        """Send words: a leading ``/`` would make a command of them."""
        return (f" {prompt}" if prompt.startswith("/") else prompt).encode()

    def _variables(self, settings: GeminiSettings, home: Path) -> Mapping[str, str]:
        folder = home / ".gemini"
        policy_file = folder / "policies" / "obra.toml"
        policy_file.parent.mkdir(parents=True, exist_ok=True)
        rules = (_RULE.format(tool=json.dumps(tool)) for tool in settings.tools_without_asking)
        policy_file.write_text("".join(rules), encoding="utf-8")
        (folder / "settings.json").write_text(json.dumps(_CONTENT), encoding="utf-8")
        variables = {}
        if settings.base_url:
            variables["GOOGLE_GEMINI_BASE_URL"] = settings.base_url
        if settings.api_key:
            variables["GEMINI_API_KEY"] = settings.api_key
        return variables
