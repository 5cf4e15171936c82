"""The stages of our own adapters: real programs with a scripted model, and two without one."""

from __future__ import annotations

import json
import shlex
import sys
import threading
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import psutil

from obra.domain import CLIFault, Fault, ModelFault, ScriptStep, TurnLimits
from obra.plugins import AGENTS, AgentPlugin, ContractCase, WorksElsewhere, find_plugin
from obra.replay.dialects import server_for, settings_for
from obra.replay.misbehaving_cli import install
from obra.replay.model_server import ModelServer
from obra.testing.agent_contract import HUGE
from obra.testing.leftovers import processes_since, started_processes
from obra.testing.scene import Scene, kill_processes

WORDS = ("One.", "Two.", "Three.")
BUSY = "busy.txt"
_BUSY_COMMAND = f'python -c \'import time; open("{BUSY}", "w").close(); time.sleep(600)\''
_ORPHAN_COMMAND = "setsid python -c 'import time; time.sleep(600)' >/dev/null 2>&1 </dev/null &"
WORK = "work.txt"
_TOKENS = (20_000, 1_000)
"""What an answer uses up in the case of the cost limit: more than a cent, and no full context, since that would be
summarised in a prompt of the program's own."""
_GARBAGE = r"""#!/bin/sh
[ "$1" = --version ] || printf '[DEBUG] sandbox: ok\n\000\377{\n[1, 2\n\n'
exec PROGRAM "$@"
"""


def huge_text() -> str:
    """Return a line of :data:`HUGE` characters that repeats nothing, since some programs look for loops."""
    return "".join(f"{number:x} " for number in range(HUGE // 5))[:HUGE]


_STEPS = tuple(ScriptStep(say=words) for words in WORDS)
_WORKS = ScriptStep(say=WORDS[0], write={WORK: "done\n"})
_CALLS = ScriptStep(say=WORDS[0], run=("true", "true", "true"))
_IS_BUSY = ScriptStep(say=WORDS[0], run=(_BUSY_COMMAND,))


_SCRIPTS: Mapping[ContractCase, tuple[ScriptStep, ...]] = {
    **dict.fromkeys((ContractCase.NORMAL_TURN, ContractCase.GARBAGE), (_WORKS,)),
    **dict.fromkeys((ContractCase.TURN_LIMIT, ContractCase.COST_LIMIT), (_CALLS, *_STEPS[1:])),
    **dict.fromkeys(
        (ContractCase.WALL_CLOCK, ContractCase.CRASH, ContractCase.HANG, ContractCase.CANCEL), (_IS_BUSY,)
    ),
    ContractCase.PERMISSION_DENIED: (ScriptStep(say=WORDS[0], write={f"../{WORK}": "out of bounds\n"}),),
    ContractCase.HUGE_OUTPUT: (ScriptStep(say=huge_text() + WORDS[0]),),
    ContractCase.RESUME_AFTER_KILL: (_STEPS[0], _IS_BUSY, _STEPS[2]),
    ContractCase.CLEANUP: (ScriptStep(say=WORDS[0], run=(_ORPHAN_COMMAND,)),),
}


def script_of(case: ContractCase) -> tuple[ScriptStep, ...]:
    """Return what the model does in *case*, a step for each prompt."""
    return _SCRIPTS.get(case, _STEPS)


class StagedServer(ModelServer):
    """A model server that plays a case, remembers what it was sent, refuses, or never answers."""

    def __init__(
        self, case: ContractCase, kind: str, workspace: Path, elsewhere: WorksElsewhere | None = None
    ) -> None:
        """Prepare *case* for an agent of type *kind*, which works in *workspace*, or *elsewhere*."""
        dialect = server_for(kind, (), workspace=workspace).dialect
        tokens = _TOKENS if case is ContractCase.COST_LIMIT else (0, 0)
        script = script_of(case)
        super().__init__(script, workspace=workspace, dialect=dialect, tokens=tokens, elsewhere=elsewhere)
        self._case = case
        self._closing = threading.Event()
        self._heard: list[str] = []

    def respond(self, request: Mapping[str, Any]) -> tuple[int, dict[str, Any]]:
        """Answer as the case wants it."""
        self._heard.append(json.dumps(request))
        if self._case is ContractCase.REFUSAL:
            return 401, self.dialect.error("invalid API key")
        if self._case is ContractCase.IDLE:
            self._closing.wait()
        return super().respond(request)

    def heard(self) -> str:
        """Return all that the model was asked: some programs ask for a title beside what the person wants."""
        return "\n".join(self._heard)

    def go_on(self) -> None:
        """Answer every further prompt with words alone."""
        self.script = (*(step if not step.run else ScriptStep(say=step.say) for step in self.script),)

    def close(self) -> None:
        """Let whoever waits for an answer go, and close."""
        self._closing.set()
        super().close()


@dataclass(frozen=True)
class ReplayStage:
    """An adapter with the real program, whose model is ours.

    ``kind`` is the agent's type, ``command`` what its setting of that name is; ``patience`` are the seconds that
    the program may be silent while it starts, ``options`` further settings.
    """

    kind: str
    command: str
    patience: float = 2.0
    options: Mapping[str, Any] = field(default_factory=dict)

    def make_agent(self) -> AgentPlugin:
        """Return a new agent."""
        agent: AgentPlugin = find_plugin(AGENTS, self.kind)()
        return agent

    @contextmanager
    def scene(self, case: ContractCase, workspace: Path) -> Iterator[Scene]:
        """Open the server for *case*."""
        before = frozenset(started_processes())
        with StagedServer(case, self.kind, workspace, self._elsewhere()) as server:
            command = self._noisy(workspace) if case is ContractCase.GARBAGE else self.command

            def kill() -> None:
                server.go_on()
                kill_processes(self._programs(before))

            yield Scene(
                config={**self.options, "command": command, **settings_for(self.kind, server)},
                words=WORDS,
                is_done=(workspace / WORK).exists,
                trespassed=(workspace.parent / WORK).exists,
                limits=self._limits(case),
                is_busy=(workspace / BUSY).exists,
                kill=kill,
                heard=server.heard,
            )

    def _elsewhere(self) -> WorksElsewhere | None:
        """Return where the agent works, if that is another machine."""
        return None

    def _programs(self, before: Collection[psutil.Process]) -> list[psutil.Process]:
        """Return what the agent runs; *before* it was made, those ran."""
        return processes_since(before)

    def _limits(self, case: ContractCase) -> TurnLimits:
        match case:
            case ContractCase.TURN_LIMIT:
                return TurnLimits(turns=2)
            case ContractCase.COST_LIMIT:
                return TurnLimits(cost_usd=0.01)
        return _time_limit(case, self.patience)

    def _noisy(self, workspace: Path) -> str:
        """Return a program that prints what is no message, and becomes the real one."""
        path = workspace.with_name(f"{workspace.name}-noisy-{Path(self.command).name}")
        path.write_text(_GARBAGE.replace("PROGRAM", shlex.quote(self.command)), encoding="utf-8")
        path.chmod(0o755)
        return str(path)


@dataclass(frozen=True)
class MockStage:
    """The mock agent, whose faults play what a program would suffer."""

    kind: str = "mock"

    def make_agent(self) -> AgentPlugin:
        """Return a new agent."""
        agent: AgentPlugin = find_plugin(AGENTS, self.kind)()
        return agent

    @contextmanager
    def scene(self, case: ContractCase, workspace: Path) -> Iterator[Scene]:
        """Write the script of *case*."""
        faults: Mapping[ContractCase, Fault] = {
            ContractCase.CRASH: Fault(kind=CLIFault.NO_RESULT, prompt=1),
            ContractCase.RESUME_AFTER_KILL: Fault(kind=CLIFault.NO_RESULT, prompt=2),
            ContractCase.IDLE: Fault(kind=ModelFault.STALLED, prompt=1),
            ContractCase.HANG: Fault(kind=ModelFault.STALLED, prompt=1),
        }
        script = script_of(case)
        if case in faults:
            script = _STEPS
        yield Scene(
            config={"script": script, "faults": [faults[case]] if case in faults else []},
            words=WORDS,
            is_done=(workspace / WORK).exists,
            trespassed=(workspace.parent / WORK).exists,
            limits=TurnLimits(seconds=0.5),
            is_busy=(workspace / BUSY).exists,
        )


@dataclass(frozen=True)
class MisbehavingStage:
    """The adapter of Claude Code with the program that misbehaves on demand in the place of the real one.

    Behind it there is no model, so that cases which one brings about are left out.
    """

    kind: str = "claude_code_local"
    cases: ClassVar[frozenset[ContractCase]] = frozenset(ContractCase) - {
        ContractCase.REFUSAL,
        ContractCase.TURN_LIMIT,
        ContractCase.COST_LIMIT,
        ContractCase.IDLE,
    }

    def make_agent(self) -> AgentPlugin:
        """Return a new agent."""
        agent: AgentPlugin = find_plugin(AGENTS, self.kind)()
        return agent

    @contextmanager
    def scene(self, case: ContractCase, workspace: Path) -> Iterator[Scene]:
        """Install the program with the fault of *case*."""
        faults = {
            ContractCase.PERMISSION_DENIED: CLIFault.TOOL_REFUSED,
            ContractCase.HUGE_OUTPUT: CLIFault.HUGE_LINE,
            ContractCase.CRASH: CLIFault.HALF_LINE,
            ContractCase.GARBAGE: CLIFault.GARBAGE,
            ContractCase.CLEANUP: CLIFault.ORPHAN,
        }
        script = () if case in (ContractCase.PERMISSION_DENIED, ContractCase.CLEANUP) else script_of(case)
        folder = workspace.with_name(f"{workspace.name}-program")
        folder.mkdir()
        steps = [{"say": step.say, "write": dict(step.write), "run": list(step.run)} for step in script or _STEPS]
        command = install(folder, steps, {1: faults[case].value} if case in faults else {})
        yield Scene(
            config={"command": str(command)},
            words=WORDS,
            is_done=(workspace / WORK).exists,
            limits=_time_limit(case, 1.0),
            is_busy=(workspace / BUSY).exists,
        )


@dataclass(frozen=True)
class CommandStage:
    """The agent for any program, with a small one."""

    kind: str = "command"

    def make_agent(self) -> AgentPlugin:
        """Return a new agent."""
        agent: AgentPlugin = find_plugin(AGENTS, self.kind)()
        return agent

    @contextmanager
    def scene(self, case: ContractCase, workspace: Path) -> Iterator[Scene]:
        """Write the program that does what *case* wants."""
        (step, *_) = script_of(case)
        heard = workspace / "heard.txt"
        lines = ["import subprocess, sys, time", f"open({str(heard)!r}, 'w').write(sys.stdin.read())"]
        lines += [f"open({path!r}, 'w').write({text!r})" for path, text in step.write.items()]
        lines += [f"subprocess.run({line!r}, shell=True)" for line in step.run]
        if case is ContractCase.IDLE:
            lines.append("time.sleep(600)")
        if case is ContractCase.GARBAGE:
            lines.append(r"sys.stdout.buffer.write(b'\x00\xff{\n')")
        lines.append(f"print('x' * {HUGE if case is ContractCase.HUGE_OUTPUT else 0} + {WORDS[0]!r})")
        program = workspace.with_name(f"{workspace.name}-program.py")
        program.write_text("\n".join(lines), encoding="utf-8")
        yield Scene(
            config={"command": shlex.join([sys.executable, str(program)])},
            words=WORDS,
            is_done=(workspace / WORK).exists,
            limits=_time_limit(case, 1.0),
            is_busy=(workspace / BUSY).exists,
            heard=heard.read_text,
        )


def _time_limit(case: ContractCase, seconds: float) -> TurnLimits:
    return TurnLimits(seconds=seconds) if case is ContractCase.WALL_CLOCK else TurnLimits(idle=seconds)
