"""MockAgent acts a script out for real: it writes, edits, deletes and runs in the workspace."""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from obra.domain import CLIFault, Fault, ModelFault, Reply, ScriptStep, TurnLimits
from obra.errors import AgentCrashed, AgentError, AgentTimeout, AgentUnavailable, ScriptExhausted
from obra.events import AgentEvent, AgentEventKind, AgentEventSink
from obra.plugins import ContractCase

NO_SCRIPT_REPLY = "I am the mock agent and have no script, so I changed nothing."
_RUN_SECONDS = 120.0
_RUN_OUTPUT = 4_000


_PASSES = frozenset(set(ModelFault) - {ModelFault.STALLED})
"""The real agent asks again, so these only end its turn when they last."""
_FATAL_BEFORE: Mapping[ModelFault | CLIFault, type[AgentError]] = {
    **dict.fromkeys(_PASSES - {ModelFault.HUGE_TEXT}, AgentCrashed),
    ModelFault.STALLED: AgentTimeout,
}
"""What ends a turn before anything is done, and how."""
_FATAL_AFTER: Mapping[ModelFault | CLIFault, type[AgentError]] = dict.fromkeys(
    (CLIFault.NO_RESULT, CLIFault.HALF_LINE, CLIFault.DISK_FULL), AgentCrashed
)
"""The same for what comes when the work is done."""


class MockAgent:
    """An agent that does what its script says, one step a turn, and nothing else.

    Without any script it gives :data:`NO_SCRIPT_REPLY` for ever and changes nothing. With one, it raises
    :class:`~obra.errors.ScriptExhausted` when it is asked for more turns than the script has.
    """

    identity = "mock"
    contract_exceptions: ClassVar[Mapping[ContractCase, str]] = {
        ContractCase.REFUSAL: "it asks no model",
        ContractCase.TURN_LIMIT: "a step of its script is one model call",
        ContractCase.COST_LIMIT: "it costs nothing",
        ContractCase.GARBAGE: "it has no program whose output is read",
        ContractCase.CANCEL: "it runs in this process; its commands end at their own time limit",
    }

    def __init__(self, script: Sequence[ScriptStep] | None = None) -> None:
        self._script = None if script is None else tuple(script)
        self._turn = 0
        self._before = 0
        self._root: Path | None = None
        self._faults: tuple[Fault, ...] = ()

    def initialize(self, config: Mapping[str, Any]) -> None:
        """Take ``workspace_dir`` (made when missing) and, when given, ``script`` and ``faults``; begin anew.

        Raises:
            AgentUnavailable: no ``workspace_dir`` was given, or it cannot be made.
        """
        if not config.get("workspace_dir"):
            raise AgentUnavailable("the mock agent was given no workspace_dir; name the folder it works in")
        root = Path(config["workspace_dir"])
        try:
            if not root.is_dir():
                root.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise AgentUnavailable(f"the workspace {root} cannot be made: {error.strerror}") from error
        if config.get("script") is not None:
            self._script = tuple(config["script"])
            self._before = config.get("script_played", 0)  # what comes now are the steps after these
        self._faults = tuple(config.get("faults") or ())
        self._root, self._turn = root, 0

    def is_healthy(self) -> bool:
        """Tell whether there is a workspace to work in."""
        return self._root is not None and self._root.is_dir()

    def send_prompt(
        self,
        prompt: str,  # noqa: ARG002  # part of the contract; a script does not read
        *,
        limits: TurnLimits | None = None,
        on_event: AgentEventSink | None = None,
    ) -> Reply:
        """Act out the next step of the script; the prompt's words are not read.

        Raises:
            ScriptExhausted: every step has been played.
            AgentCrashed: the step cannot be acted out, such as an edit whose text is not in the file.
            AgentTimeout: a command of the step ran into the turn's time limit.
        """
        if self._root is None:
            raise AgentUnavailable("the mock agent is not initialized; call initialize() first")
        started = time.monotonic()
        tell = on_event or (lambda _: None)
        step = self._next_step()
        self._suffer(_FATAL_BEFORE)
        self._change_files(step, tell)
        self._run(step, (limits or TurnLimits()).seconds, tell)
        self._suffer(_FATAL_AFTER)
        tell(AgentEvent(kind=AgentEventKind.TEXT, text=step.say))
        tell(AgentEvent(kind=AgentEventKind.END))
        return Reply(
            text=step.say,
            session=f"mock-{id(self):x}",
            seconds=time.monotonic() - started,
            turns=1,
            cost_usd=0.0,
        )

    def cleanup(self) -> None:
        """Forget the workspace; nothing is left running between turns."""
        self._root = None

    def _next_step(self) -> ScriptStep:
        if self._script is None:
            return ScriptStep(say=NO_SCRIPT_REPLY)
        if self._turn >= len(self._script):
            raise ScriptExhausted(
                f"the agent's script has {self._before + len(self._script)} step(s) and a prompt number "
                f"{self._before + self._turn + 1} came; "
                f"add a step to 'script:', or see why the attempt before was not accepted"
            )
        step = self._script[self._turn]
        self._turn += 1
        return step

    def _suffer(self, fatal: Mapping[ModelFault | CLIFault, type[AgentError]]) -> None:
        """End the turn as the real agent would end it; what that one survives is not to be seen here.

        Raises:
            AgentError: a fault of this prompt is one that ends a turn.
        """
        for fault in self._faults:
            error = fatal.get(fault.kind) if fault.prompt == self._turn else None
            lasts = fault.times is None or fault.kind not in _PASSES
            if error is not None and lasts:
                raise error(f"fault on demand at prompt {self._turn}: {fault.kind}; see 'faults:' in the scenario")

    def _change_files(self, step: ScriptStep, tell: AgentEventSink) -> None:
        try:
            for name, text in step.write.items():
                path = self._inside(name)
                if not path.parent.is_dir():
                    path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(text.encode("utf-8"))
                tell(AgentEvent(kind=AgentEventKind.FILE_EDIT, tool="write", path=name, text=f"write {name}"))
            for name, (find, replace) in step.edit.items():
                self._edit(name, find, replace)
                tell(AgentEvent(kind=AgentEventKind.FILE_EDIT, tool="edit", path=name, text=f"edit {name}"))
            for name in step.delete:
                path = self._inside(name)
                shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
                tell(AgentEvent(kind=AgentEventKind.FILE_EDIT, tool="delete", path=name, text=f"delete {name}"))
        except OSError as error:
            raise AgentCrashed(
                f"script step {self._turn} cannot be acted out: {error.filename}: {error.strerror}"
            ) from error

    def _edit(self, name: str, find: str, replace: str) -> None:
        path = self._inside(name)
        text = path.read_text(encoding="utf-8")
        if find not in text:
            raise AgentCrashed(
                f"script step {self._turn} edits {name}, but the text {find!r} is not in it; mend the script"
            )
        path.write_text(text.replace(find, replace, 1), encoding="utf-8", newline="")

    def _run(self, step: ScriptStep, seconds: float | None, tell: AgentEventSink) -> None:
        if not step.run or self._root is None:
            return
        from obra.workspace.private_folder import private_folder
        from obra.workspace.processes import clean_environment, run_command

        with private_folder("mock") as home:
            environment = clean_environment(home)
            for line in step.run:
                tell(AgentEvent(kind=AgentEventKind.TOOL_CALL, tool="run", text=line))
                result = run_command(
                    line,
                    cwd=self._root,
                    environment=environment,
                    timeout=seconds or _RUN_SECONDS,
                    max_output=_RUN_OUTPUT,
                )
                if result.timed_out:
                    raise AgentTimeout(
                        f"script step {self._turn}: {line!r} was still running after {result.seconds:.1f} s"
                    )
                shown = f"exit {result.exit_code}: {result.output.strip()[-200:]}"
                tell(AgentEvent(kind=AgentEventKind.TOOL_RESULT, tool="run", text=shown))

    def _inside(self, name: str) -> Path:
        assert self._root is not None  # noqa: S101  # send_prompt has checked; tells mypy so
        path = self._root / name
        is_elsewhere = path.parent != self._root  # most files lie on top, and to resolve costs more than to write
        if is_elsewhere and not path.parent.resolve().is_relative_to(self._root.resolve()):
            raise AgentCrashed(f"script step {self._turn} names {name!r}, which leaves the workspace")
        return path
