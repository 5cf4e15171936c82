"""What people ask of a running task, from another connection to its database, and how the loop obeys."""

import os
import signal
import threading
import time
from dataclasses import replace

import pytest
from crash_case import in_child

from obra import Config, DecisionEngine, Orchestrator, StateManager
from obra.domain import Action, Control, ControlAct, ScriptStep, TaskStatus
from obra.errors import IllegalStatus, NotFound, StateError, TaskStopped
from obra.events import AgentActed, Decided, EvidenceGathered, PromptReady, ReplyReceived, Steered

CHECKS = [{"file": "done.txt"}]
NOT_YET, DONE = ScriptStep(say="Not yet.", write={"a.txt": "a"}), ScriptStep(say="Done.", write={"done.txt": "b"})
LONG = ScriptStep(say="Done.", write={"done.txt": "b"}, run=("sleep 90",))
NO, YES = {"score": 20, "issues": ["no done.txt"]}, {"score": 90}


class Person:
    """Asks by a connection of its own, when the loop tells of an event of some kind, the first time."""

    def __init__(self, url):
        self.state = StateManager(url)
        self.seen, self.wishes = [], {}

    def __call__(self, event):
        """Hear of an event, as an observer."""
        self.seen.append(event)
        if wish := self.wishes.pop(type(event), None):
            wish()

    def ask(self, act, text="", **more):
        """Store a request."""
        return self.state.ask(Control(task_id=1, act=ControlAct(act), by="anna@here", text=text, **more))

    def when(self, kind, act, text="", **more):
        """Ask as soon as an event of that kind is told."""
        self.wishes[kind] = lambda: self.ask(act, text, **more)

    def effects(self):
        """What became of everything that was asked."""
        return [(one.act.value, one.effect) for one in self.state.controls(1)]

    def wait_for(self, effect):
        """Wait until the record says so."""
        deadline = time.monotonic() + 90
        while not any(effect in told for _, told in self.effects()):
            assert time.monotonic() < deadline, self.effects()
            time.sleep(0.02)


@pytest.fixture
def url(tmp_path):
    """A database file that both sides open."""
    return f"sqlite:///{tmp_path}/obra.db"


@pytest.fixture
def person(url):
    """Someone at another terminal."""
    someone = Person(url)
    yield someone
    someone.state.close()


@pytest.fixture
def loop(tmp_path, url, person):
    """Return a function that makes a loop and, the first time, task 1 for it."""
    made = []

    def make(script, reviewer, **data):
        config = Config()
        for key, value in {
            "agent.type": "mock",
            "llm.type": "scripted",
            "database.url": url,
            "workspace.store": str(tmp_path / "snapshots.git"),
        }.items():
            config.set(key, value)
        orchestrator = Orchestrator(config, script=script, reviewer=reviewer, observers=[person])
        orchestrator.initialize()
        if not made:
            project = orchestrator.state_manager.create_project("p", working_dir=tmp_path / "work")
            task = {"title": "Make done.txt", "checks": CHECKS, **data}
            orchestrator.state_manager.create_task(project.id, task)
        made.append(orchestrator)
        return orchestrator

    yield make
    for orchestrator in made:
        orchestrator.close()


def in_thread(function):
    """Run a function beside the loop."""
    thread = threading.Thread(target=function)
    thread.start()
    return thread


def test_a_paused_run_waits_between_two_steps_and_goes_on(loop, person):
    """The turn under way comes to its end, nothing follows, and the time of the pause counts against no limit."""
    person.when(PromptReady, "pause", "let me look")
    marks = []

    def other_terminal():
        person.wait_for("waits in attempt 1")
        marks.extend(type(event) for event in person.seen)
        time.sleep(0.5)
        person.ask("resume")

    thread = in_thread(other_terminal)
    started = time.monotonic()
    outcome = loop([DONE], [YES]).execute_task(1)
    took = time.monotonic() - started
    thread.join()
    assert outcome.status == "completed"
    assert EvidenceGathered not in marks
    assert outcome.seconds < took - 0.4
    assert person.effects() == [("pause", "waits in attempt 1"), ("resume", "goes on")]


def test_a_pause_shows_what_is_about_to_be_decided(loop, person):
    """So that a person knows what an override would change."""
    person.when(Decided, "pause")

    def other_terminal():
        person.wait_for("about to retry")
        person.ask("override", "good enough for today", action=Action.PROCEED)
        person.ask("resume")

    thread = in_thread(other_terminal)
    outcome = loop([NOT_YET], [NO]).execute_task(1)
    thread.join()
    assert outcome.status == "completed"
    assert outcome.reason == "anna@here decided, not Obra: good enough for today"


def test_a_message_stands_in_the_next_prompt_and_in_no_other(loop, person):
    """Word for word; and the record says which prompt showed it."""
    person.when(ReplyReceived, "say", "The file must be called done.txt")
    outcome = loop([NOT_YET, NOT_YET, DONE], [NO, NO, YES]).execute_task(1)
    said = ["## A person adds\n\nThe file must be called done.txt" in one.prompt for one in outcome.attempts]
    assert said == [False, True, False]
    assert person.effects() == [("say", "shown in the prompt of attempt 2")]


def test_a_message_to_a_task_that_waits_is_in_its_first_prompt(loop, person):
    """It need not run yet."""
    orchestrator = loop([DONE], [YES])
    person.ask("say", "Hello there")
    assert "Hello there" in orchestrator.execute_task(1).attempts[0].prompt


def test_a_person_decides_and_the_record_says_so(loop, person):
    """Who and why stand with the decision, beside Obra's own, which can still be replayed from the same inputs."""
    person.when(EvidenceGathered, "override", "I need it tonight", action=Action.PROCEED)
    orchestrator = loop([NOT_YET], [NO])
    outcome = orchestrator.execute_task(1)
    assert outcome.status == "completed"
    stored = orchestrator.state_manager.attempts(1)[0].decision
    made = stored.override
    assert (made.by, made.reason, made.action, made.instead_of) == (
        "anna@here", "I need it tonight", Action.PROCEED, Action.RETRY,
    )  # fmt: skip
    assert stored.reason == "anna@here decided, not Obra: I need it tonight"
    again = DecisionEngine.replay(stored.inputs)
    assert (again.action, again.reason) == (Action.RETRY, made.instead_of_reason)
    assert again.override is None
    assert person.effects()[0][1].startswith("decided attempt 1: proceed instead of retry")


def test_a_person_can_ask_for_one_attempt_more(loop, person):
    """A retry beyond the last attempt, with the reason for the agent to read."""
    person.when(EvidenceGathered, "override", "look at the name again", action=Action.RETRY)
    outcome = loop([NOT_YET, DONE], [NO, YES]).execute_task(1, max_iterations=1)
    assert [one.decision.action.value for one in outcome.attempts] == ["retry", "proceed"]
    assert "A person decided: look at the name again" in outcome.attempts[1].prompt


def test_an_override_decides_only_the_attempt_that_it_is_about(loop, person):
    """Whoever saw attempt 1 has not seen attempt 2."""
    person.when(EvidenceGathered, "override", "about an old one", action=Action.ESCALATE, attempt_number=7)
    outcome = loop([NOT_YET, DONE], [NO, YES]).execute_task(1)
    assert [one.decision.override for one in outcome.attempts] == [None, None]
    assert person.effects() == [("override", "refused: it was about attempt 7, which is not the one decided then")]


def test_an_override_whose_process_was_killed_before_the_record_still_decides(loop, person, url):
    """Obeyed and not recorded, it decides the attempt in the process that goes on, and is told once."""
    loop([NOT_YET], [NO])  # makes the task

    def die_behind_it(event):
        if isinstance(event, EvidenceGathered):
            with StateManager(url) as state:
                state.ask(
                    Control(task_id=1, act=ControlAct.OVERRIDE, by="anna", text="enough", action=Action.PROCEED)
                )
        if isinstance(event, Steered) and event.control.effect:
            os.kill(os.getpid(), signal.SIGKILL)

    def run():
        doomed = loop([NOT_YET], [NO])
        doomed.observers.append(die_behind_it)
        doomed.execute_task(1)

    assert in_child(run) == -signal.SIGKILL
    assert loop([NOT_YET], [NO]).state_manager.attempts(1) == ()
    outcome = loop([NOT_YET], [NO]).resume_task(1)
    assert (outcome.status, outcome.iterations) == ("completed", 1)
    assert outcome.attempts[0].decision.override.reason == "enough"
    assert person.effects() == [("override", "decided attempt 1: proceed instead of retry")]
    told = [one["kind"] for one in person.state.events(1)]
    assert told.count("control_obeyed") == 1


def test_of_two_overrides_the_later_counts(loop, person):
    """And the record says what became of the other."""
    person.wishes[EvidenceGathered] = lambda: (
        person.ask("override", "first", action=Action.PROCEED),
        person.ask("override", "second", action=Action.ESCALATE),
    )
    outcome = loop([NOT_YET], [NO]).execute_task(1)
    assert (outcome.status, outcome.attempts[0].decision.override.reason) == ("escalated", "second")
    assert person.effects()[0] == ("override", "refused: a later one took its place")


@pytest.mark.parametrize("step", [LONG, DONE], ids=["in a turn", "between two steps"])
def test_a_stop_ends_the_run_at_once_and_it_can_be_resumed(loop, person, step):
    """In the middle of a turn as between two steps; the task says who stopped it, and goes on later."""
    stopped = []

    def stop():
        stopped.append(time.monotonic())
        person.ask("stop", "wrong branch")

    person.wishes[AgentActed] = stop
    orchestrator = loop([step], [YES])
    with pytest.raises(TaskStopped, match="task 1 was stopped by anna@here: wrong branch"):
        orchestrator.execute_task(1)
    assert time.monotonic() - stopped[0] < 60  # the step would have gone on for longer
    task = orchestrator.state_manager.get_task(1)
    assert (task.status, task.status_reason) == (TaskStatus.INTERRUPTED, "stopped by anna@here: wrong branch")
    assert signal.getsignal(signal.SIGUSR1) is signal.SIG_DFL

    person.ask("say", "Do not sleep")
    assert len([one for one in threading.enumerate() if one.name == "obra-steering"]) <= 1  # for all runs
    outcome = loop([DONE], [YES]).resume_task(1)
    assert outcome.status == "completed"
    if step is LONG:
        assert "Do not sleep" in outcome.attempts[0].prompt
        assert person.effects()[-1] == ("say", "shown in the prompt of attempt 1")


def test_a_paused_run_can_be_stopped(loop, person):
    """A pause is no lock."""
    person.when(PromptReady, "pause")

    def other_terminal():
        person.wait_for("waits")
        person.ask("stop")

    thread = in_thread(other_terminal)
    with pytest.raises(TaskStopped):
        loop([DONE], [YES]).execute_task(1)
    thread.join()


def test_a_loop_in_another_thread_stops_behind_its_step(loop, person):
    """Only a main thread can be broken off in the middle of a step; the others stop as soon as they can."""
    person.when(AgentActed, "stop")
    ended = []

    def run():
        try:
            loop([NOT_YET, DONE], [NO, YES]).execute_task(1)
        except TaskStopped as error:
            ended.append(error)

    in_thread(run).join()
    assert len(ended) == 1
    assert person.state.get_task(1).status is TaskStatus.INTERRUPTED


def test_what_was_asked_of_an_earlier_run_is_over(loop, person):
    """A stop and a pause count once; an override waits for the attempt that it is about."""
    person.wishes[AgentActed] = lambda: (
        person.ask("override", "fine by me", action=Action.PROCEED),
        person.ask("pause"),
        person.ask("stop"),
    )
    with pytest.raises(TaskStopped):
        loop([NOT_YET], [NO]).execute_task(1)
    outcome = loop([], [NO]).resume_task(1)
    assert outcome.attempts[0].decision.override.reason == "fine by me"


def test_observers_hear_of_a_request_and_of_its_effect(loop, person):
    """Whoever watches sees both."""
    person.when(ReplyReceived, "say", "faster")
    loop([NOT_YET, DONE], [NO, YES]).execute_task(1)
    told = [event.control.effect for event in person.seen if isinstance(event, Steered)]
    assert told == ["", "shown in the prompt of attempt 2"]


def test_nothing_can_be_asked_of_a_task_that_does_not_run(loop, person):
    """The message says how it stands and what goes on with it; a message is refused once all is done."""
    with pytest.raises(NotFound):
        person.ask("stop")
    orchestrator = loop([DONE], [YES])
    with pytest.raises(
        IllegalStatus, match="task 1 is pending, not running, so there is nothing to pause; 'obra run"
    ):
        person.ask("pause")
    orchestrator.execute_task(1)
    with pytest.raises(IllegalStatus, match="task 1 is completed, not running, so there is nothing to say"):
        person.ask("say", "thank you")


def test_words_are_required(loop, person):
    """A message, and a reason of an override; it needs an action, too."""
    loop([DONE], [YES])
    with pytest.raises(StateError, match="the message is empty"):
        person.ask("say", "  ")
    with pytest.raises(StateError, match="reason of the override is empty"):
        person.ask("override", action=Action.RETRY)
    with pytest.raises(StateError, match="needs an action: proceed, retry"):
        person.ask("override", "because")


def test_a_request_is_equal_to_what_is_read_back(loop, person):
    """With id, time and the attempt under way."""
    loop([DONE], [YES])
    asked = person.ask("say", "one \ud800 two")
    assert asked.text == "one \ufffd two"
    assert (asked.attempt_number, asked.effect) == (1, "")
    assert person.state.controls(1) == (asked,)
    assert person.state.obey(asked, "done") == replace(asked, effect="done")
    assert person.state.controls(1) == (replace(asked, effect="done"),)
    assert person.state.controls(1, after=asked.id) == ()
