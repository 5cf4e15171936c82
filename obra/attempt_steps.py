"""What each step of an attempt leaves behind, so that another process can go on behind it.

A step that is kept is never done again: the next one begins from what stands here. Judging and deciding leave
nothing: they are pure, and made again from the same values they come to the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING, Any

from obra.domain import Evidence, Record, Reply, Step
from obra.errors import StateError
from obra.reviewing import Reviewed

if TYPE_CHECKING:
    from pydantic import TypeAdapter


@dataclass(frozen=True, slots=True, kw_only=True)
class Gathered(Record):
    """The prompt is written and about to be sent."""

    prompt: str
    before: str
    """Snapshot of the workspace that the agent finds."""
    described: tuple[str, ...]
    """One sentence for each check that somebody wrote."""
    requirements: tuple[str, ...]
    started_at: datetime
    at: float
    """Seconds into the run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Retried(Record):
    """A turn broke down, and the prompt is about to be sent again."""

    left: str
    """Snapshot of the workspace as that turn left it; empty where it could not be read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn(Record):
    """The agent answered, and the workspace was photographed as it left it."""

    reply: Reply
    after: str
    """Snapshot; the one before the turn where the workspace could not be read."""
    ruined: str = ""
    """Why the workspace could not be photographed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked(Record):
    """The workspace was compared and the checks have run."""

    evidence: Evidence


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent(Record):
    """What a run may use and has used up so far; kept with every step."""

    earlier: int = 0
    """How many of the task's attempts belong to earlier runs."""
    iterations: int
    """How many this run may make."""
    retries_left: int
    seconds: float = 0.0
    prompts: int = 0
    """Prompts whose turn is over, well or badly."""
    handle: str = ""
    """What the agent said a later process needs to reach its session."""


STEPS: Mapping[str, type[Record]] = {kind.__name__: kind for kind in (Gathered, Retried, Turn, Looked, Reviewed)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept(Record):
    """What an interrupted attempt left: the steps that are done, and what the run had used up by then."""

    spent: Spent
    done: Mapping[type[Record], Any]
    position: int

    @property
    def workspace(self) -> str:
        """Snapshot that the workspace ought to equal; empty where no step has said it yet."""
        turn, retried, gathered = (self.done.get(kind) for kind in (Turn, Retried, Gathered))
        found: str = turn.after if turn else (retried and retried.left) or (gathered.before if gathered else "")
        return found

    @property
    def is_in_turn(self) -> bool:
        """True when the prompt was about to be sent, or the agent at work on it."""
        return Gathered in self.done and Turn not in self.done

    @property
    def reviews(self) -> int:
        """How many reviews of the attempt under way are done: one or none."""
        return int(Reviewed in self.done)


def kept(steps: Sequence[Step], number: int) -> Kept | None:
    """Return what *steps* say of attempt *number*; ``None`` where nothing of that attempt is kept.

    Raises:
        StateError: they cannot be read; another Obra wrote them.
    """
    mine = [step for step in steps if step.number == number]
    if not mine:
        return None
    return Kept(
        spent=_read(Spent, mine[-1].data["run"]),
        done={STEPS[step.name]: _read(STEPS[step.name], step.data["made"]) for step in mine if step.name in STEPS},
        position=mine[-1].position,
    )


def _read(kind: type[Any], data: Any) -> Any:
    from pydantic import ValidationError

    try:
        return _reader(kind.__name__).validate_python(data)
    except ValidationError as error:
        raise StateError(
            f"a kept step ({kind.__name__}) cannot be read: {error}; start the task anew with 'obra run --task ID'"
        ) from error


@cache
def _reader(name: str) -> TypeAdapter[Any]:
    from pydantic import TypeAdapter

    return TypeAdapter(STEPS.get(name, Spent))
