"""ClaudeCodeLocalAgent with programs that are not there, not Claude Code, or behave badly."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from obra.agents.claude_code import ClaudeCodeSettings, Launch
from obra.agents.claude_code_local import ClaudeCodeLocalAgent
from obra.agents.claude_code_session import ClaudeCodeSession
from obra.domain import TurnLimits
from obra.errors import AgentCrashed, AgentTimeout, AgentUnavailable, ObraError

RESULT = json.dumps(
    {"type": "result", "subtype": "success", "is_error": False, "result": "hi", "session_id": "s", "num_turns": 1}
)


@pytest.fixture
def started(workspace: Path):
    """Initialize an agent with a command; cleaned up afterwards."""
    agents = []

    def start(command: object, **config) -> ClaudeCodeLocalAgent:
        agent = ClaudeCodeLocalAgent()
        agents.append(agent)
        agent.initialize({"command": str(command), "workspace_dir": str(workspace), "timeout_ready": 60, **config})
        return agent

    yield start
    for agent in agents:
        agent.cleanup()


def test_a_missing_program_says_how_to_get_it(started):
    """A name that is not on PATH is told with the way to install it."""
    with pytest.raises(AgentUnavailable, match=r"no program 'claud' on PATH.*npm install"):
        started("claud")


def test_an_old_version_says_what_is_needed(started, fake):
    """A version with known faults is refused, with the one that was found and the least one."""
    with pytest.raises(AgentUnavailable, match=r"is Claude Code 2\.1\.100; at least 2\.1\.214"):
        started(fake("", version="2.1.100 (Claude Code)"))


def test_another_program_is_not_taken_for_claude_code(started, tmp_path: Path):
    """A program that answers --version differently, or with nothing, is refused."""
    with pytest.raises(AgentUnavailable, match="does not answer --version as Claude Code does"):
        started("true")
    with pytest.raises(AgentUnavailable, match="does not answer --version as Claude Code does"):
        started("git")


def test_a_file_that_cannot_be_run_is_unavailable(started, tmp_path: Path):
    """An executable whose interpreter is missing is an agent that is not available."""
    broken = tmp_path / "broken"
    broken.write_text("#!/no/such/interpreter\n")
    broken.chmod(0o755)
    with pytest.raises(AgentUnavailable, match="cannot be started"):
        started(broken)


def test_a_program_that_hangs_on_its_version_is_unavailable(started, tmp_path: Path):
    """``--version`` has the time of the start and no more."""
    hanging = tmp_path / "hanging"
    hanging.write_text("#!/bin/sh\nexec sleep 60\n")
    hanging.chmod(0o755)
    with pytest.raises(AgentUnavailable, match=r"did not answer --version within 0\.3 s"):
        started(hanging, timeout_ready=0.3)


def test_a_replaced_program_is_asked_again(started, fake):
    """The version is kept for a file as it is, not for its name."""
    program = fake("")
    assert started(program).identity == "claude-code 2.1.330"
    program.write_text("#!/bin/sh\necho '9.9.99 (Claude Code)'\n")
    assert started(program).identity == "claude-code 9.9.99"


def test_an_unknown_setting_is_refused(started, fake):
    """A misspelt setting names the nearest one."""
    with pytest.raises(ObraError, match="did you mean 'timeout_ready'"):
        started(fake(""), timeout_redy=3)


def test_a_workspace_that_cannot_be_made_is_unavailable(fake, tmp_path: Path):
    """A file in the place of the workspace is told as such."""
    (tmp_path / "file").touch()
    with pytest.raises(AgentUnavailable, match="cannot be made"):
        ClaudeCodeLocalAgent().initialize({"command": str(fake("")), "workspace_dir": tmp_path / "file" / "ws"})


def test_a_missing_workspace_is_made(fake, tmp_path: Path):
    """The folder the agent works in is made, and its loss is seen."""
    agent = ClaudeCodeLocalAgent()
    assert not agent.is_healthy()
    agent.initialize({"command": str(fake("")), "workspace_dir": str(tmp_path / "new" / "ws")})
    assert agent.is_healthy()
    (tmp_path / "new" / "ws").rmdir()
    assert not agent.is_healthy()
    with pytest.raises(AgentUnavailable, match="is not there"):
        agent.send_prompt("go")
    agent.cleanup()


def test_a_program_that_prints_nothing_is_a_timeout(started, fake, workspace: Path, processes_in):
    """Without a first line in time the turn ends, and the program with it."""
    silent = fake("sleep 60")
    started(silent)  # its version is known then, and has all the time that it needs
    agent = started(silent, timeout_ready=0.3)
    with pytest.raises(AgentTimeout, match=r"did not print a line within 0\.3 s of its start.*it printed nothing"):
        agent.send_prompt("go")
    assert processes_in(workspace) == []
    assert agent.is_healthy()


def test_a_program_that_ends_at_once_is_a_crash_with_its_last_words(started, fake):
    """An end without a result is told with the exit code and what stood on standard error."""
    agent = started(fake("echo 'error: unknown option' >&2; exit 3"))
    with pytest.raises(AgentCrashed, match=r"ended with exit code 3.*it printed nothing.*error: unknown option"):
        agent.send_prompt("go")


def test_an_end_with_code_zero_but_without_a_result_is_a_crash(started, fake):
    """Exit code 0 proves nothing."""
    agent = started(fake('read -r _; echo \'{"type": "system", "subtype": "init"}\''))
    with pytest.raises(AgentCrashed, match=r"exit code 0 before the turn was complete \(last seen: start"):
        agent.send_prompt("go")


def test_a_program_that_prints_garbage_is_a_crash(started, fake):
    """Lines that are no messages are shown as what was last seen."""
    agent = started(fake("printf 'no json\\n\\377\\376\\n[[[\\nhalf a line'"))
    with pytest.raises(AgentCrashed, match="last seen: other 'not a message: half a line'"):
        agent.send_prompt("go")


def test_a_program_that_never_stops_printing_is_a_timeout(started, fake, workspace: Path, processes_in):
    """A flood of output neither fills the memory nor outlives the time limit of the turn."""
    agent = started(fake("yes \"$(head -c 10000 /dev/zero | tr '\\0' x)\""))
    before = _resident_bytes()
    with pytest.raises(AgentTimeout, match=r"was not done after 0\.7 s"):
        agent.send_prompt("go", limits=TurnLimits(seconds=0.7))
    assert _resident_bytes() - before < 600_000_000
    assert processes_in(workspace) == []


def test_a_program_that_ignores_everything_is_killed(started, fake, workspace: Path, processes_in):
    """One that ignores the interrupt, the end of its input and signals is still gone afterwards."""
    agent = started(fake("trap '' INT TERM HUP; echo '{}'; while :; do sleep 0.05; done"))
    with pytest.raises(AgentTimeout, match=r"was silent for 0\.3 s"):
        agent.send_prompt("go", limits=TurnLimits(idle=0.3))
    assert processes_in(workspace) == []


def test_a_program_that_does_not_read_its_input_cannot_block_us(started, fake):
    """A prompt larger than a pipe does not wait for a program that never reads it."""
    deaf = fake("sleep 60")
    started(deaf)  # its version is known then, and has all the time that it needs
    agent = started(deaf, timeout_ready=0.3)
    with pytest.raises(AgentTimeout, match="did not print a line"):
        agent.send_prompt("x" * 3_000_000)


def test_standard_error_is_read_while_the_turn_runs(started, fake):
    """A megabyte on standard error does not stop the program, and its end is kept."""
    answer = shlex.quote(RESULT)
    agent = started(
        fake(f"read -r _; head -c 1000000 /dev/zero | tr '\\0' e >&2; echo last >&2; echo {answer}; cat")
    )
    assert agent.send_prompt("go").text == "hi"
    assert agent._session.program.wire.errors().endswith("elast")


def test_a_line_of_five_megabytes_is_read(started, fake):
    """A result of any sensible size arrives whole."""
    head, tail = RESULT.split("hi")
    agent = started(
        fake(
            f"printf %s {shlex.quote(head)}; head -c 5000000 /dev/zero | tr '\\0' x; echo {shlex.quote(tail)}; cat"
        )
    )
    assert len(agent.send_prompt("go")) == 5_000_000


def test_what_a_program_leaves_behind_ends_with_it(started, fake, workspace: Path, processes_in):
    """A background process that holds the pipes open neither delays cleanup nor survives it."""
    threads = set(threading.enumerate())
    agent = started(fake(f"read -r _; setsid sleep 60 & echo {shlex.quote(RESULT)}; cat >/dev/null"))
    agent.send_prompt("go")
    begun = time.monotonic()
    agent.cleanup()
    assert time.monotonic() - begun < 60  # as long as that process would have held them
    assert processes_in(workspace) == []
    assert set(threading.enumerate()) <= threads


def test_cleanup_in_the_middle_of_a_turn_interrupts_it_first(started, fake, workspace: Path):
    """A program that heeds the interrupt and not the end of its input ends at once, and by itself."""
    heed = "case $line in *interrupt*) touch heard; exit;; *'\"user\"'*) touch begun;; esac"
    agent = started(fake(f"while read -r line; do {heed}; done; exec sleep 60"))

    def cancel() -> None:
        while not (workspace / "begun").exists():
            time.sleep(0.01)
        agent.cleanup()

    thread = threading.Thread(target=cancel)
    thread.start()
    with pytest.raises(AgentCrashed):
        agent.send_prompt("go")
    thread.join()
    assert (workspace / "heard").exists()  # after the end of its input it reads no more


def test_cleanup_before_the_next_program_is_started_starts_none(started, fake, workspace: Path):
    """Another limit needs another program; while the old one takes its time to end, the next is given up."""
    turn = f"case $line in *'\"user\"'*) echo {shlex.quote(RESULT)};; esac"
    ending = "touch ending; until [ -e go ]; do sleep 0.01; done"
    agent = started(fake(f"echo x >> starts; while read -r line; do {turn}; done; {ending}"))
    assert agent.send_prompt("one").text == "hi"

    def cancel() -> None:
        while not (workspace / "ending").exists():
            time.sleep(0.01)
        agent.cleanup()
        (workspace / "go").touch()

    thread = threading.Thread(target=cancel)
    thread.start()
    with pytest.raises(AgentCrashed, match="the agent was cleaned up before its turn began"):
        agent.send_prompt("two", limits=TurnLimits(turns=7))
    thread.join()
    assert (workspace / "starts").read_text() == "x\n"


def test_a_program_that_closed_its_output_after_a_turn_is_replaced(started, fake, workspace: Path):
    """It lives and says nothing any more: the next prompt goes to another one."""
    turn = f"case $line in *'\"user\"'*) echo {shlex.quote(RESULT)}; exec >&-;; esac"
    agent = started(fake(f"echo x >> starts; while read -r line; do {turn}; done"))
    assert agent.send_prompt("one").text == "hi"
    assert agent._session.program.wire.next_line(60) is None  # its end is here, and stays for who asks next
    assert agent.send_prompt("two").text == "hi"
    assert (workspace / "starts").read_text() == "x\nx\n"


def test_a_terminal_without_its_library_is_told(started, fake, monkeypatch):
    """With the command that installs it, before anything is started."""
    monkeypatch.setitem(sys.modules, "pyte", None)
    with pytest.raises(AgentUnavailable, match=r"needs pexpect and pyte: pip install 'obra\[terminal\]'$"):
        started(fake("exit"), transport="terminal")


def test_a_sandbox_that_is_not_there_is_told(fake, workspace: Path, tmp_path: Path):
    """With the command that installs it; the agent never runs unconfined in its place."""
    (tmp_path / "bin").mkdir()
    code = (
        "import json, sys; from obra.agents.claude_code_local import ClaudeCodeLocalAgent\n"
        "ClaudeCodeLocalAgent().initialize(json.loads(sys.argv[1]))"
    )
    config = {"command": str(fake("touch ran")), "workspace_dir": str(workspace), "sandbox": "bubblewrap"}
    command = [sys.executable, "-c", code, json.dumps(config)]
    variables = {**os.environ, "PATH": str(tmp_path / "bin")}
    done = subprocess.run(command, env=variables, capture_output=True, text=True, check=False)
    said = done.stderr.splitlines()[-1]
    assert said.startswith("obra.errors.AgentUnavailable: agent.sandbox is bubblewrap, but 'bwrap' is not on PATH")
    assert "apt-get install bubblewrap" in said


def test_a_ctrl_c_that_another_thread_was_given_ends_a_silent_turn(
    started, fake, workspace: Path, ctrl_c_elsewhere
):
    """The kernel chooses who gets it when a process goes on that was stopped; the main thread waits meanwhile."""
    agent = started(fake("touch begun; exec sleep 60"))
    ctrl_c_elsewhere(workspace / "begun")
    begun = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        agent.send_prompt("go")
    assert time.monotonic() - begun < 60  # as long as the program would have been silent


def test_cleanup_while_the_program_is_started_ends_it():
    """A program that was started after the cleanup is ended, and no prompt is sent to it."""

    class Started:
        wire = SimpleNamespace(close_input=lambda: None)
        has_ended = False

        def end(self, *, hopeless: bool) -> None:  # noqa: ARG002  # the protocol's
            self.has_ended = True

    def start(launch: Launch, session: str) -> Started:
        running.close()
        return program

    program = Started()
    running = ClaudeCodeSession(ClaudeCodeSettings(workspace_dir="w"), start)
    with pytest.raises(AgentCrashed, match="cleaned up before its turn began"):
        running.send("go", TurnLimits(), None)
    assert program.has_ended


@pytest.fixture
def one_retry():
    """Let the CLI ask a failing API only once more; three times cost it four seconds."""
    os.environ["CLAUDE_CODE_MAX_RETRIES"] = "1"
    yield
    del os.environ["CLAUDE_CODE_MAX_RETRIES"]


def test_an_unreachable_model_is_the_persons_to_mend(claude_command, started, one_retry):
    """The real binary with a refused connection is an agent that is not available, and says what to check."""
    agent = started(
        claude_command, base_url="http://127.0.0.1:1", api_key="k", pass_environment=["CLAUDE_CODE_MAX_RETRIES"]
    )
    with pytest.raises(AgentUnavailable, match=r"cannot use its model API.*agent\.local\.base_url"):
        agent.send_prompt("go")


def test_without_login_the_agent_is_not_available(claude_command, started):
    """The real binary without key and login says so at once."""
    with pytest.raises(AgentUnavailable, match=r"Not logged in.*pass_environment"):
        started(claude_command).send_prompt("go")


def _resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096
