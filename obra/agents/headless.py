"""HeadlessAgent: any program that is started once for each turn; what differs between them is in a subclass.

Around it are the same safeguards as around Claude Code: a private home, an allow-listed environment, three time
limits, a process tree that is swept, and a name for every way to fail.
"""

from __future__ import annotations

import os
import re
import time
from abc import abstractmethod
from collections.abc import Mapping
from pathlib import Path

from obra.agents.cli_agent import CLIAgent, Reader, Settings, passed_limit
from obra.agents.conversation import TurnClock
from obra.agents.program_version import version_text
from obra.agents.turn_process import TurnProcess
from obra.domain import Reply, TurnLimits
from obra.errors import AgentCrashed, AgentError, AgentUnavailable
from obra.events import AgentEventSink
from obra.workspace.processes import clean_environment

_VERSION = re.compile(r"\d+\.\d+[\w.+-]*")
_UNREACHABLE = re.compile(
    r"unauthori[sz]ed|not logged in|log ?in|api[ _]key|\b40[13]\b|ECONN|ENOTFOUND|connection|unable to connect"
    r"|error sending request|fetch failed",
    re.IGNORECASE,
)


class HeadlessAgent(CLIAgent[Settings, Reader]):
    """One process for each turn; a session is continued by its id, where the program has one."""

    LOSES_OUTPUT = False
    """It ends without waiting until its output is taken; see :mod:`obra.agents.output_file`."""

    @abstractmethod
    def _command(self, settings: Settings, prompt: str, home: Path) -> list[str]:
        """Return the arguments of the next turn; ``self._reader.session`` is the session to continue."""

    @abstractmethod
    def _variables(self, settings: Settings, home: Path) -> Mapping[str, str]:
        """Return the variables that the program needs; its configuration is written to *home* here."""

    def _input(self, settings: Settings, prompt: str) -> bytes:  # noqa: ARG002  # for those who override it
        """Return what goes to standard input."""
        return prompt.encode()

    def _failure(self, exit_code: int | None, errors: str) -> AgentError | None:
        """Return why the turn did not end well."""
        reader = self._reader
        shown = f" On standard error: {errors}" if errors else ""
        if reader.failure:
            kind = AgentUnavailable if is_unreachable(reader.failure) and not reader.text else AgentCrashed
            return kind(f"{self.NAME} could not finish the turn: {reader.failure}{shown}")
        if not reader.is_complete or exit_code != 0:
            how = "did not end" if exit_code is None else f"ended with exit code {exit_code}"
            when = "after" if reader.is_complete else "before"
            return AgentCrashed(
                f"{self.NAME} {how}, {when} the turn was complete ({reader.last_seen()}).{shown or ' No errors.'}"
            )
        return None

    def _find(self, settings: Settings) -> str:
        return self._program(settings.command or self.PROGRAM)

    def _open(self, settings: Settings, home: Path) -> str:  # noqa: ARG002  # nothing runs between the turns
        return self._ask_version(settings)

    def _close(self) -> None:
        """Nothing lives between the turns."""

    def _run(
        self, settings: Settings, home: Path, prompt: str, limits: TurnLimits, on_event: AgentEventSink | None
    ) -> Reply:
        reader, started = self._reader, time.monotonic()
        reader.begin()
        passed = {name: os.environ[name] for name in settings.pass_environment if name in os.environ}
        environment = clean_environment(home, {**self._variables(settings, home), **passed})
        process = TurnProcess(
            self._confined(settings, self._command(settings, prompt, home), environment, home),
            cwd=Path(settings.workspace_dir),
            environment=environment,
            name=self.NAME,
            prompt=self._input(settings, prompt),
            cancelled=self._cancelled,
            prints_to_file=self.LOSES_OUTPUT,
        )
        clock = TurnClock.of(
            ready=settings.timeout_ready, idle=settings.timeout_response, total=settings.timeout, limits=limits
        )

        def take(line: bytes) -> None:
            for event in reader.feed(line):
                if on_event is not None:
                    on_event(event)

        code = process.read(
            clock, take, is_over=lambda: bool(passed_limit(reader, settings, limits)), last_seen=reader.last_seen
        )
        limit = reader.limit or passed_limit(reader, settings, limits)
        failure = None if limit else self._failure(code, process.errors())
        if failure is not None:
            raise failure
        return self._reply(time.monotonic() - started, limit)

    def _ask_version(self, settings: Settings) -> str:
        """Return name and version."""
        cure = f"set agent.options.command to the real one, or install it: {self.INSTALL}"
        text = version_text(self._executable, seconds=settings.timeout_ready, name=self.NAME, cure=cure)
        match = _VERSION.search(text)
        if match is None:
            raise AgentUnavailable(
                f"{self._executable!r} does not answer --version as {self.NAME} does, but {text[:80]!r}; {cure}"
            )
        return f"{self.NAME} {match[0]}"


def is_unreachable(failure: str) -> bool:
    """Tell a model API that cannot be used at all from other failures; *failure* is the program's own text."""
    return bool(_UNREACHABLE.search(failure))
