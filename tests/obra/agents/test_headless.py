"""A program for each turn, seen through the command agent: small programs stand for all kinds of trouble."""

from __future__ import annotations

import os
import shlex
import stat
import sys
import threading
import time

import pytest

from obra.agents.codex import CodexAgent
from obra.agents.command_agent import CommandAgent
from obra.agents.gemini import GeminiAgent
from obra.agents.headless import is_unreachable
from obra.domain import TurnLimits
from obra.errors import AgentCrashed, AgentTimeout, AgentUnavailable, ObraError
from obra.testing import check_agent

PYTHON = shlex.quote(sys.executable)


def command(code: str, *arguments: str) -> str:
    """Return the command line that runs a Python program."""
    return f"{PYTHON} -c {shlex.quote(code)} {' '.join(arguments)}"


@pytest.fixture
def agent():
    """A command agent that is cleaned up."""
    one = CommandAgent()
    yield one
    one.cleanup()


@pytest.fixture
def send(agent, workspace):
    """Return a function that runs one turn of a program."""

    def send(code: str, prompt: str = "do it", *arguments: str, limits: TurnLimits | None = None, **more):
        agent.initialize({"workspace_dir": workspace, "command": command(code, *arguments), **more})
        return agent.send_prompt(prompt, limits=limits)

    return send


def test_the_contract(workspace, tmp_path):
    """The shipped suite passes, and a missing program is told."""
    code = "import sys; open('said.txt', 'a').write(sys.stdin.read())"
    check_agent(
        CommandAgent,
        workspace=workspace,
        config={"command": command(code)},
        prompts=["one ", "two"],
        impossible={"command": str(tmp_path / "nowhere")},
    )
    assert (workspace / "said.txt").read_text() == "one two"


def test_the_prompt_comes_on_standard_input_whole(send):
    """A megabyte of prompt arrives, and the output is the reply."""
    assert send("import sys; print(len(sys.stdin.read()))", "ä" * 1_000_000).text == "1000000"


def test_the_prompt_comes_in_a_file(send):
    """Where the command names a prompt file, standard input is empty; the other words are filled in too."""
    code = "import sys; print(open(sys.argv[1], newline='').read(), sys.argv[2:], repr(sys.stdin.read()))"
    said = send(code, "a\r\nb", "{prompt_file}", "{model}", model="m").text
    assert said == "a\r\nb ['m'] ''"


def test_nothing_of_ours_is_seen(send, monkeypatch, workspace):
    """Only what is allowed of our environment arrives; HOME is private, and gone after cleanup."""
    monkeypatch.setenv("SECRET", "s")
    monkeypatch.setenv("WANTED", "w")
    code = (
        "import os; print(os.environ.get('SECRET'), os.environ['WANTED'], os.environ['MINE'], os.environ['HOME'])"
    )
    *seen, home = send(code, pass_environment=["WANTED"], environment={"MINE": 1}).text.split()
    assert seen == ["None", "w", "1"]
    assert home != os.environ["HOME"]


def test_an_exit_code_is_a_crash(send):
    """What it printed to standard error is told."""
    with pytest.raises(AgentCrashed, match=r"exit code 3.*no such model"):
        send("import sys; print('half'); print('no such model', file=sys.stderr); sys.exit(3)")


def test_a_program_that_cannot_be_started_is_told(agent, workspace):
    """It was there when the agent was made ready, and its interpreter was not."""
    (workspace / "program").write_text("#!/nowhere/interpreter\n")
    (workspace / "program").chmod(0o755)
    agent.initialize({"workspace_dir": workspace, "command": str(workspace / "program")})
    with pytest.raises(AgentUnavailable, match=r"command cannot be started: .*': the interpreter named in"):
        agent.send_prompt("go")


def test_a_signal_is_a_crash(send):
    """A program that is killed did not answer."""
    with pytest.raises(AgentCrashed, match="exit code -9"):
        send("import os; print('half', flush=True); os.kill(os.getpid(), 9)")


@pytest.mark.parametrize(
    ("code", "times", "told"),
    [
        ("import time; time.sleep(60)", {"timeout_ready": 0.3}, "did not print a line within 0.3 s"),
        ("import time; print(1, flush=True); time.sleep(60)", {"timeout_response": 0.3}, "was silent for 0.3 s"),
        (
            "import time\nwhile True: print(1, flush=True); time.sleep(0.05)",
            {"timeout": 0.5},
            "was not done after 0.5 s",
        ),
    ],
)
def test_three_time_limits(send, code, times, told, processes_in, workspace):  # noqa: PLR0917  # fixtures too
    """Start, silence and the whole turn each have a limit with a name; nothing is left over."""
    with pytest.raises(AgentTimeout, match=told):
        send(code, **times)
    assert not processes_in(workspace)


def test_the_turns_own_limits_are_shorter(send):
    """What the task asks for counts where it is less."""
    with pytest.raises(AgentTimeout, match=r"not done after 0\.3 s"):
        send("import time\nwhile True: print(1, flush=True); time.sleep(0.05)", limits=TurnLimits(seconds=0.3))


def test_what_it_leaves_behind_ends_with_it(send, processes_in, workspace):
    """A child in a session of its own, which holds the output open, neither delays the end nor outlives it."""
    code = (
        "import subprocess, sys; print('started', flush=True); "
        "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'], start_new_session=True)"
    )
    started = time.monotonic()
    assert send(code).text == "started"
    assert time.monotonic() - started < 60  # as long as the child would have held the output
    assert not processes_in(workspace)


def test_a_flood_is_read_whole(send):
    """Five megabytes in one line, bytes that are no text, and many lines: all of it is the reply."""
    code = (
        "import sys; o = sys.stdout.buffer; o.write(b'x' * 5_000_000 + b'\\n\\xff\\n'); o.write(b'y\\n' * 20_000)"
    )
    text = send(code).text
    assert len(text) == 5_000_000 + 1 + 1 + 2 * 20_000
    assert text[5_000_001] == "�"


def test_cleanup_ends_a_turn_from_another_thread(agent, workspace, processes_in):
    """The turn fails with a name at once, and nothing is left."""
    agent.initialize(
        {"workspace_dir": workspace, "command": command("import time; print(1, flush=True); time.sleep(60)")}
    )
    begun = threading.Event()
    canceller = threading.Thread(target=lambda: (begun.wait(60), agent.cleanup()))
    canceller.start()
    with pytest.raises(AgentCrashed, match="cancelled"):
        agent.send_prompt("go", on_event=lambda _: begun.set())
    canceller.join()
    assert not processes_in(workspace)
    assert not agent.is_healthy()


def test_settings_that_are_wrong(agent, workspace):
    """An unknown key, a missing command or quote, a list that is none and a bad folder are told."""
    with pytest.raises(ObraError, match="did you mean 'command'"):
        agent.initialize({"workspace_dir": workspace, "comand": "x"})
    with pytest.raises(ObraError, match="must be a list"):
        agent.initialize({"workspace_dir": workspace, "command": "x", "pass_environment": "HOME"})
    with pytest.raises(AgentUnavailable, match="was given no program"):
        agent.initialize({"workspace_dir": workspace})
    with pytest.raises(AgentUnavailable, match="mend its quotes"):
        agent.initialize({"workspace_dir": workspace, "command": "'"})
    (workspace / "file").write_text("")
    with pytest.raises(AgentUnavailable, match="cannot be made"):
        agent.initialize({"workspace_dir": workspace / "file", "command": PYTHON})


@pytest.fixture
def stand_in(tmp_path):
    """Return a function that makes a program which answers --version and else runs Python code."""

    def make(code: str, version: str = "1.2.3"):
        path = tmp_path / "stand-in"
        path.write_text(
            f"#!{sys.executable}\nimport sys\nif '--version' in sys.argv: print({version!r}); sys.exit()\n{code}\n"
        )
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        return str(path)

    return make


@pytest.fixture
def codex(workspace):
    """A function that makes a Codex agent of a program, and cleans it up."""
    made = []

    def make(program: str, **more):
        agent = CodexAgent()
        made.append(agent)
        agent.initialize({"workspace_dir": workspace, "command": program, **more})
        return agent

    yield make
    for agent in made:
        agent.cleanup()


def test_a_program_that_is_another_one(stand_in, codex):
    """Something that does not answer --version with one is refused, and so is one that never answers."""
    with pytest.raises(AgentUnavailable, match="does not answer --version as codex does"):
        codex(stand_in("", version="hello"))
    slow = stand_in("")
    with open(slow, "w") as file:  # noqa: PTH123  # the same file: another time makes another program
        file.write(f"#!{sys.executable}\nimport time; time.sleep(60)\n")
    with pytest.raises(AgentUnavailable, match=r"did not answer --version within 0\.3 s"):
        codex(slow, timeout_ready=0.3)


def test_an_output_without_an_end_is_a_crash(stand_in, codex):
    """Exit code 0 is not believed: the event stream must say that the turn is complete."""
    agent = codex(stand_in("print('{\"type\": \"turn.started\"}'); print('garbage')"))
    assert agent.identity == "codex 1.2.3"
    with pytest.raises(AgentCrashed, match="before the turn was complete"):
        agent.send_prompt("go")


@pytest.mark.parametrize(
    ("reason", "kind"),
    [("401 Unauthorized", AgentUnavailable), ("the model is confused", AgentCrashed)],
)
def test_failures_have_names(stand_in, codex, reason, kind):
    """A model API that refuses is not the same as one that fails."""
    line = f'{{"type": "turn.failed", "error": {{"message": "{reason}"}}}}'
    with pytest.raises(kind, match=reason):
        codex(stand_in(f"print({line!r}); sys.exit(1)")).send_prompt("go")


def test_what_means_unreachable():
    """The words of the programs are known; an answer about a script is none of them."""
    assert is_unreachable("error sending request for url")
    assert not is_unreachable("the script has 2 step(s), prompt 3 was sent")


def test_gemini_refuses_a_folder_that_could_command_it(stand_in, workspace):
    """A .gemini folder in the workspace is refused before each turn, until it is trusted."""
    agent = GeminiAgent()
    done = '{"type": "result", "status": "success"}'
    (workspace / ".gemini").mkdir()
    try:
        agent.initialize({"workspace_dir": workspace, "command": stand_in(f"print({done!r})")})
        with pytest.raises(AgentUnavailable, match=r"has a \.gemini folder"):
            agent.send_prompt("go")
        agent.initialize(
            {"workspace_dir": workspace, "command": stand_in(f"print({done!r})"), "trust_workspace": True}
        )
        assert agent.send_prompt("go").text == ""
    finally:
        agent.cleanup()
