"""What was seen of a run besides its outcome: when each stage of an attempt ran, and what the agent did in it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from obra.domain import Record
from obra.events import (
    AgentActed,
    AgentEvent,
    AttemptRecorded,
    Decided,
    Event,
    EvidenceGathered,
    PromptReady,
    ReplyReceived,
    ReviewReceived,
    TaskStarted,
)

MOST_EVENTS = 2000
"""Events that are kept of each attempt; an agent may print without end."""

_STAGE_ENDS: dict[type[object], str] = {
    PromptReady: "prompt",
    ReplyReceived: "agent",
    EvidenceGathered: "checks",
    ReviewReceived: "review",
    Decided: "decision",
    AttemptRecorded: "record",
}
"""The stage that is over when the loop tells of this; one begins where the one before it ends."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage(Record):
    """One part of an attempt: ``prompt, agent, checks, review, decision`` or ``record``."""

    name: str
    at: float
    """Seconds from the start of the run to the start of the stage."""
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenEvent(Record):
    """Something the agent did, and when, in seconds from the start of the run."""

    at: float
    event: AgentEvent


@dataclass(slots=True, kw_only=True)
class AttemptStory:
    """What was seen while one attempt ran."""

    task_id: int
    number: int
    stages: list[Stage] = field(default_factory=list)
    events: list[SeenEvent] = field(default_factory=list)
    events_left_out: int = 0
    """Events beyond :data:`MOST_EVENTS`."""


class Storyteller:
    """An observer of the loop that writes the stories of the attempts down.

    Args:
        clock: seconds of a clock that never goes back.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._began = clock()
        self._stage_began = 0.0
        self._stories: dict[tuple[int, int], AttemptStory] = {}
        self._task = 0

    @property
    def stories(self) -> tuple[AttemptStory, ...]:
        """One for each attempt that was seen, in order."""
        return tuple(self._stories.values())

    def __call__(self, event: Event) -> None:
        """Take one event."""
        now = self._clock() - self._began
        if isinstance(event, AgentActed):
            self._acted(now, event)
        elif isinstance(event, TaskStarted):
            self._stage_began = now
            self._task = event.task.id
        elif (name := _STAGE_ENDS.get(type(event))) is not None:
            number = event.attempt.number if isinstance(event, AttemptRecorded) else event.number  # type: ignore[union-attr]  # all of _STAGE_ENDS have one
            stage = Stage(name=name, at=self._stage_began, seconds=now - self._stage_began)
            self._story(number).stages.append(stage)
            self._stage_began = now

    def _acted(self, now: float, acted: AgentActed) -> None:
        story = self._story(acted.number)
        if len(story.events) < MOST_EVENTS:
            story.events.append(SeenEvent(at=now, event=acted.event))
        else:
            story.events_left_out += 1

    def _story(self, number: int) -> AttemptStory:
        return self._stories.setdefault((self._task, number), AttemptStory(task_id=self._task, number=number))
