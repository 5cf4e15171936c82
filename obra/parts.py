"""What the loop is put together from; :mod:`obra.bootstrap` makes it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from obra.domain import ScriptStep
from obra.events import Event
from obra.plugins import AgentPlugin, LLMPlugin
from obra.reviewing import Reviewer

if TYPE_CHECKING:
    from obra.evidence.collector import EvidenceCollector
    from obra.judging.confidence_scorer import ConfidenceScorer
    from obra.judging.decision_engine import DecisionEngine
    from obra.judging.quality_controller import QualityController
    from obra.judging.response_validator import ResponseValidator
    from obra.monitoring.live_acts import LiveActs
    from obra.prompting.prompt_generator import PromptGenerator
    from obra.state.state_manager import StateManager
    from obra.telemetry.spans import SpanWriter
    from obra.workspace.workspace import Workspace


class AgentSession(Protocol):
    """Makes the agent ready to work in a folder; an agent that is scripted plays the task's script."""

    def __call__(
        self, root: Path, script: Sequence[ScriptStep] | None = None, played: int = 0
    ) -> AbstractContextManager[None]:
        """Open a session in *root*; *script* stands with the task, and *played* of its steps are behind us."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """The parts of the loop, each replaceable."""

    state_manager: StateManager
    agent: AgentPlugin
    llm_interface: LLMPlugin
    prompt_generator: PromptGenerator
    reviewer_for: Callable[[LLMPlugin, PromptGenerator], Reviewer]
    """Who asks that LLM, in the way that fits it."""
    response_validator: ResponseValidator
    quality_controller: QualityController
    confidence_scorer: ConfidenceScorer
    decision_engine: DecisionEngine
    evidence_collector: EvidenceCollector
    open_workspace: Callable[[Path], Workspace]
    agent_session: AgentSession
    """Makes the agent ready to work, and leaves nothing behind."""
    watch_files: Callable[[Path, Callable[[str, str], None]], AbstractContextManager[Any]]
    notify: Callable[[Event], Iterable[Event]] | None = None
    """Tells those outside what happened, and returns how that went."""
    trace: SpanWriter | None = None
    """An observer that sends spans; it is closed with the loop."""
    live: LiveActs | None = None
    """An observer that shows others what the agent does; it is closed with the loop."""
    takes_up_sessions: bool = True
    """Whether an interrupted run may go on in the agent's old session; what is played begins a new one."""
