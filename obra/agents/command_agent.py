"""CommandAgent: any program that takes a prompt, works in the current folder, prints a reply and ends."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from obra.agents.headless import HeadlessAgent
from obra.agents.settings import CLISettings, words_of
from obra.errors import AgentCrashed, AgentError, AgentUnavailable
from obra.monitoring.event_lines import PlainText
from obra.plugins import ContractCase

_PROMPT_FILE = "{prompt_file}"
_WORKSPACE = "{workspace}"
_MODEL = "{model}"


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandSettings(CLISettings):
    """The settings of :class:`CLISettings`, and what a program needs that we know nothing about."""

    timeout_ready: float = 600
    """Seconds to the first line of output; many programs print nothing before they are done."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """Variables for the program, such as the address of its model."""


class CommandAgent(HeadlessAgent[CommandSettings, PlainText]):
    """Any program, such as aider: ``agent.options: {command: "aider --yes --message-file {prompt_file}"}``.

    ``command`` is a line as a shell splits it, but no shell runs it. In it ``{prompt_file}`` stands for a file
    with the prompt, ``{workspace}`` for the folder it works in (its current one too), ``{model}`` for
    ``agent.model``. Without ``{prompt_file}`` the prompt comes on standard input. What it prints is the reply; an
    exit code other than 0 is a crash. Each turn stands for itself: there is no session, and no limit but those of
    time.

    Besides, ``agent.options`` may hold ``environment`` (a mapping), ``pass_environment``, ``timeout_ready`` and
    ``timeout_response``.
    """

    NAME = "command"
    PROGRAM = "command"
    INSTALL = "with the package that it comes in"
    SETTINGS = CommandSettings
    KEEPS_SESSIONS = False

    contract_exceptions: ClassVar[Mapping[ContractCase, str]] = {
        ContractCase.SECOND_TURN: "each turn stands for itself; there is no session",
        ContractCase.REFUSAL: "what its exit code means is not known: it is a crash",
        ContractCase.PERMISSION_DENIED: "it has no permissions of its own",
        ContractCase.TURN_LIMIT: "it does not tell its model calls",
        ContractCase.COST_LIMIT: "it does not tell what it costs",
        ContractCase.RESUME_AFTER_KILL: "there is no session to continue",
    }

    def _new_reader(self) -> PlainText:
        return PlainText()

    def _find(self, settings: CommandSettings) -> str:
        words = words_of(settings.command)
        if not words:
            raise AgentUnavailable(
                "the command agent was given no program: set agent.options.command, such as "
                "'aider --yes --message-file {prompt_file}'"
            )
        return self._program(words[0])

    def _ask_version(self, settings: CommandSettings) -> str:  # noqa: ARG002  # not every program has a version
        return f"command {Path(self._executable).name}"

    def _command(self, settings: CommandSettings, prompt: str, home: Path) -> list[str]:
        file = home / "prompt.txt"
        file.write_text(prompt, encoding="utf-8", newline="")
        values = {_PROMPT_FILE: str(file), _WORKSPACE: settings.workspace_dir, _MODEL: settings.model or ""}
        words = words_of(settings.command)[1:]
        for name, value in values.items():
            words = [word.replace(name, value) for word in words]
        return [self._executable, *words]

    def _input(self, settings: CommandSettings, prompt: str) -> bytes:
        return b"" if _PROMPT_FILE in settings.command else prompt.encode()

    def _variables(self, settings: CommandSettings, home: Path) -> Mapping[str, str]:  # noqa: ARG002  # nothing is written
        return {name: str(value) for name, value in settings.environment.items()}

    def _failure(self, exit_code: int | None, errors: str) -> AgentError | None:
        reader = self._reader
        reader.finish()
        if exit_code == 0:
            return None
        shown = errors or reader.text[-1000:] or "nothing"
        return AgentCrashed(f"{self._identity!r} ended with exit code {exit_code}; it printed: {shown}")
