"""Which server stands between the agent and its model: none, the script's, the cassette's, the recorder."""

from __future__ import annotations

import shlex
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from obra.domain import CLIFault, Fault, Record, ScriptStep
from obra.errors import AgentError, AgentUnavailable, ConfigError
from obra.plugins import AgentPlugin, WorksElsewhere
from obra.settings import Settings

DEFAULT_UPSTREAM: Mapping[str, str] = {
    "claude_code_local": "https://api.anthropic.com",
    "codex": "https://api.openai.com/v1",
    "gemini": "https://generativelanguage.googleapis.com",
}
"""Where an agent finds its model when nobody says otherwise, by the name of its type."""
_ADDRESS_VARIABLE = "ANTHROPIC_BASE_URL"


OWN_SCRIPT = "the scenario's own script"
"""What the first line of a cassette says it was recorded against, where no model of anybody's was asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tape(Record):
    """The recording of one scenario with one agent."""

    file: Path
    """The cassette."""
    title: str
    """What it is of: the scenario, with its parameters."""
    scenario: Path
    """The scenario's file."""

    def again(self, agent: str, against: str) -> str:
        """Return the command that records it anew with *agent*, against the script or the model as before."""
        if against == OWN_SCRIPT:
            name = "replay" if agent == "claude_code_local" else f"replay:{agent}"
        else:
            name = "" if agent == "claude_code_local" else agent
        words = ["obra", "record", *(["--agent", name] if name else [])]
        if self.file.parent.absolute() != self.scenario.parent.absolute() / "cassettes":
            words += ["--out", shorter(self.file.parent)]
        return shlex.join([*words, shorter(self.scenario)])


def shorter(path: Path) -> str:
    """Return a path as people would type it: from the current folder where it is below, or whole."""
    whole = path.absolute()
    return str(whole.relative_to(Path.cwd()) if whole.is_relative_to(Path.cwd()) else whole)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rehearsal(Record):
    """What a scenario says about how the agent and its model are played."""

    script: tuple[ScriptStep, ...] | None = None
    played: int = 0
    """Steps before those of *script*, which a run that was interrupted has played."""
    faults: tuple[Fault, ...] = ()
    tape: Tape | None = None
    """What is recorded or played back."""

    def of(self, script: Sequence[ScriptStep], played: int) -> Rehearsal:
        """Return this with *script* in its place, from the step after the first *played*; faults count along."""
        later = (replace(one, prompt=one.prompt - played) for one in self.faults if one.prompt > played)
        return replace(self, script=tuple(script[played:]), played=played, faults=tuple(later))


@contextmanager
def opened(
    settings: Settings,
    given: Mapping[str, Any],
    rehearsal: Rehearsal,
    root: Path,
    *,
    agent: AgentPlugin,
    resumed: bool = False,
) -> Iterator[Mapping[str, Any]]:
    """Open what ``replay`` asks for; give *given* with what the agent must be told of it.

    Args:
        settings: all settings.
        given: what the agent would be initialized with.
        rehearsal: what is to be played.
        root: the workspace.
        agent: who will be initialized with it.
        resumed: prompts of the task were sent before, in a conversation that is over.

    Raises:
        ConfigError: what is asked for does not go together.
        ObraError: the cassette is not there, or cannot be written.
    """
    kind, replay = settings.agent.type, settings.replay
    if replay.record and (kind in ("mock", "claude_code_ssh") or replay.mode == "cassette"):
        raise ConfigError(
            f"replay.record (--obra-record) writes down what a local agent and its model say to each other; "
            f"with the agent {kind!r} and replay.mode {settings.replay.mode!r} there is nothing to record. "
            f"Use --obra-agent=real, or replay for a cassette of the script"
        )
    with ExitStack() as stack:
        if replay.mode == "script":
            from obra.replay.dialects import server_for, settings_for

            server = server_for(
                kind,
                rehearsal.script or (),
                workspace=root,
                played=rehearsal.played,
                faults=rehearsal.faults,
                elsewhere=agent if isinstance(agent, WorksElsewhere) else None,
            )
            given = {**given, **settings_for(kind, stack.enter_context(server))}
            given = {**given, **stack.enter_context(_misbehaving(kind, rehearsal))}
        elif rehearsal.faults and kind == "mock":
            given = {**given, "faults": rehearsal.faults}
        elif rehearsal.faults:
            raise ConfigError(
                f"'faults:' are played to the mock agent and where the model is (replay.mode: script), and "
                f"the agent {kind!r} has its own model; run it with --obra-agent=replay"
            )
        elif replay.mode == "cassette" and isinstance(agent, WorksElsewhere):
            raise ConfigError(
                f"a cassette is of an agent on this machine, and {kind!r} works on another one; use replay.mode "
                f"script (--obra-agent=replay:ssh), or the agent that was recorded"
            )
        elif replay.mode == "cassette":
            given = {**given, **stack.enter_context(_played(settings, rehearsal, root, resumed=resumed))}
        if replay.record:
            given = _recorded(stack, settings, given, rehearsal, root)
        yield given


@contextmanager
def _played(settings: Settings, rehearsal: Rehearsal, root: Path, *, resumed: bool) -> Iterator[Mapping[str, Any]]:
    """Play a cassette; at the end, what was not recorded is an error, and what was not played a warning.

    Raises:
        AgentUnavailable: the agent asked for something that was not recorded, so that its work says nothing of it.
        ObraError: there is no such cassette.
    """
    from obra.replay.cassette import Cassette
    from obra.replay.cassette_server import CassetteServer
    from obra.replay.dialects import settings_for

    kind, tape = settings.agent.type, _tape(rehearsal, "played back")
    recording = Cassette.load(tape.file)
    again = tape.again(kind, str(recording.about.get("against", "")))
    player = CassetteServer(
        recording, shorter(tape.file), workspace=root, again=again, speed=settings.replay.speed, resumed=resumed
    )
    with player:
        try:
            yield {**settings_for(kind, player), **({"model": player.model} if player.model else {})}
        except AgentError as error:
            if player.error:
                raise AgentUnavailable(player.error) from error
            raise
        if player.error:
            raise AgentUnavailable(player.error)
    if rest := player.rest():
        warnings.warn(rest, stacklevel=2)


def _recorded(
    stack: ExitStack, settings: Settings, given: Mapping[str, Any], rehearsal: Rehearsal, root: Path
) -> Mapping[str, Any]:
    import os

    from obra.replay.recorder import Recorder

    kind, replay = settings.agent.type, settings.replay
    passed = tuple(given.get("pass_environment") or ())
    told = os.environ.get(_ADDRESS_VARIABLE) if _ADDRESS_VARIABLE in passed else None
    upstream = told or given.get("base_url")
    if replay.mode == "off":
        upstream = replay.upstream or upstream or DEFAULT_UPSTREAM.get(kind)
    if not upstream:
        raise ConfigError(
            f"a recording passes on to the agent's model, and nobody says where that of {kind!r} is; set "
            f"replay.upstream (obra record --upstream URL)"
        )
    tape = _tape(rehearsal, "recorded")
    public = upstream if upstream == DEFAULT_UPSTREAM.get(kind) else "a model at another address"
    against = OWN_SCRIPT if replay.mode == "script" else public
    about = {"scenario": tape.title, "agent": kind, "against": against}
    recorder = stack.enter_context(Recorder(upstream, workspace=root, cassette=tape.file, about=about))
    kept = tuple(name for name in passed if name != _ADDRESS_VARIABLE)
    return {**given, "base_url": recorder.base_url, "pass_environment": kept}


def _tape(rehearsal: Rehearsal, verb: str) -> Tape:
    if rehearsal.tape is None:
        raise ConfigError(
            f"no cassette can be {verb} without a scenario; run one, or set replay.mode and record off"
        )
    return rehearsal.tape


@contextmanager
def _misbehaving(kind: str, rehearsal: Rehearsal) -> Iterator[Mapping[str, Any]]:
    """Give the settings that put a program which misbehaves in the agent's place, when faults ask for that.

    Raises:
        ConfigError: the agent is none that this program can stand in for.
    """
    wanted = {fault.prompt: fault.kind.value for fault in rehearsal.faults if isinstance(fault.kind, CLIFault)}
    if not wanted:
        yield {}
        return
    if kind != "claude_code_local":
        raise ConfigError(
            f"'faults:' asks for a command line that misbehaves, which can stand in for claude_code_local only, "
            f"and the agent is {kind!r}; use --obra-agent=replay, or faults of the model"
        )
    from obra.replay.misbehaving_cli import install
    from obra.workspace.private_folder import private_folder

    script: Sequence[ScriptStep] = rehearsal.script or ()
    steps = [{"say": step.say, "write": dict(step.write), "run": list(step.run)} for step in script]
    with private_folder("misbehaving") as folder:
        yield {"command": str(install(folder, steps, wanted))}
