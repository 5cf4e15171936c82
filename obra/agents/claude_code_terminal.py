"""The interactive Claude Code, for people whose plan or features need it: a program behind a terminal of ours."""

from __future__ import annotations

import json
import os
import termios
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from obra.agents.claude_code import FOR_PEOPLE, ClaudeCodeSettings, Launch, tools_to_name
from obra.agents.terminal_records import TerminalRecords, seed_configuration
from obra.agents.terminal_screen import COLUMNS, ROWS, TerminalScreen
from obra.agents.terminal_wire import ENTER_SECONDS, TerminalWire
from obra.workspace.ctrl_c import ctrl_c_waits
from obra.workspace.processes import AGENT, ProcessTree

_LEAVING_SECONDS = 3.0
"""Seconds that it gets to end by itself after Ctrl-C was pressed twice; some 0.4 are usual."""
_HANGING_SECONDS = 0.2


class TerminalProgram:
    """An interactive Claude Code as a process tree of ours; see :class:`obra.agents.claude_code_session.Program`.

    The terminal is not its controlling one: nothing that runs in it can push keys back into it.
    """

    def __init__(
        self,
        command: list[str],
        *,
        cwd: Path,
        environment: Mapping[str, str],
        records: TerminalRecords,
        budget_usd: float | None = None,
        size: tuple[int, int] = (ROWS, COLUMNS),
        enter_seconds: float = ENTER_SECONDS,
    ) -> None:
        """Start *command* in a terminal of *size* (rows, columns); what it does not hear is sent off anew.

        Raises:
            WorkspaceError: the program or *cwd* is not there.
            AgentUnavailable: the terminal emulator is not installed.
        """
        screen = TerminalScreen(*size)
        master, slave = os.openpty()
        with ExitStack() as ours, ExitStack() as undo:  # whatever is raised, nobody else knows of it
            ours.callback(os.close, slave)
            undo.callback(os.close, master)
            with ctrl_c_waits():
                termios.tcsetwinsize(slave, size)
                self.tree = ProcessTree(
                    command, cwd=cwd, environment=environment, stdin=slave, stdout=slave, stderr=slave
                )
                undo.callback(self.tree.sweep)
                self.wire = TerminalWire(
                    master, screen, records, budget_usd=budget_usd, enter_seconds=enter_seconds
                )
                undo.pop_all()  # the wire closes the terminal
                undo.callback(self.end, hopeless=True)
            undo.pop_all()

    def is_alive(self) -> bool:
        """Tell whether it can take another prompt."""
        return self.tree.process.poll() is None and not self.wire.is_broken

    def exit_code(self, seconds: float) -> int | None:
        """Wait at most *seconds* for its end; ``None`` when it has not ended."""
        return self.tree.wait(seconds)

    def end(self, *, hopeless: bool) -> None:
        """Wait for it to end by itself, then make it; sweep what it left behind and close the terminal."""
        hopeless |= self.wire.is_broken
        try:
            if self.tree.wait(_HANGING_SECONDS if hopeless else _LEAVING_SECONDS) is None:
                self.tree.stop(AGENT)
        finally:
            self.tree.sweep()
            self.wire.close()


def prepare(
    settings: ClaudeCodeSettings, launch: Launch, *, home: Path, environment: dict[str, str]
) -> TerminalRecords:
    """Make what an interactive Claude Code needs in its private *home*; *environment* gets its terminal's name.

    A person's own configuration folder, which ``HOME`` was passed on for, is left as it is.
    """
    environment["TERM"] = "xterm-256color"
    environment["CLAUDE_CODE_DISABLE_TERMINAL_TITLE"] = "1"
    environment["CLAUDE_CODE_DISABLE_FEEDBACK_SURVEY"] = "1"
    folder = environment.get("CLAUDE_CONFIG_DIR")
    if folder and Path(folder).is_relative_to(home):
        key = environment.get("ANTHROPIC_API_KEY", "")
        seed_configuration(Path(folder), workspace=Path(settings.workspace_dir), api_key=key)
    number = sum(1 for _ in home.glob("records-*"))
    return TerminalRecords(home / f"records-{number}", max_turns=launch.max_turns)


def terminal_command_line(
    settings: ClaudeCodeSettings, records: TerminalRecords, *, executable: str, session: Sequence[str] = ()
) -> list[str]:
    """Return the arguments that start an interactive conversation; *session* are those of ``session_argument``.

    As with pipes, ``--setting-sources=`` keeps the workspace's settings from being obeyed. The limits of a turn
    are not among the arguments: the program only takes them headless.
    """
    told: dict[str, Any] = {
        **records.settings,
        "skipDangerousModePermissionPrompt": True,
        "promptSuggestionEnabled": False,
        "awaySummaryEnabled": False,
        "spinnerTipsEnabled": False,
        "prefersReducedMotion": True,
    }
    if settings.ask_about:
        told["permissions"] = {"ask": list(settings.ask_about)}
    arguments = [
        executable,
        "--setting-sources=",
        "--strict-mcp-config",
        f"--permission-mode={settings.permission_mode}",
        f"--disallowedTools={','.join(FOR_PEOPLE)}",
        f"--settings={json.dumps(told)}",
    ]
    if tools := tools_to_name(settings):
        arguments.append(f"--allowedTools={','.join(tools)}")
    if settings.model:
        arguments.append(f"--model={settings.model}")
    return [*arguments, *session]
