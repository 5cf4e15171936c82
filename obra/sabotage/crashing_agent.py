"""CrashingAgent: acts its step out and then ends without an answer."""

from __future__ import annotations

from obra.agents.mock_agent import MockAgent
from obra.domain import Reply, TurnLimits
from obra.errors import AgentCrashed
from obra.events import AgentEventSink


class CrashingAgent(MockAgent):
    """An agent whose program ends before its turn is complete; what it wrote until then stays."""

    identity = "crashing"

    def send_prompt(
        self, prompt: str, *, limits: TurnLimits | None = None, on_event: AgentEventSink | None = None
    ) -> Reply:
        """Act out the next step of the script, and crash.

        Raises:
            AgentCrashed: always.
        """
        super().send_prompt(prompt, limits=limits, on_event=on_event)
        raise AgentCrashed("the agent ended with signal 9 before its turn was complete; see its own log")
