"""What ``obra doctor`` looks at beyond what stops a run: room, schema, model window, stored logins, viewers.

:mod:`obra.prerequisites` is asked before every run and has to be quick; this may take seconds. Nothing is asked of
any server but those that the settings name, and nothing is written.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from obra.config import Config
from obra.errors import LLMError, StateError
from obra.plugins import LLMS, close_llm, find_plugin
from obra.prerequisites import OLDEST_PYTHON, Prerequisite, database_file, prerequisites
from obra.settings import Settings

LEAST_FREE = 500 * 1000**2
"""Bytes that a run should find free: snapshots and reports of a few hundred small workspaces."""
_GIGABYTE = 1000**3
_ALLURE_SECONDS = 20.0
_LOGIN_FILES = (".claude/.credentials.json", ".config/claude/.credentials.json")
"""Where Claude Code keeps a login below HOME on Linux; elsewhere the system's own store has it."""


def examine(config: Config, *, least_free: int = LEAST_FREE) -> tuple[Prerequisite, ...]:
    """Look at everything that a run with *config* needs or may like.

    Args:
        config: the settings.
        least_free: bytes that must be free wherever a run writes.

    Raises:
        PluginError: the agent or the LLM is unknown or cannot be loaded.
        ConfigError: the LLM's settings contradict each other.
    """
    settings = config.settings
    found = prerequisites(config)
    further = (
        *_login(settings),
        *_ssh_host_key(settings),
        *_model_window(settings, found),
        *_schema(settings),
        *_folders(settings),
        *_room(settings, least_free),
        *_telemetry(settings),
        *_allure(),
    )
    found = tuple(_with_floor(one) for one in found)
    return (*found, *(replace(one, cure="") if one.ok else one for one in further))


def _with_floor(one: Prerequisite) -> Prerequisite:
    """Say beside a version which one is the oldest that will do."""
    from obra.agents.claude_code import OLDEST_VERSION

    oldest = {"Python": OLDEST_PYTHON, "Claude Code": OLDEST_VERSION}.get(one.name) if one.ok else None
    return replace(one, found=f"{one.found}, {'.'.join(map(str, oldest))} or newer is needed") if oldest else one


def _login(settings: Settings) -> Iterator[Prerequisite]:
    """See whether the HOME that is handed on has a login in it; a key that is handed on needs none."""
    local = settings.agent.local
    if settings.agent.type != "claude_code_local" or settings.replay.mode != "off" or local.api_key:
        return
    passed = [name for name in local.pass_environment if os.environ.get(name)]
    if "HOME" not in passed or any(name != "HOME" for name in passed):
        return
    stored = next((name for name in _LOGIN_FILES if (Path.home() / name).is_file()), "")
    yield Prerequisite(
        name="stored login",
        found=f"~/{stored}" if stored else "none seen below HOME",
        ok=bool(stored),
        needed=False,
        cure="HOME is handed on, but no login of Claude Code is stored there (on macOS the keychain may have it): "
        "start 'claude' and type /login, or set ANTHROPIC_API_KEY",
    )


def _ssh_host_key(settings: Settings) -> Iterator[Prerequisite]:
    """See whether the machine's key is pinned; the connection itself is tried with the agent."""
    from obra.agents.ssh_host_keys import is_known

    ssh = settings.agent.ssh
    if settings.agent.type != "claude_code_ssh" or not ssh.host:
        return
    file = Path(ssh.known_hosts or Path.home() / ".ssh" / "known_hosts").expanduser()
    name = ssh.host if ssh.port == 22 else f"[{ssh.host}]:{ssh.port}"  # noqa: PLR2004  # SSH's own port
    pinned = f"by agent.ssh.fingerprint: {ssh.fingerprint}" if ssh.fingerprint else ""
    if not pinned and file.is_file() and is_known(name, file):
        pinned = f"in {file}"
    yield Prerequisite(
        name="SSH host key",
        found=f"pinned {pinned}" if pinned else f"not pinned: {name} is not in {file}",
        ok=bool(pinned),
        cure=f"the key of {name} is not known, and an unknown host is refused: compare its fingerprint with the "
        f"machine's own, then: ssh-keyscan -p {ssh.port} {ssh.host} >> {file}",
    )


def _model_window(settings: Settings, found: tuple[Prerequisite, ...]) -> Iterator[Prerequisite]:
    """Compare the window that is asked for with the one that the model was made for."""
    kind = settings.llm.type
    if kind != "ollama" or any(one.name == f"LLM {kind}" and not one.ok for one in found):
        return
    llm = find_plugin(LLMS, kind)(settings.llm.model_dump())
    wanted = settings.llm.context_tokens
    try:
        own = llm.models.own_window(settings.llm.model)
        told = f"{own} tokens, {wanted} are asked for" if own else f"unknown, {wanted} tokens are asked for"
    except LLMError as error:
        own, told = None, f"unknown: {error}"
    finally:
        close_llm(llm)
    yield Prerequisite(
        name="model window",
        found=told,
        ok=own is None or own >= wanted,
        cure=f"{settings.llm.model} was made for {own} tokens, fewer than llm.context_tokens: "
        f"add -o llm.context_tokens={own}, or choose another llm.model",
    )


def _schema(settings: Settings) -> Iterator[Prerequisite]:
    """See which version the tables have, and that a database server can be reached."""
    file = database_file(settings.database.url)
    if file is not None and not file.exists():
        return
    from obra.state.schema import found_version
    from obra.state.tables import SCHEMA_VERSION

    cure = ""
    try:
        version = found_version(settings.database.url)
        told = f"{version or 'no tables yet'}, this Obra's is {SCHEMA_VERSION}"
        told += "; it is migrated when it is opened" if version and version < SCHEMA_VERSION else ""
    except StateError as error:
        told, cure = "cannot be used", str(error)
    yield Prerequisite(name="database schema", found=told, ok=not cure, cure=cure)


def _folders(settings: Settings) -> Iterator[Prerequisite]:
    for name, folder in (("workspaces", settings.workspace.root), ("snapshots", settings.workspace.store)):
        nearest = _nearest(Path(folder))
        ok = nearest.is_dir() and os.access(nearest, os.W_OK | os.X_OK)
        key = "workspace.root" if name == "workspaces" else "workspace.store"
        yield Prerequisite(
            name=name,
            found=f"{folder} can be written" if ok else f"{folder} cannot be written",
            ok=ok,
            cure=f"{folder} cannot be written: make {nearest} a writable folder, or change {key}",
        )


def _room(settings: Settings, least_free: int) -> Iterator[Prerequisite]:
    places = [Path(settings.workspace.root), Path(settings.workspace.store), Path("reports")]
    file = database_file(settings.database.url)
    places += [] if file is None else [file]
    least, place = min((shutil.disk_usage(_nearest(one)).free, str(one)) for one in places)
    yield Prerequisite(
        name="disk space",
        found=f"{least / _GIGABYTE:.1f} GB free for {place}",
        ok=least >= least_free,
        cure=f"only {least / 1000**2:.0f} MB are free for {place}: make room for {least_free // 1000**2} MB, "
        f"for example by removing old folders of {settings.workspace.root} and reports/",
    )


def _telemetry(settings: Settings) -> Iterator[Prerequisite]:
    if not settings.telemetry.otlp_endpoint:
        return
    import importlib.util

    ok = importlib.util.find_spec("opentelemetry") is not None
    yield Prerequisite(
        name="extra otel",
        found="installed" if ok else "not installed",
        ok=ok,
        cure="telemetry.otlp_endpoint is set, and the extra is not installed: pip install 'obra[otel]'",
    )


def _allure() -> Iterator[Prerequisite]:
    program = shutil.which("allure")
    told = ""
    if program:
        try:
            done = subprocess.run([program, "--version"], capture_output=True, timeout=_ALLURE_SECONDS, check=True)
            told = done.stdout.decode(errors="replace").strip()
        except (OSError, subprocess.SubprocessError) as error:
            told, program = f"does not work: {error}", None
    yield Prerequisite(
        name="Allure",
        found=told or "not on PATH",
        ok=program is not None,
        needed=False,
        cure="to make pages of allure-results: npm install -g allure",
    )


def _nearest(path: Path) -> Path:
    """Return *path*, or the nearest folder above it that is there."""
    absolute = path.absolute()
    return next(one for one in (absolute, *absolute.parents) if one.exists())
