"""Who outside is told: a real server on loopback, real commands, and all that can go wrong with them."""

from __future__ import annotations

import json
import socket
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from ever_longer import with_time

from obra import Config, MockAgent, Orchestrator
from obra.domain import Breakpoint, Outcome, TaskStatus, Trigger
from obra.errors import AgentUnavailable, ConfigError, StateError
from obra.events import BreakpointOpened, Notified, TaskEnded
from obra.notifying.notifier import Notifier
from obra.redaction import hider

SECRET = "sk-very-secret-0815"
OPENED = BreakpointOpened(
    breakpoint=Breakpoint(
        id=7, task_id=3, attempt_number=2, trigger=Trigger.AGENT_ASKS, reason=f"which key? {SECRET} https://a:b@c/"
    )
)
ENDED = TaskEnded(outcome=Outcome(task_id=3, status=TaskStatus.COMPLETED, reason="all well"))
WRITES = "import os, pathlib; pathlib.Path('told').write_text(os.environ['OBRA_NOTIFICATION'])"


class Hook(ThreadingHTTPServer):
    """A webhook that answers what it is told to, one after the other, and remembers what it got."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answers)
        self.got: list[dict] = []
        self.codes: list[int] = []
        self.delay = 0.0
        self.released = threading.Event()
        self.url = f"http://127.0.0.1:{self.server_address[1]}/hooks/{SECRET}"


class _Answers(BaseHTTPRequestHandler):
    server: Hook

    def do_POST(self) -> None:
        self.server.got.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        code = self.server.codes.pop(0) if self.server.codes else 204
        if self.server.delay:
            self.wfile.write(b"HTTP/1.1 200 ")
            while not self.server.released.wait(self.server.delay):  # no single read ever times out
                self.wfile.write(b"O")
            return
        self.send_response(code)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Print nothing."""


@pytest.fixture
def hook() -> Iterator[Hook]:
    """A webhook on loopback."""
    with Hook() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.released.set()
        server.shutdown()
        thread.join()


class Told:
    """A notifier with the story that it writes."""

    def __init__(self, **settings: object) -> None:
        config = Config()
        for key, value in settings.items():
            config.set(f"notifications.{key}", value)
        self.story: list[tuple] = []
        hide = hider([SECRET], {})
        self.notifier = Notifier(
            config.settings.notifications, hide=hide, record=lambda *one: self.story.append(one)
        )

    def of(self, event) -> list[Notified]:
        """Tell of an event, and return how it went."""
        return list(self.notifier(event))


def test_a_webhook_gets_the_breakpoint_without_secrets(hook):
    """Once, as JSON, with the command that answers; the story has it, and nobody sees the address."""
    told = Told(webhook=hook.url)
    (one,) = told.of(OPENED)
    assert (one.problem, one.tries) == ("", 1)
    (got,) = hook.got
    assert got == {
        "event": "breakpoint_opened",
        "task": 3,
        "attempt": 2,
        "breakpoint": 7,
        "trigger": "agent_asks",
        "reason": "which key? *** https://***@c/",
        "answer_with": "obra breakpoint resolve 7 'YOUR ANSWER'",
    }
    channel = hook.url.partition("/hooks")[0]
    assert told.story == [
        (3, "notified", {"about": "breakpoint_opened", "channel": f"webhook {channel}", "tries": 1})
    ]
    assert SECRET not in repr((one, told.story))


def test_the_end_is_told_only_where_that_is_asked_for(hook):
    """Without on_end a task that ends tells nobody."""
    assert Told(webhook=hook.url).of(ENDED) == []
    assert [one.about for one in Told(webhook=hook.url, on_end=True).of(ENDED)] == ["task_ended"]
    assert [(one["event"], one["status"]) for one in hook.got] == [("task_ended", "completed")]


def test_a_server_that_stumbles_is_asked_again(hook):
    """Two answers of 500 and one of 204: delivered with the third try."""
    hook.codes = [500, 503]
    (one,) = Told(webhook=hook.url).of(OPENED)
    assert (one.problem, one.tries, len(hook.got)) == ("", 3, 3)


@pytest.mark.parametrize(
    ("codes", "tries", "problem"),
    [([500] * 9, 2, "it answered 500"), ([404] * 9, 1, "it answered 404"), ([302] * 9, 1, "it answered 302")],
)
def test_a_server_that_refuses_is_given_up(hook, codes, tries, problem):
    """What can pass is tried again so often as was set, what cannot is not; the story says why."""
    hook.codes = codes
    told = Told(webhook=hook.url, retries=1)
    (one,) = told.of(OPENED)
    assert (one.problem, one.tries, len(hook.got)) == (problem, tries, tries)
    assert told.story[0][1:] == (
        "notification_failed",
        {"about": "breakpoint_opened", "channel": one.channel, "tries": tries, "problem": problem},
    )


def test_a_server_that_drips_holds_nobody_up(hook):
    """It sends a byte every tenth of a second for ever; the limit holds all the same."""
    hook.delay = 0.1
    (one,) = Told(webhook=hook.url, timeout=0.5).of(OPENED)
    assert one.problem.startswith("no answer within 0.5 s")


def test_nobody_listens():
    """A closed port is tried again, and told with its reason."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        (one,) = Told(webhook=f"http://127.0.0.1:{port}/{SECRET}", retries=1).of(OPENED)
    assert (one.tries, one.problem.startswith("ConnectError: ")) == (2, True)


@pytest.mark.parametrize("address", [f"ftp://{SECRET}", SECRET, "http://", "http://[::1/x", "http://a:99999999/"])
def test_what_is_no_address_is_refused_before_the_run(address):
    """A typed error that does not show the value."""
    with pytest.raises(ConfigError, match="notifications.webhook is no address") as caught:
        Told(webhook=address)
    assert SECRET not in str(caught.value)


def test_a_command_gets_the_breakpoint(tmp_path, monkeypatch):
    """In its environment, as JSON."""
    monkeypatch.chdir(tmp_path)
    (one,) = Told(command=[sys.executable, "-c", WRITES]).of(OPENED)
    assert (one.problem, one.channel) == ("", f"command {Path(sys.executable).name}")
    assert json.loads((tmp_path / "told").read_text())["breakpoint"] == 7


@pytest.mark.parametrize(
    ("command", "timeout", "tries", "problem"),
    [
        (["sh", "-c", f"echo no {SECRET}; exit 3"], 100, 2, "it ended with exit code 3: no ***"),
        (["sh", "-c", "exit 4"], 100, 2, "it ended with exit code 4: it printed nothing"),
        (["no-such-program-here"], 100, 1, "cannot run 'no-such-program-here'"),
        (["sleep", "60"], 0.5, 1, "it did not end within "),
    ],
)
def test_a_command_that_fails_is_told(command, timeout, tries, problem):
    """Failed, missing or hanging: given up in time, with the reason and without secrets."""
    told = Told(command=command, retries=1, timeout=timeout)
    (one,) = told.of(OPENED)
    assert one.problem.startswith(problem)
    assert (one.tries, told.story[0][1]) == (tries, "notification_failed")


def test_the_time_limit_ends_the_tries(hook):
    """No pause is begun that would pass the limit."""
    hook.codes = [500] * 99

    def tell(timeout):
        (one,) = Told(webhook=hook.url, retries=10, timeout=timeout).of(OPENED)
        assert one.tries < 10
        assert one.problem == f"it answered 500; given up after {timeout:g} s"

    with_time(tell, 0.6, 5, 40)


def test_a_story_that_cannot_be_written_stops_nothing(hook):
    """The message is out; the run goes on."""

    def refuse(*_: object) -> None:
        raise StateError("the disk is full")

    config = Config()
    config.set("notifications.webhook", hook.url)
    notifier = Notifier(config.settings.notifications, hide=str, record=refuse)
    assert [one.problem for one in notifier(OPENED)] == [""]


@pytest.mark.parametrize(("codes", "kind"), [([], "notified"), ([404] * 9, "notification_failed")])
def test_a_run_that_escalates_tells_and_ends_the_same(hook, tmp_path, codes, kind):
    """Through the whole loop: one message, an event for observers, a row in the story, and the same end."""
    hook.codes = codes
    config = Config()
    config.set("database.url", f"sqlite:///{tmp_path}/obra.db")
    config.set("workspace.store", str(tmp_path / "store.git"))
    config.set("notifications.webhook", hook.url)
    seen: list = []
    with Orchestrator(config, observers=[seen.append]) as loop:
        state = loop.state_manager
        project = state.create_project("p", working_dir=str(tmp_path / "work"))
        task = state.create_task(project.id, {"title": "Say hello"})
        outcome = loop.execute_task(task.id)
        story = [one["kind"] for one in state.events(task.id)]
    assert outcome.status is TaskStatus.ESCALATED
    assert [one["breakpoint"] for one in hook.got] == [1]
    assert [one.about for one in seen if isinstance(one, Notified)] == ["breakpoint_opened"]
    assert kind in story


def test_a_run_whose_machinery_breaks_tells_its_end(hook, tmp_path):
    """With on_end somebody waits for the end, whatever it is; the error comes all the same."""
    config = Config()
    config.set("database.url", f"sqlite:///{tmp_path}/obra.db")
    config.set("workspace.store", str(tmp_path / "store.git"))
    config.set("notifications.webhook", hook.url)
    config.set("notifications.on_end", True)  # noqa: FBT003  # the value of the key
    agent = MockAgent()
    agent.send_prompt = broken  # type: ignore[method-assign]  # a stranger's agent that breaks
    with Orchestrator(config, agent=agent) as loop:
        state = loop.state_manager
        project = state.create_project("p", working_dir=str(tmp_path / "work"))
        task = state.create_task(project.id, {"title": "Say hello"})
        with pytest.raises(AgentUnavailable, match="no login"):
            loop.execute_task(task.id)
    (got,) = hook.got
    assert (got["event"], got["status"]) == ("task_ended", "failed")
    assert "no login" in got["reason"]


def broken(*_: object, **__: object) -> None:
    """Break as an agent does that cannot work at all."""
    raise AgentUnavailable("no login")
