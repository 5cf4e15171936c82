"""ClaudeCodeSSHAgent through a real OpenSSH server on loopback, with the real binary and a scripted model."""

from __future__ import annotations

import socket
import stat
import threading
import time
from pathlib import Path

import pytest
from ever_longer import with_time

from obra.agents.claude_code_ssh import ClaudeCodeSSHAgent
from obra.domain import ScriptStep, TurnLimits
from obra.errors import AgentTimeout, AgentUnavailable, ObraError
from obra.replay.model_server import ModelServer
from obra.testing import ContractCase, check_agent
from obra.testing.stages import StagedServer

SLEEP = "python3 -c 'import time; time.sleep(60)'"


def test_turns_change_the_local_workspace_through_the_other_machine(
    play, workspace: Path, tmp_path: Path, left_there
):
    """What is here travels there, the real agent works on it in one session, and all comes back as it is."""
    (workspace / "old.txt").write_text("old\n")
    (workspace / "gone.txt").write_text("x")
    (workspace / "tool").write_text("#!/bin/sh\n")
    (workspace / "tool").chmod(0o755)
    (workspace / "link").symlink_to("old.txt")
    (workspace / "dangling").symlink_to("/no/such/place")
    steps = (
        ScriptStep(
            say="One.", write={"sub/new.txt": "new\n"}, edit={"old.txt": ("old", "changed")}, delete=("gone.txt",)
        ),
        ScriptStep(say="Two.", run=("ln -s sub/new.txt made; chmod 700 sub/new.txt; env > env.txt",)),
    )
    threads = set(threading.enumerate())
    agent = play(*steps)
    assert agent.is_healthy()
    assert agent.identity.endswith("on 127.0.0.1")
    first = agent.send_prompt("go")
    assert (workspace / "old.txt").read_text() == "changed\n"
    assert not (workspace / "gone.txt").exists()
    (workspace / "restored.txt").write_text("by us")
    second = agent.send_prompt("go on")
    agent.cleanup()
    agent.cleanup()
    assert (first.text, second.text) == ("One.", "Two.")
    assert first.session == second.session != ""
    assert stat.S_IMODE((workspace / "tool").stat().st_mode) == 0o755
    assert (workspace / "link").readlink() == Path("old.txt")
    assert (workspace / "dangling").readlink() == Path("/no/such/place")
    assert (workspace / "made").readlink() == Path("sub/new.txt")
    assert stat.S_IMODE((workspace / "sub/new.txt").stat().st_mode) == 0o700
    assert (workspace / "restored.txt").read_text() == "by us"
    assert "SSH_CONNECTION" not in (workspace / "env.txt").read_text()
    assert left_there(agent) == []
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []

    def others() -> list[str]:
        names = [one.name for one in set(threading.enumerate()) - threads]
        return [name for name in names if name != "obra-loopback-server"]

    end = time.monotonic() + 60  # those that answered the agent's connections end when they see that these have
    while others() and time.monotonic() < end:
        time.sleep(0.01)
    assert others() == []
    assert not agent.is_healthy()


def test_a_timeout_ends_what_runs_there_and_still_fetches(play, workspace: Path, processes_of):
    """A hanging tool is ended on the other machine, and what it had done until then comes back."""

    def wait(limit: float) -> None:
        agent = play(ScriptStep(say="x", run=("touch begun", SLEEP)), ScriptStep(say="two"))
        with pytest.raises(AgentTimeout, match=rf"was silent for {limit:g} s"):
            agent.send_prompt("go", limits=TurnLimits(idle=limit))
        assert processes_of(agent) == []
        assert (workspace / "begun").exists()
        assert agent.send_prompt("go on").text == "two"

    with_time(wait, 3, 15, 45)


def test_the_contract_of_an_agent_is_kept(claude_command: str, ssh_server, workspace: Path, tmp_path: Path):
    """The suite that every adapter must pass, over SSH, with the model's server reached through the connection."""
    (tmp_path / "there").mkdir()
    with ModelServer([ScriptStep(say="one"), ScriptStep(say="two")], workspace=workspace) as server:
        model = {"command": claude_command, "base_url": server.base_url, "api_key": "no-key", "tunnel": True}
        check_agent(
            ClaudeCodeSSHAgent,
            workspace=workspace,
            config={**ssh_server.reach, **model, "remote_dir": str(tmp_path / "there")},
            prompts=["Say one", "Say two"],
            impossible={**ssh_server.reach, "port": 1},
        )
    assert list((tmp_path / "there").iterdir()) == []


def test_a_model_that_turns_us_away_names_the_keys_of_this_agent(login, claude_command: str, workspace: Path):
    """What is to be checked is said with the keys of the agent over SSH, not of the local one."""
    agent = ClaudeCodeSSHAgent()
    with StagedServer(ContractCase.REFUSAL, "claude_code_ssh", workspace, agent) as server:
        login(agent, command=claude_command, base_url=server.base_url, api_key="no-key", tunnel=True)
        with pytest.raises(AgentUnavailable, match=r"Check agent\.ssh\.base_url .*agent\.ssh\.pass_environment"):
            agent.send_prompt("go")


def test_an_unknown_host_is_refused(login, ssh_server):
    """A host key that is not pinned is never accepted, and the message says how to pin it."""
    with pytest.raises(AgentUnavailable, match="is not pinned in .*ssh-keyscan"):
        login(known_hosts=str(ssh_server.folder / "empty"))


def test_a_changed_host_key_is_refused(login, ssh_server):
    """Another key than the pinned one is told as what it may be."""
    with pytest.raises(AgentUnavailable, match="another host key"):
        login(known_hosts=str(ssh_server.folder / "other"))


def test_a_wrong_key_is_refused(login, ssh_server):
    """A login that the server does not accept names the settings to check."""
    with pytest.raises(AgentUnavailable, match=r"refused the login.*agent\.ssh\.key_file"):
        login(key_file=str(ssh_server.folder / "stranger"))


def test_missing_files_and_machines_are_told(login, ssh_server):
    """A missing key file, no server at the port, and no host at all each say what to set."""
    with pytest.raises(AgentUnavailable, match=r"no-such-key is not there|no-such-key"):
        login(key_file="/no-such-key")
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # nobody listens, and nobody else is given the port
        with pytest.raises(AgentUnavailable, match=r"cannot connect to .*agent\.ssh\.port"):
            login(port=closed.getsockname()[1])
    with pytest.raises(AgentUnavailable, match=r"set agent\.ssh\.host"):
        login(host="")
    with pytest.raises(ObraError, match="did you mean 'key_file'"):
        login(keyfile="x")


def test_a_server_that_hangs_up_in_the_handshake_is_told(login):
    """The connection ends after the greeting: an error of ours with words, which a link tries again."""

    def greet_and_go() -> None:
        guest, _ = door.accept()
        with guest:
            guest.sendall(b"SSH-2.0-OpenSSH_9.2\r\n")
            guest.recv(64 * 1024)

    with socket.create_server(("127.0.0.1", 0)) as door:
        greeter = threading.Thread(target=greet_and_go)
        greeter.start()
        with pytest.raises(AgentUnavailable, match="cannot connect to .*: .+; check agent.ssh.host"):
            login(port=door.getsockname()[1])
        greeter.join()


def test_a_missing_or_wrong_program_there_is_told(login, tmp_path: Path):
    """The program is looked for on the other machine, and nothing is left there when it is missing."""
    with pytest.raises(AgentUnavailable, match=r"is not on 127\.0\.0\.1: no program 'no-such-claude'"):
        login(command="no-such-claude")
    with pytest.raises(
        AgentUnavailable, match=r"does not answer --version as Claude Code does.*agent\.ssh\.command"
    ):
        login(command="true")
    assert list((tmp_path / "there").iterdir()) == []


def test_a_fingerprint_pins_the_host_instead_of_a_file(login, ssh_server, claude_command: str):
    """The right one is enough without any file; another one is told as another machine."""
    pinned = {"known_hosts": "/no-such-file", "command": claude_command}
    assert login(fingerprint=ssh_server.fingerprint, **pinned).is_healthy()
    with pytest.raises(AgentUnavailable, match=r"is not the machine that agent\.ssh\.fingerprint pins"):
        login(fingerprint="SHA256:" + "A" * 43, **pinned)


def test_a_wrong_user_is_told(login):
    """A user who is not there is refused as one with a wrong key is."""
    with pytest.raises(AgentUnavailable, match=r"nobody-of-that-name@.* refused the login.*agent\.ssh\.user"):
        login(user="nobody-of-that-name")


def test_a_machine_without_python_is_told(login, tmp_path: Path):
    """The runner needs one; which was looked for and what to set is said, and nothing is left there."""
    with pytest.raises(AgentUnavailable, match=r"no Python 3\.8 or newer.*'no-python'.*agent\.ssh\.python"):
        login(python="no-python")
    with pytest.raises(AgentUnavailable, match=r"no Python 3\.8 or newer.*another one"):
        login(python="false")
    assert list((tmp_path / "there").iterdir()) == []


def test_a_login_shell_that_talks_is_borne_or_told(own_sshd, tmp_path: Path, workspace: Path, claude_command: str):
    """Errors of its start files are no part of what a command says; what it prints to its output is told."""
    server = own_sshd('ForceCommand echo noise >&2; eval "$SSH_ORIGINAL_COMMAND"')
    config = {"workspace_dir": str(workspace), "command": claude_command, "remote_dir": str(tmp_path)}
    agent = ClaudeCodeSSHAgent()
    try:
        agent.initialize({**server.reach, **config})
        assert agent.identity.startswith("claude-code 2.")
        agent.cleanup()
        text = (server.folder / "config").read_text()
        (server.folder / "config").write_text(text.replace("echo noise >&2", "echo noise"))
        server.stop()
        server.start()
        with pytest.raises(AgentUnavailable, match=r"prints something of its own \('noise'\)"):
            agent.initialize({**server.reach, **config})
        assert not list(tmp_path.glob("obra-*"))
    finally:
        agent.cleanup()


def test_a_server_that_forbids_the_tunnel_is_told(own_sshd, tmp_path: Path, workspace: Path, claude_command: str):
    """Without the reverse tunnel a scripted model cannot be reached; which setting permits it is said."""
    server = own_sshd("AllowTcpForwarding no")
    config = {"workspace_dir": str(workspace), "command": claude_command, "remote_dir": str(tmp_path)}
    agent = ClaudeCodeSSHAgent()
    with pytest.raises(AgentUnavailable, match="set AllowTcpForwarding to yes"):
        agent.initialize({**server.reach, **config, "tunnel": True, "base_url": "http://127.0.0.1:9"})
    assert not list(tmp_path.glob("obra-*"))
