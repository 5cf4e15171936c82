"""What obra doctor sees beyond what stops a run, on this very machine and against loopback servers."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from obra.config import Config
from obra.examination import examine
from obra.state.state_manager import StateManager
from obra.state.tables import schema_version


def seen(*overrides, rung=None):
    """What is found, by name, without this process's environment."""
    return {one.name: one for one in examine(Config.load(overrides=overrides, environ={}, rung=rung))}


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """An empty current folder, which is HOME too."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def program(path: Path, answer: str) -> Path:
    """A program that answers --version."""
    path.write_text(f"#!/bin/sh\necho '{answer}'\n")
    path.chmod(0o755)
    return path


def test_a_fresh_folder_is_well_and_stays_empty(here):
    """Room, folders and the floor of Python are told; nothing is written."""
    found = seen()
    assert found["Python"].found.endswith(", 3.11 or newer is needed")
    assert found["disk space"].ok
    assert " GB free for " in found["disk space"].found
    assert found["workspaces"].ok
    assert found["snapshots"].ok
    assert "database schema" not in found
    assert list(here.iterdir()) == []


def test_the_schema_of_a_database_is_told():
    """Ours is well; that of a newer Obra is refused with what to do; what is no database, too."""
    with StateManager("sqlite:///ours.db") as state:
        state.create_project("p")
    assert seen("database.url=sqlite:///ours.db")["database schema"].ok
    with sqlite3.connect("ours.db") as connection:
        connection.execute(f"UPDATE {schema_version.name} SET version_num = '9999'")
    connection.close()
    newer = seen("database.url=sqlite:///ours.db")["database schema"]
    assert (newer.ok, "a newer Obra has written it; upgrade this one" in newer.cure) == (False, True)
    Path("odd.db").write_text("no database at all, but long enough to be looked at" * 99)
    assert "the file is something else" in seen("database.url=sqlite:///odd.db")["database schema"].cure


def test_folders_that_cannot_be_written_are_told(here):
    """A file stands where the folder should be."""
    (here / "file").touch()
    found = seen("workspace.root=file/w", "workspace.store=file/s")
    assert (found["workspaces"].ok, found["snapshots"].ok) == (False, False)
    assert "or change workspace.root" in found["workspaces"].cure
    assert "or change workspace.store" in found["snapshots"].cure


def test_too_little_room_is_told():
    """With a floor above what any disk has, the row says how much is free and how much it should be."""
    (one,) = [one for one in examine(Config(), least_free=10**21) if one.name == "disk space"]
    assert (one.ok, "make room for 1000000000000000 MB" in one.cure) == (False, True)


def test_a_stored_login_is_looked_for_where_home_is_handed_on(here, monkeypatch):
    """Not with a key, which needs none; never needed, since some systems keep it elsewhere."""
    claude = program(here / "claude", "2.1.330 (Claude Code)")
    real = (f"agent.local.command={claude}", "llm.type=scripted")
    monkeypatch.delenv("ANTHROPIC_API_KEY", raising=False)
    home = "agent.local.pass_environment=[HOME]"
    missing = seen(*real, home, rung="real")
    assert missing["Claude Code"].found == "claude-code 2.1.330, 2.1.214 or newer is needed"
    assert (missing["stored login"].ok, missing["stored login"].needed) == (False, False)
    (here / ".claude").mkdir()
    (here / ".claude/.credentials.json").touch()
    assert seen(*real, home, rung="real")["stored login"].found == "~/.claude/.credentials.json"
    monkeypatch.setenv("ANTHROPIC_API_KEY", "k")
    both = "agent.local.pass_environment=[HOME, ANTHROPIC_API_KEY]"
    assert "stored login" not in seen(*real, both, rung="real")
    assert "stored login" not in seen(*real, "agent.local.api_key=k", rung="real")


def test_a_host_key_is_pinned_or_not(here):
    """By the file, also under a port of its own, or by fingerprint; else with the command that mends it."""
    pytest.importorskip("paramiko")
    key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl"
    (here / "hosts").write_text(f"[127.0.0.1]:9 {key}\n127.0.0.1 {key}\n")
    ssh = ("agent.type=claude_code_ssh", "agent.ssh.host=127.0.0.1", "agent.ssh.timeout_connect=1")
    file = "agent.ssh.known_hosts=hosts"
    known = seen(*ssh, "agent.ssh.port=9", file)["SSH host key"]
    assert (known.ok, known.found) == (True, "pinned in hosts")
    unknown = seen(*ssh, "agent.ssh.port=7", file)["SSH host key"]
    assert not unknown.ok
    assert unknown.cure.endswith("ssh-keyscan -p 7 127.0.0.1 >> hosts")
    assert seen(*ssh, "agent.ssh.port=7", "agent.ssh.fingerprint=SHA256:a")["SSH host key"].ok


def test_the_window_of_the_model_is_compared(ollama):
    """The one that the server tells with the one that is asked for."""
    ollama.loaded["llama3.2:latest"] = 16384
    settings = (f"llm.api_url={ollama.url}", "llm.type=ollama", "llm.model=llama3.2")
    fits = seen(*settings, "llm.context_tokens=5000")["model window"]
    assert (fits.ok, fits.found.endswith("tokens, 5000 are asked for")) == (True, True)
    small = seen(*settings, "llm.context_tokens=100000000")["model window"]
    assert (small.ok, "-o llm.context_tokens=" in small.cure) == (False, True)


def test_allure_is_told_and_never_needed(here, monkeypatch):
    """Its version where it is, and how to get it where it is not or does not start."""
    monkeypatch.setenv("PATH", str(here))
    lacking = seen()["Allure"]
    assert (lacking.ok, lacking.needed, "npm install -g allure" in lacking.cure) == (False, False, True)
    (here / "allure").write_text("no program")
    (here / "allure").chmod(0o755)
    assert not seen()["Allure"].ok
    (here / "allure").write_text("#!/bin/sh\necho 3.18.0\n")
    assert seen()["Allure"].found == "3.18.0"
