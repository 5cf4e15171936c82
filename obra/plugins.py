"""The doors for strangers, AgentPlugin and LLMPlugin, and how one is found by name.

A third one, for kinds of check, stands in :mod:`obra.evidence.kinds`.

A plugin is chosen by the name of an entry point (groups ``obra.agents`` and ``obra.llms``) or by a dotted path
``package.module:Class``. Ours come in by the same door. The protocols are structural: nothing needs to be
imported or inherited.
"""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Protocol, runtime_checkable

from obra.domain import PermissionAnswer, PermissionRequest, Record, Reply, TurnLimits
from obra.errors import PluginError
from obra.events import AgentEventSink

AGENTS = "obra.agents"
LLMS = "obra.llms"
CHECKS = "obra.checks"


@runtime_checkable
class AgentPlugin(Protocol):
    """Someone who changes files.

    The class is constructed without arguments. One instance serves one task at a time; turns of one task are
    turns of one session.
    """

    @property
    def identity(self) -> str:
        """Name and version for reports, such as ``claude-code 2.1.330``; after :meth:`initialize`."""
        ...

    def initialize(self, config: Mapping[str, Any]) -> None:
        """Take the settings; ``workspace_dir`` is always among them. Fail with AgentUnavailable."""
        ...

    def is_healthy(self) -> bool:
        """Tell whether the next prompt can be sent."""
        ...

    def send_prompt(
        self, prompt: str, *, limits: TurnLimits | None = None, on_event: AgentEventSink | None = None
    ) -> Reply:
        """Run one turn to its end and return what was answered.

        Raises:
            AgentError: the turn did not end normally. Adapters never try again: the loop does.
        """
        ...

    def cleanup(self) -> None:
        """End every process and free everything; safe to call twice."""
        ...


PermissionDecider = Callable[[PermissionRequest], PermissionAnswer]


@runtime_checkable
class AsksPermission(Protocol):
    """What an agent may offer beside :class:`AgentPlugin`: it asks before a tool call that its policy forbids.

    The loop sets ``on_permission`` before each turn. It is called in the thread of ``send_prompt`` and may take as
    long as a person does; that time counts against no limit. ``None`` means that nobody can be asked: the call is
    denied, and the turn goes on.
    """

    on_permission: PermissionDecider | None


class ContractCase(StrEnum):
    """A situation that every agent gets into; :mod:`obra.testing` brings each about and says what is promised."""

    NORMAL_TURN = "normal turn"
    SECOND_TURN = "second turn"
    REFUSAL = "refusal"
    PERMISSION_DENIED = "permission denied"
    TURN_LIMIT = "turn limit"
    COST_LIMIT = "cost limit"
    WALL_CLOCK = "wall clock"
    IDLE = "idle"
    HUGE_OUTPUT = "huge output"
    LONG_PROMPT = "long prompt"
    CRASH = "crash"
    HANG = "hang"
    GARBAGE = "garbage"
    RESUME_AFTER_KILL = "resume after kill"
    CANCEL = "cancel"
    CLEANUP = "cleanup"


@runtime_checkable
class DeclaresExceptions(Protocol):
    """What an agent may offer beside :class:`AgentPlugin`: it says what it cannot do, and why.

    The contract suite does not ask for these cases, and shows the reasons in its table instead.
    """

    contract_exceptions: Mapping[ContractCase, str]


@runtime_checkable
class WorksElsewhere(Protocol):
    """What an agent may offer beside :class:`AgentPlugin`: its workspace is on another machine during a turn.

    Whoever plays its model must name files as they are called there, and see them as they are there.
    """

    @property
    def remote_workspace(self) -> str:
        """Absolute path of the workspace there; after :meth:`AgentPlugin.initialize`."""
        ...

    def read_text(self, path: str) -> str | None:
        """Return the text of the file at an absolute *path* there; ``None`` when there is none.

        Raises:
            AgentError: the machine cannot be reached.
        """
        ...


@runtime_checkable
class GoesOnTalking(Protocol):
    """What an agent that :class:`WorksElsewhere` may offer beside: it adopts turns that another process began.

    Whoever plays its model begins with the first prompt that this process sends, or adopts.
    """

    @property
    def prompts_before(self) -> int:
        """How many prompts the adopted conversation held before that one; 0 where none was adopted."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftBehind(Record):
    """What stands of an agent's work when the process that led it died."""

    handle: str
    """What :attr:`OutlivesUs.handle` was in that process."""
    in_turn: bool
    """True when a prompt was about to be sent, or its turn not known to be over."""
    may_resume: bool
    """Whether the next prompt may go to the old session, where its turn is not alive any more. A script is played
    in a new one: nobody knows what of the broken turn stands in the old one."""
    limits: TurnLimits
    """What is left for that turn."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TakenUp(Record):
    """How an agent goes on with what was left behind."""

    reply: Reply | None = None
    """Of the turn, when it still lives (it was waited for) or has ended well meanwhile. ``None`` when the prompt
    has to be sent again; nothing of the old turn runs any more then, and the loop puts the workspace back."""
    session: str = ""
    """Id of the session that the next prompt goes on with; empty when it begins a new one."""
    why: str = ""
    """Why a new one is begun, in words for the task's record."""


@runtime_checkable
class OutlivesUs(Protocol):
    """What an agent may offer beside :class:`AgentPlugin`: its session can be reached after this process died.

    The loop keeps the handle before each prompt and after each turn, so it must hold whatever a later process
    needs to find a turn that is about to begin.
    """

    @property
    def handle(self) -> str:
        """What reaches the session, for this class alone to read; empty while there is nothing to reach."""
        ...

    def take_up(self, left: LeftBehind, on_event: AgentEventSink | None = None) -> TakenUp:
        """Go on with the session that was left behind; called after ``initialize``, before any prompt.

        *on_event* is told what an adopted turn does, from its beginning where that can be read.

        Raises:
            AgentError: the turn ended badly; that counts like any turn that did.
        """
        ...


@runtime_checkable
class LLMPlugin(Protocol):
    """Someone who reviews. The class is constructed with one mapping of settings."""

    @property
    def identity(self) -> str:
        """Model name (and digest where known) for reports and stored verdicts."""
        ...

    def generate(self, prompt: str, *, schema: Mapping[str, Any] | None = None, seed: int | None = None) -> str:
        """Answer *prompt*; with *schema*, a JSON text that ought to fit it (the caller checks).

        *seed* asks for another sample of the same answer: the same seed repeats it as well as the model can.
        ``None`` means the configured seed. Whoever does not sample ignores it.

        Raises:
            LLMError: there is no answer.
        """
        ...

    def is_available(self) -> bool:
        """Tell whether :meth:`generate` can be expected to work."""
        ...


@runtime_checkable
class PlaysReviews(Protocol):
    """What an LLM may offer beside :class:`LLMPlugin`: it plays answers that stand with the task."""

    def rehearse(self, script: Sequence[Mapping[str, Any] | str] | None, *, played: int) -> None:
        """Take the answers of the task at hand, of which the first *played* are behind us.

        One that was made with a script of its own keeps that.
        """
        ...


def close_llm(llm: LLMPlugin) -> None:
    """Let *llm* free what it holds, such as a server of its own; those without ``close`` hold nothing."""
    close = getattr(llm, "close", None)
    if callable(close):
        close()


@cache
def entry_points_of(group: str) -> Mapping[str, EntryPoint]:
    """Return what installed packages offer in *group*, by name; looked up once in a process."""
    return {point.name: point for point in entry_points(group=group)}


def known_names(group: str) -> tuple[str, ...]:
    """Return the names that *group* (:data:`AGENTS` or :data:`LLMS`) offers, sorted."""
    return tuple(sorted(entry_points_of(group)))


def find_plugin(group: str, name: str, *, also: Iterable[str] = ()) -> type[Any]:
    """Return the class that *name* stands for.

    Args:
        group: :data:`AGENTS` or :data:`LLMS`.
        name: name of an entry point, or ``package.module:Class``.
        also: further names that whoever asks would have taken; a message about an unknown name lists them too.

    Raises:
        PluginError: nothing has that name, or its module cannot be imported.
    """
    kind = "agent" if group == AGENTS else "LLM"
    points = entry_points_of(group)
    try:
        if name in points:
            found = _loaded(points[name])
        elif ":" in name:
            module, _, attribute = name.partition(":")
            found = getattr(importlib.import_module(module), attribute)
        else:
            raise PluginError(_unknown(kind, name, tuple(dict.fromkeys((*also, *known_names(group))))))
    except (ImportError, AttributeError) as error:
        raise PluginError(
            f"the {kind} {name!r} cannot be loaded: {error}. "
            f"If it needs a library that is an extra, install that, for example: pip install paramiko"
        ) from error
    if not isinstance(found, type):
        raise PluginError(f"the {kind} {name!r} names {found!r}, which is not a class; point it to a class")
    return found


@cache
def _loaded(point: EntryPoint) -> Any:
    return point.load()


def _unknown(kind: str, name: str, known: tuple[str, ...]) -> str:
    beginnings = [one for one in known if name and one.startswith(name.lower())]
    close = difflib.get_close_matches(name, known, n=1) or beginnings
    hint = f"; did you mean {close[0]!r}?" if close else "."
    return (
        f"unknown {kind} {name!r}{hint} Known: {', '.join(known) or 'none'}. "
        f"A class can also be named as 'package.module:Class'."
    )
