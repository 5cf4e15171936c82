"""Every setting has an effect that a user can see.

Each function below looks at one thing in a :class:`Lab`: an outcome, a command line, a request that a server
received, a file. It is called twice, once with the defaults and once with a single setting changed, and must see
what is written beside it. A key of the schema without such a line fails the last test.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from sqlite_queue import need_sqlite_queue

from obra import Config, Orchestrator, StateManager, Task
from obra.agents.program_version import version_text
from obra.bootstrap import agent_config, initialize, make_llm
from obra.cli.task_waiting import run
from obra.config import setting_keys
from obra.domain import Outcome, ScriptStep
from obra.errors import AgentUnavailable, LLMError, RemoteRunFailed, WorkspaceError
from obra.events import Event, FileTouched, Notified, PromptReady
from obra.logbook import configure_logging
from obra.replay.cassette import Cassette, Exchange
from obra.replay.model_doors import Tape
from obra.replay.model_server import ModelServer
from obra.replay.normalising import Place
from obra.scale.durable_runner import CaseToRun, DurableRunner
from obra.scale.worker import Worker
from obra.scenarios.scenario import Scenario
from obra.workspace.sandbox import bubblewrap

GOOD = ScriptStep(say="Done.", write={"hello.py": "print('hello')\n"})
EMPTY_HANDED = ScriptStep(say="Not yet.", write={"other.txt": "x"})
CRASHES = ScriptStep(edit={"hello.py": ("no such text", "")}, write={"hello.py": ""})
HELLO = ({"file": "hello.py"},)
YES, NO = {"score": 90}, {"score": 20, "issues": ["not good enough"]}
UNSURE = {"score": 50, "verdict": "unsure"}
BARE_NO = {"score": 50, "verdict": "no"}
FAINT_YES = {"score": 20, "verdict": "yes"}

INIT = json.dumps({"type": "system", "subtype": "init", "session_id": "s", "model": "m"})
RESULT = {"type": "result", "subtype": "success", "is_error": False, "session_id": "s", "num_turns": 1}


@dataclass(frozen=True)
class Effect:
    """A value that is not the default, and what is seen with the default and with it."""

    value: Any
    before: Any
    after: Any
    look: Callable[[Lab], Any]


EFFECTS: dict[str, Effect] = {}


def effect(key: str, *, to: Any, before: Any, after: Any) -> Callable[[Any], Any]:
    """Register the decorated function as the one that sees the effect of *key*."""

    def register(look: Callable[[Lab], Any]) -> Callable[[Lab], Any]:
        assert key not in EFFECTS
        EFFECTS[key] = Effect(to, before, after, look)
        return look

    return register


class Lab:
    """A current folder of its own, and settings of which exactly one may differ between two labs."""

    def __init__(self, request: pytest.FixtureRequest, folder: Path, changed: Mapping[str, Any]) -> None:
        folder.mkdir()
        self.request, self.changed, self.config = request, changed, Config()
        self.settled: set[str] = set()
        self.events: list[Any] = []
        self.parts: dict[str, Any] = {}
        self.monkeypatch: pytest.MonkeyPatch = request.getfixturevalue("monkeypatch")
        self.monkeypatch.chdir(folder)
        self.preset(changed)

    def preset(self, settings: Mapping[str, Any]) -> None:
        """Change the ground that both labs stand on; what is set already stays, the tested one above all."""
        for key, value in settings.items():
            if key not in self.settled:
                self.config.set(key, value)
        self.settled.update(settings)

    def run(
        self, *script: ScriptStep, reviewer: Any = (YES, YES), checks: Any = HELLO, iterations: int | None = None,
        folder: str = "workspace",
    ) -> Outcome:  # fmt: skip
        """Run one task through the whole loop."""
        with Orchestrator(
            self.config, script=script or None, reviewer=reviewer, observers=[self.events.append], **self.parts
        ) as loop:
            state = loop.state_manager
            project = state.create_project("p", working_dir=str(Path(folder).absolute()) if folder else "")
            task = state.create_task(project.id, {"title": "Say hello", "checks": checks})
            return loop.execute_task(task.id, max_iterations=iterations)

    def trigger(self, *script: ScriptStep, **arguments: Any) -> str | None:
        """Run one task and return the trigger of the breakpoint that it opened, as the database has it."""
        outcome = self.run(*script, **arguments)
        return outcome.breakpoint.trigger.value if outcome.breakpoint else None

    def action(self, *script: ScriptStep, reviewer: Any) -> str:
        """Run one attempt and return what was decided."""
        return self.run(*script, reviewer=reviewer, iterations=2).attempts[0].decision.action.value

    def claude(self, name: str = "claude", *, says: str = "Hi", body: str = "") -> Outcome:
        """Run one turn of a program that speaks as Claude Code does; it notes its arguments and variables.

        It has nothing to say to a terminal, and ends there.
        """
        for program, text in ((name, says), ("other", "Other")):
            path = Path("..", program)
            if not path.exists():
                path.write_text(
                    f'#!/bin/sh\nif [ "$1" = --version ]; then echo "2.1.330 (Claude Code)"; exit; fi\n'
                    f'printf "%s\\n" "$@" >../arguments; env >../environment\n'
                    f'case " $* " in *" -p "*) ;; *) exit ;; esac\nread -r _\n'
                    f"{body}\necho '{json.dumps({**RESULT, 'result': text})}'\ncat >/dev/null\n"
                )
                path.chmod(0o755)
                # The answer is kept, so that no limit of a turn is for that.
                version_text(str(path.resolve()), seconds=100, name=program, cure="")
        self.preset({"agent.type": "claude_code_local", "agent.local.command": f"../{name}"})
        self.preset({"agent.max_retries": 0})
        return self.run(reviewer=[UNSURE], checks=())

    def argument(self, flag: str) -> str | None:
        """Return the argument that the agent's program was started with."""
        self.claude()
        lines = Path("arguments").read_text().splitlines()
        return next((line.partition("=")[2] for line in lines if line.startswith(f"{flag}=")), None)

    def variable(self, name: str) -> str | None:
        """Return a variable that the agent's program saw."""
        self.claude()
        lines = Path("environment").read_text().splitlines()
        return next((line.partition("=")[2] for line in lines if line.startswith(f"{name}=")), None)

    def remote(self, name: str) -> Any:
        """Return what the SSH agent is initialized with; its own tests, with a real sshd, show the rest."""
        self.preset({"agent.type": "claude_code_ssh"})
        return agent_config(self.config.settings.agent, Path("workspace"))[name]

    def login(self) -> str:
        """Try to log in where nobody listens, and return what is said about it."""
        Path("hosts").touch()
        self.preset({"agent.type": "claude_code_ssh", "agent.ssh.host": "127.0.0.1", "agent.ssh.port": 9})
        self.preset({"agent.ssh.user": "eve", "agent.ssh.known_hosts": "hosts"})
        with pytest.raises(AgentUnavailable) as caught:
            self.run()
        return str(caught.value)

    def taken_up(self) -> bool:
        """Tell whether a task that waits is taken up while another one is in work."""
        with StateManager(self.config.settings.database.url) as state:
            project = state.create_project("p", working_dir=Path.cwd() / "w")
            for _ in range(2):
                state.create_task(project.id, {"title": "t", "queued": True})
            state.claim_task(lease=60, agent="mock", llm="scripted")
            file = Path("obra.yaml")
            file.write_text(json.dumps({"queue": self.config.settings.queue.model_dump()}))
            CliRunner().invoke(run, ["--config", str(file)])
            self.story = state.events(2)
        return bool(self.story)

    def long(self, seconds: float) -> float:
        """Return *seconds* with the defaults; with the changed limit, so many that no machine makes them short."""
        return 100 if self.changed else seconds

    def ask(self, **answer: Any) -> str:
        """Ask the LLM, which is a loopback Ollama, and return its answer, or the name of the error."""
        self.server = self.request.getfixturevalue("ollama")
        self.server.loaded["llama3.2:latest"] = 16384
        self.server.will(**answer)
        self.preset({"llm.type": "ollama", "llm.api_url": self.server.url, "llm.model": "llama3.2"})
        llm = make_llm(self.config)
        try:
            return llm.generate("Say hello")
        except LLMError as error:
            return type(error).__name__
        finally:
            if hasattr(llm, "close"):
                llm.close()

    def option(self, name: str) -> Any:
        """Return an option of the chat request that the server received."""
        self.ask()
        return self.server.chats[-1]["options"][name]

    def log(self, *script: ScriptStep) -> str:
        """Run one task and return the log file."""
        self.preset({"logging.file": "obra.log"})
        self.run(*script or (GOOD,))
        return Path("obra.log").read_text()


# --- agent


@effect(
    "agent.type",
    to="claude_code_local",
    before="I am the mock agent and have no script, so I changed nothing.",
    after="Hi",
)
def _who_answers(lab: Lab) -> str:
    lab.preset({"agent.type": "mock"})
    return lab.claude().response


@effect("agent.timeout", to=0.2, before="completed", after="failed")
@effect("orchestration.iteration_timeout", to=0.2, before="completed", after="failed")
def _a_long_turn(lab: Lab) -> str:
    lab.preset({"agent.max_retries": 0})
    return lab.run(ScriptStep(write=GOOD.write, run=(f"sleep {lab.long(0.5)}",))).status


@effect("agent.max_retries", to=0, before="completed", after="failed")
def _a_crash(lab: Lab) -> str:
    return lab.run(CRASHES, GOOD).status


effect("agent.max_turns", to=7, before="50", after="7")(lambda lab: lab.argument("--max-turns"))
effect("agent.model", to="opus", before=None, after="opus")(lambda lab: lab.argument("--model"))
effect("agent.permission_mode", to="plan", before="acceptEdits", after="plan")(
    lambda lab: lab.argument("--permission-mode")
)
effect("agent.allowed_tools", to=["Read"], before="Bash,Glob,Grep,Read", after="Read")(
    lambda lab: lab.argument("--allowedTools")
)


@effect("agent.sandbox", to="bubblewrap", before=True, after=False)
def _a_program_that_writes_beside_its_workspace(lab: Lab) -> bool:
    _needs_bubblewrap()
    lab.claude()
    return Path("arguments").exists()


@effect("agent.sandbox_network", to="model", before=True, after=False)
def _a_program_in_the_network_of_this_machine(lab: Lab) -> bool:
    _needs_bubblewrap()
    lab.preset({"agent.sandbox": "bubblewrap"})
    lab.claude(body="readlink /proc/self/ns/net >network")
    return Path("workspace/network").read_text().strip() == str(Path("/proc/self/ns/net").readlink())


def _needs_bubblewrap() -> None:
    try:
        bubblewrap()
    except WorkspaceError as error:
        pytest.skip(str(error))


@effect("agent.options", to={"greeting": "Servus"}, before="no greeting", after="Servus")
def _what_a_foreign_agent_is_given(lab: Lab) -> str:
    Path("obra_test_greeter.py").write_text(
        "from obra import MockAgent\n"
        "from obra.domain import ScriptStep\n"
        "class Greeter(MockAgent):\n"
        "    def initialize(self, config):\n"
        "        step = ScriptStep(say=config.get('greeting', 'no greeting'))\n"
        "        super().initialize({**config, 'script': [step]})\n"
    )
    lab.monkeypatch.syspath_prepend(str(Path.cwd()))
    lab.preset({"agent.type": "obra_test_greeter:Greeter"})
    return lab.run(reviewer=[UNSURE], checks=()).response


effect("agent.local.command", to="../other", before="Hi", after="Other")(lambda lab: lab.claude().response)


@effect("agent.local.transport", to="terminal", before=True, after=False)
def _a_program_that_is_told_to_print(lab: Lab) -> bool:
    lab.claude()
    return "-p" in Path("arguments").read_text().split()


@effect("agent.local.workspace_dir", to="elsewhere", before=False, after=True)
def _a_project_without_a_folder(lab: Lab) -> bool:
    try:
        lab.run(GOOD, folder="")
    except WorkspaceError:
        return False
    return Path("elsewhere/hello.py").exists()


@effect("agent.local.timeout_ready", to=0.3, before=False, after=True)
def _a_program_that_is_silent_at_first(lab: Lab) -> bool:
    return "raise timeout_ready" in lab.claude("late", body=f"sleep {lab.long(0.6)}").reason


@effect("agent.local.timeout_response", to=0.3, before=False, after=True)
def _a_program_that_falls_silent(lab: Lab) -> bool:
    return "raise timeout_response" in lab.claude("slow", body=f"echo '{INIT}'; sleep {lab.long(0.6)}").reason


effect("agent.local.base_url", to="http://127.0.0.1:9", before=None, after="http://127.0.0.1:9")(
    lambda lab: lab.variable("ANTHROPIC_BASE_URL")
)
effect("agent.local.api_key", to="sk-test", before=None, after="sk-test")(
    lambda lab: lab.variable("ANTHROPIC_API_KEY")
)


@effect("agent.local.pass_environment", to=["GREETING"], before=None, after="Servus")
def _a_variable_of_ours(lab: Lab) -> str | None:
    lab.monkeypatch.setenv("GREETING", "Servus")
    return lab.variable("GREETING")


effect("agent.ssh.host", to="127.0.0.2", before=True, after=False)(lambda lab: "eve@127.0.0.1:9" in lab.login())
effect("agent.ssh.port", to=10, before=True, after=False)(lambda lab: "eve@127.0.0.1:9" in lab.login())
effect("agent.ssh.user", to="bob", before=True, after=False)(lambda lab: "eve@127.0.0.1:9" in lab.login())
effect("agent.ssh.known_hosts", to="missing", before=False, after=True)(lambda lab: "missing" in lab.login())
effect("agent.ssh.key_file", to="key", before=None, after="key")(lambda lab: lab.remote("key_file"))
effect("agent.ssh.command", to="/opt/claude", before="claude", after="/opt/claude")(
    lambda lab: lab.remote("command")
)
effect("agent.ssh.workspace_dir", to="/srv", before="", after="/srv")(lambda lab: lab.remote("remote_dir"))
effect("agent.ssh.fingerprint", to="SHA256:a", before=None, after="SHA256:a")(
    lambda lab: lab.remote("fingerprint")
)
effect("agent.ssh.python", to="python3.12", before="python3", after="python3.12")(lambda lab: lab.remote("python"))
effect("agent.ssh.lease", to=5, before=60, after=5)(lambda lab: lab.remote("lease"))
effect("agent.ssh.timeout_response", to=5, before=600, after=5)(lambda lab: lab.remote("timeout_response"))
effect("agent.ssh.timeout_connect", to=3, before=15, after=3)(lambda lab: lab.remote("timeout_connect"))


# --- queue


@effect("queue.lease", to=5, before=60, after=5)
def _how_long_a_claim_holds(lab: Lab) -> float:
    lab.taken_up()
    return next(one["data"]["lease"] for one in lab.story if one["kind"] == "claimed")


effect("queue.per_agent", to={"mock": 1}, before=True, after=False)(lambda lab: lab.taken_up())
effect("queue.per_llm", to={"scripted": 1}, before=True, after=False)(lambda lab: lab.taken_up())


# --- llm


@effect("llm.model", to="tiny:1b", before="llama3.2", after="tiny:1b")
def _the_model_that_is_asked(lab: Lab) -> str:
    lab.ask()
    return lab.server.chats[-1]["model"]


@effect("llm.type", to="ollama", before=0, after=1)
def _how_often_the_server_is_asked(lab: Lab) -> int:
    lab.preset({"llm.type": "scripted"})
    lab.ask()
    return len(lab.server.chats)


effect("llm.api_url", to="http://127.0.0.1:9", before="Hello!", after="LLMUnavailable")(lambda lab: lab.ask())
effect("llm.temperature", to=0.5, before=0, after=0.5)(lambda lab: lab.option("temperature"))
effect("llm.max_tokens", to=99, before=4096, after=99)(lambda lab: lab.option("num_predict"))
effect("llm.context_tokens", to=9000, before=16384, after=9000)(lambda lab: lab.option("num_ctx"))
effect("llm.seed", to=7, before=1, after=7)(lambda lab: lab.option("seed"))
effect("llm.timeout", to=0.2, before="Hello!", after="LLMTimeout")(lambda lab: lab.ask(delay=lab.long(0.5)))


effect("llm.api_key", to="sk-test", before=None, after="Bearer sk-test")(
    lambda lab: lab.ask() and lab.server.requests[-1].authorization
)
effect("llm.keep_alive", to="2h", before="5m", after="2h")(
    lambda lab: lab.ask() and lab.server.chats[-1]["keep_alive"]
)


@effect("llm.parallel", to=2, before=1, after=2)
def _how_many_questions_the_server_has_at_once(lab: Lab) -> int:
    lab.ask()
    go = threading.Event()
    with ThreadPoolExecutor(2) as pool:
        for _ in range(2):
            lab.server.will(held=go)
        answers = pool.map(make_llm(lab.config).generate, ["Hello", "Hello"])
        end = time.monotonic() + lab.long(0.3)
        while lab.server.working < 2 and time.monotonic() < end:
            time.sleep(0.01)
        go.set()
        list(answers)
    return lab.server.most


# --- review


def _checklists(lab: Lab) -> list[dict[str, Any]]:
    """Run one attempt that the loopback Ollama reviews, and return the questions that it got."""
    lab.ask()
    earlier = len(lab.server.chats)
    lab.run(GOOD, iterations=1)
    return [chat for chat in lab.server.chats[earlier:] if "answers" in str(chat.get("format"))]


effect("review.samples", to=5, before=[1, 2, 3], after=[1, 2, 3, 4, 5])(
    lambda lab: sorted({chat["options"]["seed"] for chat in _checklists(lab)})
)
effect("review.questions", to=5, before=7, after=6)(
    lambda lab: _checklists(lab)[0]["format"]["properties"]["answers"]["maxItems"]
)


# --- database, logging


@effect("database.url", to="sqlite:///other.db", before=False, after=True)
def _a_database_file(lab: Lab) -> bool:
    lab.run(GOOD)
    return Path("other.db").exists()


effect("database.echo", to=True, before=False, after=True)(lambda lab: "INSERT INTO task" in lab.log())
effect("logging.format", to="json", before=False, after=True)(lambda lab: lab.log(CRASHES, GOOD).startswith("{"))


@effect("telemetry.otlp_endpoint", to="collector", before=0, after=1)
def _a_collector_that_is_told(lab: Lab) -> int:
    pytest.importorskip("opentelemetry.sdk")
    got: list[str] = []

    class Collector(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            got.append(self.path)
            self.send_response(200)
            self.end_headers()

    with HTTPServer(("127.0.0.1", 0), Collector) as server, ThreadPoolExecutor(1) as pool:
        if lab.config.get("telemetry.otlp_endpoint") == "collector":
            lab.config.set("telemetry.otlp_endpoint", f"http://127.0.0.1:{server.server_port}")
        pool.submit(server.serve_forever, 0.01)
        lab.run(GOOD)
        for thread in threading.enumerate():
            if thread.name == "obra-spans":  # it goes on sending when the run does not wait for it any longer
                thread.join(100)
        server.shutdown()
    return len(set(got))


effect("logging.level", to="INFO", before=False, after=True)(lambda lab: "task 1 starts: Say hello" in lab.log())


@effect("logging.file", to="logs/obra.log", before=False, after=True)
def _a_log_file(lab: Lab) -> bool:
    lab.run(CRASHES, GOOD)
    return Path("logs/obra.log").exists() and "is sent again" in Path("logs/obra.log").read_text()


# --- notifications


def _told(lab: Lab, *, seconds: float = 0) -> list[Any]:
    """Run a task that escalates, and return how the command that is to be told went."""
    command = ["sh", "-c", f"echo x >>told; sleep {seconds}; exit 1"]
    lab.preset({"notifications.command": command, "notifications.retries": 1})
    lab.run(checks=())
    return [event for event in lab.events if isinstance(event, Notified)]


effect("notifications.webhook", to="http://127.0.0.1:9/x", before=[], after=["webhook http://127.0.0.1:9"])(
    lambda lab: lab.run(checks=()) and [event.channel for event in lab.events if isinstance(event, Notified)]
)
effect("notifications.retries", to=0, before=2, after=1)(lambda lab: _told(lab)[0].tries)
effect("notifications.on_end", to=True, before=1, after=2)(lambda lab: len(_told(lab)))


@effect("notifications.command", to=["touch", "told"], before=False, after=True)
def _a_command_that_is_told(lab: Lab) -> bool:
    lab.run(checks=())
    return Path("told").exists()


@effect("notifications.timeout", to=0.2, before=False, after=True)
def _a_command_that_hangs(lab: Lab) -> bool:
    return "did not end" in _told(lab, seconds=lab.long(0.7))[0].problem


# --- the loop


effect("orchestration.max_iterations", to=2, before=5, after=2)(
    lambda lab: lab.run(*[EMPTY_HANDED] * 9, reviewer=[NO] * 9).iterations
)
effect("orchestration.task_timeout", to=0.3, before=True, after=False)(
    lambda lab: lab.run(ScriptStep(write=GOOD.write, run=(f"sleep {lab.long(0.6)}",))).status == "completed"
)
effect("orchestration.max_cost_usd", to=0.5, before=None, after="0.5000")(
    lambda lab: lab.argument("--max-budget-usd")
)


@effect("prompting.max_tokens", to=200, before=True, after=False)
def _whether_a_long_file_list_is_told_whole(lab: Lab) -> bool:
    parts = initialize(lab.config)
    files = [f"a/rather/long/path/of/file_{number}.py" for number in range(100)]
    prompt = parts.prompt_generator.generate_prompt(Task(title="t"), {"files": files})
    parts.state_manager.close()
    return len(prompt) > len("\n".join(files))


def _last_check(lab: Lab, command: str) -> Any:
    return lab.run(GOOD, checks=[{"command": command}], iterations=1).attempts[0].evidence.checks[0]


effect("evidence.timeout", to=0.2, before=True, after=False)(
    lambda lab: _last_check(lab, f"sleep {lab.long(0.5)}").passed
)
effect("evidence.max_output", to=500, before=True, after=False)(
    lambda lab: len(_last_check(lab, "seq 2000").output) > 1000
)
effect("evidence.implied", to=False, before=["file", "python"], after=["file"])(
    lambda lab: [check.kind for check in lab.run(GOOD).attempts[0].evidence.checks]
)


@effect("evidence.mutants", to=0, before=True, after=False)
@effect("evidence.mutation_seconds", to=0.001, before=True, after=False)
def _small_mistakes_are_tried(lab: Lab) -> bool:
    tests = "from hello import add\n\ndef test_add():\n    assert add(2, 3) == 5\n"
    step = ScriptStep(write={"hello.py": "def add(a, b):\n    return a + b\n", "test_hello.py": tests})
    checks = lab.run(step).attempts[0].evidence.checks
    return "the tests notice small mistakes" in [check.name for check in checks]


# --- judgement


@effect("validation.quality.enabled", to=False, before="retry", after="proceed")
def _quality_76_where_90_is_asked(lab: Lab) -> str:
    lab.preset({"validation.quality.threshold": 90})
    return lab.action(GOOD, GOOD, reviewer=[FAINT_YES, YES])


effect("validation.quality.threshold", to=80, before="proceed", after="retry")(
    lambda lab: lab.action(GOOD, GOOD, reviewer=[FAINT_YES, YES])
)
effect("confidence.threshold", to=99.9, before="proceed", after="retry")(
    lambda lab: lab.action(GOOD, GOOD, reviewer=[UNSURE, YES])
)

TRIGGER = "breakpoints.triggers"
ASKS, IDLE = ScriptStep(say="Which greeting do you want?"), ScriptStep(say="Hm.")
NEARLY = (*HELLO, *HELLO, {"file": "missing.py"})
GUARDED = ScriptStep(write={**GOOD.write, ".claude/settings.json": "{}"})

effect("breakpoints.enabled", to=False, before="no_evidence", after=None)(
    lambda lab: lab.trigger(IDLE, checks=(), reviewer=[UNSURE])
)
effect(f"{TRIGGER}.no_evidence.enabled", to=False, before="no_evidence", after="quality_too_low")(
    lambda lab: lab.trigger(IDLE, checks=(), reviewer=[UNSURE])
)
effect(f"{TRIGGER}.low_confidence.enabled", to=False, before="low_confidence", after="quality_too_low")(
    lambda lab: lab.trigger(GOOD, reviewer=[BARE_NO])
)
effect(f"{TRIGGER}.low_confidence.threshold", to=99.9, before=None, after="low_confidence")(
    lambda lab: lab.trigger(GOOD, reviewer=[UNSURE])
)
effect(f"{TRIGGER}.quality_too_low.enabled", to=False, before="quality_too_low", after="limit_reached")(
    lambda lab: lab.trigger(EMPTY_HANDED, reviewer=[NO], iterations=1)
)
effect(f"{TRIGGER}.quality_too_low.threshold", to=80, before=None, after="quality_too_low")(
    lambda lab: lab.trigger(GOOD, reviewer=[FAINT_YES])
)
effect(f"{TRIGGER}.agent_asks.enabled", to=False, before="escalate", after="clarify")(
    lambda lab: lab.action(ASKS, GOOD, reviewer=[NO, YES])
)
effect(f"{TRIGGER}.limit_reached.enabled", to=False, before="limit_reached", after=None)(
    lambda lab: lab.trigger(GOOD, checks=NEARLY, iterations=1)
)
effect(f"{TRIGGER}.tampering.enabled", to=False, before="tampering", after=None)(lambda lab: lab.trigger(GUARDED))


# --- workspace, replay, monitoring


@effect("workspace.root", to="rooms", before=False, after=True)
def _where_the_command_makes_a_workspace(lab: Lab) -> bool:
    Path("a.obra.yaml").write_text("{name: a, task: {title: t}, expect: {status: escalated}}")
    options = [f"-o{key}={value}" for key, value in lab.changed.items()]
    done = subprocess.run(
        [sys.executable, "-m", "obra", "run", "a.obra.yaml", *options], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return Path("rooms/a-1").is_dir()


@effect("workspace.store", to="store.git", before=False, after=True)
def _a_snapshot_store(lab: Lab) -> bool:
    lab.run(GOOD)
    return Path("store.git").is_dir()


effect("workspace.ignore", to=["other.txt"], before=["other.txt"], after=[])(
    lambda lab: [
        change.path for change in lab.run(EMPTY_HANDED, reviewer=[NO], iterations=1).attempts[0].evidence.changes
    ]
)
effect("workspace.guarded", to=["hello.py"], before=None, after="tampering")(lambda lab: lab.trigger(GOOD))
effect("replay.mode", to="script", before=False, after=True)(
    lambda lab: (lab.variable("ANTHROPIC_BASE_URL") or "").startswith("http://127.0.0.1:")
)


ASKS_ITS_MODEL = """
import os, urllib.request
urllib.request.urlopen(os.environ["ANTHROPIC_BASE_URL"] + "/v1/messages", b'{"messages": []}').read()
"""


@effect("replay.record", to=True, before=False, after=True)
def _a_cassette(lab: Lab) -> bool:
    return _recorded(lab, "tape.jsonl")


@effect("replay.cassettes", to="tapes", before=True, after=False)
def _a_cassette_where_it_usually_is(lab: Lab) -> bool:
    lab.preset({"replay.record": True})
    return _recorded(lab, "cassettes/s.claude_code_local.jsonl")


def _recorded(lab: Lab, path: str) -> bool:
    """Run an agent that asks its model once, which plays a script; tell whether the cassette is there."""
    lab.preset({"replay.mode": "script", "agent.type": "claude_code_local"})
    scenario = Scenario.from_data({"task": {"title": "t"}}, name="s.obra.yaml")
    tape = scenario.tape(lab.config)
    lab.parts = {"tape": replace(tape, file=Path(path)) if path == "tape.jsonl" else tape}
    Path("asks.py").write_text(ASKS_ITS_MODEL)
    lab.claude("asker", body="python ../asks.py")
    return Path(path).exists()


@effect("replay.upstream", to="a second server", before=0, after=1)
def _who_was_asked(lab: Lab) -> int:
    """Record with the agent's own model at one address; count what a server at another one was asked."""
    with ModelServer([], workspace=Path()) as own, ModelServer([], workspace=Path()) as other:
        if "replay.upstream" in lab.changed:
            lab.config.set("replay.upstream", other.base_url)
        lab.preset({"agent.local.base_url": own.base_url, "replay.record": True, "replay.mode": "off"})
        assert _recorded(lab, "tape.jsonl")
        return other.requests


@effect("replay.speed", to=1.0, before=False, after=True)
def _a_pause_that_was_recorded(lab: Lab) -> bool:
    """Play an answer that came after a while; tell whether it takes its time."""
    pause = (
        0.4 if lab.changed else 60.0
    )  # without it the answer comes at once, which may be long on a busy machine
    lab.preset({"replay.mode": "cassette", "agent.type": "claude_code_local"})
    place = Place(lane=1, turn=0, new=(), tools=False)
    said = Exchange(place=place, path="/v1/messages", pieces=[{"at": pause, "body": {"content": []}}])
    Cassette(exchanges=[said]).save(Path("tape.jsonl"))
    lab.parts = {"tape": Tape(file=Path("tape.jsonl"), title="s", scenario=Path("s.obra.yaml"))}
    Path("asks.py").write_text(f"import time\nbegan = time.time(){ASKS_ITS_MODEL}print(time.time() - began)\n")
    lab.claude("asker", body="python ../asks.py >../waited")
    return float(Path("waited").read_text()) >= pause


@effect("monitoring.watch_files", to=True, before=False, after=True)
def _a_sign_of_life(lab: Lab) -> bool:
    lab.run(GOOD)
    return any(isinstance(event, FileTouched) and event.path == "hello.py" for event in lab.events)


@effect("monitoring.live", to=False, before=1, after=0)
def _a_file_that_others_read_along(lab: Lab) -> int:
    """Count the files with the agent's acts while it is at work; afterwards there is none."""
    seen: list[int] = []

    def look(event: Event) -> None:
        if isinstance(event, PromptReady):
            time.sleep(0.3)  # a run that is over within 0.25 s has no file
        seen.append(len(list(Path(".obra/live").glob("*.jsonl"))))

    lab.parts = {"observers": [look]}
    with Orchestrator(lab.config, script=[GOOD], reviewer=(YES,), **lab.parts) as loop:
        project = loop.state_manager.create_project("p", working_dir=str(Path("workspace").absolute()))
        loop.execute_task(loop.state_manager.create_task(project.id, {"title": "Say hello", "checks": HELLO}).id)
    assert not list(Path(".obra").glob("live/*"))
    return max(seen)


# --- scale


def _submitted(lab: Lab) -> tuple[DurableRunner, str]:
    """Put one case on a queue of this lab's own."""
    need_sqlite_queue()
    runner = DurableRunner(lab.config)
    lab.request.addfinalizer(runner.close)
    Path("a.obra.yaml").write_text("task: {title: Say hello}\nscript: [{say: Hi}]\nreviewer: [{score: 90}]\n")
    scenario = Scenario.load("a.obra.yaml")
    return runner, runner.submit([CaseToRun(scenario=scenario, agent="mock", config=lab.config)])[0]


def _worker(lab: Lab) -> Worker:
    """Make a worker of the lab's settings; tests/obra/scale lets such ones run."""
    runner, _ = _submitted(lab)
    return runner.worker(lambda _: lab.config, None, print, folder=Path("worker"))


def _refused(runner: DurableRunner, name: str) -> str:
    try:
        list(runner.wait(name))
    except RemoteRunFailed as error:
        return type(error).__name__
    return ""


@effect("scale.artefacts", to="elsewhere", before=False, after=True)
def _where_scenarios_go(lab: Lab) -> bool:
    _submitted(lab)
    return Path("elsewhere").is_dir()


effect("scale.lease", to=2.0, before=30.0, after=2.0)(lambda lab: _worker(lab)._lease)
effect("scale.beat", to=0.5, before=1.0, after=0.5)(lambda lab: _worker(lab)._beat)
effect("scale.takeovers", to=0, before=4, after=0)(lambda lab: _worker(lab)._takeovers)
effect("scale.polling", to=1.5, before=0.2, after=1.5)(
    lambda lab: _submitted(lab)[0]._queue._client.retrieve_queue("shifts").polling_interval_sec
)


@effect("scale.patience", to=0.3, before=False, after=True)
def _who_waits_for_nobody(lab: Lab) -> bool:
    runner, name = _submitted(lab)
    ends = []
    waiting = threading.Thread(target=lambda: ends.append(_refused(runner, name)), daemon=True)
    waiting.start()
    waiting.join(60 if lab.changed else 1)  # who is to give up is given time to do so on a busy machine
    if not ends:
        runner.cancel(name)
        waiting.join()
    return ends[0] == "RemoteRunFailed"


# --- the tests


@pytest.fixture
def lab(request, tmp_path):
    """Make a lab for one set of changed settings; afterwards the log is nobody's file again."""
    count = iter(range(9))
    yield lambda changed: Lab(request, tmp_path / f"lab-{next(count)}", changed)
    configure_logging(Config())


@pytest.mark.parametrize("key", EFFECTS)
def test_a_setting_changed_alone_changes_what_is_seen(key, lab):
    """With the default one thing is seen, with another value of this one key another."""
    found = EFFECTS[key]
    assert found.before != found.after
    assert found.look(lab({})) == found.before
    assert found.look(lab({key: found.value})) == found.after


@pytest.mark.parametrize(("level", "is_told"), [("info", True), ("error", False)])
def test_the_short_variable_for_the_log_level(level, is_told, lab):
    """OBRA_LOG_LEVEL decides what the log file holds."""
    here = lab({})
    here.config = Config.load(environ={"OBRA_LOG_LEVEL": level})
    assert ("task 1 ends completed after 1 attempt(s)" in here.log()) is is_told


def test_no_setting_is_without_effect():
    """A new key of the schema needs a line above."""
    assert sorted(EFFECTS) == sorted(setting_keys())
