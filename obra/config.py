"""Config: every setting on one page, typed; unknown keys are refused with the nearest name.

Precedence, weakest first: the defaults below, a YAML file, environment variables ``OBRA__SECTION__KEY``
(``OBRA_LOG_LEVEL`` is short for ``OBRA__LOGGING__LEVEL``), then ``-o section.key=value``.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError

from obra.documents import Document, DocumentError, nearest_key, problems_of
from obra.errors import ConfigError

Score = Annotated[float, Field(ge=0, le=100)]
Seconds = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(ge=1)]


class Section(BaseModel):
    """A frozen group of settings; unknown keys are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class LocalAgentSettings(Section):
    """Claude Code as a process on this machine."""

    command: str = "claude"
    """The executable: a name on PATH or a path."""
    workspace_dir: str | None = None
    """Folder the agent works in when the project names none; made when missing."""
    timeout_ready: Seconds = 30
    """Seconds to the first line of output after the process starts."""
    timeout_response: Seconds = 600
    """Seconds without any output during a turn before it is ended as hung."""
    base_url: str | None = None
    """Address of the model API; none means the agent's own default."""
    api_key: SecretStr | None = None
    """Key for the model API; none means the agent's own login. Never printed."""
    pass_environment: tuple[str, ...] = ()
    """Names of environment variables handed to the agent; all others are withheld."""


class SSHAgentSettings(Section):
    """Claude Code on another machine, over SSH."""

    host: str = ""
    """Name or address of the machine."""
    port: Annotated[int, Field(ge=1, le=65535)] = 22
    """Port of its SSH server."""
    user: str = ""
    """Login name; empty means the local user's name."""
    key_file: str | None = None
    """Private key; none means the SSH agent and the usual key files."""
    known_hosts: str | None = None
    """File of pinned host keys; none means ~/.ssh/known_hosts. An unknown host is refused."""
    command: str = "claude"
    """The executable on that machine."""
    workspace_dir: str = ""
    """Folder on that machine under which a private folder is made for each task; empty means its /tmp."""
    timeout_connect: Seconds = 15
    """Seconds to connect and log in."""


class AgentSettings(Section):
    """Who changes the files."""

    type: str = "mock"
    """mock, claude_code_local, claude_code_ssh, acp, codex, command, gemini, opencode, 'package.module:Class'."""
    timeout: Seconds = 1800
    """Seconds that one turn may take in all."""
    max_retries: Annotated[int, Field(ge=0)] = 1
    """How often a turn that crashed or timed out is sent again, counted over the whole task."""
    max_turns: Count = 50
    """Model calls the agent may make within one turn."""
    model: str | None = None
    """Model the agent is to use; none means its own default."""
    permission_mode: str = "acceptEdits"
    """Claude Code's permission mode."""
    allowed_tools: tuple[str, ...] = ("Bash", "Edit", "Glob", "Grep", "Read", "Write")
    """Tools the agent may use without asking."""
    sandbox: Literal["none", "bubblewrap"] = "none"
    """none, or bubblewrap: a local agent can write its workspace only, and sees no process but its own."""
    sandbox_network: Literal["host", "model"] = "host"
    """What a confined agent reaches: host, all that this machine does; model, its model API and nothing else."""
    options: Mapping[str, Any] = {}
    """Further settings, handed to the agent as they are; see the agent's own documentation for what it takes."""
    local: LocalAgentSettings = LocalAgentSettings()
    ssh: SSHAgentSettings = SSHAgentSettings()


class LLMSettings(Section):
    """Who reviews."""

    type: str = "scripted"
    """scripted, ollama, openai, llamacpp, another installed LLM, or 'package.module:Class'."""
    model: str = "qwen2.5-coder:32b"
    """Model name as the server knows it; for llamacpp a GGUF file, or empty for the one that is installed."""
    api_url: str = "http://localhost:11434"
    """Address of the server; llamacpp starts its own and does not look at it."""
    api_key: SecretStr | None = None
    """Key for the server, sent as 'Authorization: Bearer'; none means that it needs none. Never printed."""
    temperature: Annotated[float, Field(ge=0, le=2)] = 0.0
    """Sampling temperature; 0 is the most repeatable."""
    timeout: Seconds = 120
    """Seconds to wait for the next piece of an answer; the first may need the model to load."""
    max_tokens: Count = 4096
    """Tokens that one answer may have."""
    context_tokens: Count = 16384
    """Context window asked of the server; a longer prompt is refused, never cut."""
    seed: int = 1
    """Seed of the sampling."""
    keep_alive: Annotated[str, Field(pattern=r"^-?(\d+(\.\d+)?(ms|s|m|h))+$")] = "5m"
    """How long Ollama keeps the model in memory after a question, such as 30s or 2h; -1s means for ever."""
    parallel: Count = 1
    """Questions at once to one server, over all processes; as many as it works on (OLLAMA_NUM_PARALLEL)."""


class ReviewSettings(Section):
    """How the reviewing LLM is asked; a scripted one gives whole reviews and is not asked this way."""

    samples: Annotated[int, Field(ge=1, le=25)] = 3
    """How often each checklist is put, in another order each time; most of the answers decide."""
    questions: Annotated[int, Field(ge=5, le=40)] = 12
    """Most questions in a checklist; a task with more requirements has several in one question."""


class DatabaseSettings(Section):
    """What is remembered."""

    url: str = "sqlite:///.obra/obra.db"
    """SQLAlchemy URL; a relative SQLite path counts from the current folder."""
    echo: bool = False
    """Log every SQL statement."""


class OrchestrationSettings(Section):
    """The loop."""

    max_iterations: Count = 5
    """Attempts at one task."""
    iteration_timeout: Seconds = 3600
    """Seconds that the agent's turn within one attempt may take; agent.timeout may be shorter."""
    task_timeout: Seconds | None = None
    """Seconds for a whole task; none means no limit."""
    max_cost_usd: Annotated[float, Field(gt=0)] | None = None
    """Dollars for a whole task, as the agent reports them; none means no limit."""


class PromptingSettings(Section):
    """What is said."""

    max_tokens: Annotated[int, Field(ge=200)] = 8000
    """Estimated tokens a prompt should keep to; the task, its acceptance and the feedback are never cut."""


class EvidenceSettings(Section):
    """Checks in the workspace."""

    timeout: Seconds = 120
    """Seconds for one check that names no limit of its own."""
    max_output: Annotated[int, Field(ge=200)] = 20_000
    """Characters of a check's output that are kept: the head and the tail."""
    implied: bool = True
    """Also check what nobody wrote down: syntax, names, tests that cannot fail, code made for its checks."""
    mutants: Annotated[int, Field(ge=0)] = 6
    """Small mistakes that are tried on an implementation to see whether its tests notice; 0 for none."""
    mutation_seconds: Seconds = 30
    """Seconds for all of these small mistakes together."""


class QualityGate(Section):
    """When the work is good enough."""

    enabled: bool = True
    """Whether the threshold counts; scores are shown either way."""
    threshold: Score = 70
    """Least quality score to proceed."""


class ValidationSettings(Section):
    """What is demanded of the work."""

    quality: QualityGate = QualityGate()


class ConfidenceSettings(Section):
    """How sure one must be."""

    threshold: Score = 50
    """Least confidence to proceed."""


class Switch(Section):
    """A trigger that is on or off."""

    enabled: bool = True
    """Whether this trigger opens a breakpoint."""


class LowConfidence(Switch):
    """A trigger with a limit."""

    threshold: Score = 30
    """Confidence below this opens a breakpoint."""


class QualityTooLow(Switch):
    """A trigger with a limit."""

    threshold: Score = 50
    """Quality below this opens a breakpoint when nothing measurable is left to try again for."""


class TriggerSettings(Section):
    """What opens a breakpoint."""

    low_confidence: LowConfidence = LowConfidence()
    quality_too_low: QualityTooLow = QualityTooLow()
    no_evidence: Switch = Switch()
    agent_asks: Switch = Switch()
    limit_reached: Switch = Switch()
    tampering: Switch = Switch()


class BreakpointSettings(Section):
    """When a person must look."""

    enabled: bool = True
    """Whether breakpoints are opened at all; the rules of judgement hold either way."""
    triggers: TriggerSettings = TriggerSettings()


class WorkspaceSettings(Section):
    """Where the agent works, and what is watched there."""

    root: str = ".obra/workspaces"
    """Folder under which a workspace is made when a scenario is run from the command line."""
    store: str = ".obra/snapshots.git"
    """Git object store of the snapshots; never the project's own repository."""
    ignore: tuple[str, ...] = (".git", "__pycache__", ".pytest_cache", ".mypy_cache", ".ruff_cache")
    """Names of files and folders that are not part of the work, at any depth."""
    guarded: tuple[str, ...] = (
        ".claude",
        ".mcp.json",
        "CLAUDE.md",
        "CLAUDE.local.md",
        "AGENTS.md",
        ".codex",
        "GEMINI.md",
        ".gemini",
        ".opencode",
        "opencode.json",
    )
    """Paths that steer an agent; a change there is tampering."""


class ReplaySettings(Section):
    """The rung between mock and real: the real agent, its model scripted on loopback."""

    mode: Literal["off", "script", "cassette"] = "off"
    """off: the agent has its own model; script: a server on loopback plays the script; cassette: a recording."""
    record: bool = False
    """Write a cassette of what the agent and its model say to each other (pytest --obra-record)."""
    cassettes: str = ""
    """Folder of the cassettes; empty means the folder 'cassettes' beside the scenario."""


class MonitoringSettings(Section):
    """What is seen while it runs."""

    watch_files: bool = False
    """Report files as they are touched (extra 'watch'); a sign of life, never evidence."""


class LoggingSettings(Section):
    """What is written down on the side."""

    level: Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"] = "WARNING"
    """Least level that is logged; OBRA_LOG_LEVEL sets it too."""
    file: str | None = None
    """File that the log is appended to; none means standard error."""


class Settings(Section):
    """All settings."""

    agent: AgentSettings = AgentSettings()
    llm: LLMSettings = LLMSettings()
    review: ReviewSettings = ReviewSettings()
    database: DatabaseSettings = DatabaseSettings()
    orchestration: OrchestrationSettings = OrchestrationSettings()
    prompting: PromptingSettings = PromptingSettings()
    evidence: EvidenceSettings = EvidenceSettings()
    validation: ValidationSettings = ValidationSettings()
    confidence: ConfidenceSettings = ConfidenceSettings()
    breakpoints: BreakpointSettings = BreakpointSettings()
    workspace: WorkspaceSettings = WorkspaceSettings()
    replay: ReplaySettings = ReplaySettings()
    monitoring: MonitoringSettings = MonitoringSettings()
    logging: LoggingSettings = LoggingSettings()


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
    **{
        f"replay:{agent}": {"agent.type": agent, "replay.mode": "script", "llm.type": "scripted"}
        for agent in _SCRIPTED_AGENTS
    },
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
    for name, info in type(section).model_fields.items():
        value = getattr(section, name)
        if isinstance(value, Section):
            yield f"{pad}{name}:"
            yield from _explained(value, depth + 1)
        else:
            yield f"{pad}# {info.description}"
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
