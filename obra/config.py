"""Config: the settings in force, and where each came from; unknown keys are refused with the nearest name.

Precedence, weakest first: the defaults below, a YAML file, environment variables ``OBRA__SECTION__KEY``
(``OBRA_LOG_LEVEL`` is short for ``OBRA__LOGGING__LEVEL``), then ``-o section.key=value``.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import SecretStr, ValidationError

from obra.documented import meanings
from obra.documents import Document, DocumentError
from obra.errors import ConfigError
from obra.settings import Section, Settings
from obra.wrong_values import nearest_key, problems_of

_SCRIPTED_AGENTS = ("acp", "codex", "gemini", "opencode")
"""Agents beside Claude Code whose model can be scripted on loopback."""

RUNGS: Mapping[str, Mapping[str, Any]] = {
    "mock": {"agent.type": "mock", "replay.mode": "off", "llm.type": "scripted"},
    "replay": {
        "agent.type": "claude_code_local",
        "replay.mode": "script",
        "llm.type": "scripted",
        "monitoring.watch_files": True,
    },
    "cassette": {
        "agent.type": "claude_code_local",
        "replay.mode": "cassette",
        "llm.type": "scripted",
        "monitoring.watch_files": True,
    },
    "real": {
        "agent.type": "claude_code_local",
        "replay.mode": "off",
        "llm.type": "ollama",
        "monitoring.watch_files": True,
    },
    "replay:terminal": {
        "agent.type": "claude_code_local",
        "agent.local.transport": "terminal",
        "replay.mode": "script",
        "llm.type": "scripted",
        "monitoring.watch_files": True,
    },
    **{
        f"replay:{agent}": {"agent.type": agent, "replay.mode": "script", "llm.type": "scripted"}
        for agent in _SCRIPTED_AGENTS
    },
    **{
        f"cassette:{agent}": {"agent.type": agent, "replay.mode": "cassette", "llm.type": "scripted"}
        for agent in _SCRIPTED_AGENTS
    },
    "replay:ssh": {"agent.type": "claude_code_ssh", "replay.mode": "script", "llm.type": "scripted"},
}
"""What ``--obra-agent=mock|replay|cassette|real`` sets; ``replay:codex`` and so on take another agent."""

_ENVIRONMENT_PREFIX = "OBRA__"
_PASSWORD_IN_URL = re.compile(r"(://[^/:@\s]*):[^@\s]*@")


class Config:
    """The settings in force, and where each came from."""

    def __init__(self, settings: Settings | None = None, origins: Mapping[str, str] | None = None) -> None:
        """Hold *settings*; *origins* maps a dotted key to the place that set it."""
        self.settings = settings or Settings()
        self.origins = dict(origins or {})

    @classmethod
    def load(
        cls,
        path: str | os.PathLike[str] | None = None,
        *,
        overrides: Sequence[str] = (),
        environ: Mapping[str, str] | None = None,
        rung: str | None = None,
    ) -> Config:
        """Read the settings, weakest source first: defaults, file, environment, *rung*, *overrides*.

        The rung ``real`` stands before the file, since the file says which real agent is meant.

        Args:
            path: a YAML file; ``None`` means none.
            overrides: texts ``section.key=value``, each value read as YAML.
            environ: instead of the process's environment.
            rung: a name of :data:`RUNGS`, or the name of an agent.

        Raises:
            ConfigError: the file, a key or a value is wrong; the message names the place.
        """
        config = cls()
        if rung == "real":
            config._apply_rung(rung)
        if path is not None:
            config._apply_file(Path(path))
        for name, text in sorted((os.environ if environ is None else environ).items()):
            if name == "OBRA_LOG_LEVEL":
                config._apply("logging.level", text.upper(), f"environment {name}")
            elif name.startswith(_ENVIRONMENT_PREFIX):
                key = name.removeprefix(_ENVIRONMENT_PREFIX).lower().replace("__", ".")
                config._apply(key, _as_yaml(text), f"environment {name}")
        if rung is not None and rung != "real":
            config._apply_rung(rung)
        for override in overrides:
            key, equals, text = override.partition("=")
            if not equals:
                raise ConfigError(f"-o {override}: write it as section.key=value")
            config._apply(key.strip(), _as_yaml(text), f"option -o {key.strip()}")
        return config

    def get(self, key: str, default: Any = None) -> Any:
        """Return the value of a dotted key, such as ``llm.model``; secrets come wrapped.

        Raises:
            ConfigError: there is no such key.
        """
        value: Any = self.settings
        for step in key.split("."):
            if isinstance(value, Section) and step in type(value).model_fields:
                value = getattr(value, step)
            elif isinstance(value, Mapping) and step in value:
                value = value[step]
            else:
                raise ConfigError(f"unknown key '{key}'{nearest_key(key.split('.'), Settings)}")
        return default if value is None else value

    def set(self, key: str, value: Any) -> None:
        """Change one setting in place; the new value is checked as one in a file is.

        Raises:
            ConfigError: no such key, or not a legal value.
        """
        self._apply(key, os.fspath(value) if isinstance(value, os.PathLike) else value, "Config.set")

    def rows(self) -> Iterator[tuple[str, str, str]]:
        """Yield ``(key, value as YAML, origin)`` of every setting; secrets are masked."""
        for key, value in _leaves(self.settings):
            yield key, _to_yaml(value), self.origins.get(key, "default")

    def _apply_rung(self, rung: str) -> None:
        for key, value in RUNGS.get(rung, {"agent.type": rung}).items():
            self._apply(key, value, f"rung {rung}")

    def _apply_file(self, path: Path) -> None:
        try:
            document = Document.read(path)
            if document.data is None:
                return
            document.validate(Settings)
        except DocumentError as error:
            raise ConfigError(str(error)) from error
        data = self.settings.model_dump()
        for key, value in _flat(document.data):
            _put(data, key, value)
            self.origins[".".join(key)] = f"{path}:{document.line_of(key)}"
        self.settings = Settings.model_validate(data)

    def _apply(self, key: str, value: Any, origin: str) -> None:
        steps = key.split(".")
        self._require_known(steps, origin)
        data = self.settings.model_dump()
        _put(data, steps, value)
        try:
            self.settings = Settings.model_validate(data)
        except ValidationError as error:
            raise ConfigError(f"{origin}: {next(problems_of(error, Settings)).text}") from error
        self.origins[key] = origin

    @staticmethod
    def _require_known(steps: Sequence[str], origin: str) -> None:
        model: Any = Settings
        for depth, step in enumerate(steps):
            if step not in getattr(model, "model_fields", {}):
                hint = nearest_key(steps[: depth + 1], Settings)
                raise ConfigError(f"{origin}: unknown key '{'.'.join(steps)}'{hint}")
            annotation = model.model_fields[step].annotation
            if not (isinstance(annotation, type) and issubclass(annotation, Section)):
                return
            model = annotation


def default_yaml() -> str:
    """Return ``config/default.yaml``: every key with its default, and above it what it means."""
    return (
        "# Every setting of Obra, with its default. Generated by `obra config --default`; do not edit.\n"
        "# A file of yours needs only the keys it changes.\n" + "\n".join(_explained(Settings(), depth=0)) + "\n"
    )


def _explained(section: Section, depth: int) -> Iterator[str]:
    pad = "  " * depth
    meant = meanings(type(section))
    for name in type(section).model_fields:
        value = getattr(section, name)
        if isinstance(value, Section):
            yield f"{pad}{name}:"
            yield from _explained(value, depth + 1)
        else:
            yield f"{pad}# {meant[name]}"
            yield f"{pad}{name}: {_to_yaml(value)}"


def _leaves(section: Section, prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name in type(section).model_fields:
        value = getattr(section, name)
        if isinstance(value, Section):
            yield from _leaves(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value


def setting_keys() -> tuple[str, ...]:
    """Return every dotted key there is, in the order of the page."""
    return tuple(key for key, _ in _leaves(Settings()))


def _flat(data: Mapping[str, Any], prefix: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    for name, value in data.items():
        location = (*prefix, str(name))
        if isinstance(value, Mapping) and location != ("agent", "options"):
            yield from _flat(value, location)
        else:
            yield location, value


def _put(data: dict[str, Any], steps: Sequence[str], value: Any) -> None:
    for step in steps[:-1]:
        data = data[step]
    data[steps[-1]] = value


def _as_yaml(text: str) -> Any:
    try:
        return yaml.safe_load(text) if text.strip() else text
    except yaml.YAMLError:
        return text


def _to_yaml(value: Any) -> str:
    if isinstance(value, SecretStr):
        return "'**********'"
    if isinstance(value, str) and "://" in value:
        value = _PASSWORD_IN_URL.sub(r"\1:***@", value)
    if isinstance(value, tuple):
        value = list(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    text: str = yaml.safe_dump(value, default_flow_style=True, width=1000)
    return text.removesuffix("\n").removesuffix("\n...")
