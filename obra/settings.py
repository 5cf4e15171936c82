"""Settings: every key Obra reads, typed, with its default and what it means, on one page.

How they are read, from where, and in which order of precedence, stands in :mod:`obra.config`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, SecretStr

from obra.documented import Documented

Score = Annotated[float, Field(ge=0, le=100)]
Seconds = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(ge=1)]


class Section(Documented):
    """A frozen group of settings; unknown keys are refused."""


class LocalAgentSettings(Section):
    """Claude Code as a process on this machine."""

    command: str = "claude"
    """The executable: a name on PATH or a path."""
    transport: Literal["pipe", "terminal"] = "pipe"
    """pipe: headless, in messages; terminal: the interactive program on a screen of ours (extra 'terminal')."""
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
    fingerprint: str | None = None
    """Pins the host key instead of a file, as 'ssh-keygen -lf' prints it: SHA256:..."""
    command: str = "claude"
    """The executable on that machine."""
    python: str = "python3"
    """Python 3.8 or newer on that machine; it keeps the agent while the link is down."""
    workspace_dir: str = ""
    """Folder on that machine under which a private folder is made for each task; empty means its /tmp."""
    timeout_connect: Seconds = 15
    """Seconds to connect and log in."""
    timeout_response: Seconds = 600
    """Seconds without any output during a turn before it is ended as hung."""
    lease: Annotated[float, Field(ge=5)] = 60
    """Seconds that a lost link is tried again; not heard for so long, the other side ends the agent."""


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


class QueueSettings(Section):
    """Tasks that wait, and who takes them up ('obra task run')."""

    lease: Seconds = 60
    """Seconds that a task stays with a process that gives no sign of life; then others may take it up."""
    per_agent: Mapping[str, Count] = {}
    """Most tasks at once for an agent, by its agent.type; one that is not named is not limited."""
    per_llm: Mapping[str, Count] = {}
    """The same for an LLM, by its llm.type."""


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


class NotificationSettings(Section):
    """Who outside is told when a breakpoint opens."""

    webhook: SecretStr | None = None
    """Address that gets the breakpoint as JSON by POST; none means nobody. Never printed, as it can hold a key."""
    command: tuple[str, ...] = ()
    """Program and arguments that are run with the breakpoint as JSON in OBRA_NOTIFICATION; empty means none."""
    on_end: bool = False
    """Also tell when a task ends."""
    timeout: Seconds = 10
    """Seconds that one such telling may take with all its tries; then the run goes on without it."""
    retries: Annotated[int, Field(ge=0, le=10)] = 2
    """How often one that failed is tried again."""


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
    upstream: str = ""
    """Base URL of the model that a recording passes on to; empty means where the agent finds its model."""
    speed: float = Field(default=0.0, ge=0)
    """How fast a cassette is played: 0 gives every answer at once, 1 with the pauses that were recorded."""


class MonitoringSettings(Section):
    """What is seen while it runs."""

    watch_files: bool = False
    """Report files as they are touched; a sign of life, never evidence."""
    live: bool = True
    """Tell in a small file beside the database what the agent does while a task runs, for 'obra watch'."""


class ScaleSettings(Section):
    """Workers on this machine or many (extra 'scale'): obra submit, obra worker, pytest --obra-engine=dbos."""

    artefacts: str = ""
    """Shared folder or s3://bucket/prefix for rows and snapshots; empty means one beside an SQLite database."""
    lease: Annotated[float, Field(ge=0.5)] = 30
    """Seconds within which a dead worker's cases go on elsewhere; silent for half of it, it loses them."""
    beat: Seconds = 1
    """Seconds between two signs of life of a worker; a cancelled case is noticed as fast."""
    takeovers: Annotated[int, Field(ge=0)] = 4
    """How often a case goes on after a worker was lost with it; then it ends without a verdict."""
    polling: Annotated[float, Field(ge=0.01)] = 0.2
    """Seconds between two looks of an idle worker for a case."""
    patience: Seconds = 60
    """Seconds that is waited for results while no worker lives."""


class LoggingSettings(Section):
    """What is written down on the side."""

    level: Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"] = "WARNING"
    """Least level that is logged; OBRA_LOG_LEVEL sets it too."""
    file: str | None = None
    """File that the log is appended to; none means standard error."""
    format: Literal["text", "json"] = "text"
    """text, or json: one object a line with time, level, logger, message, and the ids of run, task and attempt."""


class TelemetrySettings(Section):
    """What an observability backend is told."""

    otlp_endpoint: str | None = None
    """Base address of an OTLP collector for spans, such as http://localhost:4318 (extra 'otel'); or none."""


class Settings(Section):
    """All settings."""

    agent: AgentSettings = AgentSettings()
    llm: LLMSettings = LLMSettings()
    review: ReviewSettings = ReviewSettings()
    database: DatabaseSettings = DatabaseSettings()
    orchestration: OrchestrationSettings = OrchestrationSettings()
    queue: QueueSettings = QueueSettings()
    prompting: PromptingSettings = PromptingSettings()
    evidence: EvidenceSettings = EvidenceSettings()
    validation: ValidationSettings = ValidationSettings()
    confidence: ConfidenceSettings = ConfidenceSettings()
    breakpoints: BreakpointSettings = BreakpointSettings()
    notifications: NotificationSettings = NotificationSettings()
    workspace: WorkspaceSettings = WorkspaceSettings()
    replay: ReplaySettings = ReplaySettings()
    monitoring: MonitoringSettings = MonitoringSettings()
    scale: ScaleSettings = ScaleSettings()
    logging: LoggingSettings = LoggingSettings()
    telemetry: TelemetrySettings = TelemetrySettings()
