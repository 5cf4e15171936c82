"""Stages and events of an attempt, each at its time."""

from obra.domain import Decision, Evidence, Reply, Review, Task, Verdict
from obra.events import (
    AgentActed,
    AgentEvent,
    AgentEventKind,
    Decided,
    EvidenceGathered,
    PromptReady,
    ReplyReceived,
    ReviewReceived,
    TaskStarted,
)
from obra.scenarios.story import MOST_EVENTS, Storyteller


def clock(*times):
    """Return a clock that shows these times, one after the other."""
    return iter(times).__next__


def acted(number=1):
    """Return an event of the agent."""
    return AgentActed(task_id=1, number=number, event=AgentEvent(kind=AgentEventKind.TEXT, text="hi"))


def test_stages_follow_each_other():
    """A stage begins where the one before it ended; the agent's acts fall into its own."""
    tell = Storyteller(clock(10, 11, 12, 13, 15, 18, 19, 20))
    tell(TaskStarted(task=Task(title="t")))
    tell(PromptReady(task_id=1, number=1, prompt="p"))
    tell(acted())
    tell(ReplyReceived(task_id=1, number=1, reply=Reply(text="r")))
    tell(EvidenceGathered(task_id=1, number=1, evidence=Evidence()))
    tell(ReviewReceived(task_id=1, number=1, review=Review(verdict=Verdict.YES)))
    tell(Decided(task_id=1, number=1, decision=Decision(action="proceed", reason="r")))
    (story,) = tell.stories
    assert [(stage.name, stage.at, stage.seconds) for stage in story.stages] == [
        ("prompt", 1, 1), ("agent", 2, 3), ("checks", 5, 3), ("review", 8, 1), ("decision", 9, 1),
    ]  # fmt: skip
    assert [(seen.at, seen.event.text) for seen in story.events] == [(3, "hi")]


def test_an_agent_that_never_stops_talking_is_cut_short():
    """The first events are kept, and the others counted."""
    tell = Storyteller(lambda: 0.0)
    for _ in range(MOST_EVENTS + 5):
        tell(acted())
    (story,) = tell.stories
    assert (len(story.events), story.events_left_out) == (MOST_EVENTS, 5)


def test_each_attempt_has_its_own_story():
    """In the order that they began."""
    tell = Storyteller(lambda: 0.0)
    tell(acted(1))
    tell(acted(2))
    assert [story.number for story in tell.stories] == [1, 2]
