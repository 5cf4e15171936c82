"""The one place where settings become objects."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from obra.config import Config
from obra.domain import Fault, ScriptStep
from obra.errors import AgentUnavailable
from obra.judging.breakpoint_manager import BreakpointManager
from obra.judging.confidence_scorer import ConfidenceScorer
from obra.judging.decision_engine import DecisionEngine
from obra.judging.quality_controller import QualityController
from obra.judging.response_validator import ResponseValidator
from obra.logbook import configure_logging, run_id
from obra.offers import asks_permission
from obra.parts import AgentSession, Parts
from obra.plugins import AGENTS, LLMS, AgentPlugin, LLMPlugin, find_plugin
from obra.prompting.prompt_generator import PromptGenerator
from obra.reviewing import make_reviewer
from obra.settings import AgentSettings, Settings

if TYPE_CHECKING:
    from obra.monitoring.live_acts import LiveActs
    from obra.notifying.notifier import Notifier
    from obra.replay.model_doors import Rehearsal, Tape
    from obra.state.state_manager import StateManager
    from obra.telemetry.spans import SpanWriter
    from obra.workspace.workspace import Workspace


_QUICK = 0.25
"""Seconds; what a run does that is over before that, no person could have watched."""


def initialize(
    config: Config,
    *,
    script: Sequence[ScriptStep] | None = None,
    reviewer: Sequence[Any] | None = None,
    agent: AgentPlugin | None = None,
    agent_is_ready: bool = False,
    llm: LLMPlugin | None = None,
    state_manager: Any | None = None,
    ask_about: Sequence[str] = (),
    faults: Sequence[Fault] = (),
    tape: Tape | None = None,
) -> Parts:
    """Make every part of the loop.

    Args:
        config: the settings.
        script: what a scripted agent does, turn by turn; for the mock agent and the replay rung.
        reviewer: what the scripted LLM answers, turn by turn.
        agent: use this agent instead of the configured one.
        agent_is_ready: it is initialized already, and whoever did that cleans it up.
        llm: use this LLM instead of the configured one.
        state_manager: use this one; whoever made it closes it.
        ask_about: tools that the agent must ask about before each use, where it can.
        faults: what goes wrong on purpose, where the agent or its model is played.
        tape: what is recorded or played back, where ``replay`` asks for that.

    Raises:
        ObraError: a setting, a plugin or the database is not usable.
    """
    from obra.evidence.collector import EvidenceCollector
    from obra.state.state_manager import StateManager

    settings = config.settings
    configure_logging(config)
    agent = agent or find_plugin(AGENTS, settings.agent.type)()
    llm = llm or make_llm(config, reviewer)
    from obra.replay.model_doors import Rehearsal

    rehearsal = Rehearsal(script=None if script is None else tuple(script), faults=tuple(faults), tape=tape)
    validation, confidence = settings.validation.model_dump(), settings.confidence.model_dump()
    state = state_manager or StateManager(settings.database.url, echo=settings.database.echo)
    return Parts(
        state_manager=state,
        agent=agent,
        llm_interface=llm,
        prompt_generator=PromptGenerator(llm, max_tokens=settings.prompting.max_tokens),
        reviewer_for=partial(
            make_reviewer,
            samples=settings.review.samples,
            questions=settings.review.questions,
            first_seed=settings.llm.seed,
        ),
        response_validator=ResponseValidator(llm),
        quality_controller=QualityController(state, config=validation),
        confidence_scorer=ConfidenceScorer(config=confidence),
        decision_engine=DecisionEngine(
            state,
            BreakpointManager(state, config=settings.breakpoints.model_dump()),
            config={"validation": validation, "confidence": confidence},
        ),
        evidence_collector=EvidenceCollector(
            timeout=settings.evidence.timeout,
            max_output=settings.evidence.max_output,
            implied=settings.evidence.implied,
            mutants=settings.evidence.mutants,
            mutation_seconds=settings.evidence.mutation_seconds,
        ),
        open_workspace=workspace_opener(config),
        agent_session=_nothing_to_open
        if agent_is_ready
        else session_opener(config, agent, rehearsal, ask_about=ask_about),
        watch_files=_watcher(config),
        notify=_notifier(config, state),
        trace=_span_writer(config),
        live=_live_acts(config, state),
        takes_up_sessions=settings.replay.mode == "off",
    )


def make_llm(config: Config, reviewer: Sequence[Any] | None = None, played: int = 0) -> LLMPlugin:
    """Return the configured LLM; a scripted one plays *reviewer* from the turn after the first *played*.

    Raises:
        PluginError: nothing has the configured name.
    """
    settings = config.settings.llm
    script = {"script": reviewer, "played": played} if settings.type == "scripted" else {}
    llm: LLMPlugin = find_plugin(LLMS, settings.type)({**dict(settings), **script})
    return llm


def workspace_opener(config: Config) -> Callable[[Path], Workspace]:
    """Return what opens the workspace in a folder, with the snapshots that *config* names."""
    settings = config.settings.workspace

    def open_workspace(root: Path) -> Workspace:
        from obra.workspace.snapshot_store import store_at
        from obra.workspace.workspace import Workspace

        store = store_at(Path(settings.store))
        return Workspace(root, store, ignore=settings.ignore, guarded=settings.guarded)

    return open_workspace


def session_opener(
    config: Config, agent: AgentPlugin, rehearsal: Rehearsal, *, ask_about: Sequence[str] = ()
) -> AgentSession:
    """Return what makes *agent* ready in a folder, with its model played or recorded as ``replay`` says.

    The script of *rehearsal* is played from its beginning in each session. Where it has none, the script that
    stands with the task is, from the step where the task is.
    """
    settings = config.settings

    @contextmanager
    def agent_session(root: Path, script: Sequence[ScriptStep] | None = None, played: int = 0) -> Iterator[None]:
        from obra.replay.model_doors import opened

        playing = rehearsal if rehearsal.script is not None or script is None else rehearsal.of(script, played)
        with ExitStack() as stack:
            given = agent_config(settings.agent, root, playing.script, playing.played)
            if ask_about and asks_permission(agent):
                given = {**given, "ask_about": tuple(ask_about)}
            given = stack.enter_context(opened(settings, given, playing, root, agent=agent, resumed=played > 0))
            given = {**given, **_confinement(settings.agent, agent)}
            stack.callback(agent.cleanup)
            agent.initialize(given)
            yield

    return agent_session


@contextmanager
def _nothing_to_open(root: Path, script: Sequence[ScriptStep] | None = None, played: int = 0) -> Iterator[None]:
    """Stand for the session of an agent that is ready already, its script and all."""
    del root, script, played
    yield


def _confinement(settings: AgentSettings, agent: AgentPlugin) -> Mapping[str, Any]:
    """Return what an agent must be told that is to be confined; the mock agent only does what its script says.

    Raises:
        AgentUnavailable: it was asked for, and this agent cannot be.
    """
    if settings.sandbox == "none" or settings.type == "mock":
        return {}
    if not hasattr(agent, "sandbox"):
        raise AgentUnavailable(
            f"agent.sandbox is {settings.sandbox!r}, but the agent {settings.type!r} cannot be confined; "
            f"those with a program on this machine can. Set agent.sandbox: none to let it run unconfined"
        )
    return {"sandbox": settings.sandbox, "sandbox_network": settings.sandbox_network}


def agent_config(
    settings: AgentSettings, root: Path, script: Sequence[ScriptStep] | None = None, played: int = 0
) -> Mapping[str, Any]:
    """Return the flat mapping that the agent of ``agent.type`` is initialized with."""
    shared = {
        "timeout": settings.timeout,
        "max_turns": settings.max_turns,
        "model": settings.model,
        "permission_mode": settings.permission_mode,
        "allowed_tools": settings.allowed_tools,
    }
    if settings.type == "mock":
        return {"workspace_dir": str(root), "script": script, "script_played": played}
    if settings.type == "claude_code_local":
        key = settings.local.api_key
        local = {
            **settings.local.model_dump(),
            "workspace_dir": str(root),
            "api_key": key.get_secret_value() if key else None,
        }
        return {**shared, **local}
    if settings.type == "claude_code_ssh":
        remote = settings.ssh.model_dump()
        return {**shared, **remote, "remote_dir": remote.pop("workspace_dir"), "workspace_dir": str(root)}
    return {"workspace_dir": str(root), **shared, **settings.options}


def _notifier(config: Config, state: StateManager) -> Notifier | None:
    """Return who tells those outside; ``None`` where nobody is to be told."""
    settings = config.settings.notifications
    if settings.webhook is None and not settings.command:
        return None
    from obra.notifying.notifier import Notifier
    from obra.redaction import hider

    keys = (settings.webhook, config.settings.llm.api_key, config.settings.agent.local.api_key)
    hide = hider(key.get_secret_value() for key in keys if key is not None)
    return Notifier(settings, hide=hide, record=state.record_event)


def _span_writer(config: Config) -> SpanWriter | None:
    """Return what sends spans; ``None`` where no collector is named."""
    endpoint = config.settings.telemetry.otlp_endpoint
    if not endpoint:
        return None
    from obra.telemetry.spans import SpanWriter

    return SpanWriter(endpoint, agent=config.settings.agent.type, run=run_id())


def _live_acts(config: Config, state: StateManager) -> LiveActs | None:
    """Return what shows others the agent's acts; ``None`` where nobody is to see them, or nobody can."""
    settings = config.settings
    if not settings.monitoring.live or state.is_private:
        return None
    from obra.monitoring.live_acts import LiveActs

    return LiveActs(live_folder(state.file, settings), waits=_QUICK)


def live_folder(file: Path | None, settings: Settings) -> Path:
    """Return where runs tell what their agents do: beside the database, or the snapshots where it is a server.

    Args:
        file: the database's own file, where it is one.
        settings: of the run.
    """
    return (file or Path(settings.workspace.store)).absolute().parent / "live"


def _watcher(config: Config) -> Callable[[Path, Callable[[str, str], None]], AbstractContextManager[Any]]:
    def watch(root: Path, on_touch: Callable[[str, str], None]) -> AbstractContextManager[Any]:
        if not config.settings.monitoring.watch_files:
            return nullcontext()
        from obra.monitoring.file_watcher import FileWatcher

        return FileWatcher(root, on_touch, ignore=config.settings.workspace.ignore)

    return watch
