"""Obra: a loop in which a local LLM supervises a coding agent, and proof of what the agent did.

Every public name can be imported from here; each is loaded when it is first asked for, so that ``import obra``
costs next to nothing. Start reading at :mod:`obra.domain`, then :mod:`obra.orchestrator`.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from obra.agents.claude_code_local import ClaudeCodeLocalAgent
    from obra.agents.claude_code_ssh import ClaudeCodeSSHAgent
    from obra.agents.mock_agent import MockAgent
    from obra.config import Config
    from obra.domain import Outcome, Project, Reply, Task
    from obra.errors import ObraError
    from obra.judging.breakpoint_manager import BreakpointManager
    from obra.judging.confidence_scorer import ConfidenceScorer
    from obra.judging.decision_engine import DecisionEngine
    from obra.judging.quality_controller import QualityController
    from obra.judging.response_validator import ResponseValidator
    from obra.llm.local_llm_interface import LocalLLMInterface
    from obra.llm.scripted_llm import ScriptedLLM
    from obra.monitoring.file_watcher import FileWatcher
    from obra.monitoring.output_monitor import OutputMonitor
    from obra.orchestrator import Orchestrator
    from obra.plugins import AgentPlugin, LLMPlugin
    from obra.prompting.context_manager import ContextManager
    from obra.prompting.prompt_generator import PromptGenerator
    from obra.prompting.token_counter import TokenCounter
    from obra.scheduler import TaskScheduler
    from obra.state.state_manager import StateManager

__version__ = "0.1.0"

_HOMES = {
    "AgentPlugin": "obra.plugins",
    "BreakpointManager": "obra.judging.breakpoint_manager",
    "ClaudeCodeLocalAgent": "obra.agents.claude_code_local",
    "ClaudeCodeSSHAgent": "obra.agents.claude_code_ssh",
    "ConfidenceScorer": "obra.judging.confidence_scorer",
    "Config": "obra.config",
    "ContextManager": "obra.prompting.context_manager",
    "DecisionEngine": "obra.judging.decision_engine",
    "FileWatcher": "obra.monitoring.file_watcher",
    "LLMPlugin": "obra.plugins",
    "LocalLLMInterface": "obra.llm.local_llm_interface",
    "MockAgent": "obra.agents.mock_agent",
    "ObraError": "obra.errors",
    "Orchestrator": "obra.orchestrator",
    "Outcome": "obra.domain",
    "OutputMonitor": "obra.monitoring.output_monitor",
    "Project": "obra.domain",
    "PromptGenerator": "obra.prompting.prompt_generator",
    "QualityController": "obra.judging.quality_controller",
    "Reply": "obra.domain",
    "ResponseValidator": "obra.judging.response_validator",
    "ScriptedLLM": "obra.llm.scripted_llm",
    "StateManager": "obra.state.state_manager",
    "Task": "obra.domain",
    "TaskScheduler": "obra.scheduler",
    "TokenCounter": "obra.prompting.token_counter",
}

__all__ = [
    "AgentPlugin",
    "BreakpointManager",
    "ClaudeCodeLocalAgent",
    "ClaudeCodeSSHAgent",
    "ConfidenceScorer",
    "Config",
    "ContextManager",
    "DecisionEngine",
    "FileWatcher",
    "LLMPlugin",
    "LocalLLMInterface",
    "MockAgent",
    "ObraError",
    "Orchestrator",
    "Outcome",
    "OutputMonitor",
    "Project",
    "PromptGenerator",
    "QualityController",
    "Reply",
    "ResponseValidator",
    "ScriptedLLM",
    "StateManager",
    "Task",
    "TaskScheduler",
    "TokenCounter",
    "__version__",
]


def __getattr__(name: str) -> Any:
    """Load a public name from the room it lives in."""
    try:
        home = _HOMES[name]
    except KeyError:
        raise AttributeError(f"module 'obra' has no attribute {name!r}") from None
    value = getattr(importlib.import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """List the public names."""
    return sorted(__all__)
