"""What a run needs, looked for on this very machine."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from obra.config import Config
from obra.errors import ConfigError, PluginError, PrerequisiteError
from obra.prerequisites import (
    Prerequisite,
    database_file,
    missing,
    prerequisites,
    require,
    require_real,
)

NOWHERE = "llm.api_url=http://127.0.0.1:9"
"""The discard port: nothing listens there."""


def config(*overrides, rung=None):
    """Settings without this process's environment."""
    return Config.load(overrides=overrides, environ={}, rung=rung)


def by_name(settings):
    """What is found, by name."""
    return {one.name: one for one in prerequisites(settings)}


@pytest.fixture
def claude(tmp_path):
    """Make a program that answers --version, and return its path."""

    def make(answer, name="claude"):
        path = tmp_path / name
        path.write_text(f"#!/bin/sh\n[ \"$*\" = --version ] && echo '{answer}'\n")
        path.chmod(0o755)
        return f"agent.local.command={path}"

    return make


def test_nothing_is_missing_for_the_mock_agent(tmp_path):
    """Python, git and pygit2 have versions; extras are not needed; the database is not made by looking."""
    file = tmp_path / "deep/er/obra.db"
    settings = config(f"database.url=sqlite:///{file}")
    found = by_name(settings)
    assert missing(settings) == ()
    require(settings)
    assert found["Python"].found == ".".join(map(str, sys.version_info[:3]))
    assert found["git"].ok
    assert found["agent mock"].found == "obra.agents.mock_agent:MockAgent"
    assert found["LLM scripted"].ok
    assert (found["watchdog"].needed, found["paramiko"].needed) == (False, False)
    assert all(one.cure == "" for one in found.values() if one.ok)
    assert list(tmp_path.iterdir()) == []


def test_the_replay_rung_needs_the_program_but_no_login(claude):
    """The version is told, nobody asks for a key, and the watcher is needed."""
    found = by_name(config(claude("2.1.330 (Claude Code)"), rung="replay"))
    assert (found["Claude Code"].ok, found["Claude Code"].found) == (True, "claude-code 2.1.330")
    assert "model access" not in found
    assert found["watchdog"].needed


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        ("2.1.213 (Claude Code)", "is Claude Code 2.1.213; at least 2.1.214 is needed"),
        ("2.0.999 (Claude Code)", "at least 2.1.214 is needed"),
        ("GNU claude, for clouds", "does not answer --version as Claude Code does"),
    ],
)
def test_a_program_that_is_too_old_or_another_is_missing(claude, answer, sentence):
    """The sentence names what was found and how to get the right one."""
    lacking = missing(config(claude(answer), rung="replay"))
    assert len(lacking) == 1
    assert sentence in lacking[0]
    assert "npm install -g @anthropic-ai/claude-code@" in lacking[0]


def test_a_program_that_hangs_is_missing_and_does_not_hold_us_up(tmp_path):
    """The time limit of the agent holds, and nothing is left running."""
    path = tmp_path / "claude"
    path.write_text("#!/bin/sh\nexec sleep 4711\n")
    path.chmod(0o755)
    lacking = missing(config(f"agent.local.command={path}", "agent.local.timeout_ready=0.2", rung="replay"))
    assert "did not answer --version within 0.2 s" in lacking[0]
    listed = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True)
    assert "sleep 4711" not in listed.stdout


def test_the_program_sees_nothing_of_our_environment(tmp_path):
    """`--version` runs in a clean environment, as the agent itself would."""
    path = tmp_path / "claude"
    path.write_text('#!/bin/sh\n[ -z "$OBRA_TEST_SECRET" ] && echo "2.1.330 (Claude Code)"\n')
    path.chmod(0o755)
    code = (
        "from obra.config import Config; from obra.prerequisites import missing;"
        f"print(missing(Config.load(rung='replay', overrides=['agent.local.command={path}'], environ={{}})))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "OBRA_TEST_SECRET": "1"},
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
    )
    assert done.stdout.strip() == "()"


def test_real_needs_program_login_and_llm_all_named_at_once():
    """One list of everything, each with its cure; the error is the same list."""
    settings = config("agent.local.command=no-such-claude", NOWHERE, rung="real")
    lacking = missing(settings)
    assert len(lacking) == 3
    for text, sentence in zip(
        ("npm install -g", "OBRA__AGENT__LOCAL__API_KEY", "ollama serve"), lacking, strict=True
    ):
        assert text in sentence
    with pytest.raises(PrerequisiteError) as caught:
        require(settings)
    assert caught.value.missing == lacking


@pytest.mark.parametrize(
    ("setting", "found"),
    [
        ("agent.local.api_key=k", "agent.local.api_key"),
        ("agent.local.base_url=http://127.0.0.1:1", "agent.local.base_url"),
        ("agent.local.pass_environment=[PATH, HOME]", "passed on: HOME"),
        ("agent.local.pass_environment=[PATH, ANTHROPIC_NOT_SET]", "none"),
        ("agent.local.pass_environment=[PATH]", "none"),
    ],
)
def test_a_login_is_a_key_an_address_or_a_variable_that_is_set(claude, setting, found):
    """Passing on a variable that is not set, or one that carries no login, is no login."""
    one = by_name(config(claude("2.1.330 (Claude Code)"), NOWHERE, setting, rung="real"))["model access"]
    assert (one.found, one.ok) == (found, found != "none")


def test_the_agent_over_ssh_needs_a_host_and_paramiko():
    """Without a host there is nowhere to connect to."""
    pytest.importorskip("obra.agents.claude_code_ssh")
    found = by_name(config("agent.type=claude_code_ssh"))
    assert found["paramiko"].needed
    assert "set agent.ssh.host" in found["Claude Code over SSH"].cure
    nobody = ("agent.ssh.host=127.0.0.1", "agent.ssh.port=9", "agent.ssh.fingerprint=SHA256:x")
    found = by_name(config("agent.type=claude_code_ssh", *nobody))["Claude Code over SSH"]
    assert "check agent.ssh.host and agent.ssh.port" in found.cure


def test_unknown_agents_and_llms_are_plugin_errors():
    """They are wrong settings, not something to install."""
    with pytest.raises(PluginError, match="unknown agent 'claud'"):
        prerequisites(config("agent.type=claud"))
    with pytest.raises(PluginError, match="unknown LLM 'olama'"):
        prerequisites(config("llm.type=olama"))


@pytest.mark.parametrize(
    ("url", "file"),
    [
        ("sqlite:///.obra/obra.db", Path(".obra/obra.db")),
        ("sqlite:////var/obra.db?timeout=3", Path("/var/obra.db")),
        ("sqlite+pysqlite:///a.db", Path("a.db")),
        ("sqlite://", None),
        ("sqlite:///:memory:", None),
        ("sqlite:///file:a?mode=memory&uri=true", None),
        ("postgresql://me:word@host/db", None),
    ],
)
def test_the_file_of_a_database_address(url, file):
    """Only SQLite files are files."""
    assert database_file(url) == file


def test_databases_in_memory_or_behind_a_server_are_not_looked_at():
    """And a server's address, which may hold a password, is not shown."""
    assert by_name(config("database.url=sqlite://"))["database"].found == "in memory"
    server = by_name(config("database.url=postgresql://me:word@host/db"))["database"]
    assert (server.ok, server.found) == (True, "a postgresql server, not looked at")


def test_a_database_that_cannot_be_written_is_missing(tmp_path):
    """Its place is a folder, or lies below a file."""
    (tmp_path / "file").write_text("")
    (tmp_path / "folder").mkdir()
    for place in (tmp_path / "folder", tmp_path / "file" / "obra.db"):
        lacking = missing(config(f"database.url=sqlite:///{place}"))
        assert len(lacking) == 1
        assert f"the database {place} cannot be written" in lacking[0]
    assert missing(config(f"database.url=sqlite:///{tmp_path}/file")) == ()


def test_without_git_on_path_only_repositories_are_out_of_reach(tmp_path):
    """A missing or broken git is shown with its cure, and does not stop a run."""
    code = (
        "from obra.config import Config; from obra.prerequisites import missing, prerequisites;"
        "print(missing(Config()), [one.cure for one in prerequisites(Config()) if one.name == 'git'])"
    )
    broken = tmp_path / "git"
    for text in ("", "#!/bin/sh\nexit 3\n"):
        if text:
            broken.write_text(text)
            broken.chmod(0o755)
        done = subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PATH": str(tmp_path)},
            capture_output=True,
            text=True,
            check=True,
            cwd=tmp_path,
        )
        assert done.stdout.startswith("() ['git is not on PATH or does not start")


@pytest.mark.parametrize(
    ("override", "text"),
    [
        ("agent.type=mock", "agent.type is 'mock' (set by: option -o agent.type)"),
        ("replay.mode=script", "replay.mode is 'script'"),
        ("llm.type=scripted", "llm.type is 'scripted'"),
    ],
)
def test_a_real_run_must_be_real(override, text):
    """Whatever plays a script under the name of real is refused, and the message says who set it."""
    with pytest.raises(ConfigError) as caught:
        require_real(config(override, rung="real"))
    assert text in str(caught.value)
    assert str(caught.value).count(" is '") == 1


def test_a_real_run_that_is_real_passes():
    """The rung itself, and defaults are not real."""
    require_real(config(rung="real"))
    with pytest.raises(ConfigError, match="set by: default"):
        require_real(config())


def test_a_prerequisite_reads_like_a_mapping():
    """As every record of ours."""
    one = Prerequisite(name="git", found="2", ok=True)
    assert (one["name"], one.get("cure"), one["needed"]) == ("git", "", True)
