"""What the chosen settings need of this machine: what is there, what is not, and the command that mends it."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from obra.config import Config
from obra.domain import Record
from obra.errors import AgentUnavailable, ConfigError, PrerequisiteError, WorkspaceError
from obra.plugins import AGENTS, LLMS, close_llm, find_plugin
from obra.settings import Settings

OLDEST_PYTHON = (3, 11)
"""As ``requires-python`` in pyproject.toml."""

_GIT_SECONDS = 10.0
_PROGRAMS = ("codex", "command", "gemini", "opencode")
"""Agents of ours that look for their program, and nothing else, when they are initialized."""
_LOGIN_PREFIXES = ("ANTHROPIC_", "CLAUDE_", "AWS_", "GOOGLE_")
"""Variables that can carry a login for Claude Code: its own, and those of the clouds that serve its models."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prerequisite(Record):
    """One thing that a run needs, or would like.

    ``found`` says what is there, such as a version; ``cure`` is a whole sentence with what to type, and empty when
    there is nothing to mend. What is not ``needed`` never stops a run.
    """

    name: str
    found: str
    ok: bool
    needed: bool = True
    cure: str = ""


def prerequisites(config: Config) -> tuple[Prerequisite, ...]:
    """Look at everything that *config* needs; nothing is written and nothing is left running.

    Takes milliseconds for the mock agent; Claude Code is asked for its version, and an LLM server what it has.

    Raises:
        PluginError: the agent or the LLM is unknown or cannot be loaded.
        ConfigError: the LLM's settings contradict each other.
    """
    settings = config.settings
    return tuple(
        replace(one, cure="") if one.ok else one
        for group in (_machine(), _agent(settings), _llm(settings), [_database(settings)], _extras(settings))
        for one in group
    )


def missing(config: Config) -> tuple[str, ...]:
    """Return one sentence with its cure for each needed thing that is not there; empty when all is well.

    Raises:
        ObraError: as :func:`prerequisites`.
    """
    return tuple(one.cure for one in prerequisites(config) if one.needed and not one.ok)


def require(config: Config) -> None:
    """Pass when everything that *config* needs is there.

    Raises:
        PrerequisiteError: something is missing; it lists all of it.
        ObraError: as :func:`prerequisites`.
    """
    if lacking := missing(config):
        raise PrerequisiteError(lacking)


def require_real(config: Config) -> None:
    """Pass when *config* means a real agent and a real reviewer: a "real" run must not be played.

    Raises:
        ConfigError: the agent is the mock, its model is scripted, or the reviewer is.
    """
    settings = config.settings
    found = [
        f"{key} is '{value}' (set by: {config.origins.get(key, 'default')})"
        for key, value, unreal in (
            ("agent.type", settings.agent.type, "mock"),
            ("replay.mode", settings.replay.mode, "script"),
            ("replay.mode", settings.replay.mode, "cassette"),
            ("llm.type", settings.llm.type, "scripted"),
        )
        if value == unreal
    ]
    if found:
        raise ConfigError(
            f"'real' was asked for, but {' and '.join(found)}, which is played from a script; change it to what "
            f"is real (agent.type: claude_code_local, replay.mode: 'off', llm.type: ollama), or ask for mock"
        )


def _machine() -> Iterator[Prerequisite]:
    shown = ".".join(map(str, sys.version_info[:3]))
    oldest = ".".join(map(str, OLDEST_PYTHON))
    yield Prerequisite(
        name="Python",
        found=shown,
        ok=sys.version_info[:2] >= OLDEST_PYTHON,
        cure=f"Python {shown} is too old: install Python {oldest} or newer, and Obra into it",
    )
    yield _git()
    yield _package("pygit2", needed=True, cure="pygit2, which takes the snapshots, is missing: pip install pygit2")


def _git() -> Prerequisite:
    found = shutil.which("git")
    told = ""
    if found:
        try:
            done = subprocess.run([found, "--version"], capture_output=True, timeout=_GIT_SECONDS, check=True)
            told = done.stdout.decode(errors="replace").strip().removeprefix("git version ")
        except (OSError, subprocess.SubprocessError) as error:
            told = f"does not work: {error}"
            found = None
    return Prerequisite(
        name="git",
        found=told or "not on PATH",
        ok=found is not None,
        needed=False,
        cure="git is not on PATH or does not start, and a scenario whose workspace is a repository needs it: "
        "install it, for example: apt-get install git",
    )


def _agent(settings: Settings) -> Iterator[Prerequisite]:
    kind = settings.agent.type
    loaded = find_plugin(AGENTS, kind)
    if settings.agent.sandbox != "none" and kind != "mock":
        yield _sandbox()
    if kind == "claude_code_local":
        yield _claude_code(settings)
        if settings.replay.mode == "off":
            yield _model_access(settings)
        return
    if kind in _PROGRAMS:
        yield _program(settings)
        return
    if kind == "claude_code_ssh":
        yield _over_ssh(settings)
        return
    yield Prerequisite(name=f"agent {kind}", found=f"{loaded.__module__}:{loaded.__qualname__}", ok=True)


def _claude_code(settings: Settings) -> Prerequisite:
    local = settings.agent.local
    given = {"command": local.command, "timeout_ready": local.timeout_ready, "transport": local.transport}
    return _initialized(settings, given, name="Claude Code", otherwise=f"no usable {local.command!r}")


def _over_ssh(settings: Settings) -> Prerequisite:
    from obra.bootstrap import agent_config

    otherwise = f"not usable on {settings.agent.ssh.host or 'no machine'}"
    given = agent_config(settings.agent, Path())
    return _initialized(settings, given, name="Claude Code over SSH", otherwise=otherwise)


def _program(settings: Settings) -> Prerequisite:
    name = f"agent {settings.agent.type}"
    return _initialized(settings, settings.agent.options, name=name, otherwise="not usable")


def _initialized(settings: Settings, given: Mapping[str, Any], *, name: str, otherwise: str) -> Prerequisite:
    """Let the agent itself find what it needs, so that a run cannot see it otherwise; a model is not asked."""
    from obra.workspace.private_folder import private_folder

    agent = find_plugin(AGENTS, settings.agent.type)()
    try:
        with private_folder("prerequisites") as folder:
            agent.initialize({**given, "workspace_dir": folder})
    except AgentUnavailable as error:
        return Prerequisite(name=name, found=otherwise, ok=False, cure=str(error))
    finally:
        agent.cleanup()
    return Prerequisite(name=name, found=agent.identity, ok=True)


def _sandbox() -> Prerequisite:
    from obra.workspace.sandbox import bubblewrap

    try:
        return Prerequisite(name="sandbox", found=bubblewrap(), ok=True)
    except WorkspaceError as error:
        return Prerequisite(name="sandbox", found="not usable", ok=False, cure=str(error))


def _model_access(settings: Settings) -> Prerequisite:
    """Claude Code runs with a home of its own, so it is not logged in unless the settings say how."""
    local = settings.agent.local
    passed = [
        name
        for name in local.pass_environment
        if name in os.environ and (name == "HOME" or name.startswith(_LOGIN_PREFIXES))
    ]
    found = "none"
    if local.api_key:
        found = "agent.local.api_key"
    elif local.base_url:
        found = "agent.local.base_url"
    elif passed:
        found = f"passed on: {', '.join(passed)}"
    return Prerequisite(
        name="model access",
        found=found,
        ok=found != "none",
        cure="Claude Code has no login: it does not see yours unless you say so. Set agent.local.api_key "
        "(OBRA__AGENT__LOCAL__API_KEY), or pass a login on with -o agent.local.pass_environment=[HOME] "
        "or [ANTHROPIC_API_KEY]",
    )


def _llm(settings: Settings) -> Iterator[Prerequisite]:
    kind = settings.llm.type
    loaded = find_plugin(LLMS, kind)
    if not hasattr(loaded, "missing"):  # no part of the contract; those who cannot tell are believed
        yield Prerequisite(name=f"LLM {kind}", found=f"{loaded.__module__}:{loaded.__qualname__}", ok=True)
        return
    llm = loaded(settings.llm.model_dump())
    try:
        lacking = tuple(llm.missing())
        found = "not usable" if lacking else llm.identity
    finally:
        close_llm(llm)
    yield Prerequisite(name=f"LLM {kind}", found=found, ok=not lacking, cure="; ".join(lacking))


def database_file(url: str) -> Path | None:
    """Return the file that a database address means; ``None`` for one in memory or behind a server."""
    scheme, _, rest = url.partition("://")
    path = rest.removeprefix("/").partition("?")[0]
    is_file = scheme.startswith("sqlite") and path not in ("", ":memory:") and not path.startswith("file:")
    return Path(path) if is_file else None


def _database(settings: Settings) -> Prerequisite:
    """See whether the database can be written, without making it."""
    url = settings.database.url
    file = database_file(url)
    if file is None:
        kind = url.partition("://")[0]
        where = "in memory" if kind.startswith("sqlite") else f"a {kind} server, not looked at"
        return Prerequisite(name="database", found=where, ok=True)
    nearest = next(one for one in (file, *file.absolute().parents) if one.exists())
    wanted = os.W_OK if nearest == file else os.W_OK | os.X_OK
    ok = os.access(nearest, wanted) and nearest.is_file() == (nearest == file)
    return Prerequisite(
        name="database",
        found=str(file) if ok else f"{file} cannot be written",
        ok=ok,
        cure=f"the database {file} cannot be written: make {nearest} writable, or change database.url",
    )


def _extras(settings: Settings) -> Iterator[Prerequisite]:
    for package, setting, needed in (
        ("watchdog", "monitoring.watch_files", settings.monitoring.watch_files),
        ("paramiko", "agent.type claude_code_ssh", settings.agent.type == "claude_code_ssh"),
    ):
        cure = f"{package} is missing, and {setting} needs it: pip install {package}"
        yield _package(package, needed=needed, cure=cure)


def _package(name: str, *, needed: bool, cure: str) -> Prerequisite:
    ok = importlib.util.find_spec(name) is not None
    try:
        found = version(name)
    except PackageNotFoundError:
        found = "of unknown version" if ok else "not installed"
    return Prerequisite(name=name, found=found, ok=ok, needed=needed, cure=cure)
