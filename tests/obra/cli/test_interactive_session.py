"""What holds for a whole session of the interactive mode, and the real Claude Code in one."""

from __future__ import annotations

from obra import StateManager


def test_the_options_of_the_session_hold_for_every_line(terminal, hello, write, tmp_path):
    """For verbs, runs in the background, live verbs and completion; what a line says wins."""
    write("mine.yaml", f"database: {{url: 'sqlite:///{tmp_path}/mine.db'}}\nagent: {{max_retries: 1}}\n")
    here = terminal("interactive", "--config", "mine.yaml", "-o", "agent.max_turns=7")
    here.see(r"^obra>")
    here.do(f"run {hello}")
    here.see(r"ended with exit code 0")
    here.see(r"see all: +obra task show 1 --config mine.yaml -o agent.max_turns=7")
    here.do("config agent.max_turns")
    here.see(r"max_turns: 7")
    here.do("config agent.max_turns -o agent.max_turns=8")
    here.see(r"max_turns: 8")
    here.do("use 1")
    here.see(r"task 1 is meant from now on")
    here.see(r"obra>\s*\Z")
    here.type("task show \t")
    here.see(r"^obra> task show 1")
    assert (tmp_path / "mine.db").exists()
    assert not (tmp_path / ".obra/obra.db").exists()


def test_wrong_options_of_the_session_are_told_at_once(terminal):
    """And no prompt comes."""
    here = terminal("interactive", "-o", "agent.max_turn=7")
    assert here.end() == 2
    assert "did you mean 'agent.max_turns'?" in here.text()
    assert "obra>" not in here.text()


def test_the_real_claude_code_works_at_the_prompt(terminal, claude, hello, tmp_path):
    """Its model is scripted on loopback; what it is told and does appears above the prompt, the end is stored."""
    here = terminal("interactive", "--agent", "replay", OBRA__AGENT__LOCAL__COMMAND=claude)
    here.see(r"^obra>")
    here.do(f"run {hello}")
    here.see(r"to agent +\| ## Task")
    here.see(r"agent +Write /")
    here.see(r"check +ok +the file hello\.txt exists")
    here.see(r"hello\.obra\.yaml: ended with exit code 0")
    here.do("task show 1")
    here.see(r"task 1 completed +Say hello")
    here.do("quit")
    assert here.end() == 0
    with StateManager(f"sqlite:///{tmp_path}/.obra/obra.db") as state:
        (attempt,) = state.attempts(1)
    assert attempt.reply.session  # a mock has none
