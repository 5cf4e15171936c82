"""The program that misbehaves: it speaks as the recorded real one does, and each fault has its own outcome."""

from __future__ import annotations

import json
import re
import subprocess
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import psutil
import pytest

from obra.agents.claude_code_local import ClaudeCodeLocalAgent
from obra.domain import CLIFault, Reply, TurnLimits
from obra.errors import AgentCrashed, AgentError, AgentTimeout
from obra.events import AgentEvent
from obra.replay.misbehaving_cli import HUGE, install

RECORDED = Path(__file__).parent.parent / "monitoring" / "data" / "turns.jsonl"
READ_BY_US = {
    "system/init": {"session_id", "model"},
    "assistant/": {"session_id", "message"},
    "user/": {"session_id", "message"},
    "system/background_tasks_changed": {"tasks"},
    "system/task_notification": {"summary"},
    "result/success": {
        "session_id", "is_error", "result", "num_turns", "terminal_reason", "total_cost_usd", "usage",
        "permission_denials", "queued_turn_count", "model_usage_since_last_result", "api_error_status",
    },
}  # fmt: skip
"""What the adapter and the monitor look at."""
STEPS = [
    {"say": "One.", "write": {"a.txt": "a"}, "run": ["touch b.txt"]},
    {"say": "Two."},
    {"say": "Three."},
]


def kind_of(message: Mapping[str, Any]) -> str:
    """Name what a line is."""
    return f"{message['type']}/{message.get('subtype', '')}"


def speak(folder: Path, workspace: Path, fault: str) -> Iterator[Mapping[str, Any]]:
    """Yield the messages of one turn of the program."""
    command = install(folder, STEPS, {1: fault} if fault else {})
    prompt = {"type": "user", "message": {"role": "user", "content": "go"}}
    done = subprocess.run(
        [command, "-p"], input=json.dumps(prompt).encode() + b"\n", cwd=workspace, capture_output=True,
        check=False, env={"CLAUDE_CONFIG_DIR": str(folder / "config"), "PATH": "/usr/bin:/bin"}, timeout=20,
    )  # fmt: skip
    assert done.stderr == b""
    yield from map(json.loads, done.stdout.splitlines())


@pytest.mark.parametrize("fault", ["", "two_results", "tool_refused", "wrong_exit_code", "orphan"])
def test_its_messages_have_the_shapes_of_the_real_ones(fault: str, tmp_path: Path):
    """Every key it prints was recorded from the real CLI with the same type, and none that we read is missing."""
    recorded: dict[str, dict[str, set[type]]] = {}
    for line in RECORDED.read_text(encoding="utf-8").splitlines():
        message = json.loads(line)
        for key, value in message.items():
            recorded.setdefault(kind_of(message), {}).setdefault(key, set()).add(type(value))
    seen = set()
    for message in speak(tmp_path, tmp_path, fault):
        kind = kind_of(message)
        seen.add(kind)
        assert kind in recorded, f"the real one never printed {kind}"
        for key, value in message.items():
            if key == "origin":  # told by the real one with the second result of a turn; not in this recording
                continue
            assert type(value) in recorded[kind].get(key, set()), (kind, key, value)
        assert set(message) >= READ_BY_US.get(kind, set()), kind
    assert {"system/init", "assistant/", "result/success"} <= seen
    end_sleepers()


def test_its_version_is_the_one_that_was_recorded(tmp_path: Path):
    """The streams and the program name the same version of the CLI."""
    said = subprocess.run([install(tmp_path, [], {}), "--version"], capture_output=True, text=True, check=True)
    first = json.loads(RECORDED.read_text(encoding="utf-8").partition("\n")[0])
    assert said.stdout == f"{first['claude_code_version']} (Claude Code)\n"


OUTCOMES: Mapping[CLIFault, tuple[str, str]] = {
    CLIFault.HANGS: ("answered", r"One\."),
    CLIFault.NO_RESULT: ("AgentCrashed", r"ended with exit code 0 before the turn was complete.*One\."),
    CLIFault.HALF_LINE: ("AgentCrashed", r"ended with exit code 0 before the turn was complete.*not a message"),
    CLIFault.TWO_RESULTS: ("answered", r"One\."),
    CLIFault.HUGE_LINE: ("answered", rf"x{{{1000}}}.*One\."),
    CLIFault.WRONG_EXIT_CODE: ("answered", r"One\."),
    CLIFault.ORPHAN: ("answered", r"One\."),
    CLIFault.TOOL_REFUSED: ("answered, denied Bash rm -rf everything", r"One\."),
    CLIFault.GARBAGE: ("answered", r"One\."),
    CLIFault.DISK_FULL: ("AgentCrashed", r"error_during_execution.*ENOSPC: no space left on device"),
}
"""What each fault ends in: the reply, or the error, and words of it."""
NEXT = {CLIFault.HANGS: "AgentTimeout"}
"""What the next prompt of the session ends in, where it is not simply answered."""


def test_every_fault_has_an_outcome():
    """A new fault needs a line in the table."""
    assert set(OUTCOMES) == set(CLIFault)


@pytest.mark.parametrize("fault", CLIFault)
def test_each_fault_ends_in_its_own_outcome_and_leaves_nothing(fault: CLIFault, tmp_path: Path):
    """The turn ends as the table says, the session goes on with the next prompt, and no process is left."""
    workspace = tmp_path / "workspace"
    workspace.mkdir()
    events: list[AgentEvent] = []
    agent = ClaudeCodeLocalAgent()
    agent.initialize({"command": str(install(tmp_path, STEPS, {1: fault.value})), "workspace_dir": workspace})
    try:
        outcome, text, session = ending(agent, events)
        following, words, other = ending(agent, [], seconds=1.0 if fault in NEXT else 60.0)
        if fault in NEXT:
            # it never read that prompt, so the next one is the second that it gets
            assert ending(agent, [])[:2] == ("answered", "Two.")
        else:
            assert (following, words) == ("answered", "Two.")
            assert not session or other == session
    finally:
        agent.cleanup()
    assert outcome == OUTCOMES[fault][0]
    assert re.search(OUTCOMES[fault][1], text, re.DOTALL), text[:500]
    assert following == NEXT.get(fault, "answered")
    assert fault is not CLIFault.HUGE_LINE or len(text) == HUGE + len("One.")
    assert {path.name for path in workspace.iterdir()} == {"a.txt", "b.txt"}
    assert left_below(tmp_path) == []


def ending(agent: ClaudeCodeLocalAgent, events: list[AgentEvent], seconds: float = 60.0) -> tuple[str, str, str]:
    """Run one turn; return the name of its outcome, its words, and its session."""
    try:
        reply: Reply = agent.send_prompt("go", limits=TurnLimits(seconds=seconds), on_event=events.append)
    except AgentError as error:
        assert type(error) in (AgentCrashed, AgentTimeout)
        return type(error).__name__, str(error), ""
    denied = "".join(f", denied {one}" for one in reply.denials)
    return f"answered{denied}", reply.text, reply.session


def left_below(folder: Path) -> list[str]:
    """Return the processes of this test that are still alive; others may run the same program at the same time."""
    end = time.monotonic() + 60
    while True:
        found = []
        for process in psutil.process_iter():
            try:
                if process.status() != psutil.STATUS_ZOMBIE and Path(process.cwd()).is_relative_to(folder):
                    found.append(" ".join(process.cmdline()))
            except psutil.Error:
                continue
        if not found or time.monotonic() > end:
            return found
        time.sleep(0.02)


def end_sleepers() -> None:
    """End the orphan that a bare run of the program leaves, as it is there to do."""
    for process in psutil.process_iter():
        try:
            if process.cmdline() == ["sleep", "3600"] and process.environ() == {}:
                process.kill()
        except psutil.Error:
            continue
