"""ClaudeCodeLocalAgent: the real Claude Code as a process on this machine, one for all turns of a task."""

from __future__ import annotations

import dataclasses
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from obra.agents.claude_code import (
    INSTALL_HINT,
    ClaudeCodeSettings,
    Launch,
    command_line,
    environment_of,
    failure_of,
    identity_of,
    interrupt_line,
    reply_of,
)
from obra.agents.conversation import Conversation, StreamEnded, TurnClock
from obra.agents.wire import PipeWire
from obra.domain import Reply, TurnLimits
from obra.errors import AgentCrashed, AgentUnavailable, WorkspaceError
from obra.events import AgentEventSink
from obra.monitoring.output_monitor import OutputMonitor
from obra.workspace.processes import ProcessTree, clean_environment, run_command

_END_OF_INPUT_SECONDS = 3.0
"""Seconds that Claude Code gets to end by itself when its input ends; 0.02 to 0.07 are usual."""
_HANGING_SECONDS = 0.2
"""The same, when there is no hope that it does."""
_LADDER = ((signal.SIGINT, 1.0), (signal.SIGTERM, 2.0))
"""It obeys both within 0.3 seconds, even while its model API stalls; SIGINT lets it end its tools."""
_VERSION_OUTPUT = 4_000

_identities: dict[tuple[str, int, int], str] = {}
"""What ``--version`` of a file with that path, size and time said; asking takes some 50 ms each time."""


class ClaudeCodeLocalAgent:
    """Claude Code over pipes. Nothing runs before the first prompt; then one process serves all turns.

    The process has a private HOME, configuration and temporary folder and sees no variable of ours but those that
    ``pass_environment`` names. To use a person's own login, set no ``base_url`` and no ``api_key`` and pass
    ``HOME`` on (and ``CLAUDE_CONFIG_DIR``, where the person has one), or pass ``ANTHROPIC_API_KEY``.

    When the process has ended, or a limit of the turn is one that is only told at its start (``turns``,
    ``cost_usd``), the next prompt starts another one which resumes the session; that costs some 0.3 seconds.
    """

    def __init__(self) -> None:
        self._settings: ClaudeCodeSettings | None = None
        self._executable = ""
        self._identity = "claude-code"
        self._home: Path | None = None
        self._tree: ProcessTree | None = None
        self._wire: PipeWire | None = None
        self._monitor = OutputMonitor()
        self._launch: Launch | None = None
        self._spent_usd = 0.0  # by this process
        self._total_usd = 0.0  # as the last result told it
        self._session = ""

    @property
    def identity(self) -> str:
        """Name and version, such as ``claude-code 2.1.330``; the version after :meth:`initialize`."""
        return self._identity

    def initialize(self, config: Mapping[str, Any]) -> None:
        """Take the settings of :class:`ClaudeCodeSettings`, find the program and ask for its version.

        Raises:
            AgentUnavailable: there is no such program, it is not Claude Code, or it is too old.
            ObraError: a setting is unknown.
        """
        settings = ClaudeCodeSettings.read(config)
        self.cleanup()
        executable = shutil.which(Path(settings.command).expanduser())
        if executable is None:
            raise AgentUnavailable(
                f"Claude Code is not on this machine: no program {settings.command!r} on PATH. "
                f"Install it ({INSTALL_HINT}) or set agent.local.command to where it is"
            )
        self._executable = str(Path(executable).absolute())
        self._identity = identity_of(_version_text(self._executable, settings.timeout_ready), settings.command)
        try:
            Path(settings.workspace_dir).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise AgentUnavailable(
                f"the workspace {settings.workspace_dir} cannot be made: {error.strerror}; name another folder"
            ) from error
        self._settings = settings

    def is_healthy(self) -> bool:
        """Tell whether the next prompt can be sent: the program and the workspace are there."""
        return (
            self._settings is not None
            and os.access(self._executable, os.X_OK)
            and Path(self._settings.workspace_dir).is_dir()
        )

    def send_prompt(
        self, prompt: str, *, limits: TurnLimits | None = None, on_event: AgentEventSink | None = None
    ) -> Reply:
        """Run one turn in the session of the turns before.

        Raises:
            AgentUnavailable: it cannot be started, or cannot use its model API.
            AgentTimeout: the start, a silence or the turn took too long; the process is gone.
            AgentCrashed: it ended, or failed, before the turn was complete.
        """
        settings = self._settings
        if settings is None:
            raise AgentUnavailable("the agent is not initialized; call initialize() first")
        limits = limits or TurnLimits()
        started = time.monotonic()
        wire = self._running(settings, limits)
        clock = TurnClock.of(
            ready=settings.timeout_ready,
            idle=settings.timeout_response,
            total=settings.timeout,
            limits=limits,
        )
        limit = None
        try:
            limit = Conversation(wire, self._monitor).turn(prompt, clock, on_event)
        except StreamEnded:
            raise self._crashed(wire) from None
        finally:
            self._session = self._monitor.session or self._session
            if limit is None or limit:  # broken off, by whatever; or background tasks still run
                self._end_process(in_turn=limit is None)
        return self._finish(time.monotonic() - started, limit)

    def cleanup(self) -> None:
        """End the process with all it started and remove its private folders; safe to call twice."""
        self._end_process(in_turn=False)
        self._session = ""
        self._total_usd = 0.0
        self._settings = None
        home, self._home = self._home, None
        if home is not None:
            shutil.rmtree(home, onerror=_make_removable)

    def _finish(self, seconds: float, limit: str) -> Reply:
        """Turn the results of a complete turn into the reply or the error that they stand for."""
        results = self._monitor.results
        reply = reply_of(results, seconds=seconds, total_before_usd=self._total_usd)
        self._spent_usd += reply.cost_usd or 0.0
        total = results[-1].get("total_cost_usd")
        self._total_usd = float(total) if isinstance(total, int | float) else self._total_usd
        failure = failure_of(results)
        if failure is not None:
            if not self._monitor.model:  # it never began: there is no such session to resume
                self._session = ""
                self._end_process(in_turn=False)
            raise failure
        return dataclasses.replace(reply, limit=limit) if limit else reply

    def _running(self, settings: ClaudeCodeSettings, limits: TurnLimits) -> PipeWire:
        """Return the wire to a process that obeys *limits*; start one when there is none."""
        alive = self._tree is not None and self._tree.process.poll() is None
        serves = self._launch is not None and self._launch.serves(settings, limits, self._spent_usd)
        if self._wire is not None and alive and serves:
            return self._wire
        self._end_process(in_turn=False)
        if self._home is None:
            self._home = Path(tempfile.mkdtemp(prefix="obra-claude-"))
        passed = {name: os.environ[name] for name in settings.pass_environment if name in os.environ}
        environment = clean_environment(self._home, environment_of(settings, str(self._home), passed))
        if self._session and not _is_stored(self._session, environment):
            self._session = ""  # it ended before it wrote anything down: there is nothing to resume
        self._launch = Launch.of(settings, limits)
        try:
            tree = ProcessTree(
                command_line(settings, self._launch, executable=self._executable, session=self._session),
                cwd=Path(settings.workspace_dir),
                environment=environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
            )
        except WorkspaceError as error:
            raise AgentUnavailable(f"Claude Code cannot be started: {error}") from error
        process = tree.process
        assert process.stdin and process.stdout and process.stderr  # noqa: S101, PT018  # asked for; tells mypy so
        self._tree, self._wire = tree, PipeWire(process.stdin, process.stdout, process.stderr)
        self._monitor = OutputMonitor()
        self._spent_usd = 0.0
        return self._wire

    def _crashed(self, wire: PipeWire) -> AgentCrashed:
        code = self._tree.wait(1.0) if self._tree is not None else None
        how = "closed its output" if code is None else f"ended with exit code {code}"
        last = self._monitor.last
        seen = f"last seen: {last.kind} {last.text!r}" if last else "it printed nothing"
        errors = wire.errors()[-1000:]
        return AgentCrashed(
            f"Claude Code {how} before the turn was complete ({seen}). "
            + (f"On standard error: {errors}" if errors else "Standard error was empty.")
        )

    def _end_process(self, *, in_turn: bool) -> None:
        """End the process as softly as it lets us, and everything that it left behind."""
        tree, wire = self._tree, self._wire
        self._tree = self._wire = None
        if tree is None or wire is None:
            return
        try:
            if in_turn:
                wire.send(interrupt_line())
            wire.close_input()
            # Not even the interrupt helped, or it would wait for its background tasks.
            hangs = bool(self._monitor.tasks) or (in_turn and not self._monitor.has_answered)
            if tree.wait(_HANGING_SECONDS if hangs else _END_OF_INPUT_SECONDS) is None:
                tree.stop(_LADDER)
        finally:
            tree.sweep()
            wire.close()


def _version_text(executable: str, seconds: float) -> str:
    """Return what ``--version`` prints, asked once for each state of the file.

    Raises:
        AgentUnavailable: it cannot be run, or does not answer in time.
    """
    file = Path(executable).resolve()
    status = file.stat()
    key = (str(file), status.st_size, status.st_mtime_ns)
    if key not in _identities:
        with tempfile.TemporaryDirectory(prefix="obra-claude-version-") as home:
            try:
                result = run_command(
                    [executable, "--version"],
                    cwd=Path(home),
                    environment=clean_environment(Path(home)),
                    timeout=seconds,
                    max_output=_VERSION_OUTPUT,
                )
            except WorkspaceError as error:
                raise AgentUnavailable(f"Claude Code cannot be started: {error}") from error
        if result.timed_out:
            raise AgentUnavailable(
                f"{executable!r} did not answer --version within {seconds:g} s; is it Claude Code? "
                f"Set agent.local.command to the real one, or raise timeout_ready"
            )
        _identities[key] = result.output
    return _identities[key]


def _is_stored(session: str, environment: Mapping[str, str]) -> bool:
    """Tell whether Claude Code has written *session* down, so that it can be resumed."""
    folder = environment.get("CLAUDE_CONFIG_DIR") or f"{environment['HOME']}/.claude"
    return any(Path(folder, "projects").glob(f"*/{session}.jsonl"))


def _make_removable(function: Callable[..., Any], path: str, _: object) -> None:
    """Remove what the agent's tools left without write permission, such as module caches."""
    Path(path).parent.chmod(0o700)
    if not Path(path).is_symlink():
        Path(path).chmod(0o700)
    function(path)
